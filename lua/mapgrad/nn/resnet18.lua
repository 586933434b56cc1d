--- The residual network of 18 layers, as torchvision has it.
-- Source: He, Zhang, Ren, Sun 2016.
local check = require "mapgrad.check"
local adaptive_mean_pool2d = require "mapgrad.nn.adaptive_mean_pool2d"
local batch_norm = require "mapgrad.nn.batch_norm"
local flatten = require "mapgrad.nn.flatten"
local linear = require "mapgrad.nn.linear"
local max_pool2d = require "mapgrad.nn.max_pool2d"
local resnet = require "mapgrad.nn.resnet"
local sequential = require "mapgrad.nn.sequential"

-- Two blocks; the first changes channels and size.
local function stage(inputs, outputs, stride)
  return sequential { resnet.basic_block(inputs, outputs, stride), resnet.basic_block(outputs, outputs, 1) }
end

--- Images [B, channels, H, W] -> logits [B, classes]: conv 7x7 of 64 channels and stride 2, batch norm,
-- ReLU, max-pool 3x3 of stride 2, four stages of two basic blocks (64, 128, 256, 512 channels, the last
-- three begin with stride 2), mean over the image, linear. 11,689,512 parameters with 1000 classes and 3
-- channels. Convolutions have no bias and start normal with variance 2 / fan_out. Weights are not
-- pretrained.
-- @param options.classes    outputs (default 1000); the terrain experiments' network without a solver
--   has rows * cols
-- @param options.channels   of the images (default 3)
-- @param options.normalise  first layer, such as nn.normalise { data = train.image } (default: none)
-- @return a module
return function(options)
  local o = check.options("nn.resnet18", options, {
    classes = check.count(1000), channels = check.count(3), normalise = check.optional(check.callable()),
  })
  local layers = {
    resnet.convolution(o.channels, 64, 7, 2), batch_norm(64, { relu = true }), max_pool2d(3, { stride = 2, pad = 1 }),
    stage(64, 64, 1), stage(64, 128, 2), stage(128, 256, 2), stage(256, 512, 2),
    adaptive_mean_pool2d(1, 1), flatten(), linear(512, o.classes),
  }
  if o.normalise then table.insert(layers, 1, o.normalise) end
  return sequential(layers)
end

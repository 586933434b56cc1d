--- The encoder of the published terrain experiments: the first layers of ResNet18, pooled to the
-- grid.
-- Source: Vlastelica, Paulus, Musil, Martius, Rolinek 2020 (its CombResnet18).
local check = require "mapgrad.check"
local abs = require "mapgrad.nn.abs"
local adaptive_max_pool2d = require "mapgrad.nn.adaptive_max_pool2d"
local batch_norm = require "mapgrad.nn.batch_norm"
local channel_mean = require "mapgrad.nn.channel_mean"
local max_pool2d = require "mapgrad.nn.max_pool2d"
local resnet = require "mapgrad.nn.resnet"
local sequential = require "mapgrad.nn.sequential"

local CHANNELS = 64

--- Images [B, 3, H, W] -> vertex costs [B, rows, cols], not negative. 157,504 trainable parameters:
-- conv 7x7 of 64 channels and stride 2, batch norm, ReLU, max-pool 3x3 of stride 2, two basic
-- blocks of 64 channels, adaptive max-pool to rows x cols, mean over channels, absolute value.
-- Convolutions have no bias and start normal with variance 2 / fan_out.
-- @param options.rows       rows of the grid
-- @param options.cols       columns of the grid
-- @param options.channels   of the images (default 3)
-- @param options.normalise  first layer, such as nn.normalise { data = train.image }; the published
--   network has it (default: none, for images that are normalised already)
-- @return a module
return function(options)
  local o = check.options("nn.combresnet18", options, {
    rows = check.count(), cols = check.count(), channels = check.count(3),
    normalise = check.optional(check.callable()),
  })
  local layers = {
    resnet.convolution(o.channels, CHANNELS, 7, 2), batch_norm(CHANNELS, { relu = true }),
    max_pool2d(3, { stride = 2, pad = 1 }),
    resnet.basic_block(CHANNELS, CHANNELS, 1), resnet.basic_block(CHANNELS, CHANNELS, 1),
    adaptive_max_pool2d(o.rows, o.cols), channel_mean(), abs(),
  }
  if o.normalise then table.insert(layers, 1, o.normalise) end
  return sequential(layers)
end

--- Pieces of residual networks for images.
-- Source: He, Zhang, Ren, Sun 2016.
local batch_norm = require "mapgrad.nn.batch_norm"
local conv2d = require "mapgrad.nn.conv2d"
local initial = require "mapgrad.nn.initial"
local residual = require "mapgrad.nn.residual"
local sequential = require "mapgrad.nn.sequential"

local resnet = {}

local function law(shape)
  return initial.kaiming_normal(shape, { fan = "out" })
end

--- A convolution without bias that keeps the size at stride 1; weights normal with variance
-- 2 / fan_out.
function resnet.convolution(inputs, outputs, kernel, stride)
  return conv2d {
    inputs, outputs, kernel = kernel, stride = stride, pad = (kernel - 1) / 2, bias = false, initial = law,
  }
end

--- Two 3x3 convolutions with batch norm, around which the input passes: through a 1x1 convolution with
-- batch norm if channels or size change. x [B, inputs, H, W] -> y [B, outputs, H/stride, W/stride].
function resnet.basic_block(inputs, outputs, stride)
  local shortcut
  if inputs ~= outputs or stride ~= 1 then
    shortcut = sequential { resnet.convolution(inputs, outputs, 1, stride), batch_norm(outputs) }
  end
  local body = sequential {
    resnet.convolution(inputs, outputs, 3, stride), batch_norm(outputs, { relu = true }),
    resnet.convolution(outputs, outputs, 3, 1), batch_norm(outputs),
  }
  return residual(body, { shortcut = shortcut, relu = true })
end

return resnet

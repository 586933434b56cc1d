--- Convolution of images.
local constructor = require "mapgrad.nn.convolution"("conv2d", 2)

--- Cross-correlation with zeros around: x [batch..., inputs, H, W] -> y [batch..., outputs, h, w],
-- h = floor((H + 2 pad - dilation (kernel - 1) - 1) / stride) + 1.
-- weight [outputs, inputs / groups, kernel, kernel], bias [outputs]. kernel, stride, pad and dilation are
-- a number each, or {vertical, horizontal}.
-- @param options.1             channels of x
-- @param options.2             channels of y
-- @param options.kernel        height and width of the window
-- @param options.stride        step of the window (default 1)
-- @param options.pad           zeros on each side (default 0)
-- @param options.dilation      distance of neighbours in the window (default 1)
-- @param options.groups        channels in so many groups, each convolved by itself (default 1)
-- @param options.bias          whether there is a bias (default true)
-- @param options.initial       law of the weight, see nn.initial (default: uniform on
--   +-1/sqrt(fan_in), fan_in = inputs / groups * kernel^2, for weight and bias, as in PyTorch)
-- @param options.bias_initial  law of the bias
-- @return a module
-- @usage nn.conv2d { 3, 32, kernel = 5, stride = 2, pad = 2 }
return function(options)
  return constructor(options)
end

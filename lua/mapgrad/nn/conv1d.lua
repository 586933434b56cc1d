--- Convolution of sequences.
local constructor = require "mapgrad.nn.convolution"("conv1d", 1)

--- Cross-correlation with zeros around: x [batch..., inputs, L] -> y [batch..., outputs, l],
-- l = floor((L + 2 pad - dilation (kernel - 1) - 1) / stride) + 1.
-- weight [outputs, inputs / groups, kernel], bias [outputs].
-- @param options.1             channels of x
-- @param options.2             channels of y
-- @param options.kernel        length of the window
-- @param options.stride        step of the window (default 1)
-- @param options.pad           zeros on each side (default 0)
-- @param options.dilation      distance of neighbours in the window (default 1)
-- @param options.groups        channels in so many groups, each convolved by itself (default 1)
-- @param options.bias          whether there is a bias (default true)
-- @param options.initial       law of the weight, see nn.initial (default: uniform on
--   +-1/sqrt(fan_in), fan_in = inputs / groups * kernel, for weight and bias, as in PyTorch)
-- @param options.bias_initial  law of the bias
-- @return a module
-- @usage nn.conv1d { 200, 100, kernel = 3, pad = 1 }
return function(options)
  return constructor(options)
end

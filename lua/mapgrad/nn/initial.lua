--- Initial weights, drawn from the random stream "init".
require "mapgrad.autograd"
local tensor = require "mapgrad.tensor"

local initial = {}

--- Uniform on (-1/sqrt(fan_in), 1/sqrt(fan_in)): what PyTorch draws for linear and convolution
-- layers, weights and biases alike (its Kaiming uniform law with slope sqrt 5).
-- @param shape   list
-- @param fan_in  number of inputs that one output sums over
-- @return tensor of that shape
function initial.fan_in(shape, fan_in)
  return (tensor.uniform(shape, "init") - 0.5) * (2 / math.sqrt(fan_in))
end

--- Normal with variance 2 / fan_out: residual networks before rectifiers.
-- Source: He, Zhang, Ren, Sun 2015.
-- @param shape    list
-- @param fan_out  number of outputs that one input reaches
-- @return tensor of that shape
function initial.fan_out(shape, fan_out)
  return tensor.normal(shape, "init") * math.sqrt(2 / fan_out)
end

return initial

--- Layers that map each entry by itself: x -> y of the same shape, no parameters.
require "mapgrad.autograd"
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"

--- The constructor of such a layer.
-- @param name  of the tensor method
-- @return function () -> module
return function(name)
  local input = ("nn.%s: input"):format(name)
  local function forward(_, x)
    check.value(input, x, check.tensor)
    return x[name](x)
  end
  return function(options)
    check.options("nn." .. name, options, {})
    return module { title = name, forward = forward }
  end
end

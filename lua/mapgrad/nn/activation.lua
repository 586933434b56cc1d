--- Layers that call one method of their input and have no parameters.
require "mapgrad.autograd"
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"

-- The checked arguments of a layer, given as { name, rule } each.
local function checked(layer, arguments, ...)
  local values = {}
  for i, argument in ipairs(arguments) do
    local value = select(i, ...)
    if value == nil then value = argument[2].preset end
    values[i] = check.value(("nn.%s: %s"):format(layer, argument[1]), value, argument[2])
  end
  return values
end

--- The constructor of such a layer.
-- @param name       of the layer and of the tensor method
-- @param arguments  list of {name, rule}: the constructor's arguments, passed on to the method (default:
--   none)
-- @return function (arguments...) -> module
return function(name, arguments)
  local input = ("nn.%s: input"):format(name)
  return function(...)
    if not arguments then check.options("nn." .. name, (...), {}) end
    local values, title = checked(name, arguments or {}, ...), name
    for i, value in ipairs(values) do title = title .. (i > 1 and ", " or " ") .. show.number(value) end
    return module {
      title = title,
      forward = function(_, x)
        check.value(input, x, check.tensor)
        return x[name](x, compat.unpack(values))
      end,
    }
  end
end

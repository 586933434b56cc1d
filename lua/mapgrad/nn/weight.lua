--- The weights that layers begin with: laws as options, and drawing from them.
local check = require "mapgrad.check"
local initial = require "mapgrad.nn.initial"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local weight = {}

-- What layers start with unless told otherwise, as in PyTorch: Kaiming uniform with slope sqrt 5, which
-- is uniform on +-1/sqrt(fan_in).
local function preset(shape)
  return initial.kaiming_uniform(shape, { slope = math.sqrt(5) })
end

local NAMES = {
  "kaiming_normal", "kaiming_uniform", "normal", "ones", "orthogonal", "uniform", "xavier_normal",
  "xavier_uniform", "zeros",
}
local is_callable = check.callable().test

--- The rule of an option that takes a law: becomes a function (shape) -> tensor.
-- @param law  the default (default: uniform on +-1/sqrt(fan_in))
-- @return a rule for check.options
function weight.option(law)
  local rule = check.default(check.any(), law or preset)
  rule.expected = "a number, a function of a shape, or one of " .. table.concat(NAMES, ", ")
  rule.test = function(value)
    if type(value) == "number" then return function(shape) return tensor.full(shape, value) end end
    for _, name in ipairs(NAMES) do
      if value == name then return initial[name] end
    end
    return is_callable(value)
  end
  return rule
end

--- A parameter's first value: law(shape), checked.
-- @param what   such as "nn.linear: initial", for messages
-- @param law    function (shape) -> tensor
-- @param shape  list
-- @return tensor of that shape
function weight.draw(what, law, shape)
  local t = check.value(what, law(shape), check.tensor)
  if show.shape(t:shape()) ~= show.shape(shape) then
    check.fail("MG-SHAPE", "%s: expected a tensor of shape %s, got %s", what, show.shape(shape),
      show.shape(t:shape()))
  end
  return t
end

--- The weight and bias of a layer: {"weight", w}, {"bias", b} if there is one.
-- @param name   the layer's, for messages
-- @param shape  the weight's: [outputs, inputs, window...]
-- @param o      options with initial, bias (flag) and bias_initial (nil: uniform on +-1/sqrt(fan_in))
-- @return list for nn.module's parameters
function weight.affine(name, shape, o)
  local list = { { "weight", weight.draw(name .. ": initial", o.initial, shape) } }
  if o.bias then
    local law = o.bias_initial or function(outputs)
      local bound = 1 / math.sqrt((initial.fans(shape)))
      return initial.uniform(outputs, { low = -bound, high = bound })
    end
    list[2] = { "bias", weight.draw(name .. ": bias_initial", law, { shape[1] }) }
  end
  return list
end

return weight

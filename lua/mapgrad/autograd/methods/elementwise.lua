--- Arithmetic and operations entry by entry, recorded.
local check = require "mapgrad.check"
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, Tensor, apply1, apply2 = tensor.methods, tensor.metatable, tape.apply1, tape.apply2

for _, name in ipairs { "abs", "exp", "log", "sqrt", "square", "relu", "sigmoid", "softplus", "tanh", "sign" } do
  local rule = rules[name]
  methods[name] = function(x) return apply1(rule, x) end
end

-- x * scale + shift
local function affine(x, scale, shift)
  return apply1(rules.affine, x, { scale, shift })
end

local function operand(value, name)
  if getmetatable(value) == Tensor then return value end
  if type(value) == "number" then return tensor.full({}, value) end
  return check.fail("MG-TYPE", "%s: expected a tensor or a number, got a %s", name, check.type_of(value))
end

local function binary(name)
  local rule = rules[name]
  return function(a, b) return apply2(rule, operand(a, name), operand(b, name)) end
end

for _, name in ipairs { "maximum", "minimum", "lt", "le", "eq" } do methods[name] = binary(name) end
--- 1 where t > u, else 0.
function methods.gt(t, u) return apply2(rules.lt, operand(u, "gt"), operand(t, "gt")) end
--- 1 where t >= u, else 0.
function methods.ge(t, u) return apply2(rules.le, operand(u, "ge"), operand(t, "ge")) end

local add, subtract, multiply, divide = binary "add", binary "subtract", binary "multiply", binary "divide"

function Tensor.__add(a, b)
  if type(b) == "number" then return affine(a, 1, b) end
  if type(a) == "number" then return affine(b, 1, a) end
  return add(a, b)
end

function Tensor.__sub(a, b)
  if type(b) == "number" then return affine(a, 1, -b) end
  if type(a) == "number" then return affine(b, -1, a) end
  return subtract(a, b)
end

function Tensor.__mul(a, b)
  if type(b) == "number" then return affine(a, b, 0) end
  if type(a) == "number" then return affine(b, a, 0) end
  return multiply(a, b)
end

function Tensor.__div(a, b)
  return divide(a, b)
end

function Tensor.__unm(a)
  return affine(a, -1, 0)
end

function Tensor.__pow(a, power)
  if power == 1 then return a end
  if power == 2 then return apply1(rules.square, a) end
  if power == 0.5 then return apply1(rules.sqrt, a) end
  if power == -1 then return 1 / a end
  return check.fail("MG-ARGUMENT", "power: expected an exponent of 2, 1, 0.5 or -1, got %s; for a positive t "
    .. "use (t:log() * p):exp()", tostring(power))
end

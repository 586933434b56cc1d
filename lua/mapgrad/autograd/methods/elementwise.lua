--- Arithmetic and operations entry by entry, recorded.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, Tensor, apply1, apply2 = tensor.methods, tensor.metatable, tape.apply1, tape.apply2

for _, name in ipairs {
  "abs", "exp", "log", "sqrt", "square", "relu", "sigmoid", "softplus", "tanh", "sign", "expm1", "log1p", "rsqrt",
  "erf", "gelu", "sin", "cos", "floor",
} do
  local rule, kind = rules[name], core.unary_kinds[name]
  methods[name] = function(x) return apply1(rule, x) end
  -- t:exp_(u): t becomes exp u, which has its shape; t:exp_(): exp t. In place, not recorded.
  methods[name .. "_"] = function(t, u)
    core.unary_into(t.handle, kind, (u or t).handle)
    return t
  end
end

local function parameter(value, name, preset)
  if value == nil then return preset end
  if type(value) == "number" and value == value then return value end
  return check.fail("MG-TYPE", "%s: expected a number, got %s", name,
    type(value) == "number" and "NaN" or "a " .. check.type_of(value))
end

local function into(name, t, u, p, q)
  core.unary_into(t.handle, core.unary_kinds[name], (u or t).handle, p, q)
  return t
end

--- t where t > 0, else alpha (exp(t) - 1); the gradient at 0 is alpha. Clevert, Unterthiner, Hochreiter 2015.
-- @param alpha  number (default 1)
function methods.elu(t, alpha)
  return apply1(rules.elu, t, { parameter(alpha, "elu", 1) })
end

--- The same in place, of u (default: of t itself); not recorded.
function methods.elu_(t, alpha, u)
  return into("elu", t, u, parameter(alpha, "elu_", 1))
end

--- t where t > 0, else slope * t; the gradient at 0 is the slope.
-- @param slope  number (default 0.01)
function methods.leaky_relu(t, slope)
  return apply1(rules.leaky_relu, t, { parameter(slope, "leaky_relu", 0.01) })
end

--- The same in place, of u (default: of t itself); not recorded.
function methods.leaky_relu_(t, slope, u)
  return into("leaky_relu", t, u, parameter(slope, "leaky_relu_", 0.01))
end

local function bounds(low, high, name)
  if low == nil and high == nil then check.fail("MG-ARGUMENT", "%s: expected a low or a high bound", name) end
  return parameter(low, name, -math.huge), parameter(high, name, math.huge)
end

--- Entries raised to low and lowered to high; the gradient passes where low <= t <= high.
-- @param low   number, or nil for none
-- @param high  number, or nil for none; it wins if it is below low
function methods.clamp(t, low, high)
  return apply1(rules.clamp, t, { bounds(low, high, "clamp") })
end

--- The same in place, of u (default: of t itself); not recorded.
function methods.clamp_(t, low, high, u)
  low, high = bounds(low, high, "clamp_")
  return into("clamp", t, u, low, high)
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

for _, name in ipairs { "maximum", "minimum", "lt", "le", "eq", "ne", "pow", "add_relu" } do
  methods[name] = binary(name)
end
--- 1 where t > u, else 0.
function methods.gt(t, u) return apply2(rules.lt, operand(u, "gt"), operand(t, "gt")) end
--- 1 where t >= u, else 0.
function methods.ge(t, u) return apply2(rules.le, operand(u, "ge"), operand(t, "ge")) end

--- Entries of a where the condition (t) is not 0, else of b; all three broadcast. The condition has no gradient.
-- @param a, b  tensors or numbers
function methods.where(condition, a, b)
  return apply2(rules.where, operand(a, "where"), operand(b, "where"), operand(condition, "where"):detach())
end

--- tensor.where(condition, a, b): the method of this name.
tensor.where = methods.where

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

--- t ^ u: either may be a number. The gradient for t is u t^(u - 1), 0 where u is 0; for u it is t^u log t, 0 where
-- t is 0 and u not negative, NaN where t is negative.
function Tensor.__pow(a, b)
  if b == 1 then return a end
  if b == 2 then return apply1(rules.square, a) end
  if b == 0.5 then return apply1(rules.sqrt, a) end
  if b == -1 then return 1 / a end
  return methods.pow(a, b)
end

--- Recorded methods and arithmetic of tensors, from the rules.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, Tensor = tensor.methods, tensor.metatable
local apply1, apply2, apply3 = tape.apply1, tape.apply2, tape.apply3

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

-- The axes as runs of neighbours, from the last: {first from 0, count}.
local function runs(t, axes, name)
  local list = {}
  for i, axis in ipairs(axes) do list[i] = tensor.axis_of(t, axis, name) end
  table.sort(list)
  local result = {}
  for i, axis in ipairs(list) do
    local last = result[#result]
    if i > 1 and axis == list[i - 1] then check.fail("MG-SHAPE", "%s: axis %d is named twice", name, axis + 1) end
    if last and last[1] + last[2] == axis then
      last[2] = last[2] + 1
    else
      result[#result + 1] = { axis, 1 }
    end
  end
  return result
end

for _, name in ipairs { "sum", "mean", "max", "min" } do
  local rule = rules["reduce_" .. name]
  methods[name] = function(t, ...)
    if select("#", ...) == 0 then return apply1(rule, t, { 0, t:axes() }) end
    local list = runs(t, { ... }, name)
    for i = #list, 1, -1 do t = apply1(rule, t, list[i]) end
    return t
  end
end

-- A shape with at most one -1, which stands for what is left of count entries.
local function complete(shape, count)
  local known, open = 1, nil
  for i, extent in ipairs(shape) do
    if extent == -1 and not open then open = i else known = known * extent end
  end
  if not open then return shape end
  local full = {}
  for i, extent in ipairs(shape) do full[i] = extent end
  full[open] = known > 0 and math.floor(count / known) or 0
  return full
end

--- The same entries in another shape; one extent may be -1.
function methods.reshape(t, first, ...)
  local shape = type(first) == "table" and first or { first, ... }
  return apply1(rules.reshape, t, complete(shape, t:count()))
end

--- Puts an axis of extent 1 before the given axis (one past the last is allowed).
function methods.unsqueeze(t, axis)
  local shape = t:shape()
  local place = axis > 0 and axis or #shape + 2 + axis
  if place < 1 or place > #shape + 1 then
    check.fail("MG-SHAPE", "unsqueeze: axis %s of a tensor of shape %s", tostring(axis), show.shape(shape))
  end
  table.insert(shape, place, 1)
  return apply1(rules.reshape, t, shape)
end

--- Axes in another order: axis i of the result is axis order[i] of t.
function methods.permute(t, first, ...)
  local order = type(first) == "table" and first or { first, ... }
  return apply1(rules.permute, t, order)
end

--- Swaps the last two axes.
function methods.transpose(t)
  local order = {}
  for i = 1, t:axes() do order[i] = i end
  local n = #order
  if n < 2 then check.fail("MG-SHAPE", "transpose: shape %s has no two axes", show.shape(t:shape())) end
  order[n - 1], order[n] = n, n - 1
  return apply1(rules.permute, t, order)
end

--- Rows of axis 1 by number: t:take { 3, 1 }; negative numbers count from the end.
function methods.take(t, list)
  local rows, extent = {}, t:size(1)
  for i, row in ipairs(list) do rows[i] = tensor.index_of(row, extent, 1) + 1 end
  return apply1(rules.take, t, rows)
end

--- Entries first..last of one axis.
function methods.slice(t, axis, first, last)
  local zero_based = tensor.axis_of(t, axis, "slice")
  local extent = core.extent(t.handle, zero_based)
  local i = tensor.index_of(first, extent, axis)
  local j = (last or extent) == i and i or tensor.index_of(last or extent, extent, axis) + 1
  return apply1(rules.slice, t, { zero_based, i, math.max(j - i, 0) })
end

--- Rows first..last of axis 1, sharing memory when t is not recorded.
function methods.rows(t, first, last)
  if t.id and tape.is_recording() then return methods.slice(t, 1, first, last) end
  local extent = t:size(1)
  local i = tensor.index_of(first, extent, 1)
  local j = tensor.index_of(last or extent, extent, 1)
  return tensor.wrap(core.rows(t.handle, i, math.max(j - i + 1, 0)))
end

--- t[i]: row i; a number if t has one axis (not recorded then).
function methods.pick(t, i)
  local shape = core.shape(t.handle)
  if #shape == 0 then check.fail("MG-INDEX", "a scalar has no entries to index; use t:item()") end
  local row = tensor.index_of(i, shape[1], 1)
  if #shape == 1 then return core.get(t.handle, row) end
  table.remove(shape, 1)
  return methods.rows(t, row + 1, row + 1):reshape(shape)
end

--- Matrix product; the flags transpose t or u.
function methods.matmul(t, u, transpose_t, transpose_u)
  return apply2(rules.matmul, t, u, { transpose_t and 1 or 0, transpose_u and 1 or 0 })
end

--- Cross-correlation of images [B, C, H, W] with weight [D, C, kh, kw], bias [D] or nil.
function methods.conv2d(x, weight, bias, stride, pad)
  return apply3(rules.conv2d, x, weight, bias, { stride or 1, pad or 0 })
end

--- Largest entry of each window of images [B, C, H, W].
function methods.max_pool2d(x, kernel, stride, pad)
  return apply1(rules.max_pool2d, x, { kernel, stride or kernel, pad or 0 })
end

--- Pools images [B, C, H, W] to [B, C, height, width]; kind "max" or "mean".
function methods.adaptive_pool2d(x, kind, height, width)
  local rule = kind == "max" and rules.adaptive_max_pool2d or kind == "mean" and rules.adaptive_mean_pool2d
  if not rule then
    check.fail("MG-ARGUMENT", "adaptive_pool2d: expected kind 'max' or 'mean', got %s", tostring(kind))
  end
  return apply1(rule, x, { height, width })
end

--- Normalises x [B, C, ...] per channel; writes mean and variance [C] unless fixed, else reads them.
function methods.batch_norm(x, gain, bias, mean, variance, epsilon, fixed)
  return apply3(rules.batch_norm, x, gain, bias, { mean.handle, variance.handle, epsilon, fixed or false })
end

--- Makes t a leaf that wants a gradient; returns t.
methods.watch = tape.watch

--- Gradients for all watched tensors that t depends on; see autograd.
methods.backward = tape.backward

--- The same numbers (shared memory) without history.
function methods.detach(t)
  return tensor.wrap(core.reshape(t.handle, core.shape(t.handle)))
end

local function handles(list)
  local result = {}
  for i, t in ipairs(list) do result[i] = t.handle end
  return result
end

-- The parts of a gradient along an axis.
local CONCAT = { name = "concat", pullback = function(saved, gradient)
  local parts, first = {}, 0
  for i, extent in ipairs(saved.extents) do
    parts[i] = core.slice(gradient, saved.axis, first, extent)
    first = first + extent
  end
  return parts
end }

--- Tensors side by side along an axis (default 1).
function tensor.concat(list, axis)
  if #list == 0 then check.fail("MG-ARGUMENT", "concat: no tensors") end
  for i, t in ipairs(list) do
    if not tensor.is(t) then check.fail("MG-TYPE", "concat: part %d is a %s", i, check.type_of(t)) end
  end
  local zero_based = tensor.axis_of(list[1], axis or 1, "concat")
  local result = tensor.wrap(core.concat(handles(list), zero_based))
  local extents = {}
  for i, t in ipairs(list) do extents[i] = core.extent(t.handle, zero_based) end
  return tape.record(CONCAT, result, list, { axis = zero_based, extents = extents })
end

--- Tensors of one shape along a new first axis.
function tensor.stack(list)
  local rows = {}
  for i, t in ipairs(list) do rows[i] = t:unsqueeze(1) end
  return tensor.concat(rows, 1)
end

return methods

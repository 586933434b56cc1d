--- Linear expressions of a program's variables, one or an array of them.
--
-- An array has a shape, {} if it is one expression. entries[i] is { constant =, terms = { variable -> coefficient } },
-- in row-major order. Expressions never change; every operation makes new ones.
local check = require "mapgrad.check"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Expression = { __name = "mapgrad.expression" }

local function is(value)
  return type(value) == "table" and getmetatable(value) == Expression
end

local function new(program, shape, entries)
  return setmetatable({ program = program, shape = shape, entries = entries }, Expression)
end

local function product(shape)
  local count = 1
  for _, extent in ipairs(shape) do count = count * extent end
  return count
end

-- Numbers of nested lists, one after the other.
local function flatten(value, list)
  for _, v in ipairs(value) do
    if type(v) == "table" and not is(v) then flatten(v, list) else list[#list + 1] = v end
  end
  return list
end

local function fail(program, ...) check.fail("MG-ARGUMENT", "%s: " .. (...), program.name, select(2, ...)) end

--- Any operand as an array of expressions: an expression; a number; a list of numbers and single expressions, which
-- may be nested; a tensor.
-- @param program  whose expressions these are
local function of(program, value, what)
  if is(value) then
    if value.program ~= program then fail(program, "%s is of another program, %s", what, value.program.name) end
    return value
  end
  if tensor.is(value) then value = value:to_list() end
  local is_list = type(value) == "table" and not getmetatable(value)
  local list, entries = is_list and flatten(value, {}) or { value }, {}
  for i, v in ipairs(list) do
    if is(v) and #v.entries == 1 then
      entries[i] = of(program, v, what).entries[1]
    elseif type(v) == "number" and v == v then
      entries[i] = { constant = v, terms = {} }
    else
      fail(program, "%s: expected numbers and expressions, got a %s", what, check.type_of(v))
    end
  end
  return new(program, is_list and { #list } or {}, entries)
end

-- Entry i of an array, or the only one.
local function entry(array, i)
  return array.entries[#array.shape == 0 and 1 or i]
end

-- Applies f(a's entry, b's entry) to two operands, one of which may be a single one.
local function pairwise(name, a, b, f)
  local program = is(a) and a.program or b.program
  a, b = of(program, a, name), of(program, b, name)
  local shape = #a.shape > 0 and a.shape or b.shape
  if #a.shape > 0 and #b.shape > 0 and #a.entries ~= #b.entries then
    check.fail("MG-SHAPE", "%s: %s of shapes %s and %s", program.name, name, show.shape(a.shape), show.shape(b.shape))
  end
  local entries = {}
  for i = 1, product(shape) do entries[i] = f(entry(a, i), entry(b, i), program) end
  return new(program, shape, entries)
end

-- Adds scale * e to an entry that is being made; terms of coefficient 0 go.
local function accumulate(sum, e, scale)
  sum.constant = sum.constant + scale * e.constant
  for variable, v in pairs(e.terms) do
    local coefficient = (sum.terms[variable] or 0) + scale * v
    sum.terms[variable] = coefficient ~= 0 and coefficient or nil
  end
end

-- a + scale * b
local function combine(a, b, scale)
  local sum = { constant = 0, terms = {} }
  accumulate(sum, a, 1)
  accumulate(sum, b, scale)
  return sum
end

local function times(a, b, program)
  if next(a.terms) and next(b.terms) then
    fail(program, "a product of two expressions is not linear; one side must be numbers")
  end
  if next(b.terms) then a, b = b, a end
  return combine({ constant = 0, terms = {} }, a, b.constant)
end

Expression.__add = function(a, b) return pairwise("sum", a, b, function(x, y) return combine(x, y, 1) end) end
Expression.__sub = function(a, b) return pairwise("difference", a, b, function(x, y) return combine(x, y, -1) end) end
Expression.__mul = function(a, b) return pairwise("product", a, b, times) end
Expression.__unm = function(a) return a * -1 end
Expression.__div = function(a, b)
  if type(b) ~= "number" then
    fail(a.program or b.program, "an expression may be divided by a number, not by a %s", check.type_of(b))
  end
  return a * (1 / b)
end

-- x[i] is entry i along the first axis; other keys are methods.
Expression.__index = function(array, key)
  if type(key) ~= "number" then return methods[key] end
  local extent = array.shape[1]
  if not extent then fail(array.program, "index %g of a single expression", key) end
  if key < 0 then key = extent + 1 + key end
  if not (key >= 1 and key <= extent and key == math.floor(key)) then
    fail(array.program, "index %g of an array of shape %s", key, show.shape(array.shape))
  end
  local shape, entries = {}, {}
  for i = 2, #array.shape do shape[i - 1] = array.shape[i] end
  local width = product(shape)
  for i = 1, width do entries[i] = array.entries[(key - 1) * width + i] end
  return new(array.program, shape, entries)
end

Expression.__tostring = function(array)
  if #array.shape > 0 then return ("expressions of shape %s"):format(show.shape(array.shape)) end
  local order, parts = {}, {}
  local only = array.entries[1]
  for variable in pairs(only.terms) do order[#order + 1] = variable end
  table.sort(order)
  for i, variable in ipairs(order) do
    parts[i] = ("%s %s"):format(show.number(only.terms[variable]), array.program:name_of(variable))
  end
  if only.constant ~= 0 or #parts == 0 then parts[#parts + 1] = show.number(only.constant) end
  return table.concat(parts, " + ")
end

-- The sum of entries with factors, as one entry.
local function weighted(entries, factors)
  local sum = { constant = 0, terms = {} }
  for i, e in ipairs(entries) do accumulate(sum, e, factors and factors[i] or 1) end
  return sum
end

--- The sum of entries times numbers.
-- @param weights  as many numbers as there are entries: lists, which may be nested, or a tensor
-- @usage p:constrain(x:dot { 3, 1, 4 }, "<=", 10)
function methods.dot(self, weights)
  local list = of(self.program, weights, "dot")
  if #list.entries ~= #self.entries then
    fail(self.program, "dot of %d expressions with %d numbers", #self.entries, #list.entries)
  end
  local factors = {}
  for i, e in ipairs(list.entries) do
    if next(e.terms) then fail(self.program, "dot: a product of two expressions is not linear") end
    factors[i] = e.constant
  end
  return new(self.program, {}, { weighted(self.entries, factors) })
end

--- The sum of all entries, or along an axis.
-- @param axis  from 1, negative from the end; none: over all
-- @usage p:constrain(x:sum(2), "==", 1) -- each row of x has one 1
function methods.sum(self, axis)
  if axis == nil then return new(self.program, {}, { weighted(self.entries) }) end
  local axes = #self.shape
  local given = axis
  if type(axis) == "number" and axis < 0 then axis = axes + 1 + axis end
  if not self.shape[axis] then
    fail(self.program, "sum over axis %s of an array of shape %s", tostring(given), show.shape(self.shape))
  end
  local outer, inner, shape, entries = 1, 1, {}, {}
  for i, extent in ipairs(self.shape) do
    if i < axis then outer = outer * extent elseif i > axis then inner = inner * extent end
    if i ~= axis then shape[#shape + 1] = extent end
  end
  for o = 1, outer do
    for i = 1, inner do
      local list = {}
      for k = 1, self.shape[axis] do list[k] = self.entries[((o - 1) * self.shape[axis] + k - 1) * inner + i] end
      entries[#entries + 1] = weighted(list)
    end
  end
  return new(self.program, shape, entries)
end

return { is = is, new = new, of = of, product = product, flatten = flatten }

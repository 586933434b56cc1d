--- Data sets: named tensors with the same number of rows.
--
-- The fields of a set are tensors: set.image, set.costs, ... Row i of each belongs to instance i.
-- Batches, parts and selections are sets too.
require "mapgrad.autograd" -- tensors get rows and take
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local new_loader = require("mapgrad.data.loader").new
local random = require "mapgrad.random"
local standardised = require "mapgrad.data.standardise"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Set = { __name = "mapgrad.set" }

-- Methods; fields stand in the set itself.
Set.__index = function(set, key)
  local method = methods[key]
  if method or type(key) ~= "string" then return method end
  local names = methods.fields(set)
  for name in pairs(methods) do names[#names + 1] = name end
  local suggestion = check.suggest(key, names)
  return check.fail("MG-NAME", "data set: there is no field or method '%s'%s", key, suggestion
    and (", did you mean '%s'?"):format(suggestion) or "; fields: " .. table.concat(methods.fields(set), ", "))
end

local new_set -- below

-- A set of the same fields, each made from its tensor by f.
local function each(set, f)
  local result = setmetatable({}, Set)
  for _, name in ipairs(set:fields()) do rawset(result, name, f(set[name])) end
  return result
end

--- Names of the fields, sorted.
function methods.fields(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Number of rows.
function methods.count(set)
  return set[set:fields()[1]]:size(1)
end

--- Rows first..last; they share memory with this set. Negative numbers count from the end.
function methods.rows(set, first, last)
  return each(set, function(t) return t:rows(first, last) end)
end

--- A copy of some rows.
-- @param list  row numbers from 1; repeats are fine
function methods.take(set, list)
  return each(set, function(t) return t:take(list) end)
end

--- The first n rows, or all if there are fewer; they share memory with this set.
function methods.first(set, n)
  n = check.value("set:first", n, check.count())
  local count = math.min(n, set:count())
  return count > 0 and set:rows(1, count) or set:take {}
end

--- Some fields alone; they share memory with this set.
-- @param list  names
function methods.select(set, list)
  local fields = {}
  if type(list) ~= "table" then check.fail("MG-TYPE", "set:select: expected a list of names, got %s", type(list)) end
  for _, name in ipairs(list) do
    if not rawget(set, name) then
      check.fail("MG-NAME", "set:select: there is no field '%s'%s", tostring(name), check.hint(name, set:fields()))
    end
    fields[name] = set[name]
  end
  return new_set(fields)
end

--- A set with other fields.
-- @param f  function (set) -> table of all fields of the new set; or a table name -> function (tensor, set) ->
--           tensor, which replaces that field or adds it (its tensor is nil then), while the others stay
--           The functions are called in the order of the names.
-- @return a set; fields that f hands on share memory with this one
-- @usage set:map { image = function(t) return 1 - t end }
function methods.map(set, f)
  if type(f) == "function" then return new_set(f(set)) end
  if type(f) ~= "table" or getmetatable(f) then
    check.fail("MG-TYPE", "set:map: expected a function or a table of functions, got %s", check.type_of(f))
  end
  local fields = {}
  for _, name in ipairs(set:fields()) do fields[name] = set[name] end
  local names = {}
  for name, one in pairs(f) do
    names[#names + 1] = tostring(name)
    check.value("set:map: " .. tostring(name), one, check.callable())
  end
  table.sort(names) -- one order, as the functions may draw random numbers
  for _, name in ipairs(names) do fields[name] = f[name](rawget(set, name), set) end
  return new_set(fields)
end

--- A copy of the rows for which f says yes, which may be none.
-- @param f  function (number of the row, set) -> true to keep it
-- @usage set:filter(function(i, s) return s.label:get(i) == 3 end)
function methods.filter(set, f)
  check.value("set:filter", f, check.callable())
  local list = {}
  for i = 1, set:count() do
    if f(i, set) then list[#list + 1] = i end
  end
  if #list > 0 then return set:take(list) end
  return each(set, function(t)
    local shape = t:shape()
    shape[1] = 0
    return tensor.new(shape)
  end)
end

--- A copy of all rows in a random order.
-- @param options.seed  integer from 0; default: the next order of the stream "shuffle"
function methods.shuffle(set, options)
  local o = check.options("set:shuffle", options, { seed = check.optional(check.whole()) })
  local count = set:count()
  return set:take(o.seed and core.random_order(count, o.seed, "shuffle", 0) or random.order(count, "shuffle"))
end

--- The set with mean 0 and deviation 1 in some fields: of each column (axis 2), over all rows and further axes,
-- so of each channel of pictures; a field of one number a row is one column. Columns of one value become 0.
-- @param field       name of a field
-- @param statistics  those to use (default: this set's own): apply the training set's to the test set
-- @return a set, and the statistics {mean, deviation}: tensors [1, columns, 1, ...], the deviation that of the
--   whole population
-- @usage local train, statistics = train:standardise "x"
--   test = test:standardise("x", statistics)
function methods.standardise(set, field, statistics)
  local t = rawget(set, field)
  if not t then
    check.fail("MG-NAME", "set:standardise: there is no field '%s'%s", tostring(field),
      check.hint(field, set:fields()))
  end
  local new, used = standardised(field, t, statistics)
  return set:map { [field] = function() return new end }, used
end

--- Parts of the rows, in order and without shuffling: generated instances are independent, and for other data a
-- fixed split can be named in a paper (otherwise set:shuffle first). All share memory with the set.
-- @param ...  shares, each above 0, together at most 1; if they are less, what is left is one more part. Borders
--             are rounded to the nearest row
-- @return as many sets, none empty
-- @usage local train, rest = set:split(0.9)
--   local train, val, test = set:split(0.8, 0.1, 0.1)
function methods.split(set, ...)
  local shares, total, count = { ... }, 0, set:count()
  if #shares == 0 then check.fail("MG-ARGUMENT", "set:split: no shares") end
  for _, share in ipairs(shares) do total = total + check.value("set:split", share, check.positive()) end
  if total > 1 + 1e-9 then
    check.fail("MG-ARGUMENT", "set:split: the shares add up to %g, expected 1 or less", total)
  end
  if total < 1 - 1e-9 or #shares == 1 then shares[#shares + 1] = 1 - total end
  local parts, sum, last = {}, 0, 0
  for i, share in ipairs(shares) do
    sum = sum + share
    local first = last + 1
    last = i == #shares and count or math.floor(count * sum + 0.5)
    if last < first then
      check.fail("MG-ARGUMENT", "set:split: shares of %s leave an empty part of %d rows",
        table.concat({ ... }, ", "), count)
    end
    parts[i] = set:rows(first, last)
  end
  return compat.unpack(parts)
end

--- A loader: batches over epochs, whose place can be saved and found again.
-- @param options.size       rows of a batch; the last batch of an epoch has what is left
-- @param options.shuffle    a new random order each epoch (default false: in order, and batches share memory
--                           with the set)
-- @param options.drop_last  leave out a last batch that is not full (default false)
-- @param options.seed       orders are those of this seed (default: the next ones of the stream "shuffle")
-- @return loader with batches(), count(), epoch(), state(), restore(state)
-- @usage for epoch = 1, 10 do
--   for batch, number in loader:batches() do ... end
-- end
function methods.loader(set, options)
  return new_loader("set:loader", set, options)
end

--- Iterates over batches once: for batch, number in set:batches { size = 70, shuffle = true } do.
-- @param options  as for set:loader
-- @return function () -> set, number from 1; nil at the end
function methods.batches(set, options)
  return new_loader("set:batches", set, options):batches()
end

Set.__tostring = function(set)
  local parts = {}
  for _, name in ipairs(set:fields()) do
    local shape = set[name]:shape()
    table.remove(shape, 1)
    parts[#parts + 1] = name .. " " .. (#shape == 0 and "number" or show.shape(shape))
  end
  return ("data set of %d rows: %s"):format(set:count(), table.concat(parts, ", "))
end

--- A data set.
-- @param fields  name -> tensor [rows, ...], one or more, all with the same number of rows; a name must
--                not be that of a method
function new_set(fields)
  if type(fields) ~= "table" then
    check.fail("MG-TYPE", "data.set: expected a table of tensors, got %s", check.type_of(fields))
  end
  for name in pairs(fields) do
    if type(name) ~= "string" or methods[name] then
      check.fail("MG-ARGUMENT", "data.set: a field cannot be named %s", tostring(name))
    end
  end
  local set, first, count = setmetatable({}, Set), nil, nil
  for _, name in ipairs(methods.fields(fields)) do
    local t = fields[name]
    if not tensor.is(t) then
      check.fail("MG-TYPE", "data.set: %s: expected a tensor, got %s", name, check.type_of(t))
    elseif t:axes() == 0 then
      check.fail("MG-SHAPE", "data.set: %s has no rows: it is a scalar", name)
    elseif first and t:size(1) ~= count then
      check.fail("MG-SHAPE", "data.set: %s has %d rows, %s has %d", first, count, name, t:size(1))
    end
    first, count = first or name, t:size(1)
    rawset(set, name, t)
  end
  if not first then check.fail("MG-ARGUMENT", "data.set: no fields") end
  return set
end

return new_set

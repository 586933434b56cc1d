--- Data sets: named tensors with the same number of rows.
--
-- The fields of a set are tensors: set.image, set.costs, ... Row i of each belongs to instance i.
-- Batches, parts and selections are sets too.
require "mapgrad.autograd" -- tensors get rows and take
local check = require "mapgrad.check"
local random = require "mapgrad.random"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Set = { __name = "mapgrad.set", __index = methods }

-- A set of the same fields, each made from its tensor by f.
local function map(set, f)
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
  return map(set, function(t) return t:rows(first, last) end)
end

--- A copy of some rows.
-- @param list  row numbers from 1; repeats are fine
function methods.take(set, list)
  return map(set, function(t) return t:take(list) end)
end

--- The first part of the rows and the rest, in order and without shuffling: generated instances are
-- independent, and for other data a fixed split can be named in a paper. Both share memory with the set.
-- @param share  of the first part, above 0 and below 1; its rows are rounded to the nearest number
-- @return two sets, neither empty
function methods.split(set, share)
  share = check.value("set:split", share, check.positive())
  local count = set:count()
  local first = math.floor(count * share + 0.5)
  if first < 1 or first >= count then
    check.fail("MG-ARGUMENT", "set:split: a share of %g leaves an empty part of %d rows", share, count)
  end
  return set:rows(1, first), set:rows(first + 1, count)
end

--- Iterates over batches: for batch, number in set:batches { size = 70, shuffle = true } do.
-- @param options.size       rows of a batch; the last batch has what is left
-- @param options.shuffle    a new random order each time, from the stream "shuffle" (default false: in
--                           order, and batches share memory with the set)
-- @param options.drop_last  leave out a last batch that is not full (default false)
-- @return function () -> set, number from 1; nil at the end
function methods.batches(set, options)
  local o = check.options("set:batches", options, {
    size = check.count(), shuffle = check.flag(false), drop_last = check.flag(false),
  })
  local count, done, number = set:count(), 0, 0
  local order = o.shuffle and random.order(count, "shuffle")
  return function()
    local first, last = done + 1, math.min(done + o.size, count)
    if first > count or (o.drop_last and last - done < o.size) then return nil end
    done, number = last, number + 1
    if not order then return set:rows(first, last), number end
    local chosen = {}
    for i = first, last do chosen[i - first + 1] = order[i] end
    return set:take(chosen), number
  end
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
return function(fields)
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

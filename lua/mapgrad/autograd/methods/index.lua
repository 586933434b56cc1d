--- Shapes, rows, axes, slices, joining, recorded.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1 = tensor.methods, tape.apply1

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

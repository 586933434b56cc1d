--- Shapes, rows, axes, slices, joining, recorded.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1, apply2 = tensor.methods, tape.apply1, tape.apply2

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
  for i = 1, type(first) == "table" and #shape or select("#", first, ...) do
    check.value(("reshape: extent %d"):format(i), shape[i], check.integer())
  end
  return apply1(rules.reshape, t, complete(shape, t:count()))
end

--- Puts an axis of extent 1 before the given axis (one past the last is allowed).
function methods.unsqueeze(t, axis)
  local shape = t:shape()
  check.value("unsqueeze: axis", axis, check.integer())
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

--- Swaps two axes, the last two unless named.
function methods.transpose(t, a, b)
  local order = {}
  for i = 1, t:axes() do order[i] = i end
  if #order < 2 then check.fail("MG-SHAPE", "transpose: shape %s has no two axes", show.shape(t:shape())) end
  a, b = tensor.axis_of(t, a or -2, "transpose") + 1, tensor.axis_of(t, b or -1, "transpose") + 1
  order[a], order[b] = order[b], order[a]
  return apply1(rules.permute, t, order)
end

--- Takes an axis of extent 1 away.
function methods.squeeze(t, axis)
  local shape, zero_based = t:shape(), tensor.axis_of(t, axis, "squeeze")
  if table.remove(shape, zero_based + 1) ~= 1 then
    check.fail("MG-SHAPE", "squeeze: axis %d of shape %s is not of extent 1", zero_based + 1, show.shape(t:shape()))
  end
  return apply1(rules.reshape, t, shape)
end

--- Joins the axes first..last (default all) into one.
function methods.flatten(t, first, last)
  if t:axes() == 0 then return t:reshape(1) end
  local i, j = tensor.axis_of(t, first or 1, "flatten") + 1, tensor.axis_of(t, last or -1, "flatten") + 1
  if i > j then check.fail("MG-ARGUMENT", "flatten: axis %d stands behind axis %d", i, j) end
  local shape, joined = {}, nil
  for axis, extent in ipairs(t:shape()) do
    if axis > i and axis <= j then
      shape[joined] = shape[joined] * extent
    else
      shape[#shape + 1] = extent
      if axis == i then joined = #shape end
    end
  end
  return apply1(rules.reshape, t, shape)
end

--- Rows of an axis by number.
-- @param axis     axis
-- @param indices  list of numbers, negative ones from the end, or a tensor of numbers from 1
-- @return t with as many rows along the axis as there are indices
function methods.index_select(t, axis, indices)
  local zero_based = tensor.axis_of(t, axis, "index_select")
  if tensor.is(indices) then return apply1(rules.take, t, { zero_based, indices.handle }) end
  local rows, extent = {}, core.extent(t.handle, zero_based)
  for i, row in ipairs(indices) do rows[i] = tensor.index_of(row, extent, zero_based + 1) + 1 end
  return apply1(rules.take, t, { zero_based, rows })
end

--- Rows of axis 1 by number: t:take { 3, 1 }; negative numbers count from the end.
function methods.take(t, list)
  return methods.index_select(t, 1, list)
end

local function index_tensor(name, index)
  return check.value(name .. ": index", index, check.tensor).handle
end

--- Entries along an axis by an index: y[i][j] = t[i][index[i][j]] for axis 2.
-- @param axis   axis
-- @param index  tensor of t's shape but for that axis, whole numbers from 1
-- @return tensor of the index's shape
function methods.gather(t, axis, index)
  return apply1(rules.gather, t, { tensor.axis_of(t, axis, "gather"), index_tensor("gather", index) })
end

--- t with the entries of source added where the index says, the other way of gather.
-- @param axis    axis
-- @param index   tensor of t's shape but for that axis, whole numbers from 1
-- @param source  tensor of the index's shape
function methods.scatter_add(t, axis, index, source)
  check.value("scatter_add: source", source, check.tensor)
  local o = { tensor.axis_of(t, axis, "scatter_add"), index_tensor("scatter_add", index) }
  return apply2(rules.scatter_add, t, source, o)
end

--- Rows of a matrix [rows, width] by an index of any shape [...]: [..., width].
-- @param index    tensor of whole numbers from 1
-- @param padding  row whose gradient is 0 (default none)
function methods.embedding(t, index, padding)
  if t:axes() ~= 2 then
    check.fail("MG-SHAPE", "embedding: expected a matrix, got shape %s", show.shape(t:shape()))
  end
  padding = padding and tensor.index_of(padding, t:size(1), 1) + 1 or false
  return apply1(rules.embedding, t, { index_tensor("embedding", index), padding })
end

local function whole(name, value)
  return check.value(name, value, check.integer())
end

--- Matrices of the last two axes, 0 above the diagonal (default 0, the main one; 1 is the one above it).
function methods.tril(t, diagonal)
  return apply1(rules.triangle, t, { false, whole("tril: diagonal", diagonal or 0) })
end

--- Matrices of the last two axes, 0 below the diagonal.
function methods.triu(t, diagonal)
  return apply1(rules.triangle, t, { true, whole("triu: diagonal", diagonal or 0) })
end

--- Copies along axes of extent 1, and along new ones in front: t:expand(4, -1, 3); -1 keeps an extent.
function methods.expand(t, first, ...)
  local shape, own = type(first) == "table" and first or { first, ... }, t:shape()
  local full, shift = {}, #shape - #own
  for i, extent in ipairs(shape) do
    local old = own[i - shift]
    full[i] = extent == -1 and old or extent
    if extent ~= -1 and old and old ~= 1 and old ~= extent or extent == -1 and not old then
      check.fail("MG-SHAPE", "expand: shape %s cannot become %s", show.shape(own), show.shape(shape))
    end
  end
  if shift < 0 then
    check.fail("MG-SHAPE", "expand: shape %s has more axes than %s", show.shape(own), show.shape(shape))
  end
  return apply1(rules.expand, t, full)
end

--- Entries of a value around.
-- @param amounts  {before, after} for each of the last axes, or a number for both: t:pad({ { 1, 2 }, 1 })
-- @param value    (default 0)
function methods.pad(t, amounts, value)
  local o, axes = { check.value("pad: value", value or 0, check.any()) }, t:axes()
  check.value("pad: amounts", amounts, check.list())
  if #amounts > axes then
    check.fail("MG-SHAPE", "pad: amounts for %d axes, the tensor has shape %s", #amounts, show.shape(t:shape()))
  end
  for i, amount in ipairs(amounts) do
    local before, after = amount, amount
    if type(amount) == "table" then before, after = amount[1], amount[2] end
    before, after = check.value("pad: before", before, check.whole()), check.value("pad: after", after, check.whole())
    if before + after > 0 then o[#o + 1] = { axes - #amounts + i - 1, before, after } end
  end
  if #o == 1 then return t end
  return apply1(rules.pad, t, o)
end

--- Entries moved on along an axis, those past the end to its start.
function methods.roll(t, shift, axis)
  return apply1(rules.roll, t, { whole("roll: shift", shift), tensor.axis_of(t, axis or -1, "roll") })
end

--- Entries in reverse order along axes: t:flip(1, 2).
function methods.flip(t, ...)
  for _, axis in ipairs { ... } do
    local rows, extent = {}, t:size(axis)
    for i = 1, extent do rows[i] = extent + 1 - i end
    t = methods.index_select(t, axis, rows)
  end
  return t
end

--- Parts along an axis (default 1).
-- @param size  entries of each part, the last with what is left; or a list of them that adds up to the extent
-- @return the parts, several results
function methods.split(t, size, axis)
  axis = axis or 1
  local extent, sizes = t:size(axis), size
  if type(size) == "number" then
    check.value("split: size", size, check.count())
    sizes = {}
    for first = 1, extent, size do sizes[#sizes + 1] = math.min(size, extent - first + 1) end
  end
  local zero_based, parts, first = tensor.axis_of(t, axis, "split"), {}, 0
  for i, count in ipairs(check.value("split: sizes", sizes, check.list())) do
    check.value("split: size", count, check.whole())
    if first + count > extent then break end
    parts[i] = apply1(rules.slice, t, { zero_based, first, count })
    first = first + count
  end
  if first ~= extent or #parts ~= #sizes then
    check.fail("MG-SHAPE", "split: sizes %s do not add up to the extent %d of axis %d", table.concat(sizes, ", "),
      extent, zero_based + 1)
  end
  return compat.unpack(parts)
end

--- As many parts along an axis (default 1), as even as can be, larger ones first.
-- @return the parts, several results
function methods.chunk(t, count, axis)
  check.value("chunk: count", count, check.count())
  local extent, sizes = t:size(axis or 1), {}
  for i = 1, count do sizes[i] = math.floor((extent + count - i) / count) end
  return methods.split(t, sizes, axis)
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

--- Tensors of one shape along a new axis (default the first).
function tensor.stack(list, axis)
  local rows = {}
  for i, t in ipairs(list) do rows[i] = t:unsqueeze(axis or 1) end
  return tensor.concat(rows, axis or 1)
end

--- 1 at the place of each class, else 0; not recorded.
-- @param indices  list or tensor [...] of class numbers from 1
-- @param classes  number of classes
-- @return tensor [..., classes]
function tensor.one_hot(indices, classes)
  check.value("tensor.one_hot: classes", classes, check.count())
  local index = tensor.of(indices, "tensor.one_hot")
  for i, class in ipairs(index:to_list()) do
    if not (class >= 1 and class <= classes and class == math.floor(class)) then
      check.fail("MG-ARGUMENT", "tensor.one_hot: entry %d is %s, expected a whole number in 1..%d", i,
        show.number(class), classes)
    end
  end
  local shape = index:shape()
  shape[#shape + 1] = classes
  return tape.pause(function()
    local column = index:detach():unsqueeze(-1)
    return tensor.zeros(shape):scatter_add(-1, column, tensor.ones(column:shape()))
  end)
end

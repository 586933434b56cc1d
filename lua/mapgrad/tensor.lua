--- Tensors: contiguous arrays of reals with a shape, 1-based in Lua.
--
-- A tensor is a table around a handle of the C module. Arithmetic and the other recorded methods are
-- added by `mapgrad.autograd`; here is what needs no gradient: making, reading, printing, memory.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local random = require "mapgrad.random"
local show = require "mapgrad.show"

local tensor = {}
local methods = {}
local Tensor = { __name = "mapgrad.tensor" }

tensor.methods = methods
tensor.metatable = Tensor

--- A tensor around a handle.
function tensor.wrap(handle)
  return setmetatable({ handle = handle, id = false }, Tensor)
end
local wrap = tensor.wrap

--- Whether a value is a tensor.
function tensor.is(value)
  return getmetatable(value) == Tensor
end

--- The value if it is a tensor or can be made one (a number, nested lists); raises otherwise.
-- @param name  the function's name, for the message
function tensor.of(value, name)
  if getmetatable(value) == Tensor then return value end
  if type(value) == "number" or (type(value) == "table" and not getmetatable(value)) then
    return tensor.from(value)
  end
  return check.fail("MG-TYPE", "%s: expected a tensor, got a %s", name, check.type_of(value))
end

-- ------------------------------------------------------------------ making

-- The shape from (2, 3) or ({2, 3}).
local function shape_of(...)
  local first = (...)
  if type(first) == "table" then return first end
  for i = 1, select("#", ...) do
    local extent = (select(i, ...))
    if type(extent) ~= "number" then
      check.fail("MG-TYPE", "tensor: extent %d of the shape is a %s, expected a number", i, check.type_of(extent))
    end
  end
  return { ... }
end

--- A tensor whose entries are unset.
function tensor.new(...)
  return wrap(core.new(shape_of(...)))
end

--- A tensor filled with one value.
-- @param shape  list
function tensor.full(shape, value)
  local handle = core.new(shape)
  core.fill(handle, value)
  return wrap(handle)
end

function tensor.zeros(...)
  return tensor.full(shape_of(...), 0)
end

function tensor.ones(...)
  return tensor.full(shape_of(...), 1)
end

-- The shape of nested lists, from their first entries.
local function nested_shape(list)
  local shape = {}
  while type(list) == "table" and #shape <= 8 do
    shape[#shape + 1] = #list
    list = list[1]
  end
  return shape
end

local function flatten(list, shape, depth, flat)
  if depth > #shape then
    if type(list) ~= "number" then
      check.fail("MG-TYPE", "tensor: expected a number, got a %s", type(list))
    end
    flat[#flat + 1] = list
    return flat
  end
  if type(list) ~= "table" or #list ~= shape[depth] then
    check.fail("MG-SHAPE", "tensor: ragged lists: expected %d entries on axis %d, got %s", shape[depth],
      depth, type(list) == "table" and #list or "a " .. type(list))
  end
  for i = 1, #list do flatten(list[i], shape, depth + 1, flat) end
  return flat
end

--- A tensor from a number or nested lists of numbers.
function tensor.from(list)
  if type(list) == "number" then return tensor.full({}, list) end
  local shape = nested_shape(list)
  if #shape > 8 then check.fail("MG-SHAPE", "tensor: lists nested deeper than 8") end
  local flat = flatten(list, shape, 1, {})
  local handle = core.new(shape)
  core.write(handle, 0, flat)
  return wrap(handle)
end

-- Draws for (2, 3) or ({2, 3}, stream).
local function drawn(fill, first, ...)
  local given = type(first) == "table"
  local shape, stream = given and first or shape_of(first, ...), given and (...) or "data"
  local handle, draw = core.new(shape), random.draw(stream)
  fill(handle, draw.seed, draw.stream, draw.index)
  return wrap(handle)
end

--- Entries uniform on (0, 1): tensor.uniform(2, 3) from the stream "data", or tensor.uniform({2, 3}, stream).
function tensor.uniform(...)
  return drawn(core.random_uniform, ...)
end

--- Standard normal entries, arguments as for tensor.uniform.
function tensor.normal(...)
  return drawn(core.random_normal, ...)
end

--- Standard exponential entries, arguments as for tensor.uniform.
function tensor.exponential(...)
  return drawn(core.random_exponential, ...)
end

--- Entries of the standard Gumbel law, arguments as for tensor.uniform.
function tensor.gumbel(...)
  return drawn(core.random_gumbel, ...)
end

--- A tensor of t's shape, entries unset.
function tensor.like(t)
  return wrap(core.new(core.shape(t.handle)))
end

-- ------------------------------------------------------------------ asking

--- The extents, a list.
function methods.shape(t)
  return core.shape(t.handle)
end

--- Number of axes.
function methods.axes(t)
  return core.axes(t.handle)
end

-- An axis counted from 1, or from the end when negative, as one counted from 0.
local function axis_of(t, axis, name)
  local axes = core.axes(t.handle)
  if type(axis) ~= "number" or axis ~= math.floor(axis) or axis == 0 or axis > axes or axis < -axes then
    check.fail("MG-SHAPE", "%s: axis %s of a tensor of shape %s", name, tostring(axis), show.shape(t:shape()))
  end
  return axis > 0 and axis - 1 or axes + axis
end
tensor.axis_of = axis_of

--- The extent of one axis.
function methods.size(t, axis)
  return core.extent(t.handle, axis_of(t, axis, "size"))
end

--- Number of entries.
function methods.count(t)
  return core.size(t.handle)
end

--- The number in a tensor of one entry.
function methods.item(t)
  if core.size(t.handle) ~= 1 then
    check.fail("MG-SHAPE", "item: expected one entry, got shape %s", show.shape(t:shape()))
  end
  return core.get(t.handle, 0)
end

-- An index counted from 1 or the end as one counted from 0.
local function index_of(index, extent, axis)
  if type(index) ~= "number" or index ~= math.floor(index) or index == 0 or index > extent or index < -extent then
    check.fail("MG-INDEX", "index %s is out of range 1..%d on axis %d", tostring(index), extent, axis)
  end
  return index > 0 and index - 1 or extent + index
end
tensor.index_of = index_of

local function offset_of(t, indices, count)
  local shape = core.shape(t.handle)
  if count ~= #shape then
    check.fail("MG-INDEX", "%d indices for a tensor of shape %s", count, show.shape(shape))
  end
  local offset = 0
  for axis = 1, #shape do offset = offset * shape[axis] + index_of(indices[axis], shape[axis], axis) end
  return offset
end

--- The entry at (i, j, ...).
function methods.get(t, ...)
  return core.get(t.handle, offset_of(t, { ... }, select("#", ...)))
end

--- Sets the entry at (i, j, ...): t:set(i, j, value).
function methods.set(t, ...)
  local arguments = { ... }
  local count = select("#", ...)
  core.set(t.handle, offset_of(t, arguments, count - 1), arguments[count])
  return t
end

local function nested(t, shape, axis, offset, stride)
  if axis > #shape then return core.get(t.handle, offset) end
  if axis == #shape then return core.read(t.handle, offset, shape[axis]) end
  local list = {}
  for i = 1, shape[axis] do
    list[i] = nested(t, shape, axis + 1, offset + (i - 1) * stride, stride / shape[axis + 1])
  end
  return list
end

--- Nested lists of numbers; a number for a scalar.
function methods.to_table(t)
  local shape = core.shape(t.handle)
  local stride = 1
  for axis = 2, #shape do stride = stride * shape[axis] end
  return nested(t, shape, 1, 0, stride)
end

--- All entries in one list.
function methods.to_list(t)
  return core.read(t.handle, 0, core.size(t.handle))
end

--- Whether shapes and all entries are equal (NaN differs from everything).
function methods.equals(t, u)
  local a, b = t:shape(), u:shape()
  if show.shape(a) ~= show.shape(b) then return false end
  local same = core.binary(core.binary_kinds.eq, t.handle, u.handle)
  return core.get(core.reduce(core.reduce_kinds.sum, same, 0, #a), 0) == core.size(same)
end

-- What a tensor may have beside its methods: see mapgrad.autograd.tape.
local FIELDS = {
  grad = true, leaf = true, rule = true, inputs = true, a = true, b = true, c = true, o = true, id = true,
  state = true, load_state = true, restore = true, -- what parts of a checkpoint are asked for
}

Tensor.__index = function(t, key)
  local method = methods[key]
  if method ~= nil then return method end
  if type(key) == "number" then return methods.pick(t, key) end
  if type(key) == "string" and not FIELDS[key] then
    local names = {}
    for name in pairs(methods) do names[#names + 1] = name end
    local suggestion = check.suggest(key, names)
    check.fail("MG-NAME", "tensor: there is no method or field '%s'%s", key,
      suggestion and (", did you mean '%s'?"):format(suggestion) or "; ?tensor lists them")
  end
  return nil
end

--- t[i] = number or tensor: fills or copies into entry or row i. Not recorded.
Tensor.__newindex = function(t, key, value)
  if type(key) ~= "number" then return rawset(t, key, value) end
  local shape = core.shape(t.handle)
  if #shape == 0 then check.fail("MG-INDEX", "a scalar has no entries to set by index") end
  local i = index_of(key, shape[1], 1)
  if #shape == 1 and type(value) == "number" then return core.set(t.handle, i, value) end
  local row = core.rows(t.handle, i, 1)
  if type(value) == "number" then return core.fill(row, value) end
  value = tensor.of(value, "assignment")
  core.copy(core.reshape(row, core.shape(value.handle)), value.handle)
end

Tensor.__tostring = function(t)
  if not core.is_alive(t.handle) then return "tensor (freed)" end
  local handle = t.handle
  return show.tensor(core.shape(handle), function(offset) return core.get(handle, offset) end,
    t.leaf and "(watched)" or nil)
end

--- Iterates over the first axis: for i, row in t:iter() do.
function methods.iter(t)
  local i, n = 0, t:size(1)
  return function()
    i = i + 1
    if i <= n then return i, t[i] end
  end
end

-- ------------------------------------------------------------------ in place

--- All entries become a number.
function methods.fill_(t, value)
  core.fill(t.handle, value)
  return t
end

-- t:uniform_(stream): the draws of tensor.uniform into t, from the stream "data" or another.
for _, law in ipairs { "uniform", "exponential", "gumbel", "normal" } do
  local fill = core["random_" .. law]
  methods[law .. "_"] = function(t, stream)
    local draw = random.draw(stream or "data")
    fill(t.handle, draw.seed, draw.stream, draw.index)
    return t
  end
end

--- Entries of u, which has the same shape.
function methods.copy_(t, u)
  core.copy(t.handle, u.handle)
  return t
end

--- t + scale * u, in place, same shape.
function methods.add_(t, u, scale)
  core.accumulate(t.handle, 1, u.handle, scale or 1)
  return t
end

--- value * t, in place.
function methods.scale_(t, value)
  core.copy(t.handle, core.affine(t.handle, value, 0))
  return t
end

--- keep * t + scale * u, in place, same shape.
function methods.blend_(t, keep, u, scale)
  core.accumulate(t.handle, keep, u.handle, scale)
  return t
end

--- A copy with its own memory, without history.
function methods.clone(t)
  return wrap(core.affine(t.handle, 1, 0))
end

-- ------------------------------------------------------------------ memory

--- Gives the memory back now; the tensor cannot be used afterwards.
function methods.free(t)
  core.free(t.handle)
end

-- Adds the handles of a value that a scope returns: a tensor, or tables of tensors, up to three deep.
local function returned(value, handles, depth)
  if getmetatable(value) == Tensor then
    handles[#handles + 1] = value.handle
    local gradient = rawget(value, "grad")
    if gradient then handles[#handles + 1] = gradient.handle end
  elseif type(value) == "table" and depth < 4 then
    for _, entry in pairs(value) do returned(entry, handles, depth + 1) end
  end
  return handles
end

--- The handles of the tensors in a value that a scope would return.
-- @return list
function tensor.handles_in(value)
  return returned(value, {}, 1)
end

--- Calls f(...) and frees the tensors made inside, except those it returns (also inside tables, up to
-- three deep), those given to tensor.keep, and the gradients of leaves. Scopes nest.
-- @return what f returns
function tensor.scope(f, ...)
  local mark = core.scope_begin()
  local results = compat.pack(core.call(f, ...)) -- not to be left by a yield
  local handles = {}
  for i = 2, results.n do returned(results[i], handles, 1) end
  core.scope_end(mark, handles)
  if not results[1] then error(results[2], 0) end
  return compat.unpack(results, 2, results.n)
end

--- Takes a tensor out of all scopes; the collector frees it.
function tensor.keep(t)
  core.keep(t.handle)
  return t
end

--- Bytes: {live, peak, cached, allocations} of the process, {tensors, collections} of this Lua state.
tensor.memory = core.memory

setmetatable(tensor, {
  __call = function(_, list) return tensor.from(list) end,
})

return tensor

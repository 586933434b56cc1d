--- NumPy's .npz files: several named arrays in one zip archive.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local npz = {}

-- The archive's arrays, all of them or none: nil and a message.
local function read_all(archive, names)
  local tensors = {}
  for i, name in ipairs(names) do
    local handle, message = core.npz_read(archive, i)
    if not handle then return nil, message end
    tensors[name] = tensor.wrap(handle)
  end
  return tensors
end

--- The arrays of a .npz file, stored or deflated.
-- @param path           file name
-- @param options.name   read this array alone
-- @param options.limit  most bytes of all arrays together, once inflated (default 16 GiB); more are a failure,
--                       found before anything is inflated. Whatever the limit, an archive that claims more
--                       than its bytes can hold is refused, and memory grows with what is really there
-- @return a table name -> tensor, names without ".npy", or the tensor of options.name; or nil and a message. A
--   damaged array, a name that is there twice or a member that is no array fails the whole file
function npz.read(path, options)
  check.value("data.npz_read: path", path, check.text())
  local o = check.options("data.npz_read", options, {
    name = check.optional(check.text()), limit = check.count(2 ^ 34),
  })
  local archive, names = core.npz_open(path, o.name, o.limit)
  if not archive then return nil, names end
  if o.name and #names == 0 then
    core.npz_close(archive)
    return nil, ("npz: %s: there is no array '%s'"):format(path, o.name)
  end
  local tensors, message = tensor.scope(read_all, archive, names)
  core.npz_close(archive)
  if tensors and o.name then return tensors[o.name] end
  return tensors, message
end

--- Writes a .npz file, whole or not at all. The same arrays make the same file: members stand in the order
-- of their names and bear no date.
-- @param path              file name
-- @param tensors           name -> tensor
-- @param options.type      of all: "f4" (default), "f8", "i8", "i4", "i2", "i1" or "u1"; an entry that an
--                          integer type cannot hold is an error
-- @param options.compress  deflate (default false)
-- @return true, or nil and a message
function npz.write(path, tensors, options)
  check.value("data.npz_write: path", path, check.text())
  local o = check.options("data.npz_write", options, {
    type = check.choice({ "f4", "f8", "i8", "i4", "i2", "i1", "u1" }, "f4"), compress = check.flag(false),
  })
  if type(tensors) ~= "table" or getmetatable(tensors) then
    check.fail("MG-TYPE", "data.npz_write: expected a table of tensors, got %s", check.type_of(tensors))
  end
  local names, handles = {}, {}
  for name in pairs(tensors) do
    names[#names + 1] = check.value("data.npz_write: name", name, check.text())
  end
  table.sort(names)
  for i, name in ipairs(names) do
    handles[i] = check.value("data.npz_write: " .. name, tensors[name], check.tensor).handle
  end
  return core.npz_write(path, names, handles, o.type, o.compress)
end

return npz

--- Safetensors files: named tensors.
-- Source of the format: github.com/huggingface/safetensors.
-- @usage data.safetensors_write("net.safetensors", net:state(), { metadata = { epoch = "7" } })
-- net:load_state(assert(data.safetensors_read "net.safetensors"))
-- @module mapgrad.data.safetensors
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local safetensors = {}

-- Which of the listed tensors to read: index by name. Raises for an option that is no list of texts;
-- nil and a message if the file lacks a name.
local function choose(path, list, names)
  local index, all = {}, {}
  for i, entry in ipairs(list) do
    index[entry.name], all[i] = i, entry.name
  end
  local chosen = {}
  for _, name in ipairs(names or all) do
    check.value("data.safetensors_read: names", name, check.text())
    if not index[name] then
      return nil, ("safetensors: %s: there is no tensor '%s'%s"):format(path, name, check.hint(name, all))
    end
    chosen[name] = index[name]
  end
  return chosen
end

-- Bytes of the tensors chosen, as reals.
local function bytes_of(list, chosen)
  local bytes = 0
  for _, i in pairs(chosen) do
    local count = core.info().real_bytes
    for _, extent in ipairs(list[i].shape) do count = count * extent end
    bytes = bytes + count
  end
  return bytes
end

-- The chosen tensors of an open file and its metadata, or nil and a message.
local function read(file, path, o)
  if o.verify then
    local ok, message = core.store_verify(file)
    if not ok then return nil, message end
  end
  local list, tensors = core.store_list(file), {}
  local chosen, message = choose(path, list, o.names)
  if not chosen then return nil, message end
  local bytes = bytes_of(list, chosen)
  if bytes > o.limit then
    return nil, ("safetensors: %s: tensors too large: expected at most %.0f bytes, got %.0f"):format(path,
      o.limit, bytes)
  end
  for name, i in pairs(chosen) do
    local handle, reason = core.store_read(file, i)
    if not handle then return nil, reason end
    tensors[name] = tensor.wrap(handle)
  end
  return tensors, core.store_metadata(file)
end

--- The tensors of a file. Types F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL become reals, rounded
-- to nearest where they are wider.
-- @param path            file name
-- @param options.names   list of the tensors to read (default all)
-- @param options.limit   most bytes that these may take in memory (default no limit)
-- @param options.verify  compare the file with its checksum, which must be there (default false)
-- @return table name -> tensor, and the table of the file's metadata, name -> text; or nil and a message
function safetensors.read(path, options)
  local o = check.options("data.safetensors_read", options, {
    names = check.optional(check.any()), limit = check.count(2 ^ 53 - 1), verify = check.flag(false),
  })
  if o.names ~= nil and type(o.names) ~= "table" then
    check.fail("MG-TYPE", "data.safetensors_read: names: expected a list of texts, got a %s", type(o.names))
  end
  local file, message = core.store_open(check.value("data.safetensors_read: path", path, check.text()))
  if not file then return nil, message end
  local tensors, metadata = tensor.scope(read, file, path, o) -- which frees what a failure leaves
  core.store_close(file)
  return tensors, metadata
end

-- The keys of a table of texts, sorted.
local function names_of(name, t)
  if type(t) ~= "table" or getmetatable(t) then
    check.fail("MG-TYPE", "%s: expected a table, got a %s", name, check.type_of(t))
  end
  local names = {}
  for key in pairs(t) do names[#names + 1] = check.value(name .. ": a name", key, check.text()) end
  table.sort(names)
  return names
end

local function flat(metadata)
  local list = {}
  for _, key in ipairs(names_of("data.safetensors_write: metadata", metadata)) do
    list[#list + 1] = key
    list[#list + 1] = check.value("data.safetensors_write: metadata: " .. key, metadata[key], check.text())
  end
  return list
end

--- Writes tensors under names, in the order of the names, whole or not at all.
-- @param path              file name
-- @param tensors           table name -> tensor; names are UTF-8
-- @param options.type      "F32" or "F64" (default: that of this build, which keeps every bit)
-- @param options.metadata  table name -> text (default none)
-- @param options.checksum  also put a checksum of the whole file into the metadata (default false)
-- @return true, or nil and a message
function safetensors.write(path, tensors, options)
  local o = check.options("data.safetensors_write", options, {
    type = check.optional(check.choice { "F32", "F64" }), metadata = check.any {},
    checksum = check.flag(false),
  })
  local names, handles = names_of("data.safetensors_write: tensors", tensors), {}
  for i, name in ipairs(names) do
    handles[i] = check.value("data.safetensors_write: " .. name, tensors[name], check.tensor).handle
  end
  return core.store_write(check.value("data.safetensors_write: path", path, check.text()), names, handles,
    o.type, flat(o.metadata), o.checksum)
end

return safetensors

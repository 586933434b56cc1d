--- Reading and writing files, data sets, and data made from a seed.
--
-- Misuse raises; what the outside world does (a missing, cut or foreign file, a full disk) gives nil and
-- a message. Writers replace a file whole or not at all.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local modules = {
  folder = "mapgrad.data.folder",
  folder_write = "mapgrad.data.folder_write",
  freeciv = "mapgrad.data.freeciv",
  json = "mapgrad.data.json",
  make = "mapgrad.data.make",
  safetensors = "mapgrad.data.safetensors",
  set = "mapgrad.data.set",
}
local names = {
  "file_read", "folder", "folder_write", "freeciv", "json", "json_read", "json_write", "make", "npy_read",
  "npy_write", "png_read", "png_write", "safetensors", "safetensors_read", "safetensors_write", "set",
}
local data = check.registry("data", names, function(name) return require(modules[name]) end)

local function path_of(name, path)
  return check.value(name .. ": path", path, check.text())
end

local function wrapped(handle, message)
  if not handle then return nil, message end
  return tensor.wrap(handle)
end

local function tensor_of(name, value)
  return check.value(name .. ": tensor", value, check.tensor).handle
end

--- The array of a .npy file: any real number type and byte order, C or Fortran order.
-- @return a tensor, or nil and a message
function data.npy_read(path)
  return wrapped(core.npy_read(path_of("data.npy_read", path)))
end

--- Writes a .npy file.
-- @param path          file name
-- @param t             tensor
-- @param options.type  "f4" (default), "f8", "i8", "i4" or "u1"; an entry that an integer type cannot
--                      hold is an error
-- @return true, or nil and a message
function data.npy_write(path, t, options)
  local o = check.options("data.npy_write", options, {
    type = check.choice({ "f4", "f8", "i8", "i4", "u1" }, "f4"),
  })
  return core.npy_write(path_of("data.npy_write", path), tensor_of("data.npy_write", t), o.type)
end

--- The picture of a PNG file.
-- @return a tensor [height, width, channels], entries 0..255; grey 1 channel, grey and alpha 2, colour 3,
--   colour and alpha 4; or nil and a message
function data.png_read(path)
  return wrapped(core.png_read(path_of("data.png_read", path)))
end

--- Writes a PNG file.
-- @param path    file name
-- @param pixels  [height, width, channels], 1, 3 or 4 channels; entries are rounded and clamped to 0..255
-- @return true, or nil and a message
function data.png_write(path, pixels)
  return core.png_write(path_of("data.png_write", path), tensor_of("data.png_write", pixels))
end

--- The bytes of a file, inflated if it is a gzip file.
-- @param path   file name
-- @param limit  most bytes to accept (default 64 MiB); a longer file is a failure
-- @return a text, or nil and a message
function data.file_read(path, limit)
  limit = check.value("data.file_read: limit", limit or 64 * 2 ^ 20, check.count())
  return core.file_read(path_of("data.file_read", path), limit)
end

--- data.json.read: the value of a JSON file.
function data.json_read(...)
  return data.json.read(...)
end

--- data.json.write: writes a value as a JSON file.
function data.json_write(...)
  return data.json.write(...)
end

--- data.safetensors.read: the tensors of a safetensors file.
function data.safetensors_read(...)
  return data.safetensors.read(...)
end

--- data.safetensors.write: writes tensors under names as a safetensors file.
function data.safetensors_write(...)
  return data.safetensors.write(...)
end

return data

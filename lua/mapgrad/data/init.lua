--- Reading and writing files, data sets, and data made from a seed.
--
-- Misuse raises; what the outside world does (a missing, cut or foreign file, a full disk) gives nil and
-- a message. Writers replace a file whole or not at all.
require "mapgrad.autograd" -- what readers return has arithmetic
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local csv = require "mapgrad.data.csv"
local json = require "mapgrad.data.json"
local loader = require "mapgrad.data.loader"
local npz = require "mapgrad.data.npz"
local safetensors = require "mapgrad.data.safetensors"
local tensor = require "mapgrad.tensor"

local modules = {
  folder = "mapgrad.data.folder",
  folder_write = "mapgrad.data.folder_write",
  freeciv = "mapgrad.data.freeciv",
  make = "mapgrad.data.make",
  set = "mapgrad.data.set",
}
local names = {
  "csv_read", "csv_write", "fashion_mnist", "file_read", "folder", "folder_write", "freeciv", "idx_read",
  "idx_write", "json", "json_read", "json_write", "limit", "make", "mnist", "npy_read", "npy_write", "npz_read",
  "npz_write", "png_read", "png_write", "safetensors_read", "safetensors_write", "set",
}
local data = check.registry("data", names, function(name) return require(modules[name]) end)

data.limit = loader.limit

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

-- Bytes that a reader accepts.
local function limit_of(name, options)
  return check.options(name, options, { limit = check.count(2 ^ 34) }).limit
end

--- The array of a .npy file: any real number type and byte order, C or Fortran order.
-- @param path           file name
-- @param options.limit  most bytes of data to accept (default 16 GiB); memory is bounded by the file's size
-- @return a tensor, or nil and a message
function data.npy_read(path, options)
  return wrapped(core.npy_read(path_of("data.npy_read", path), limit_of("data.npy_read", options)))
end

--- Writes a .npy file.
-- @param path          file name
-- @param t             tensor
-- @param options.type  "f4" (default), "f8", "i8", "i4", "i2", "i1" or "u1"; an entry that an integer type
--                      cannot hold is an error
-- @return true, or nil and a message
function data.npy_write(path, t, options)
  local o = check.options("data.npy_write", options, {
    type = check.choice({ "f4", "f8", "i8", "i4", "i2", "i1", "u1" }, "f4"),
  })
  return core.npy_write(path_of("data.npy_write", path), tensor_of("data.npy_write", t), o.type)
end

--- The array of an IDX file (the format of MNIST), plain or inside gzip.
-- @param path           file name
-- @param options.limit  most bytes of data, once inflated, to accept (default 16 GiB); memory grows with what
--                       is really there
-- @return a tensor, or nil and a message
function data.idx_read(path, options)
  return wrapped(core.idx_read(path_of("data.idx_read", path), limit_of("data.idx_read", options)))
end

--- Writes an IDX file.
-- @param path              file name
-- @param t                 tensor, extents below 2^32
-- @param options.type      "u1" (default), "i1", "i2", "i4", "f4" or "f8"; an entry that an integer type
--                          cannot hold is an error
-- @param options.compress  write it inside gzip (default false)
-- @return true, or nil and a message
function data.idx_write(path, t, options)
  local o = check.options("data.idx_write", options, {
    type = check.choice({ "u1", "i1", "i2", "i4", "f4", "f8" }, "u1"), compress = check.flag(false),
  })
  return core.idx_write(path_of("data.idx_write", path), tensor_of("data.idx_write", t), o.type, o.compress)
end

-- Tables of text, NumPy's archives.
data.csv_read, data.csv_write = csv.read, csv.write
data.json, data.json_read, data.json_write = json, json.read, json.write
data.npz_read, data.npz_write = npz.read, npz.write
data.safetensors_read, data.safetensors_write = safetensors.read, safetensors.write

--- The handwritten digits of MNIST: 60,000 and 10,000 pictures of 28 x 28. The four IDX files, plain or .gz, are
-- looked for in options.path; without it in $MAPGRAD_DATA/mnist (else ${XDG_CACHE_HOME:-~/.cache}/mapgrad/data/mnist)
-- and in /usr/share/datasets/mnist. Nothing is downloaded; the message says how to get them. Takes 250 MB.
-- @param options.path   the folder of the files
-- @param options.limit  use at most this many rows of each set
-- @return training and test set with image [n, 1, 28, 28] in 0..1 (1 is ink), label [n] the digit 0..9, class [n]
--   = label + 1, counted from 1 as losses and tensors count; or nil and a message
function data.mnist(options)
  return require "mapgrad.data.mnist" "mnist"(options)
end

--- The pieces of clothing of Fashion-MNIST: as data.mnist, in fashion-mnist below the same folders (Debian's package
-- dataset-fashion-mnist). Labels: 0 T-shirt, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker,
-- 8 bag, 9 ankle boot.
-- @param options  as for data.mnist
-- @return as data.mnist
function data.fashion_mnist(options)
  return require "mapgrad.data.mnist" "fashion_mnist"(options)
end

--- The picture of a PNG file.
-- @param path           file name
-- @param options.limit  most bytes of pixels to accept (default 16 GiB); a picture that claims more than its
--                       file can hold is refused whatever the limit
-- @return a tensor [height, width, channels], entries 0..255; grey 1 channel, grey and alpha 2, colour 3,
--   colour and alpha 4; or nil and a message
function data.png_read(path, options)
  return wrapped(core.png_read(path_of("data.png_read", path), limit_of("data.png_read", options)))
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

return data

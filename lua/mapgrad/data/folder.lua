--- The folders of the Warcraft shortest-path data: {train,val,test}_{maps,vertex_weights,shortest_paths}.npy.
-- Source: Vlastelica, Paulus, Musil, Martius, Rolinek 2020, appendix A.3.1.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_set = require "mapgrad.data.set"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local hint = "the folder is to hold {train,val,test}_{maps,vertex_weights,shortest_paths}.npy, as "
  .. "warcraft_shortest_path_oneskin/12x12 of the original data does; data.folder_write makes one"

-- Maps turned at a time: bounds the memory of temporaries.
local block = 256

-- Reads one array; rows beyond the limit are dropped.
local function read(path, axes, limit)
  local handle, message = core.npy_read(path)
  if not handle then return nil, ("data.folder: %s; %s"):format(message, hint) end
  local t = tensor.wrap(handle)
  if t:axes() ~= axes then
    return nil, ("data.folder: %s has shape %s, expected %d axes"):format(path, show.shape(t:shape()), axes)
  end
  if limit and t:size(1) > limit then t = t:rows(1, limit) end
  return t
end

-- nil if all entries are within low..high (NaN is not), else the message.
local function outside(path, t, low, high)
  if t:count() == 0 then return ("data.folder: %s has no entries"):format(path) end
  local least, most = t:min():item(), t:max():item()
  if least >= low and most <= high then return nil end
  return ("data.folder: %s has entries from %g to %g, expected %g to %g"):format(path, least, most, low, high)
end

-- maps [count, h, w, 3] in 0..255 -> image [count, 3, h, w] in 0..1, block by block.
local function to_image(maps)
  local shape = maps:shape()
  local image = tensor.new(shape[1], 3, shape[2], shape[3])
  for first = 1, shape[1], block do
    local last = math.min(first + block - 1, shape[1])
    tensor.scope(function()
      image:rows(first, last):copy_(maps:rows(first, last):permute(1, 4, 2, 3):scale_(1 / 255))
    end)
  end
  return image
end

-- The message if the three arrays do not belong together.
local function mismatch(prefix, maps, costs, path)
  local m, c, p = maps:shape(), costs:shape(), path:shape()
  local fits = m[4] == 3 and c[1] == m[1] and p[1] == m[1] and c[2] == p[2] and c[3] == p[3]
    and c[2] > 0 and c[3] > 0 and m[2] % c[2] == 0 and m[3] % c[3] == 0
  if fits then return nil end
  return ("data.folder: %smaps.npy, vertex_weights and shortest_paths have shapes %s, %s and %s, expected "
    .. "[n, 8k, 8k, 3], [n, k, k] and [n, k, k]"):format(prefix, show.shape(m), show.shape(c), show.shape(p))
end

-- One of the three sets; nil and a message.
local function read_set(prefix, limit)
  local maps, costs, path, message
  local function name(part) return prefix .. part .. ".npy" end
  costs, message = read(name "vertex_weights", 3, limit)
  if not costs then return nil, message end
  path, message = read(name "shortest_paths", 3, limit)
  if not path then return nil, message end
  maps, message = read(name "maps", 4, limit)
  if not maps then return nil, message end
  message = mismatch(prefix, maps, costs, path) or outside(name "maps", maps, 0, 255)
    or outside(name "vertex_weights", costs, 0, 1e6) or outside(name "shortest_paths", path, 0, 1)
  if message then return nil, message end
  -- rows of a longer file: copy what is wanted, so that the rest of the file is freed
  if limit then costs, path = costs:clone(), path:clone() end
  return new_set { image = to_image(maps), costs = costs, path = path }
end

--- Reads a folder of the original layout.
--
--     maps             (n, 8k, 8k, 3) 0..255  -> image [n, 3, 8k, 8k] in 0..1
--     vertex_weights   (n, k, k)              -> costs [n, k, k]
--     shortest_paths   (n, k, k) 0/1          -> path  [n, k, k]
--
-- Shapes are checked against each other. Memory: the pictures twice while they are turned (10,000 maps of
-- 96 x 96 pixels: 2 x 1.1 GB), then once.
-- @param path           the folder
-- @param options.limit  use at most this many rows of each file
-- @return train, validation and test sets; or nil and a message that names the file
return function(path, options)
  check.value("data.folder: path", path, check.text())
  local o = check.options("data.folder", options, { limit = check.optional(check.count()) })
  return autograd.pause(function()
    local sets = {}
    for i, prefix in ipairs { "train_", "val_", "test_" } do
      local set, message = tensor.scope(read_set, path .. "/" .. prefix, o.limit)
      if not set then return nil, message end
      sets[i] = set
    end
    return sets[1], sets[2], sets[3]
  end)
end

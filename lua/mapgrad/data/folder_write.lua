--- Writes data sets in the layout that data.folder reads.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local parts = {
  { file = "vertex_weights", field = "costs", type = "f4" },
  { file = "shortest_paths", field = "path", type = "u1" },
  { file = "maps", field = "image", type = "u1" },
}

-- Adding and taking away 1.5 * 2^(bits of the fraction) rounds entries of small size to integers.
local rounding = 1.5 * 2 ^ (core.info().real_bytes == 8 and 52 or 23)

-- Maps turned at a time: bounds the memory of temporaries.
local block = 256

-- image [count, 3, h, w] in 0..1 -> [count, h, w, 3], integers 0..255
local function to_maps(image)
  if image:axes() ~= 4 then
    check.fail("MG-SHAPE", "data.folder_write: image: expected [count, 3, h, w], got %s",
      show.shape(image:shape()))
  end
  local shape = image:shape()
  local maps = tensor.new(shape[1], shape[3], shape[4], shape[2])
  for first = 1, shape[1], block do
    local last = math.min(first + block - 1, shape[1])
    tensor.scope(function()
      local turned = image:rows(first, last):permute(1, 3, 4, 2):scale_(255)
      maps:rows(first, last):copy_(turned + rounding - rounding)
    end)
  end
  return maps
end

local function write_set(prefix, set)
  for _, part in ipairs(parts) do
    local t = check.value("data.folder_write: " .. part.field, set[part.field], check.tensor)
    if part.field == "image" then t = to_maps(t) end
    local done, message = core.npy_write(prefix .. part.file .. ".npy", t.handle, part.type)
    if not done then return nil, message end
  end
  return true
end

--- Writes {train,val,test}_{maps,vertex_weights,shortest_paths}.npy; pictures lose what 8 bits cannot
-- hold. Each file is written whole or not at all.
-- @param path        an existing folder
-- @param sets.train  data set with image [n, 3, 8k, 8k] in 0..1, costs [n, k, k], path [n, k, k]
-- @param sets.val    the same
-- @param sets.test   the same
-- @return true, or nil and a message
return function(path, sets)
  check.value("data.folder_write: path", path, check.text())
  local o = check.options("data.folder_write", sets, {
    train = check.instance("set"), val = check.instance("set"), test = check.instance("set"),
  })
  return autograd.pause(function()
    for _, name in ipairs { "train", "val", "test" } do
      local done, message = tensor.scope(write_set, path .. "/" .. name .. "_", o[name])
      if not done then return nil, message end
    end
    return true
  end)
end

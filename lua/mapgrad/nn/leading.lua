--- Leading axes: what acts on a batch of instances acts on any number of leading axes.
require "mapgrad.autograd"
local check = require "mapgrad.check"
local show = require "mapgrad.show"

local leading = {}

--- Applies f with all axes before the last ones merged into one, and gives the result those axes
-- back.
-- @param x         tensor [batch..., trailing axes]
-- @param trailing  number of axes of one instance
-- @param f         function ([B, trailing axes]) -> [B, ...]
-- @return tensor [batch..., ...]
function leading.merge(x, trailing, f)
  local shape = x:shape()
  local count = #shape - trailing
  if count == 1 then return f(x) end
  local batch, merged, full = 1, {}, {}
  for axis, extent in ipairs(shape) do
    if axis <= count then
      batch, full[axis] = batch * extent, extent
    else
      merged[#merged + 1] = extent
    end
  end
  table.insert(merged, 1, batch)
  local y = f(x:reshape(merged))
  local rest = y:shape()
  for axis = 2, #rest do full[#full + 1] = rest[axis] end
  return y:reshape(full)
end

--- Raises unless x is a tensor of features [batch..., features].
-- @param name      the layer's name, for the message
-- @param features  wanted size of the last axis
function leading.check_features(name, x, features)
  check.value(name .. ": input", x, check.tensor)
  if x:axes() == 0 or x:size(-1) ~= features then
    check.fail("MG-SHAPE", "%s: expected features [batch, %d], got %s", name, features, show.shape(x:shape()))
  end
end

local function halve(x, first, last, list)
  if first > last then return end
  if first < last then
    local half = math.floor((last - first) / 2)
    halve(x:rows(1, half + 1), first, first + half, list)
    return halve(x:rows(half + 2, last - first + 1), first + half + 1, last, list)
  end
  local shape = x:shape()
  table.remove(shape, 1)
  list[first] = x:reshape(shape)
end

--- The rows x[1], x[2], ... of x [n, ...], a list of tensors [...]. A recorded tensor is halved until one
-- row is left, so that the gradients take n log n rows, not n^2.
function leading.unstack(x)
  local list = {}
  halve(x, 1, x:size(1), list)
  return list
end

local FORMS = { "sequences [batch, %s, length]", "images [batch, %s, height, width]" }

--- Raises unless x is a tensor of sequences [batch..., channels, length], or of images [batch...,
-- channels, height, width].
-- @param name      the layer's name, for the message
-- @param axes      1 for sequences, 2 for images
-- @param channels  wanted number of channels, or nil for any
function leading.check_channels(name, x, axes, channels)
  check.value(name .. ": input", x, check.tensor)
  local shape = x:shape()
  if #shape <= axes or (channels and shape[#shape - axes] ~= channels) then
    local form = FORMS[axes]:format(channels and ("%d"):format(channels) or "channels")
    check.fail("MG-SHAPE", "%s: expected %s, got %s", name, form, show.shape(shape))
  end
end

--- The same for images.
function leading.check_images(name, x, channels)
  leading.check_channels(name, x, 2, channels)
end

return leading

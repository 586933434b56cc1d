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

--- Raises unless x is a tensor of images [batch..., channels, height, width].
-- @param name      the layer's name, for the message
-- @param channels  wanted number of channels, or nil for any
function leading.check_images(name, x, channels)
  check.value(name .. ": input", x, check.tensor)
  local shape = x:shape()
  if #shape < 3 or (channels and shape[#shape - 2] ~= channels) then
    check.fail("MG-SHAPE", "%s: expected images [batch, %s, height, width], got %s", name,
      channels and ("%d"):format(channels) or "channels", show.shape(shape))
  end
end

return leading

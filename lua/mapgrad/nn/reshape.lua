--- Another shape for each instance.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"

--- The same entries in another shape, the first axis kept: x [B, ...] -> y [B, extents...].
-- @param ...  extents of one instance; none: a number each, y [B]
-- @return a module
-- @usage nn.reshape(12, 12)
return function(...)
  local extents, size = { ... }, 1
  for axis, extent in ipairs(extents) do
    size = size * check.value(("nn.reshape: extent %d"):format(axis), extent, check.count())
  end
  return module {
    title = "reshape " .. show.shape(extents),
    forward = function(_, x)
      check.value("nn.reshape: input", x, check.tensor)
      local shape = x:shape()
      local batch = shape[1]
      if not batch or x:count() ~= batch * size then
        check.fail("MG-SHAPE", "nn.reshape: instances of shape %s do not come from %s",
          show.shape(extents), show.shape(shape))
      end
      return x:reshape { batch, compat.unpack(extents) }
    end,
  }
end

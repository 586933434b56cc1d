--- Instances as lists of features.
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"

local function forward(_, x)
  check.value("nn.flatten: input", x, check.tensor)
  local shape, size = x:shape(), 1
  if #shape == 0 then check.fail("MG-SHAPE", "nn.flatten: expected [batch, ...], got %s", show.shape(shape)) end
  for axis = 2, #shape do size = size * shape[axis] end
  return x:reshape(shape[1], size)
end

--- All axes after the first as one: x [B, ...] -> y [B, n].
-- @return a module
return function(options)
  check.options("nn.flatten", options, {})
  return module { title = "flatten", forward = forward }
end

--- Pooling to a fixed size.
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"

--- The constructor of the pooling layer of one kind.
-- @param kind  "max" or "mean"
-- @return function (height, width) -> module
return function(kind)
  local name = ("nn.adaptive_%s_pool"):format(kind)
  return function(height, width)
    height = check.value(name .. ": height", height, check.count())
    width = check.value(name .. ": width", width, check.count())
    return module {
      title = ("adaptive_%s_pool %dx%d"):format(kind, height, width),
      forward = function(_, x)
        leading.check_images(name, x)
        return leading.merge(x, 3, function(images)
          return images:adaptive_pool2d(kind, height, width)
        end)
      end,
    }
  end
end

--- What pooling layers share.
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"
local window = require "mapgrad.nn.window"

local pool = {}

local function check_pad(name, kernel, pad, axes)
  kernel, pad = window.extents(kernel, axes), window.extents(pad, axes)
  for i = 1, axes do
    if pad[i] > kernel[i] / 2 then
      check.fail("MG-ARGUMENT", "nn.%s: pad = %d is more than half of kernel = %d", name, pad[i], kernel[i])
    end
  end
end

--- The constructor of a pooling layer.
-- @param name  of the layer and of the tensor method
-- @param axes  1 for sequences, 2 for images
-- @return function (kernel, options) -> module
function pool.windows(name, axes)
  return function(kernel, options)
    kernel = check.value("nn." .. name .. ": kernel", kernel, window.count(axes))
    local o = check.options("nn." .. name, options, {
      stride = window.count(axes, kernel), pad = window.whole(axes, 0),
    })
    check_pad(name, kernel, o.pad, axes)
    return module {
      title = ("%s %s, stride %s, pad %s"):format(name, window.text(kernel), window.text(o.stride),
        window.text(o.pad)),
      forward = function(_, x)
        leading.check_channels("nn." .. name, x, axes)
        return leading.merge(x, axes + 1, function(merged)
          return merged[name](merged, kernel, o.stride, o.pad)
        end)
      end,
    }
  end
end

--- The constructor of a layer that pools to a fixed size.
-- @param kind  "max" or "mean"
-- @param axes  1 or 2
-- @return function (extents...) -> module
function pool.adaptive(kind, axes)
  local name, labels = ("adaptive_%s_pool%dd"):format(kind, axes), { "height", "width" }
  if axes == 1 then labels = { "length" } end
  local method = ("adaptive_pool%dd"):format(axes)
  return function(...)
    local extents = { ... }
    for i, label in ipairs(labels) do
      check.value(("nn.%s: %s"):format(name, label), extents[i], check.count())
    end
    local text = window.text(axes == 2 and extents or extents[1])
    return module {
      title = name .. " " .. text,
      forward = function(_, x)
        leading.check_channels("nn." .. name, x, axes)
        return leading.merge(x, axes + 1, function(merged)
          return merged[method](merged, kind, extents[1], extents[2])
        end)
      end,
    }
  end
end

return pool

--- Largest entries of windows.
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"

--- Largest entry of each k x k window: x [batch..., C, H, W] -> y [batch..., C, h, w],
-- h = floor((H + 2 pad - k) / stride) + 1. Cells outside the image do not count; of equal entries
-- the first gets the gradient.
-- @param k               height and width of the window
-- @param options.stride  step of the window (default k)
-- @param options.pad     cells added on each side, at most k / 2 (default 0)
-- @return a module
return function(k, options)
  k = check.value("nn.max_pool: k", k, check.count())
  local o = check.options("nn.max_pool", options, { stride = check.count(k), pad = check.whole(0) })
  if o.pad > k / 2 then
    check.fail("MG-ARGUMENT", "nn.max_pool: pad = %d is more than half of k = %d", o.pad, k)
  end
  return module {
    title = ("max_pool %d, stride %d, pad %d"):format(k, o.stride, o.pad),
    forward = function(_, x)
      leading.check_images("nn.max_pool", x)
      return leading.merge(x, 3, function(images) return images:max_pool2d(k, o.stride, o.pad) end)
    end,
  }
end

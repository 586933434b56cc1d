--- Huber's loss: squared near the label, absolute far from it; the mean over instances and samples of
-- sum h(z - t), h(d) = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2).
-- @function huber
-- @param z                      [samples, batch, n...] or [batch, n...]
-- @param label                  t, [batch, n...]
-- @param options.delta          above 0 (default 1)
-- @param options.smooth         whether to divide by delta, so that the slope far away is 1: the smooth
--   absolute loss (default false)
-- @param options.instance_axes  as for the Hamming loss
-- @return tensor of one entry
-- Source: Huber 1964; smooth: Girshick 2015.
local check = require "mapgrad.check"

return require("mapgrad.loss.instances").loss("huber", function(z, t, o)
  local distance = (z - t):abs()
  local near = distance:minimum(o.delta)
  return near * (distance - near * 0.5) * (o.smooth and 1 / o.delta or 1)
end, { delta = check.positive(1), smooth = check.flag(false) })

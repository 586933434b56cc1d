--- Pointwise ranking over known solutions: the mean over z of a pool of (<theta, z> - <theta_true, z>)^2; the mean over
-- instances.
-- Source: Mandi et al. 2022.
-- @function pool_pointwise
-- @param options  as of loss.contrastive_nce
local check = require "mapgrad.check"

return require("mapgrad.loss.pool").loss("pool_pointwise", {}, function(q, _, r)
  local loss, difference = (q - r):square():mean(), (q - r):detach():abs():max():item()
  if loss:item() == math.huge then
    check.fail("MG-ARGUMENT", "loss.pool_pointwise: <theta, z> and <theta_true, z> differ by %g, whose square is no "
      .. "number here; scale both down, or take loss.pool_listwise", difference)
  end
  return loss
end)

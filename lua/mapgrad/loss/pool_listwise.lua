--- Listwise ranking over known solutions: the cross-entropy of softmax(<theta, z> / temperature) against
-- softmax(<theta_true, z> / temperature) over z of a pool; the mean over instances.
-- Source: Mandi et al. 2022.
-- @function pool_listwise
-- @param options              as of loss.contrastive_nce
-- @param options.temperature  of both (default 1)
local check = require "mapgrad.check"

local rules = { temperature = check.positive(1) }

return require("mapgrad.loss.pool").loss("pool_listwise", rules, function(q, _, r, _, o)
  local wanted = (r * (1 / o.temperature)):softmax(2)
  return -(wanted * (q * (1 / o.temperature)):log_softmax(2)):sum(2):mean()
end)

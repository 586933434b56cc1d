--- Pairwise ranking over known solutions: the mean over the others of a pool of max(0, margin + <theta, z - z*>); the
-- mean over instances.
-- Source: Mandi et al. 2022.
-- @function pool_pairwise
-- @param options         as of loss.contrastive_nce
-- @param options.margin  nu (default 0)
local check = require "mapgrad.check"

local rules = { margin = check.not_negative(0) }

return require("mapgrad.loss.pool").loss("pool_pairwise", rules, function(q, best, _, is_best, o)
  local others = 1 - is_best
  local losses = (q - best + o.margin):relu() * others
  return (losses:sum(2) / others:sum(2):maximum(1)):mean()
end)

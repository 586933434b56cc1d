--- Pointwise ranking over known solutions: the mean over z of a pool of (<theta, z> - <theta_true, z>)^2; the mean over
-- instances.
-- Source: Mandi et al. 2022.
-- @function pool_pointwise
-- @param options  as of loss.contrastive_nce
return require("mapgrad.loss.pool").loss("pool_pointwise", {}, function(q, _, r)
  return (q - r):square():mean()
end)

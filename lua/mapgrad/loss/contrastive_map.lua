--- Contrastive MAP loss over known solutions: the largest <theta, z - z*> over z of a pool; the mean over instances.
-- With all solutions in the pool it is the perceptron.
-- Source: Mulamba et al. 2021.
-- @function contrastive_map
-- @param options  as of loss.contrastive_nce
-- @usage loss.contrastive_map { solver = paths, solve_ratio = 0.1 }(costs(x), true_costs):backward()
return require("mapgrad.loss.pool").loss("contrastive_map", {}, function(q, best)
  return (q:max(2):unsqueeze(2) - best):mean()
end)

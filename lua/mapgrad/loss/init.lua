--- Losses: they sum over the entries of one instance, then average over all leading axes, so that a
-- loss does not grow with the batch or with the number of samples.
-- Those that call a solver are made first: loss.spo_plus { solver = s } (x, true_costs); so are those of ranks:
-- loss.recall { lambda = 0.2 } (scores, relevance).
-- @usage loss.hamming(layer(costs(image)), path):backward()
-- @module mapgrad.loss
local check = require "mapgrad.check"

local names = {
  "absolute", "average_precision", "bernoulli", "bernoulli_probability", "categorical_kl", "contrastive_map",
  "contrastive_nce", "cross_entropy", "fenchel_young", "gaussian_kl", "hamming", "hinge", "huber", "imitation",
  "maximum_likelihood", "perceptron", "perturbation_gradient", "pool_listwise", "pool_pairwise",
  "pool_pointwise", "recall", "regret", "sparsemap", "spo_plus", "squared",
}

return check.registry("loss", names, function(name)
  return require("mapgrad.loss." .. name)
end)

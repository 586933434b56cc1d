--- Estimators: how a gradient passes a solver. Each makes a layer, called as layer(x, context) with x
-- [batch..., shape] in the solver's own sense (scores, or costs for sense "min"), which answers
-- solutions [samples, batch..., shape].
local check = require "mapgrad.check"

local NAMES = {
  "imle", "aimle", "identity", "blackbox", "lpgd", "straight_through", "gumbel_softmax", "relaxed_top_k", "soft_rank",
  "soft_sort", "sinkhorn", "sparsemap", "frank_wolfe", "subset", "perturbed", "score_function",
}

return check.registry("estimator", NAMES, function(name) return require("mapgrad.estimator." .. name) end)

--- Exact laws over feasible sets: p(z) = exp(<z, theta> / temperature - A(theta)), by recurrences or enumeration.
--
-- distribution.top_k { n = 10, k = 3 } makes one, of the solver with that name and settings. theta [batch..., shape]
-- is scores, whatever the solver's sense: of costs take -costs. What a law offers is in mapgrad.distribution.law.
-- @usage local law = mg.distribution.top_k { n = 10, k = 3 }
-- print(law:marginals(tensor.normal(4, 10)), law:sample(tensor.normal(4, 10), 100))
local check = require "mapgrad.check"

local NAMES = {
  "one_hot", "top_k", "chain", "chain_edges", "dag_path", "knapsack", "assignment", "spanning_tree", "factored",
  "enumerated",
}

return check.registry("distribution", NAMES, function(name) return require("mapgrad.distribution." .. name) end)

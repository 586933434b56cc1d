--- k of n entries, or from `least` to k of them: independent bits of log-odds theta / temperature, given how many are
-- one. The recurrence over items and counts
--   E(i, j) = log(exp E(i-1, j) + exp(x_i + E(i-1, j-1))),  A = E(n, k),  x = theta / temperature
-- and its mirror; samples go back through it. O(nk). k = 0 and k = n have one solution and no gradient.
-- Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (SIMPLE).
-- @function top_k
-- @param options.n            entries
-- @param options.k            the most that are taken, 0..n
-- @param options.least        the fewest, 0..k (default k)
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.top_k { n = 10, k = 3 }:sample(tensor.normal(4, 10), 100)
local check = require "mapgrad.check"

return require("mapgrad.distribution.law").of_solver("top_k", { "n", "k", "least?" }, function(o)
  local k = check.value("distribution.top_k: k", o.k, check.whole())
  if k > 0 then return o end
  local least = check.value("distribution.top_k: least", o.least or 0, check.whole())
  return { n = o.n, k = 1, least = least }, { k = 0, least = least }, { k = 0, least = 0 }
end)

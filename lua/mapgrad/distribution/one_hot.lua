--- One of n entries: A = log sum exp(theta / temperature), marginals softmax(theta / temperature). O(n).
-- @function one_hot
-- @param options.n            entries
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.one_hot { n = 5 }:marginals(tensor.normal(3, 5))
return require("mapgrad.distribution.law").of_solver("one_hot", { "n" })

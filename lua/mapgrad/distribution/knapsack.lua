--- Sets of items within a capacity, weights integers: the recurrence over items and the weight they have,
--   P(i, c) = log(exp P(i-1, c) + exp(x_i + P(i-1, c - v_i))),  A = log sum_c exp P(n, c),  x = theta / temperature
-- O(n capacity) time and memory.
-- @function knapsack
-- @param options.weights      what each item weighs, integers from 0
-- @param options.capacity     the most that the items taken may weigh
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.knapsack { weights = { 3, 4, 5 }, capacity = 8 }:marginals(tensor { 1, 2, 3 })
return require("mapgrad.distribution.law").of_solver("knapsack", { "weights", "capacity" })

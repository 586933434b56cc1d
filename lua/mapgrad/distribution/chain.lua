--- Sequences of states whose scores are those of states: one choice for each position. Where what follows what has a
-- score: chain_edges. O(length states^2).
-- @function chain
-- @param options.length       positions
-- @param options.states       states of a position; theta [length, states]
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.chain { length = 3, states = 2 }:marginals(tensor.normal(3, 2))
return require("mapgrad.distribution.law").of_solver("chain", { "length", "states" })

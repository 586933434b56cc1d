--- Sequences of states whose steps are scored: a linear-chain conditional random field, by the forward and backward
-- recurrences. O(steps states^2). Scores of states and shared transitions are added by broadcasting before:
-- theta = unary[step + 1] + transitions.
-- Source: Rabiner 1989; Lafferty, McCallum, Pereira 2001.
-- @function chain_edges
-- @param options.steps        from one position to the next
-- @param options.states       states of a position; theta [steps, states, states], from a state (row) to the next
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.chain_edges { steps = 4, states = 3 }:entropy(tensor.normal(4, 3, 3))
return require("mapgrad.distribution.law").of_solver("chain_edges", { "steps", "states" })

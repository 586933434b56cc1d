--- Noise-contrastive loss over known solutions: the mean over z of a pool of <theta, z - z*>; the mean over instances.
-- The pool holds the optima of the true parameters that were seen and, with probability solve_ratio a call, solutions
-- of theta. All instances share the pool, so they must have one feasible set: with contexts, a
-- known solution that is infeasible for an instance is an error.
-- Source: Mulamba et al. 2021.
-- @function contrastive_nce
-- @param options.solver       the solver
-- @param options.solve_ratio  share of calls that solve theta (default 1)
-- @param options.most         solutions kept (default 1000)
-- @usage loss.contrastive_nce { solver = paths, solve_ratio = 0.1 }(costs(x), true_costs):backward()
return require("mapgrad.loss.pool").loss("contrastive_nce", {}, function(q, best)
  return (q - best):mean()
end)

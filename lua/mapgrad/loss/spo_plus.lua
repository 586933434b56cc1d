--- SPO+: max_z <2 theta - theta_true, z> - <2 theta - theta_true, z*>; the mean over instances.
-- A convex upper bound of the regret <theta_true, z* - z(theta)>, 0 at theta = theta_true. Subgradient
-- 2 (z(2 theta - theta_true) - z*): one solver call an instance, and one for z* unless it is given.
-- Source: Elmachtoub, Grigas 2022.
-- @function spo_plus
-- @param options.solver  the solver
-- @usage loss.spo_plus { solver = paths }(costs(x), true_costs, { solution = true_paths }):backward()
return require("mapgrad.loss.structured").loss("spo_plus", {}, function(self, theta, truth, context)
  local theta_true, best, own = self:solved_truth(truth, theta, context)
  local shifted = self:shift(theta * 2, theta_true, -1)
  return self:mean_inner(shifted, self:argmax(shifted, own) - best)
end)

--- Regret of a layer's solutions under the true parameters: the mean over instances and samples of
-- <theta_true, z* - z>, z = layer(x). Never negative. Its gradient goes through the layer's estimator.
-- Solver calls: the layer's, and one an instance for z* unless it is given.
-- @function regret
-- @param options.layer  a layer of an estimator
-- @usage loss.regret { layer = estimator.blackbox { solver = paths, lambda = 10 } }(costs(x), true_costs):backward()
local check = require "mapgrad.check"
local structured = require "mapgrad.loss.structured"

local construct = structured.loss("regret", { layer = check.instance "layer" }, function(self, theta, truth, context)
  local theta_true, best, own = self:solved_truth(truth, theta, context)
  local z = self.options.layer(self:scores(theta), own) -- negated twice: in the user's sense
  return self:mean_inner(theta_true, best - z)
end)

return function(options)
  local o = check.options("loss.regret", options, { layer = check.instance "layer" })
  return construct { layer = o.layer, solver = o.layer.solver }
end

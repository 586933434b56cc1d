--- PG: minus the slope of V(theta) = max_z <theta, z> along the true parameters, by a difference quotient of step h.
--   right    (V(theta) - V(theta + h theta_true)) / h
--   left     (V(theta - h theta_true) - V(theta)) / h
--   central  (V(theta - h theta_true) - V(theta + h theta_true)) / (2 h)
-- A smoothed -<theta_true, z(theta)>; its gradient is blackbox interpolation of the regret. Two solver calls an
-- instance. The mean over instances.
-- Source: Huang, Gupta 2024.
-- @function perturbation_gradient
-- @param options.solver  the solver
-- @param options.step    h
-- @param options.side    "right", "left", or "central" (default)
-- @usage loss.perturbation_gradient { solver = paths, step = 0.1 }(costs(x), true_costs):backward()
local check = require "mapgrad.check"

local rules = { step = check.positive(), side = check.choice({ "right", "left", "central" }, "central") }

return require("mapgrad.loss.structured").loss("perturbation_gradient", rules, function(self, theta, truth, context)
  local theta_true, h, side = self:truth(truth, theta), self.options.step, self.options.side
  local own = self:split_solution(context)
  local function V(at) return self:mean_inner(at, self:argmax(at, own)) end
  local lower = side == "right" and theta or self:shift(theta, theta_true, -h)
  local upper = side == "left" and theta or self:shift(theta, theta_true, h)
  return (V(lower) - V(upper)) * (1 / (side == "central" and 2 * h or h))
end)

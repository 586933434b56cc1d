--- Blackbox interpolation.
-- Forward:  z = argmax(theta).
-- Backward: (z - argmax(theta - lambda dz)) / lambda, the gradient of a continuous piecewise affine
--           interpolation of the loss.
-- Source: Vlastelica, Paulus, Musil, Martius, Rolinek 2020.
-- The published path layers clip the shifted costs at 0: that is grid_path's own rule in layers.
-- @param options.solver           the solver
-- @param options.lambda           the step; it acts on the gradient of a batch mean
-- @param options.divisor_epsilon  added to lambda in the divisor (default 0; 1e-8 in some published codes)
-- @param options.output           "samples" (default) or "mean": the same for one solution
-- @param options.evaluation       "map" (default), "mean", "samples": the same
-- @usage estimator.blackbox { solver = solver.grid_path { rows = 12, cols = 12 }, lambda = 20 }
local check = require "mapgrad.check"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"

return function(options)
  local o = layer.options("estimator.blackbox", options, {
    solver = check.solver, lambda = check.positive(), divisor_epsilon = check.not_negative(0),
  })
  local map = { solver = o.solver, noise = "none", samples = 1 }

  local function forward(saved, theta, context)
    saved.theta, saved.context, saved.draw = theta, context, perturb.draw()
    saved.z = perturb.argmax(map, theta, context, saved.draw, 0)
    return saved.z
  end

  local function backward(saved, dz)
    local z = perturb.argmax(map, saved.theta - dz * o.lambda, saved.context, saved.draw, 0, true)
    return (saved.z - z):mean(1) * (1 / (o.lambda + o.divisor_epsilon))
  end

  return layer.new("estimator.blackbox", o, forward, backward)
end

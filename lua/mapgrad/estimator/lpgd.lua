--- Lagrangian proximal gradient descent (LPGD) for a linear objective over a discrete set.
-- Forward:  z = argmax(theta).
-- Backward: right    (z - argmax(theta - lambda g)) / lambda, which is blackbox interpolation
--           left     (argmax(theta + lambda g) - z) / lambda
--           average  (argmax(theta + lambda g) - argmax(theta - lambda g)) / (2 lambda)
-- With rho > 0 the shifted problems also stay near z: theta -+ lambda g + rho (z - 1/2), for 0/1 solutions.
-- Solver calls an instance: 1 forward; 1 backward, 2 for the average.
-- Source: Paulus, Martius, Musil 2024.
-- @param options.solver      the solver
-- @param options.lambda      the step (tau in the paper)
-- @param options.side        "right", "left", or "average" (default)
-- @param options.rho         weight of the proximal term (default 0)
-- @param options.output      "samples" (default) or "mean": the same for one solution
-- @param options.evaluation  "map" (default), "mean", "samples": the same
-- @usage estimator.lpgd { solver = solver.grid_path { rows = 12, cols = 12 }, lambda = 20 }
local check = require "mapgrad.check"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"

return function(options)
  local o = layer.options("estimator.lpgd", options, {
    solver = check.solver, lambda = check.positive(), side = check.choice({ "right", "left", "average" }, "average"),
    rho = check.not_negative(0),
  })
  local map = { solver = o.solver, noise = "none", samples = 1 }

  local function forward(saved, theta, context)
    saved.theta, saved.context, saved.draw = theta, context, perturb.draw()
    saved.z = perturb.argmax(map, theta, context, saved.draw, 0)
    return saved.z
  end

  local function shifted(saved, dz, step)
    local theta = saved.theta + dz * step
    if o.rho > 0 then theta = theta + (saved.z - 0.5) * o.rho end
    return perturb.argmax(map, theta, saved.context, saved.draw, 0, true)
  end

  local function backward(saved, dz)
    local left = o.side == "right" and saved.z or shifted(saved, dz, o.lambda)
    local right = o.side == "left" and saved.z or shifted(saved, dz, -o.lambda)
    return (left - right):mean(1) * (1 / (o.side == "average" and 2 * o.lambda or o.lambda))
  end

  return layer.new("estimator.lpgd", o, forward, backward)
end

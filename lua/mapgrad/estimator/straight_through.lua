--- Straight-through: the upstream gradient, as if the solver were the identity.
-- Forward:  z_s = argmax(theta + temperature * noise_s).
-- Backward: mean_s of the per-sample gradients samples * dz_s, that is sum_s dz_s.
-- Source: Bengio, Leonard, Courville 2013.
-- @param options.solver       the solver
-- @param options.noise        a noise, or "none" (default)
-- @param options.temperature  scale of the noise (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.output       "samples" (default) or "mean"
-- @param options.evaluation   "map" (default), "mean", "samples"
-- @usage estimator.straight_through { solver = solver.one_hot { n = 5 }, noise = noise.gumbel() }
local check = require "mapgrad.check"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"

return function(options)
  local o = layer.options("estimator.straight_through", options, {
    solver = check.solver, noise = check.default(perturb.noise, "none"), temperature = check.not_negative(1),
    samples = check.count(1),
  })

  local function forward(_, theta, context)
    return perturb.argmax(o, theta, context, perturb.draw(), o.temperature)
  end

  local function backward(_, dz)
    return dz:sum(1)
  end

  return layer.new("estimator.straight_through", o, forward, backward)
end

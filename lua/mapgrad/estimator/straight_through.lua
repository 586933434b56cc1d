--- Straight-through: the upstream gradient, as if the solver were the identity.
-- Forward:  z_s = argmax(theta + temperature * noise_s).
-- Backward: mean_s of the per-sample gradients samples * dz_s, that is sum_s dz_s; with jacobian = "marginals" the
-- Jacobian of an exact law's marginals times that (of one_hot the softmax's; see also estimator.subset).
-- Source: Bengio, Leonard, Courville 2013.
-- @param options.solver       the solver
-- @param options.noise        a noise, or "none" (default)
-- @param options.temperature  scale of the noise (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.jacobian     "identity" (default) or "marginals"
-- @param options.law          a law of mapgrad.distribution over the solver's set, for jacobian = "marginals"
-- @param options.output       "samples" (default) or "mean"
-- @param options.evaluation   "map" (default), "mean", "samples"
-- @usage estimator.straight_through { solver = solver.one_hot { n = 5 }, noise = noise.gumbel() }
local check = require "mapgrad.check"
local exact = require "mapgrad.estimator.exact"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"

return function(options)
  local o = layer.options("estimator.straight_through", options, {
    solver = check.solver, noise = check.default(perturb.noise, "none"), temperature = check.not_negative(1),
    samples = check.count(1), jacobian = check.choice({ "identity", "marginals" }, "identity"),
    law = check.optional(check.instance "law"),
  })
  local has_law = o.jacobian == "marginals"
  if has_law ~= (o.law ~= nil) then
    check.fail("MG-OPTION", "estimator.straight_through: jacobian = 'marginals' and a law go together")
  end
  if has_law then exact.expect("estimator.straight_through", o.law, o.solver) end

  local function forward(saved, theta, context)
    if has_law then
      exact.expect_no_context("estimator.straight_through", context)
      saved.theta = theta
    end
    return perturb.argmax(o, theta, context, perturb.draw(), o.temperature)
  end

  local function backward(saved, dz)
    local g = dz:sum(1)
    return has_law and o.law:tangent(saved.theta, g) or g
  end

  return layer.new("estimator.straight_through", o, forward, backward)
end

--- Implicit maximum likelihood estimation (I-MLE).
-- Forward:  z_s = argmax(theta + temperature * noise_s).
-- Backward: scale * mean_s [ z_s - argmax(theta'_s + temperature_target * noise_s) ],
--           (theta'_s, scale) = target(theta, samples * dz_s), with the forward pass's noise.
-- Source: Niepert, Minervini, Franceschi 2021, Algorithm 1.
-- @param options.solver              the solver
-- @param options.noise               a noise, or "none"
-- @param options.target              a target
-- @param options.temperature         scale of the noise (default 1)
-- @param options.temperature_target  scale of the noise at the target (default: temperature)
-- @param options.samples             draws for each instance (default 1)
-- @param options.output              "samples" (default) or "mean"
-- @param options.evaluation          what layer:evaluate answers: "map" (default), "mean", "samples"
-- @usage estimator.imle { solver = solver.top_k { n = 10, k = 3 }, noise = noise.sum_of_gamma { k = 3 },
--   target = target.fixed { lambda = 10 } }
local check = require "mapgrad.check"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"

return function(options)
  local o = layer.options("estimator.imle", options, {
    solver = check.solver, noise = perturb.noise, target = check.target, temperature = check.not_negative(1),
    temperature_target = check.optional(check.not_negative()), samples = check.count(1),
  })
  local temperature_target = o.temperature_target or o.temperature

  local function forward(saved, theta, context, truth)
    saved.theta, saved.context, saved.truth, saved.draw = theta, context, truth, perturb.draw()
    saved.z = perturb.argmax(o, theta, context, saved.draw, o.temperature)
    return saved.z
  end

  local function backward(saved, dz)
    local shifted, scale = o.target(saved.theta, dz * o.samples, saved.truth)
    local z = perturb.argmax(o, shifted, saved.context, saved.draw, temperature_target, true)
    return (saved.z - z):mean(1) * scale
  end

  return layer.new("estimator.imle", o, forward, backward)
end

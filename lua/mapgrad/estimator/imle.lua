--- Implicit maximum likelihood estimation (I-MLE).
-- Forward:  z_s = argmax(theta + temperature * noise_s).
-- Backward: mean_s scale [ z_s - argmax(theta'_s + temperature_target * noise_s) ],
--           (theta'_s, scale) = target(theta, samples * dz_s), with the forward pass's noise.
-- symmetric: mean_s scale / 2 [ argmax(theta + lambda g_s + ...) - argmax(theta - lambda g_s + ...) ], to be preferred
-- for losses of single samples, where the one-sided difference counts the gradient at one end only.
-- Solver calls an instance: samples forward, samples backward (twice that if symmetric).
-- Source: Niepert, Minervini, Franceschi 2021, Algorithm 1.
-- @param options.solver              the solver
-- @param options.noise               a noise, or "none"
-- @param options.target              a target
-- @param options.temperature         scale of the noise (default 1)
-- @param options.temperature_target  scale of the noise at the target (default: temperature)
-- @param options.samples             draws for each instance (default 1)
-- @param options.groups              consecutive samples that an adaptive target sees averaged (default 1)
-- @param options.symmetric           true: central differences (default false)
-- @param options.output              "samples" (default) or "mean"
-- @param options.evaluation          what layer:evaluate answers: "map" (default), "mean", "samples"
-- @usage estimator.imle { solver = solver.top_k { n = 10, k = 3 }, noise = noise.sum_of_gamma { k = 3 },
--   target = target.fixed { lambda = 10 } }
local difference = require "mapgrad.estimator.difference"
local layer = require "mapgrad.estimator.layer"

return function(options)
  local o = layer.options("estimator.imle", options, difference.rules())
  difference.check("estimator.imle", o)
  return difference.layer("estimator.imle", o, false)
end

--- SIMPLE: exact samples of an exact law forwards, the exact Jacobian of its marginals backwards, for any law of
-- mapgrad.distribution (k-subsets in the paper). No noise and no solver calls in training.
-- Forward:  z_s ~ p(.; theta), exactly.
-- Backward, with per-sample gradients g_s = samples * dz_s and J = Cov(z) / temperature:
--   "simple"  J mean_s g_s: exact for losses linear in z, else biased, of low variance
--   "F"       mean_s [z_s - z_s(theta - lambda g_s)] / lambda: I-MLE with exact samples of the same draw
--   "B"       mean_s [mu(theta) - mu(theta - lambda g_s)] / lambda: I-MLE with exact marginals
-- Source: Ahmed, Zeng, Niepert, Van den Broeck 2023.
-- @param options.law         a law; its solver's sense is the sense of what the layer takes
-- @param options.samples     of each instance (default 1)
-- @param options.variant     "simple" (default), "F" or "B"
-- @param options.lambda      step of the variants F and B, required there
-- @param options.output      "samples" (default) or "mean"
-- @param options.evaluation  "map" (default), "mean", "samples"
-- @usage estimator.subset { law = distribution.top_k { n = 10, k = 3 }, samples = 10 }(tensor.normal(4, 10))
local check = require "mapgrad.check"
local autograd = require "mapgrad.autograd"
local exact = require "mapgrad.estimator.exact"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"
local tensor = require "mapgrad.tensor"

local backward = {
  simple = function(o, saved, dz) return o.law:tangent(saved.theta, dz:sum(1)) end,

  F = function(o, saved, dz)
    local moved = o.law:sample(saved.theta - dz * (o.samples * o.lambda), o.samples, saved.draw, true)
    return (saved.z - moved):mean(1) * (1 / o.lambda)
  end,

  B = function(o, saved, dz)
    local mu = o.law:marginals(saved.theta - dz * (o.samples * o.lambda)):mean(1)
    return (o.law:marginals(saved.theta) - mu) * (1 / o.lambda)
  end,
}

return function(options)
  local o = layer.options("estimator.subset", options, {
    law = check.instance "law", samples = check.count(1), lambda = check.optional(check.positive()),
    variant = check.choice({ "simple", "F", "B" }, "simple"),
  })
  if (o.variant ~= "simple") ~= (o.lambda ~= nil) then
    check.fail("MG-OPTION", "estimator.subset: lambda is the step of the variants F and B, which need one")
  end
  o.solver = o.law.solver

  local function forward(saved, theta, context)
    exact.expect_no_context("estimator.subset", context)
    saved.theta, saved.draw = theta, perturb.draw()
    saved.z = o.law:sample(theta, o.samples, saved.draw)
    return saved.z
  end

  local self = layer.new("estimator.subset", o, forward, function(saved, dz)
    return backward[o.variant](o, saved, dz)
  end)

  function self.map(_, x)
    x = tensor.of(x, self.name)
    return autograd.pause(function() return o.law:mode(self:scores(x)):unsqueeze(1) end)
  end

  return self
end

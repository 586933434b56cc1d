--- Identity with projection.
-- Forward:  z_s = argmax(P(theta + temperature * noise_s)); without noise one solution.
-- Backward: mean_s P'(theta + temperature * noise_s)^T (samples * dz_s).
-- Projections P of one instance: none; mean, x - mean(x); norm, x / |x|; std, norm after mean. mean and
-- std change solutions unless all have the same sum of entries, and are refused then. A zero vector
-- projects to 0 with gradient 0 and is counted in layer.zero_norms.
-- Source: Sahoo, Paulus, Vlastelica, Musil, Kuleshov, Martius 2023.
-- @param options.solver       the solver
-- @param options.projection   "none" (default), "mean", "norm", "std"
-- @param options.noise        a noise, or "none" (default)
-- @param options.temperature  scale of the noise (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.output       "samples" (default) or "mean"
-- @param options.evaluation   "map" (default), "mean", "samples"
-- @usage estimator.identity { solver = solver.top_k { n = 10, k = 3 }, projection = "std" }
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"
local tensor = require "mapgrad.tensor"

return function(options)
  local o = layer.options("estimator.identity", options, {
    solver = check.solver, projection = check.choice({ "none", "mean", "norm", "std" }, "none"),
    noise = check.default(perturb.noise, "none"), temperature = check.not_negative(1), samples = check.count(1),
  })
  if (o.projection == "mean" or o.projection == "std") and not o.solver.constant_sum then
    check.fail("MG-ARGUMENT", "estimator.identity: projection '%s' changes the solutions of %s, whose solutions "
      .. "differ in their sum; use 'norm' or 'none'", o.projection, o.solver.name)
  end
  local kind = core.projections[o.projection]
  local self

  local function forward(saved, theta, context)
    local draw = perturb.draw()
    saved.y = o.solver:perturbed(theta, o.noise ~= "none" and o.noise or nil, draw, o.temperature, o.samples)
    local projected, zeros = core.project(kind, saved.y.handle, o.solver.n)
    self.zero_norms = self.zero_norms + zeros
    return perturb.argmax(o, tensor.wrap(projected), context, draw, 0, true)
  end

  local function backward(saved, dz)
    local g = dz * o.samples
    return tensor.wrap(core.project_vjp(kind, saved.y.handle, g.handle, o.solver.n)):mean(1)
  end

  self = layer.new("estimator.identity", o, forward, backward)
  self.zero_norms = 0
  return self
end

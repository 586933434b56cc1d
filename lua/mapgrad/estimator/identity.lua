--- Identity with projection.
-- Forward:  z_s = argmax(P(theta + temperature * noise_s)); without noise one solution.
-- Backward: mean_s P'(theta + temperature * noise_s)^T (samples * dz_s).
-- Projections P of one instance: none; mean, x - mean(x); norm, x / |x|; std, norm after mean; plane, x - <a, x> a
-- for the direction a of the option plane, where all solutions have the same <a, z>. mean and std change
-- solutions unless all have the same sum of entries, and are refused then. A zero vector
-- projects to 0 with gradient 0 and is counted in layer.zero_norms. Scores must be finite, but for "none".
-- Source: Sahoo, Paulus, Vlastelica, Musil, Kuleshov, Martius 2023.
-- @param options.solver       the solver
-- @param options.projection   "none" (default), "mean", "norm", "std", "plane"
-- @param options.plane        direction of the projection plane, of the solver's shape; it is made of length 1
-- @param options.margin       size of the margin while training (default 0; see estimator/margin.lua)
-- @param options.margin_kind  "informed" (default; labels as context label) or "noise"
-- @param options.margin_order "before" (default) or "after" the projection
-- @param options.noise        a noise, or "none" (default)
-- @param options.temperature  scale of the noise (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.output       "samples" (default) or "mean"
-- @param options.evaluation   "map" (default), "mean", "samples"
-- @usage estimator.identity { solver = solver.top_k { n = 10, k = 3 }, projection = "std" }
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local finite = require "mapgrad.estimator.finite"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"
local tensor = require "mapgrad.tensor"

-- The core's projections of n entries each, and their vjp.
local function kind_projection(kind, n)
  return function(y)
    local projected, zeros = core.project(kind, y.handle, n)
    return tensor.wrap(projected), zeros
  end, function(y, g)
    return tensor.wrap(core.project_vjp(kind, y.handle, g.handle, n))
  end
end

-- y - <a, y> a, which is its own vjp.
local function plane_projection(o)
  if not o.plane or o.plane:count() ~= o.solver.n then
    check.fail("MG-OPTION", "estimator.identity: projection 'plane' needs plane = a direction of %d entries",
      o.solver.n)
  end
  local length = o.plane:norm():item()
  if not (length > 0 and length < math.huge) then
    check.fail("MG-OPTION", "estimator.identity: plane has length %g, expected a direction", length)
  end
  local a = (o.plane:detach() * (1 / length)):reshape(o.solver.n)
  local function apply(y)
    local rows = y:reshape(-1, o.solver.n)
    local along = (rows * a):sum(2):unsqueeze(2)
    return (rows - along * a):reshape(y:shape())
  end
  return function(y) return apply(y), 0 end, function(_, g) return apply(g) end
end

return function(options)
  local o = layer.options("estimator.identity", options, {
    solver = check.solver, projection = check.choice({ "none", "mean", "norm", "std", "plane" }, "none"),
    plane = check.optional(check.tensor), margin_order = check.choice({ "before", "after" }, "before"),
    noise = check.default(perturb.noise, "none"), temperature = check.not_negative(1), samples = check.count(1),
  })
  if (o.projection == "mean" or o.projection == "std") and not o.solver.constant_sum then
    check.fail("MG-ARGUMENT", "estimator.identity: projection '%s' changes the solutions of %s, whose solutions "
      .. "differ in their sum; use 'norm' or 'none'", o.projection, o.solver.name)
  end
  local project, project_vjp
  if o.projection == "plane" then
    project, project_vjp = plane_projection(o)
  else
    project, project_vjp = kind_projection(core.projections[o.projection], o.solver.n)
  end
  local self

  local function forward(saved, theta, context, _, term)
    if o.projection ~= "none" then
      finite("estimator.identity", theta, o.solver, "forbid entries with projection = 'none'")
    end
    local draw = perturb.draw()
    saved.y = o.solver:perturbed(theta, o.noise ~= "none" and o.noise or nil, draw, o.temperature, o.samples)
    local projected, zeros = project(saved.y)
    self.zero_norms = self.zero_norms + zeros
    if term then projected = projected + term end
    return perturb.argmax(o, projected, context, draw, 0, true)
  end

  local function backward(saved, dz)
    return project_vjp(saved.y, dz * o.samples):mean(1)
  end

  self = layer.new("estimator.identity", o, forward, backward)
  self.zero_norms = 0
  return self
end

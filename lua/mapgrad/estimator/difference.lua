--- Gradients by differences of solutions, which I-MLE and AIMLE share.
local check = require "mapgrad.check"
local layer = require "mapgrad.estimator.layer"
local perturb = require "mapgrad.estimator.perturb"

local difference = {}

--- The options of both, beside solver and target.
function difference.rules()
  return {
    solver = check.solver, noise = perturb.noise, target = check.target, temperature = check.not_negative(1),
    temperature_target = check.optional(check.not_negative()), samples = check.count(1), groups = check.count(1),
    symmetric = check.flag(false),
  }
end

--- Checks that the options fit each other.
function difference.check(name, o)
  if o.samples % o.groups ~= 0 then
    check.fail("MG-OPTION", "%s: samples = %d do not make up groups of %d", name, o.samples, o.groups)
  end
  if o.symmetric and not o.target.is_step then
    check.fail("MG-OPTION", "%s: symmetric = true needs a target that steps, such as target.fixed, not %s", name,
      tostring(o.target))
  end
end

-- Means over groups of consecutive samples, [samples / size, batch..., shape].
local function group_means(d, size)
  if size == 1 then return d end
  local shape = d:shape()
  table.insert(shape, 2, size)
  shape[1] = shape[1] / size
  return d:reshape(shape):mean(2)
end

-- dL/dtheta = mean_s scale (z_left - z_right), z_right = z(theta' + temperature noise), and z_left the forward pass's
-- solution, or one solved anew. symmetric: half the difference of both sides, z_left = z(theta + lambda g + ...).
-- @param o        checked options
-- @param saved    of the forward pass: theta, context, truth, draw, z
-- @param dz       [samples, batch..., shape]
-- @param is_left_new  whether z_left is solved anew from alpha theta, unless symmetric
local function gradient(o, saved, dz, is_left_new)
  local g, axes = dz * o.samples, #o.solver.shape
  local temperature = o.temperature_target or o.temperature
  local function solve(theta, per_sample)
    return perturb.argmax(o, theta, saved.context, saved.draw, temperature, per_sample)
  end
  local shifted, scale = o.target(saved.theta, g, saved.truth, axes)
  local right, left = solve(shifted, true), saved.z
  if o.symmetric then
    left = solve((o.target(saved.theta, -g, saved.truth, axes)), true)
  elseif is_left_new then
    left = solve(o.target(saved.theta, g * 0, saved.truth, axes), true)
  end
  local d = left - right
  if o.symmetric then d = d * 0.5 end
  d = group_means(d, o.groups)
  o.target:observe(d, axes)
  return (d * scale):mean(1)
end

--- The layer of both, of checked options.
-- @param is_left_new  whether the left solution of the gradient is solved anew, unless symmetric
function difference.layer(name, o, is_left_new)
  local function forward(saved, theta, context, truth)
    saved.theta, saved.context, saved.truth, saved.draw = theta, context, truth, perturb.draw()
    saved.z = perturb.argmax(o, theta, context, saved.draw, o.temperature)
    return saved.z
  end
  return layer.new(name, o, forward, function(saved, dz) return gradient(o, saved, dz, is_left_new) end)
end

return difference

--- Perturbed Fenchel-Young loss: mean_s <theta_s, z(theta_s) - y> with theta_s = theta + temperature noise_s, or
-- theta exp(temperature e_s - temperature^2 / 2) with normal e_s if multiplicative; the mean over instances.
-- Never negative; convex in theta; gradient mean_s z(theta_s) - y (times the factor if multiplicative). y may be any
-- point of the convex hull, such as a mean of labels. temperature 0 is the perceptron. samples solver calls.
-- Source: Berthet et al. 2020; Dalle et al. 2022 (multiplicative).
-- @function fenchel_young
-- @param options.solver          the solver
-- @param options.noise           a noise (default: the normal law); noise.multiplicative() for factors
-- @param options.temperature     scale of the noise (default 1)
-- @param options.samples         draws for each instance (default 1)
-- @param options.multiplicative  true: noise.multiplicative(), which keeps the signs of theta
-- @usage loss.fenchel_young { solver = paths, samples = 10 }(costs(image), path):backward()
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local noise = require "mapgrad.noise"
local random = require "mapgrad.random"

local rules = {
  noise = check.optional(check.noise), temperature = check.not_negative(1), samples = check.count(1),
  multiplicative = check.flag(false),
}

-- Factors [samples, batch..., shape] of mean 1.
local function factors(self, theta, draw)
  local o, shape = self.options, theta:shape()
  local _, batch = self.solver:batch_of(theta)
  table.insert(shape, 1, o.samples)
  return o.noise:factors({ o.samples, batch, self.solver.n }, draw, o.temperature):reshape(shape)
end

return require("mapgrad.loss.structured").loss("fenchel_young", rules, function(self, theta, y, context)
  y = self:label(y, theta)
  local o, draw = self.options, random.draw "noise"
  self:expect_allowed(theta, y)
  local finite = self:finite(theta)
  local shifted, added -- theta_s as a constant for the solver; finite theta_s, recorded
  if o.multiplicative then
    local f = factors(self, theta, draw)
    shifted, added = theta:detach() * f, finite * f
  else
    shifted = autograd.pause(function()
      return self.solver:perturbed(theta:detach(), o.noise, draw, o.temperature, o.samples)
    end)
    added = finite + self:finite(shifted - finite:detach())
  end
  local z = autograd.pause(function()
    return self.solver:perturbed_argmax(shifted, context, { samples = o.samples, per_sample = true, temperature = 0,
      draw = draw })
  end)
  return self:mean_inner(added, z - y)
end, function(self)
  local o = self.options
  if o.multiplicative and o.noise and not o.noise:is_factor() then
    check.fail("MG-OPTION", "loss.fenchel_young: multiplicative noise is normal: leave noise out")
  end
  o.noise = o.noise or (o.multiplicative and noise.multiplicative or noise.normal)()
  o.multiplicative = o.noise:is_factor()
end)

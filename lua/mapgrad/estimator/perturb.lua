--- Perturb-and-MAP for estimators: noise from a draw, solved in one pass over all threads.
local check = require "mapgrad.check"
local random = require "mapgrad.random"

local perturb = {}

--- The rule of the option noise: a noise, or "none".
perturb.noise = {
  required = true, expected = "a noise or 'none'",
  test = function(v)
    if v == "none" or check.type_of(v) == "mapgrad.noise" then return v end
  end,
}

--- The next draw of the stream "noise".
function perturb.draw()
  return random.draw "noise"
end

--- z_s = argmax <theta + temperature * noise_s, z>.
-- @param o            options of the layer: solver, noise, samples
-- @param theta        [batch..., shape]; per_sample: [samples, batch..., shape]
-- @param context      of the solver
-- @param draw         names the noise; it also carries what a second solve with it can start from
-- @param temperature  scale of the noise
-- @param per_sample   whether theta has a row for each sample
-- @return z [samples, batch..., shape]
function perturb.argmax(o, theta, context, draw, temperature, per_sample)
  return o.solver:perturbed_argmax(theta, context, {
    noise = o.noise ~= "none" and o.noise or nil, draw = draw, temperature = temperature, samples = o.samples,
    per_sample = per_sample, is_warm = true,
  })
end

return perturb

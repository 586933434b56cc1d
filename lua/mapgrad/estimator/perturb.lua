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

--- Whether the samples of a noise come in pairs of the same numbers.
function perturb.is_paired(noise)
  return noise ~= "none" and noise.settings.antithetic == true
end

--- Whether a mean of others can be a baseline: there are samples that do not depend on one's own noise.
function perturb.has_others(noise, samples)
  if perturb.is_paired(noise) then return samples >= 4 and samples % 2 == 0 end
  return samples >= 2
end

--- The baseline "loo" of values [samples, rest...]: for each sample the mean of those whose noise is independent of
-- its own, all others, or those of other pairs if the noise is antithetic.
function perturb.mean_of_others(values, noise)
  local shape, S, sum = values:shape(), values:size(1), values:sum(1):unsqueeze(1)
  if not perturb.is_paired(noise) then return (sum - values) * (1 / (S - 1)) end
  local rest = values:count() / S
  local others = sum:reshape(1, 1, rest) - values:reshape(S / 2, 2, rest):sum(2):unsqueeze(2)
  return (others * (1 / (S - 2))):expand(-1, 2, -1):reshape(shape)
end

--- Raises unless the baseline "loo" is possible.
function perturb.expect_others(name, noise, samples)
  if perturb.has_others(noise, samples) then return end
  check.fail("MG-OPTION", "%s: the baseline 'loo' needs %s, got %d", name, perturb.is_paired(noise)
    and "an even number of samples of antithetic noise, 4 and more" or "2 samples and more", samples)
end

return perturb

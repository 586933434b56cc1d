--- Perturbed optimizers: the gradient of the mean solution under noise.
--   additive        zbar = mean_s z(theta + T eps_s),  dtheta = mean_s <z_s - b_s, u> nu'(eps_s) / T
--   multiplicative  zbar = mean_s z(theta exp(T e_s - T^2 / 2)), e_s normal,
--                   dtheta_i = mean_s <z_s - b_s, u> e_si / (T theta_i); 0 where theta_i = 0
-- with u = dL/dzbar and nu' the score of the noise. Answers the mean, [1, batch..., shape]. Unbiased for E[z] with a
-- fixed u at any number of samples; the variance grows like 1 / T^2, the more without a baseline b_s.
-- Solver calls an instance: samples forward (one more for the baseline "unperturbed"), none backward.
-- Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020; Dalle, Baty, Bouvier, Parmentier 2022 (multiplicative).
-- @param options.solver          the solver
-- @param options.noise           a noise that has a score (default: normal); noise.multiplicative() for factors
-- @param options.temperature     T, above 0 (default 1)
-- @param options.samples         draws for each instance (default 1)
-- @param options.baseline        "none"; "loo", the mean of the other samples (default from 2 samples on; with
--   antithetic noise of other pairs, from 4 on, an even number); "unperturbed", z(theta) (default else)
-- @param options.multiplicative  true: noise.multiplicative() (default false)
-- @param options.evaluation      "map" (default), "mean", "samples": the same as the mean
-- @usage estimator.perturbed { solver = solver.top_k { n = 10, k = 3 }, samples = 10 }
local check = require "mapgrad.check"
local layer = require "mapgrad.estimator.layer"
local noise = require "mapgrad.noise"
local perturb = require "mapgrad.estimator.perturb"
local tensor = require "mapgrad.tensor"

return function(options)
  local o = layer.options("estimator.perturbed", options, {
    solver = check.solver, noise = check.optional(check.noise), temperature = check.positive(1),
    samples = check.count(1), baseline = check.optional(check.choice { "none", "loo", "unperturbed" }),
    multiplicative = check.flag(false),
  })
  local S, T = o.samples, o.temperature
  if o.multiplicative and o.noise and not o.noise:is_factor() then
    check.fail("MG-OPTION", "estimator.perturbed: multiplicative noise is normal: leave noise out")
  end
  o.noise = o.noise or (o.multiplicative and noise.multiplicative or noise.normal)()
  o.multiplicative = o.noise:is_factor()
  o.baseline = o.baseline or (perturb.has_others(o.noise, S) and "loo" or "unperturbed")
  if o.baseline == "loo" then perturb.expect_others("estimator.perturbed", o.noise, S) end
  o.noise:score(tensor.zeros(1)) -- refuses laws without a score

  local function forward(saved, theta, context)
    local draw = perturb.draw()
    saved.theta, saved.draw = theta, draw
    saved.z = perturb.argmax(o, theta, context, draw, T)
    if o.baseline == "unperturbed" then
      saved.map = o.solver:perturbed_argmax(theta, context, { samples = 1, temperature = 0, draw = draw })
    end
    return saved.z:mean(1):unsqueeze(1)
  end

  -- z_s - b_s
  local function centred(saved)
    if o.baseline == "loo" then return saved.z - perturb.mean_of_others(saved.z, o.noise) end
    return saved.map and saved.z - saved.map or saved.z
  end

  local function backward(saved, u)
    local rows, n = saved.theta:count() / o.solver.n, o.solver.n
    local weight = (centred(saved) * u):reshape(S, rows, n):sum(3):unsqueeze(3)
    local eps = o.noise:sample({ S, rows, n }, saved.draw)
    local g = (weight * o.noise:score(eps)):mean(1) * (1 / T)
    g = g:reshape(saved.theta:shape())
    if not o.multiplicative then return g end
    return saved.theta:eq(0):where(0, g / saved.theta)
  end

  return layer.new("estimator.perturbed", o, forward, backward)
end

--- The score-function estimator (REINFORCE): unbiased, for any loss of solutions, differentiable or not.
--   perturbed  z_s = z(theta + T eps_s):   dtheta = mean_s (l_s - b_s) nu'(eps_s) / T
--   exact law  z_s ~ p(.; theta):          dtheta = mean_s (l_s - b_s) (z_s - mu) / tau
-- It needs values of losses, so it is used as layer:loss(x, f, context): f(z), z [samples, batch..., shape] in
-- the solver's sense, answers losses [samples, batch...]; the result is their mean, with this gradient for x and
-- autograd's for what f holds. layer(x) answers the samples, without a gradient.
-- Solver calls an instance: samples; one more for the baseline "unperturbed"; none with an exact law.
-- Source: Williams 1992.
-- @param options.solver       the solver
-- @param options.noise        a noise that has a score (default: normal); without effect with law
-- @param options.temperature  T, above 0 (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.baseline     b_s: "none"; "loo", the mean loss of the other samples (default from 2 samples on; with
--   antithetic noise of other pairs, from 4 on, an even number); "ema", a moving average of past mean losses (default
--   else); "unperturbed", the loss of z(theta)
-- @param options.decay        of the moving average (default 0.99)
-- @param options.law          a law of mapgrad.distribution over the solver's set: exact samples instead of noise
-- @param options.output     "samples" (default) or "mean": what layer(x) answers; layer:loss always takes losses of
--   samples
-- @param options.evaluation "map" (default), "mean", "samples"
-- @usage local layer = estimator.score_function { solver = solver.top_k { n = 10, k = 3 }, samples = 10 }
-- layer:loss(x, function(z) return (z - label):square():sum(-1) end):backward()
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local exact = require "mapgrad.estimator.exact"
local layer = require "mapgrad.estimator.layer"
local noise = require "mapgrad.noise"
local perturb = require "mapgrad.estimator.perturb"
local tensor = require "mapgrad.tensor"

-- Samples and, as a function, their scores [samples, rows, n] for theta.
local function draw_samples(o, theta, context)
  local draw, rows, n = perturb.draw(), theta:count() / o.solver.n, o.solver.n
  if o.law then
    exact.expect_no_context("estimator.score_function", context)
    local z = o.law:sample(theta, o.samples, draw)
    return z, function()
      return (z - o.law:marginals(theta)):reshape(o.samples, rows, n) * (1 / o.law.temperature)
    end
  end
  return perturb.argmax(o, theta, context, draw, o.temperature), function()
    return o.noise:score(o.noise:sample({ o.samples, rows, n }, draw)) * (1 / o.temperature)
  end
end

-- 0, whose gradient for theta is the one given.
local carrier = autograd.operation {
  name = "estimator.score_function",
  forward = function(saved, _, gradient)
    saved.gradient = gradient
    return tensor.zeros()
  end,
  backward = function(saved, dy) return saved.gradient * dy end,
}

-- Losses [samples, batch...] less the baseline, as rows [samples, rows, 1].
local function advantages(self, losses, theta, context, f, rows)
  local o, S = self.options, self.options.samples
  local l = losses:detach():reshape(S, rows)
  local b
  if o.baseline == "loo" then
    b = perturb.mean_of_others(l, o.law and "none" or o.noise)
  elseif o.baseline == "unperturbed" then
    local z = self.solver:perturbed_argmax(theta, context, { samples = 1, temperature = 0, draw = perturb.draw() })
    b = f(z):detach():reshape(1, rows)
  elseif o.baseline == "ema" then
    b = self.average or 0
    local now = l:mean():item()
    self.average = self.average and o.decay * self.average + (1 - o.decay) * now or now
  end
  return (b and l - b or l):unsqueeze(3)
end

-- layer:loss
local function loss(self, x, f, context)
  check.value("estimator.score_function: loss: f", f, check.callable())
  local theta, own = self:inputs(x, context)
  local o, constant, rows = self.options, theta:detach(), theta:count() / self.solver.n
  local z, scores = autograd.pause(draw_samples, o, constant, own)
  local losses = check.value("estimator.score_function: what f answers", f(z), check.tensor)
  if losses:count() ~= o.samples * rows then
    check.fail("MG-SHAPE", "estimator.score_function: f answers %d losses, expected one for each of %d samples of %d"
      .. " instances", losses:count(), o.samples, rows)
  end
  local gradient = autograd.pause(function()
    local weights = advantages(self, losses, constant, own, f, rows)
    return ((weights * scores()):mean(1) * (1 / rows)):reshape(theta:shape())
  end)
  return losses:mean() + carrier(theta, gradient)
end

return function(options)
  local o = layer.options("estimator.score_function", options, {
    solver = check.solver, noise = check.optional(check.noise), temperature = check.positive(1),
    samples = check.count(1), decay = check.not_negative(0.99), law = check.optional(check.instance "law"),
    baseline = check.optional(check.choice { "none", "loo", "ema", "unperturbed" }),
  })
  o.noise = o.noise or noise.normal()
  if o.noise:is_factor() then
    check.fail("MG-OPTION", "estimator.score_function: noise is added here; take estimator.perturbed for factors")
  end
  local sampled = o.law and "none" or o.noise
  o.baseline = o.baseline or (perturb.has_others(sampled, o.samples) and "loo" or "ema")
  if o.baseline == "loo" then perturb.expect_others("estimator.score_function", sampled, o.samples) end
  if o.law then exact.expect("estimator.score_function", o.law, o.solver) end
  if not o.law then o.noise:score(tensor.zeros(1)) end -- refuses laws without a score

  local function forward(_, theta, context)
    return (draw_samples(o, theta, context))
  end

  local function backward()
    return check.fail("MG-ARGUMENT", "estimator.score_function: samples have no gradient of their own; use "
      .. "layer:loss(x, f), which sees the losses")
  end

  local self = layer.new("estimator.score_function", o, forward, backward)
  self.loss = loss
  return self
end

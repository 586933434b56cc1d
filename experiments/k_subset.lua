-- Gradients through the 5 best of 10: every estimator against the exact gradient, and how fast three of them descend.
--
-- The toy of Niepert, Minervini, Franceschi 2021: minimise E |z - b|^2 over the 252 subsets under the exponential
-- family. First a table for gradients of about 1, 10 and 100 solver calls (or samples), one of losses over a solver,
-- and one of the best of 10; then the gaps of I-MLE, straight-through and the score function at some steps, mean and
-- deviation over the runs.
local mg = require "mapgrad"
local diagnose, estimator, noise, target, tensor = mg.diagnose, mg.estimator, mg.noise, mg.target, mg.tensor

local N, K = 10, 5
local START = tensor { 1.7641, .4002, .9787, 2.2409, 1.8676, -.9773, .9501, -.1514, -.1032, .4106 }
local B = tensor { .1440, 1.4543, .7610, .1217, .4439, .3337, 1.4941, .2052, .3131, .8541 }
local LEAST = 1.1251509 -- the smallest expected loss

local top = mg.solver.top_k { n = N, k = K }
local law = mg.distribution.top_k { n = N, k = K }

local function loss(z) return (z - B):square():sum(-1) end

-- Estimators whose gradients take about `calls` solver calls, or as many samples where there are no calls.
local function estimators(calls)
  local half, third = math.max(1, math.floor(calls / 2)), math.max(1, math.floor(calls / 3))
  local sums = noise.sum_of_gamma { k = K }
  local list = {
    { "imle", function()
      return estimator.imle { solver = top, noise = sums, samples = half, target = target.fixed { lambda = 2 } }
    end },
    { "imle symmetric", function()
      return estimator.imle { solver = top, noise = sums, samples = third, symmetric = true,
        target = target.fixed { lambda = 1 } }
    end },
    { "aimle", function() return estimator.aimle { solver = top, noise = sums, samples = half } end },
    { "straight_through", function()
      return estimator.straight_through { solver = top, noise = noise.gumbel(), samples = calls }
    end },
    { "identity std", function()
      return estimator.identity { solver = top, noise = noise.gumbel(), samples = calls, projection = "std" }
    end },
    { "perturbed", function()
      return estimator.perturbed { solver = top, noise = noise.gumbel(), samples = calls }
    end },
    { "score noise", function()
      return estimator.score_function { solver = top, noise = noise.gumbel(), samples = calls }
    end },
    { "score law", function() return estimator.score_function { solver = top, law = law, samples = calls } end },
    { "subset (SIMPLE)", function() return estimator.subset { law = law, samples = calls } end },
    { "relaxed_top_k", function() return estimator.relaxed_top_k { k = K, samples = calls } end },
    { "sparsemap", function() return estimator.sparsemap { solver = top } end },
    { "frank_wolfe entropy", function()
      return estimator.frank_wolfe { solver = top, regulariser = "entropy" }
    end },
  }
  if calls < 3 then
    list[#list + 1] = { "blackbox", function() return estimator.blackbox { solver = top, lambda = 2 } end }
    list[#list + 1] = { "lpgd", function() return estimator.lpgd { solver = top, lambda = 1 } end }
  end
  return list
end

-- Losses of the best subset, and of the true scores 2 b: |z - b|^2 is a constant less <2 b, z>.
local function losses()
  local best = top(B)
  local function of(name, goal, options)
    return { name, function()
      options = options or {}
      options.solver = top
      return mg.loss[name](options)
    end, goal }
  end
  return {
    of("fenchel_young", best, { noise = noise.gumbel(), samples = 10 }), of("sparsemap", best), of("hinge", best),
    of("perceptron", best),
    { "maximum_likelihood", function() return mg.loss.maximum_likelihood { law = law } end, best },
    of("spo_plus", B * 2), of("perturbation_gradient", B * 2, { step = 1 }),
  }
end

-- The relaxation of one-hot vectors.
local function one_hot_estimators()
  local list = {}
  for i, temperature in ipairs { 1, 0.3 } do
    list[i] = { ("gumbel_softmax %g"):format(temperature), function()
      return estimator.gumbel_softmax { temperature = temperature, samples = 10 }
    end }
  end
  return list
end

local function tables(o, record)
  local list = {}
  for i, calls in ipairs { 1, 10, 100 } do
    list[i] = { ("%d solver calls or samples a gradient"):format(calls), top, estimators(calls), calls }
  end
  list[4] = { "losses over a solver", top, losses() }
  list[5] = { "the best of 10, 10 samples a gradient", mg.solver.one_hot { n = N }, one_hot_estimators(), 10 }
  for _, row in ipairs(list) do
    local calls = row[4]
    local reports = diagnose.compare { solver = row[2], theta = START, loss = loss, calls = o.budget,
      estimators = row[3], samples = o.samples }
    print(("\n%s, %d in all"):format(row[1], o.budget))
    print(tostring(reports))
    for _, r in ipairs(reports) do
      for _, name in ipairs { "family", "perturbed" } do
        local m = r[name]
        if m then
          record { estimator = r.name, law = name, wanted_calls = calls, calls = r.calls, gradients = r.gradients,
            bias = m.bias, bias_low = m.interval.bias[1], bias_high = m.interval.bias[2], error = m.error,
            variance = m.variance, norm_ratio = m.norm_ratio, call_error = m.call_error, zero_rate = r.zero_rate }
        end
      end
    end
  end
end

-- ------------------------------------------------------------------ descent

-- Gradients of the published runs, not divided by lambda; theta [runs, n].
local function imle_step(layer)
  return function(theta)
    local leaf = theta:clone():watch()
    local z = layer(leaf)
    z:backward((z:detach() - B) * 2)
    return leaf.grad
  end
end

local METHODS = {
  { "imle, sum of gamma", 0.75, { 5, 10, 20, 30, 49 }, function()
    return imle_step(estimator.imle { solver = top, noise = noise.sum_of_gamma { k = K },
      target = target.fixed { lambda = 2, scale = false } })
  end },
  { "imle, gumbel", 0.75, { 5, 10, 20, 30, 49 }, function()
    return imle_step(estimator.imle { solver = top, noise = noise.gumbel(),
      target = target.fixed { lambda = 2, scale = false } })
  end },
  { "straight-through", 0.019, { 5, 10, 20, 30, 49 }, function()
    return imle_step(estimator.straight_through { solver = top, noise = noise.gumbel() })
  end },
  { "score function", 0.0046, { 50, 100, 200, 300, 499 }, function()
    return function(theta)
      local z = law:sample(theta, 1)[1]
      return (z - law:marginals(theta)) * loss(z):unsqueeze(2)
    end
  end },
}

-- Gaps E |z - b|^2 - least of each run.
local function gaps(theta)
  local mu = law:marginals(theta)
  return ((mu * (1 - B * 2)):sum(2) + B:square():sum() - LEAST):to_list()
end

local function mean_and_deviation(list)
  local sum, squares = 0, 0
  for _, v in ipairs(list) do sum = sum + v end
  for _, v in ipairs(list) do squares = squares + (v - sum / #list) ^ 2 end
  return sum / #list, math.sqrt(squares / math.max(#list - 1, 1))
end

local function descend(o, method, record)
  local name, rate, at, make = method[1], method[2], method[3], method[4]
  local theta, velocity = START:unsqueeze(1):expand(o.runs, N):clone(), tensor.zeros(o.runs, N)
  local step, parts, next_at = make(), {}, 1
  for t = 0, math.min(at[#at], o.steps) do
    if t == at[next_at] then
      local mean, deviation = mean_and_deviation(gaps(theta))
      parts[next_at] = ("%d: %.3f +- %.3f"):format(t, mean, deviation)
      record { method = name, step = t, gap = mean, deviation = deviation }
      next_at = next_at + 1
    end
    velocity = velocity * 0.9 + step(theta)
    theta = theta - velocity * rate
  end
  print(("%-20s %s"):format(name, table.concat(parts, "   ")))
end

return mg.experiment {
  title = "gradients through the 5 best of 10",
  options = {
    { name = "budget", form = "count", default = 2000, help = "solver calls for each estimator", smoke = 100 },
    { name = "samples", form = "count", default = 20000, help = "of each of 20 rounds of the perturbed truths",
      smoke = 100 },
    { name = "runs", form = "count", default = 100, help = "repetitions of each descent", smoke = 3 },
    { name = "steps", form = "count", default = 499, help = "steps of a descent, at most", smoke = 20 },
  },
  run = function(_, record, o)
    tables(o, record)
    print "\noptimality gap at steps"
    for _, method in ipairs(METHODS) do descend(o, method, record) end
  end,
}

-- The score-function estimator against enumeration: unbiased for every baseline, with exact laws and with noise.
local mg = require "mapgrad"
local support = require "tests.support"
local core = require "mapgrad.real"
local distribution, estimator, noise, random, solver, tensor = mg.distribution, mg.estimator, mg.noise, mg.random,
  mg.solver, mg.tensor
local near, assert_fails, is_double = support.near, support.assert_fails, support.is_double

local EXACT = is_double and 1e-12 or 1e-5
local BASELINES = { "none", "ema", "loo", "unperturbed" }

-- A law whose samples are those given.
local function given_law(options, z)
  local law = distribution.top_k(options)
  law.sample = function() return z end
  return law
end

-- Gradient of the layer's loss for x.
local function gradient(layer, x, f)
  local leaf = x:clone():watch()
  local l = layer:loss(leaf, f)
  l:backward()
  return leaf.grad, l
end

-- Cov(z, f(z)) / tau over the states [m, n] of a law.
local function covariance(law, theta, f)
  local x = theta:clone():watch()
  law:expectation(x, f):sum():backward()
  return x.grad
end

describe("the score function with an exact law", function()
  local theta, b = tensor { 0.3, -0.8, 1.1, 0.2 }, tensor { 0.5, 0.1, 0.9, -0.4 }
  local settings, tau = { n = 4, k = 2 }, 0.7
  local law = distribution.top_k { n = 4, k = 2, temperature = tau }
  local function f(z) return (z - b):square():sum(-1) end

  -- The mean gradient for samples [S, m, n], each instance with weight p [m].
  local function mean_gradient(z, p, baseline, rounds)
    local m = z:size(2)
    local layer = estimator.score_function { solver = solver.top_k(settings), samples = z:size(1), baseline = baseline,
      law = given_law({ n = 4, k = 2, temperature = tau }, z) }
    local g
    for _ = 1, rounds or 1 do g = gradient(layer, theta + tensor.zeros(m, 4), f) end
    return (g * m * p:unsqueeze(2)):sum(1)
  end

  local states = law:enumerate()
  local p = law:log_prob(theta, states):exp()
  local truth = covariance(law, theta, f)

  it("is Cov(z, l) / tau in the mean over all states, for every baseline that one sample can have", function()
    for _, baseline in ipairs { "none", "ema", "unperturbed" } do
      near(truth, mean_gradient(states:unsqueeze(1), p, baseline, baseline == "ema" and 3 or 1), EXACT, baseline)
    end
  end)

  it("is Cov(z, l) / tau in the mean over all pairs of states, for every baseline", function()
    local m = states:size(1)
    local first, second, weights = {}, {}, {}
    for i = 1, m do
      for j = 1, m do
        first[#first + 1], second[#second + 1] = states[i]:to_list(), states[j]:to_list()
        weights[#weights + 1] = p:get(i) * p:get(j)
      end
    end
    for _, baseline in ipairs(BASELINES) do
      near(truth, mean_gradient(tensor { first, second }, tensor(weights), baseline), EXACT, baseline)
    end
  end)

  it("is unbiased with its own samples, in batches, and of the spread printed for each baseline", function()
    -- n = 20,000 instances; tolerance 4.5 standard errors, estimated from them: 7e-6 false alarms an entry, 16 entries
    local n = 20000
    for _, baseline in ipairs(BASELINES) do
      random.seed(51)
      local layer = estimator.score_function { solver = solver.top_k(settings), samples = 2, baseline = baseline,
        law = law }
      if baseline == "ema" then gradient(layer, theta + tensor.zeros(10, 4), f) end
      local g = gradient(layer, theta + tensor.zeros(n, 4), f) * n
      local mean, spread = g:mean(1), g:std(1)
      for i = 1, 4 do
        local slack = 4.5 * spread:get(i) / math.sqrt(n)
        assert(math.abs(mean:get(i) - truth:get(i)) < slack + 1e-4,
          ("%s: entry %d is %g, expected %g"):format(baseline, i, mean:get(i), truth:get(i)))
      end
    end
  end)

  it("works over other laws, costs and shapes", function()
    -- n = 20,000; as above, 9 entries
    random.seed(52)
    local n = 20000
    local exact = distribution.assignment { rows = 3, cols = 3 }
    local costs, weight = tensor.normal(3, 3), tensor.normal(3, 3)
    local function cost(z) return (z * weight):sum(-2, -1):square() end
    local layer = estimator.score_function { solver = exact.solver, samples = 2, law = exact }
    local g = gradient(layer, costs + tensor.zeros(n, 3, 3), cost) * n
    local expected, mean, spread = -covariance(exact, -costs, cost), g:mean(1), g:std(1)
    for i, v in ipairs(expected:to_list()) do
      local slack = 4.5 * spread:to_list()[i] / math.sqrt(n) + 1e-4
      assert(math.abs(v - mean:to_list()[i]) < slack, ("%d: %g, expected %g"):format(i, mean:to_list()[i], v))
    end
  end)

  it("refuses a law of another shape, and contexts", function()
    assert_fails("score_function_spec.lua:", "has shape 5, the solver 4", function()
      estimator.score_function { solver = solver.top_k(settings), law = distribution.top_k { n = 5, k = 2 } }
    end)
    local layer = estimator.score_function { solver = solver.top_k(settings), law = law }
    assert_fails("MG-OPTION", "a law takes none", layer, theta, { k = { 1 } })
  end)
end)

describe("the score function with noise", function()
  -- P(z = 1st) = cdf((x1 - x2) / T) for the difference of two noises; dE[l] = (l1 - l2) density / T.
  local T, l1, l2, x1, x2 = 0.8, 2, -1, 0.3, 0.1
  local LAWS = {
    gumbel = function(d) return math.exp(-d) / (1 + math.exp(-d)) ^ 2 end, -- logistic
    normal = function(d) return math.exp(-d * d / 4) / math.sqrt(4 * math.pi) end, -- variance 2
  }

  for name, density in pairs(LAWS) do
    for _, baseline in ipairs(BASELINES) do
      it("is unbiased over one_hot: " .. name .. ", baseline " .. baseline, function()
        -- n = 20,000 instances; tolerance 4.5 standard errors, estimated from them: 7e-6 false alarms an entry
        random.seed(53)
        local n = 20000
        local layer = estimator.score_function { solver = solver.one_hot { n = 2 }, noise = noise[name](),
          temperature = T, samples = 2, baseline = baseline }
        local values = tensor { l1, l2 }
        local function f(z) return (z * values):sum(-1) end
        gradient(layer, tensor { { x1, x2 } }, f) -- a first average for ema
        local g = gradient(layer, tensor.zeros(n, 2) + tensor { x1, x2 }, f) * n
        local slope = (l1 - l2) * density((x1 - x2) / T) / T
        local mean, spread = g:mean(1), g:std(1)
        for i, expected in ipairs { slope, -slope } do
          local slack = 4.5 * spread:get(i) / math.sqrt(n) + 1e-4
          assert(math.abs(mean:get(i) - expected) < slack, ("%g, expected %g"):format(mean:get(i), expected))
        end
      end)
    end
  end

  for _, case in ipairs { { 2, "ema" }, { 4, "loo" }, { 5, "ema" } } do
    local samples, baseline = case[1], case[2]
    it(("is unbiased with %d antithetic samples"):format(samples), function()
      -- n = 20,000 instances; tolerance 4.5 standard errors
      random.seed(53)
      local n = 20000
      local layer = estimator.score_function { solver = solver.one_hot { n = 2 }, temperature = T, samples = samples,
        noise = noise.normal { antithetic = true } }
      assert.equal(baseline, layer.options.baseline)
      local g = gradient(layer, tensor.zeros(n, 2) + tensor { x1, x2 }, function(z)
        return (z * tensor { l1, l2 }):sum(-1)
      end) * n
      local slope = (l1 - l2) * LAWS.normal((x1 - x2) / T) / T
      assert(math.abs(g:mean(1):get(1) - slope) < 4.5 * g:std(1):get(1) / math.sqrt(n) + 1e-4)
    end)
  end

  it("is (l - b) times the noise's score over T, sample by sample", function()
    random.seed(54)
    local s, b, x = solver.top_k { n = 5, k = 2 }, tensor.normal(5), tensor.normal(3, 5)
    local function f(z) return (z - b):square():sum(-1) end
    local layer = estimator.score_function { solver = s, noise = noise.gumbel(), temperature = T, samples = 4 }
    local state = random.state()
    local g, l = gradient(layer, x, f)
    random.restore(state)
    local draw = random.draw "noise"
    local epsilon = noise.gumbel():sample({ 4, 3, 5 }, draw)
    local losses = f(s(x + epsilon * T))
    local others = (losses:sum(1):unsqueeze(1) - losses) * (1 / 3)
    local scores = (1 - (-epsilon):exp()) * (1 / T)
    near(((losses - others):unsqueeze(3) * scores):mean(1) * (1 / 3), g, EXACT)
    near(losses:mean(), l, EXACT)
  end)

  it("trains with a margin, as other layers do", function()
    local s, seen = solver.top_k { n = 4, k = 2 }, nil
    local layer = estimator.score_function { solver = s, margin = 100, temperature = 0.01 }
    layer:loss(tensor { { 4, 3, 2, 1 } }, function(z)
      seen = z:to_list()
      return z:sum(-1)
    end, { label = tensor { { 1, 1, 0, 0 } } })
    assert.same({ 0, 0, 1, 1 }, seen)
  end)

  it("lets the gradient of parameters in the loss through", function()
    random.seed(55)
    local weight = tensor { 1, 2, 3 }:watch()
    local layer = estimator.score_function { solver = solver.one_hot { n = 3 }, samples = 10 }
    layer:loss(tensor.zeros(2, 3), function(z) return (z * weight):sum(-1) end):backward()
    near({ 1 }, { weight.grad:sum():item() }, EXACT)
  end)

  it("takes costs of min solvers the other way, with the same bits for 1 and 2 threads", function()
    local before, found = core.threads(), {}
    local s = solver.grid_path { rows = 3, cols = 3 }
    for i, threads in ipairs { 1, 2 } do
      core.threads_set(threads)
      random.seed(56)
      local layer = estimator.score_function { solver = s, noise = noise.normal(), temperature = 0.3, samples = 3 }
      found[i] = gradient(layer, tensor.uniform(40, 3, 3), function(z) return z:sum(-2, -1) end)
    end
    core.threads_set(before)
    assert.is_true(found[1]:equals(found[2]))
  end)

  it("says what is wrong", function()
    local s = solver.one_hot { n = 3 }
    assert_fails("score_function_spec.lua:", "'loo' needs 2 samples",
      function() estimator.score_function { solver = s, baseline = "loo" } end)
    assert_fails("MG-OPTION", "needs an even number of samples of antithetic noise, 4 and more, got 2",
      estimator.score_function, { solver = s, baseline = "loo", samples = 2,
        noise = noise.normal { antithetic = true } })
    assert_fails("MG-", "score", estimator.score_function, { solver = s, noise = noise.sum_of_gamma { k = 2 } })
    local layer = estimator.score_function { solver = s }
    assert_fails("MG-ARGUMENT", "use layer:loss", function() layer(tensor.zeros(3):watch()):sum():backward() end)
    assert_fails("MG-SHAPE", "answers 6 losses, expected one for each of 1 samples of 2 instances",
      layer.loss, layer, tensor.zeros(2, 3), function(z) return z end)
    assert.same({ 1, 2, 3 }, layer(tensor.zeros(2, 3)):shape())
  end)
end)

describe("golden imle/sfe", function()
  for _, case in ipairs(support.golden_cases("imle/sfe", pending)) do
    it("replays " .. case.name, function()
      local exact, b = is_double and 1e-10 or 1e-5, tensor(case.b)
      local layer = estimator.score_function { solver = solver.top_k { n = case.n, k = case.k }, samples = case.S,
        baseline = "none", law = given_law({ n = case.n, k = case.k }, tensor(case.z)) }
      local g, l = gradient(layer, tensor(case.theta), function(z) return (z - b):square():sum(-1) end)
      near(case.grad, g, exact)
      near(case.marginals, layer.options.law:marginals(tensor(case.theta)), exact)
      near({ tensor(case.loss):mean():item() }, l, exact)
    end)
  end
end)

describe("golden imle/synth_trajectory", function()
  for _, case in ipairs(support.golden_cases("imle/synth_trajectory", pending)) do
    if case.method == "sfe" then
      it("replays " .. case.name, function()
        local exact, b = is_double and 1e-9 or 1e-3, tensor(case.b)
        local function f(z) return (z - b):square():sum(-1) end
        local law = distribution.top_k { n = case.n, k = case.k }
        local states, step = law:enumerate(), 0
        law.sample = function(_, theta)
          local u, sum = case.u[step], 0
          for s, p in ipairs(law:log_prob(theta, states):exp():to_list()) do
            sum = sum + p
            if sum > u then return states[s]:reshape(1, case.n) end
          end
        end
        local layer = estimator.score_function { solver = law.solver, baseline = "none", law = law }
        local theta, velocity = tensor(case.theta0), tensor.zeros(case.n)
        for t = 1, case.steps do
          step = t
          near(case.theta[t], theta, exact, "theta of step " .. t)
          near(case.z[t], law:sample(theta), 0, "z of step " .. t)
          near({ case.expected_loss[t] }, law:expectation(theta, f), exact)
          velocity = velocity * case.momentum + gradient(layer, theta, f)
          theta = theta - velocity * case.lr
        end
        near(case.theta_final, theta, exact)
      end)
    end
  end
end)

-- What stands on exact laws: SIMPLE, straight-through with their Jacobian, maximum likelihood.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local support = require "tests.support"
local autograd, distribution, estimator, loss, noise, random, solver, tensor = mg.autograd, mg.distribution,
  mg.estimator, mg.loss, mg.noise, mg.random, mg.solver, mg.tensor
local near, assert_fails, is_double = support.near, support.assert_fails, support.is_double

local EXACT = is_double and 1e-11 or 2e-5
local N, K = 6, 3

local function subset_law(temperature)
  return distribution.top_k { n = N, k = K, temperature = temperature or 0.8 }
end

-- Gradient of sum(layer(x) * weight) for x.
local function gradient(layer, x, weight, context)
  local leaf = x:clone():watch()
  local z = layer(leaf, context)
  z:backward((tensor.zeros(z:shape()) + weight) * (weight:axes() == z:axes() and 1 or 1 / z:size(1)))
  return leaf.grad, z
end

-- J u by enumeration in plain numbers, theta and u lists.
local function tangent(states, theta, u, tau)
  local p, sum, mu, mean, out = {}, 0, {}, 0, {}
  for s, z in ipairs(states) do
    local score = 0
    for i = 1, #z do score = score + z[i] * theta[i] / tau end
    p[s] = math.exp(score)
    sum = sum + p[s]
  end
  for i = 1, #theta do
    mu[i], out[i] = 0, 0
    for s, z in ipairs(states) do mu[i] = mu[i] + p[s] / sum * z[i] end
    mean = mean + mu[i] * u[i]
  end
  for s, z in ipairs(states) do
    local inner = -mean
    for i = 1, #z do inner = inner + z[i] * u[i] end
    for i = 1, #z do out[i] = out[i] + p[s] / sum * inner * (z[i] - mu[i]) / tau end
  end
  return out
end

describe("estimator.subset", function()
  before_each(function() random.seed(61) end)

  it("answers exact samples, and J times the mean of their gradients by enumeration", function()
    local states = require("tests.oracle.top_k").enumerate { n = N, k = K }
    local x, u = tensor.normal(4, N), tensor.normal(3, 4, N)
    local layer = estimator.subset { law = subset_law(), samples = 3 }
    local state = random.state()
    local g, z = gradient(layer, x, u)
    random.restore(state)
    assert.is_true(subset_law():sample(x, 3):equals(z))
    for i = 1, 4 do near(tangent(states, x[i]:to_list(), u:sum(1)[i]:to_list(), 0.8), g[i], EXACT) end
  end)

  it("of one of n has the softmax's Jacobian", function()
    local x, u = tensor.normal(4, N), tensor.normal(4, N)
    local soft = x:clone():watch()
    soft:softmax():backward(u)
    for _, law in ipairs { distribution.one_hot { n = N }, distribution.top_k { n = N, k = 1 } } do
      near(soft.grad, gradient(estimator.subset { law = law }, x, u), EXACT)
    end
  end)

  it("is exact for losses linear in z", function()
    local x, u, law = tensor.normal(N), tensor.normal(N), subset_law()
    local leaf = x:clone():watch()
    law:expectation(leaf, function(z) return (z * u):sum(-1) end):sum():backward()
    near(leaf.grad, gradient(estimator.subset { law = law, samples = 2 }, x, u), EXACT)
  end)

  it("has no gradient for k = 0 and k = n", function()
    for _, k in ipairs { 0, N } do
      local layer = estimator.subset { law = distribution.top_k { n = N, k = k } }
      local g, z = gradient(layer, tensor.normal(4, N), tensor.normal(4, N))
      assert.equal(0, g:abs():max():item())
      near(tensor.ones(1, 4, N) * (k / N), z, 0)
      near(tensor.ones(1, 4, N) * (k / N), layer:map(tensor.normal(4, N)), 0)
      assert.equal(1, layer:zero_rate())
    end
  end)

  it("in variant B is the difference of exact marginals, J g for small lambda", function()
    local x, u, law = tensor.normal(4, N), tensor.normal(2, 4, N), subset_law()
    local g = gradient(estimator.subset { law = law, samples = 2, variant = "B", lambda = 0.7 }, x, u)
    local moved = law:marginals(x - u[1] * 1.4) + law:marginals(x - u[2] * 1.4)
    near((law:marginals(x) * 2 - moved) * (0.5 / 0.7), g, EXACT)
    if is_double then
      near(gradient(estimator.subset { law = law, samples = 2 }, x, u),
        gradient(estimator.subset { law = law, samples = 2, variant = "B", lambda = 1e-5 }, x, u), 1e-4)
    end
  end)

  it("in variant F has the mean of variant B for a common gradient, and nothing where none comes in", function()
    -- n = 40,000 pairs of samples; entries lie in [-1, 1] / lambda: 4.5 standard errors are at most 4.5 / lambda / 200,
    -- below 10^-5 false alarms an entry
    local x, u, law, n, lambda = tensor.normal(N), tensor.normal(N), subset_law(), 40000, 1.5
    local F = estimator.subset { law = law, samples = n, variant = "F", lambda = lambda }
    local B = estimator.subset { law = law, variant = "B", lambda = lambda }
    near(gradient(B, x, u), gradient(F, x, u), 4.5 / lambda / 200)
    assert.equal(0, gradient(F, x, tensor.zeros(N)):abs():max():item())
  end)

  it("takes costs of min solvers the other way, over every law", function()
    local edges = { { 1, 2 }, { 2, 3 }, { 1, 3 }, { 3, 4 }, { 2, 4 } }
    for _, law in ipairs {
      distribution.assignment { rows = 3, cols = 3 }, distribution.spanning_tree { nodes = 4, edges = edges },
      distribution.dag_path { nodes = 4, edges = edges }, distribution.knapsack { weights = { 1, 2, 3 }, capacity = 4 },
      distribution.factored { law = distribution.top_k { n = 4, k = 2 }, blocks = 3 },
      distribution.enumerated { solver = solver.ranking { n = 3 } },
      distribution.chain_edges { steps = 2, states = 2 }, distribution.chain { length = 2, states = 3 },
    } do
      local shape = { 2 }
      for _, extent in ipairs(law.shape) do shape[#shape + 1] = extent end
      local x, u = tensor.normal(shape), tensor.normal(shape)
      local sign = law.solver.sense == "min" and -1 or 1
      local layer = estimator.subset { law = law }
      near(law:tangent(x * sign, u) * sign, gradient(layer, x, u), EXACT)
      near(law.solver(x), layer:map(x)[1], 0)
      for _, variant in ipairs { "F", "B" } do
        local g = gradient(estimator.subset { law = law, variant = variant, lambda = 1, samples = 2 }, x, u)
        assert.same(shape, g:shape())
      end
    end
  end)

  it("has the same bits for 1 and 2 threads, and output and evaluation as other layers", function()
    local before, found = core.threads(), {}
    local x, u = tensor.normal(50, N), tensor.normal(50, N)
    for _, variant in ipairs { "simple", "F", "B" } do
      for i, threads in ipairs { 1, 2 } do
        core.threads_set(threads)
        random.seed(62)
        found[i] = gradient(estimator.subset { law = subset_law(), samples = 2, variant = variant,
          lambda = variant ~= "simple" and 2 or nil }, x, u)
      end
      assert.is_true(found[1]:equals(found[2]))
    end
    core.threads_set(before)
    local layer = estimator.subset { law = subset_law(), samples = 5, output = "mean", evaluation = "samples" }
    assert.same({ 1, 50, N }, layer(x):shape())
    assert.same({ 5, 50, N }, layer:evaluate(x):shape())
    near(solver.top_k { n = N, k = K }(x), layer:map(x)[1], 0)
    assert.matches("estimator.subset over top_k", tostring(layer), 1, true)
  end)

  it("says what is wrong at this file's line", function()
    assert_fails("exact_spec.lua:", "option 'law' is missing", function() estimator.subset {} end)
    assert_fails("exact_spec.lua:", "lambda is the step of the variants F and B",
      function() estimator.subset { law = subset_law(), variant = "F" } end)
    assert_fails("MG-OPTION", "did you mean 'variant'", estimator.subset, { law = subset_law(), varient = "F" })
    local layer = estimator.subset { law = subset_law() }
    assert_fails("exact_spec.lua:", "estimator.subset: expected shape [batch..., 6], got 2x4",
      function() layer(tensor.ones(2, 4)) end)
    assert_fails("MG-OPTION", "a law takes none", layer, tensor.ones(N), { k = { 1 } })
  end)

  for _, case in ipairs(support.golden_cases("imle/enum_ksubset", pending)) do
    it("replays Domke's identity of " .. case.name, function()
      local law = distribution.top_k { n = case.n, k = case.k, temperature = case.tau }
      local exact = is_double and 1e-9 or 1e-3
      for _, step in ipairs(case.domke) do
        local x, dy = tensor(case.theta), tensor(step.dy)
        near(step.exact_vjp, gradient(estimator.subset { law = law }, x, dy), EXACT)
        local B = estimator.subset { law = law, variant = "B", lambda = step.lambda }
        near(step.imle_exact, gradient(B, x, dy) * step.lambda, exact)
      end
    end)
  end
end)

describe("straight_through with the Jacobian of marginals", function()
  it("is J times what it is without", function()
    random.seed(63)
    local s, law = solver.top_k { n = N, k = K }, subset_law()
    local x, u = tensor.normal(4, N), tensor.normal(2, 4, N)
    local options = { solver = s, noise = noise.gumbel(), samples = 2 }
    local state = random.state()
    local plain, z = gradient(estimator.straight_through(options), x, u)
    random.restore(state)
    options.jacobian, options.law = "marginals", law
    local g, same = gradient(estimator.straight_through(options), x, u)
    assert.is_true(z:equals(same))
    near(law:tangent(x, plain), g, EXACT)
    near(gradient(estimator.subset { law = law, samples = 2 }, x, u), g, EXACT)
    assert.is_true(g:abs():max():item() > 0)
  end)

  it("needs a law of the solver's shape", function()
    local s = solver.top_k { n = N, k = K }
    for _, options in ipairs { { solver = s, jacobian = "marginals" }, { solver = s, law = subset_law() } } do
      assert_fails("exact_spec.lua:", "go together", function() estimator.straight_through(options) end)
    end
    assert_fails("MG-SHAPE", "has shape 7, the solver 6", estimator.straight_through,
      { solver = s, jacobian = "marginals", law = distribution.one_hot { n = 7 } })
    local layer = estimator.straight_through { solver = s, jacobian = "marginals", law = subset_law() }
    assert_fails("MG-OPTION", "a law takes none", layer, tensor.ones(N), { k = { 1 } })
  end)
end)

describe("loss.maximum_likelihood", function()
  local inf = math.huge

  before_each(function() random.seed(64) end)

  it("is temperature times the negative log-likelihood, its gradient E[z] - y", function()
    local law = subset_law(0.8)
    local x, y = tensor.normal(5, N):watch(), solver.top_k { n = N, k = K }(tensor.normal(5, N))
    local l = loss.maximum_likelihood { law = law }(x, y)
    l:backward()
    near({ -0.8 * law:log_prob(x:detach(), y):mean():item() }, l, EXACT)
    near((law:marginals(x:detach()) - y) * (1 / 5), x.grad, EXACT)
  end)

  it("is not negative, 0 where y is E[z] and nothing is uncertain, and convex along lines", function()
    local law = subset_law(1)
    local f = loss.maximum_likelihood { law = law }
    local y = law:marginals(tensor.normal(1, N))
    for _ = 1, 20 do
      local a, b = tensor.normal(1, N) * 3, tensor.normal(1, N) * 3
      local left, right, middle = f(a, y):item(), f(b, y):item(), f((a + b) * 0.5, y):item()
      assert(left >= 0 and right >= 0)
      assert(middle <= (left + right) / 2 + 1e-5)
    end
    local z = law:mode(tensor.normal(1, N))
    near({ 0 }, f((z - 0.5) * 100, z), is_double and 1e-9 or 1e-4)
  end)

  it("has the gradient of its value, for costs too", function()
    if not is_double then return pending "needs double" end
    for _, law in ipairs { subset_law(0.5), distribution.assignment { rows = 3, cols = 3, temperature = 2 } } do
      local shape = { 2 }
      for _, extent in ipairs(law.shape) do shape[#shape + 1] = extent end
      local y, f = law:mode(tensor.normal(shape)), loss.maximum_likelihood { law = law }
      local err = autograd.check(function(list) return f(list[1], y) end, { tensor.normal(shape) })
      assert(err < 1e-6, tostring(err))
    end
  end)

  it("learns from costs what it would from scores", function()
    local law = distribution.assignment { rows = 3, cols = 3 }
    local costs = tensor.normal(2, 3, 3):watch()
    local y = law:mode(tensor.normal(2, 3, 3))
    loss.maximum_likelihood { law = law }(costs, y):backward()
    near((y - law:marginals(-costs:detach())) * 0.5, costs.grad, EXACT)
  end)

  it("takes forbidden entries", function()
    local law = distribution.one_hot { n = 3 }
    local x = tensor { { 1, -inf, 2 } }:watch()
    local l = loss.maximum_likelihood { law = law }(x, tensor { { 1, 0, 0 } })
    l:backward()
    near({ math.log(1 + math.exp(1)) }, l, EXACT)
    assert.equal(0, x.grad:get(1, 2))
  end)

  it("says what is wrong", function()
    local f = loss.maximum_likelihood { law = subset_law() }
    assert_fails("MG-OPTION", "expected a label after x", f, tensor.ones(2, N))
    assert_fails("MG-SHAPE", "has shape 6, x has 2x6", f, tensor.ones(2, N), tensor.ones(N))
    assert_fails("MG-OPTION", "unknown option 'solver'", loss.maximum_likelihood, { solver = solver.one_hot { n = 2 } })
    assert_fails("MG-OPTION", "a law takes none", f, tensor.ones(2, N), tensor.ones(2, N), { k = { 2 } })
    assert_fails("MG-SHAPE", "no instances", f, tensor.ones(0, N), tensor.ones(0, N))
    assert.matches("loss.maximum_likelihood over top_k", tostring(f), 1, true)
  end)
end)

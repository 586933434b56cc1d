-- What the theory says of estimators and losses: identities between them, and what their means are.
-- Statistical tests: n independent gradients, rows of one batch; a mean may be 4.5 standard errors off, which is a
-- false alarm in 150,000 for each comparison; seeds are fixed.
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, loss, noise, random, solver = mg.estimator, mg.loss, mg.noise, mg.random, mg.solver
local target, tensor = mg.target, mg.tensor
local near, dot, gradient, is_double = support.near, support.dot, support.gradient, support.is_double

local EXACT = is_double and 1e-12 or 1e-5

local function double_it(name, f)
  it(name, function()
    if not is_double then return pending "needs double" end
    f()
  end)
end

local function rows_of(list, n)
  return tensor.zeros(n, #list) + tensor(list)
end

local function softmax(theta)
  local p, sum = {}, 0
  for i, v in ipairs(theta) do
    p[i] = math.exp(v)
    sum = sum + p[i]
  end
  for i = 1, #p do p[i] = p[i] / sum end
  return p
end

local function combine(a, x, b, y)
  local z = {}
  for i = 1, #x do z[i] = a * x[i] + b * y[i] end
  return z
end

-- Mean and squared standard error of a list.
local function mean_of(list)
  local sum, squares = 0, 0
  for _, v in ipairs(list) do sum = sum + v end
  local mean = sum / #list
  for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
  return mean, squares / (#list - 1) / #list
end

-- Asserts that the mean of a list is what is expected, itself known to a squared standard error.
local function assert_mean(expected, list, what, expected_error)
  local mean, squared = mean_of(list)
  local slack = 4.5 * math.sqrt(squared + (expected_error or 0)) + 1e-9
  assert(math.abs(mean - expected) <= slack, ("%s: mean %g, expected %g +- %g"):format(what, mean, expected, slack))
  assert(squared > 0 or math.abs(expected) < 1e-9, what .. ": nothing varies")
end

-- The same for each column of [n, entries].
local function assert_means(expected, t, what)
  for i, value in ipairs(expected) do
    assert_mean(value, t:slice(2, i, i):to_list(), ("%s: entry %d"):format(what, i))
  end
end

local THETA, U = { 0.5, -0.2, 0.1, 0.9 }, { 1, -0.5, 0.3, 0.2 }
local items = solver.top_k { n = 6, k = 3 }
local SET = require("tests.oracle.top_k").enumerate { n = 6, k = 3 }

-- Laws with a score, among those there are.
local SCORED = {}
for _, kind in ipairs(noise.kinds) do
  if (" normal gumbel logistic laplace "):find(" " .. kind.name .. " ", 1, true) then
    SCORED[kind.name] = noise[kind.name]
  end
end
assert(SCORED.normal and SCORED.gumbel)

-- z = theta, as if a solver.
local function echo(n)
  return solver.define { name = "echo", n = n, solve = function(theta, z)
    for i = 1, n do z[i] = theta[i] end
  end }
end

-- ---------------------------------------------------------------- identities

describe("blackbox", function()
  it("moves to a solution that costs no more, and lies below its loss, above that of the moved solution", function()
    random.seed(61)
    local lambda, x, u, count = 0.8, tensor.normal(60, 6), tensor.normal(60, 6), 0
    local g, z = gradient(estimator.blackbox { solver = items, lambda = lambda }, x, u)
    local moved = z[1] - g * lambda
    local theta, weight, before, after = x:to_table(), u:to_table(), z[1]:to_table(), moved:to_table()
    local slack = is_double and 1e-12 or 1e-5
    for b = 1, 60 do
      local change = combine(1, after[b], -1, before[b])
      assert(dot(weight[b], change) <= slack)
      assert(dot(theta[b], change) <= slack)
      assert(dot(theta[b], change) - lambda * dot(weight[b], change) >= -slack)
      local value = dot(weight[b], after[b]) - dot(theta[b], change) / lambda
      assert(dot(weight[b], after[b]) <= value + slack and value <= dot(weight[b], before[b]) + slack)
      if dot(change, change) > 0.5 then count = count + 1 end
    end
    assert(count > 20)
  end)

  it("with the smallest step that changes the solution is Identity, for a squared loss to a neighbour", function()
    random.seed(62)
    for _ = 1, 20 do
      local x = tensor.normal(1, 6)
      local theta, order = x:to_list(), { 1, 2, 3, 4, 5, 6 }
      table.sort(order, function(a, b) return theta[a] > theta[b] end)
      local label = items(x):to_table()[1]
      label[order[3]], label[order[4]] = 0, 1
      local wanted = tensor { label }
      local smallest = (theta[order[3]] - theta[order[4]]) / 4
      local function with(layer)
        local leaf = x:clone():watch();
        (layer(leaf) - wanted):square():sum():backward()
        return leaf.grad
      end
      local straight = with(estimator.identity { solver = items })
      local lambda = smallest * 1.001
      local stepped = with(estimator.blackbox { solver = items, lambda = lambda })
      near(straight * (0.5 / lambda), stepped, EXACT * 10)
      assert.equal(0, with(estimator.blackbox { solver = items, lambda = smallest * 0.99 }):abs():sum():item())
    end
  end)

  it("has no gradient where the solution is the label and stays it, whatever form the Hamming loss has", function()
    random.seed(63)
    local x = tensor.normal(8, 6)
    local label = items(x)
    local g = gradient(estimator.blackbox { solver = items, lambda = 5 }, x, 1 - label * 2)
    assert.equal(0, g:abs():sum():item())
  end)
end)

describe("lpgd", function()
  local function of(options, x, u)
    options.solver, options.lambda = items, 0.7
    return gradient(estimator.lpgd(options), x, u)
  end

  it("on the right is blackbox; both sides sum to twice the average, which is odd", function()
    random.seed(64)
    local x, u = tensor.normal(30, 6), tensor.normal(30, 6)
    local right, left = of({ side = "right" }, x, u), of({ side = "left" }, x, u)
    assert.is_true(right:equals((gradient(estimator.blackbox { solver = items, lambda = 0.7 }, x, u))))
    near(right + left, of({}, x, u) * 2, EXACT)
    assert.is_true(of({}, x, -u):equals(-of({}, x, u)))
    assert.is_true(of({ side = "left" }, x, -u):equals(-right))
  end)

  it("stays near its solution by rho / 2 |x - z|^2", function()
    random.seed(65)
    local x, u, rho = tensor.normal(20, 6), tensor.normal(20, 6), 0.5
    local g, z = of({ side = "right", rho = rho }, x, u)
    local theta, weight, start, expected = x:to_table(), u:to_table(), z[1]:to_table(), {}
    for b = 1, 20 do
      local best, value
      for _, y in ipairs(SET) do
        local change = combine(1, y, -1, start[b])
        local v = dot(combine(1, theta[b], -0.7, weight[b]), y) - rho / 2 * dot(change, change)
        if not value or v > value then best, value = y, v end
      end
      expected[b] = combine(1 / 0.7, start[b], -1 / 0.7, best)
    end
    near(expected, g, EXACT)
  end)
end)

describe("aimle", function()
  local function of(name, options, x, u)
    local o = { solver = items, noise = noise.gumbel(), target = target.fixed { lambda = 0.9 }, samples = 6 }
    for key, value in pairs(options) do o[key] = value end
    random.seed(66)
    return (gradient(estimator[name](o), x, u))
  end
  local x, u
  before_each(function()
    random.seed(67)
    x, u = tensor.normal(25, 6), tensor.normal(6, 25, 6)
  end)

  it("with a fixed target is I-MLE, with groups too, one-sided and symmetric", function()
    for _, symmetric in ipairs { false, true } do
      local imle = of("imle", { symmetric = symmetric }, x, u)
      assert.is_true(imle:equals(of("aimle", { symmetric = symmetric }, x, u)))
      near(imle, of("aimle", { symmetric = symmetric, groups = 3 }, x, u), EXACT)
    end
  end)

  it("by central differences is odd, and half the sum of both sides", function()
    local central = of("aimle", { symmetric = true }, x, u)
    assert.is_true(central:equals(-of("aimle", { symmetric = true }, x, -u)))
    near(central * 2, of("aimle", {}, x, u) - of("aimle", {}, x, -u), EXACT)
    assert(central:abs():sum():item() > 0)
  end)

  it("with an adaptive target scales as the loss does, and does not feel the number of samples", function()
    local function adaptive() return target.adaptive { beta = 0.3, step = 0 } end
    local g = of("aimle", { target = adaptive() }, x, u)
    near(g * 8, of("aimle", { target = adaptive() }, x, u * 8), EXACT * 10)
    local one = of("aimle", { target = adaptive(), noise = "none", samples = 1 }, x, u[1])
    near(one, of("aimle", { target = adaptive(), noise = "none" }, x, u[1]), EXACT * 10)
    assert(one:abs():sum():item() > 0)
  end)
end)

describe("loss", function()
  local theta, label
  before_each(function()
    random.seed(68)
    theta = tensor.normal(10, 6)
    label = items(tensor.normal(10, 6))
  end)

  it("hinge of margin m has the gradient z - label of a layer with the informed margin 2 m", function()
    for _, m in ipairs { 0, 0.3, 2 } do
      local x = theta:clone():watch()
      loss.hinge { solver = items, margin = m }(x, label):backward()
      local z = estimator.identity { solver = items, margin = 2 * m }(theta, { label = label })
      near((z[1] - label) * 0.1, x.grad, EXACT)
    end
  end)

  it("perceptron has the gradient of blackbox with a step that reaches the label, and of the combinatorial target",
    function()
      local x = theta:clone():watch()
      loss.perceptron { solver = items }(x, label):backward()
      local g = gradient(estimator.imle { solver = items, noise = "none", target = target.combinatorial {} }, theta,
        1 - label * 2)
      near(g * 0.1, x.grad, EXACT)
    end)

  it("fenchel_young at low temperatures is the perceptron", function()
    for _, options in ipairs { { noise = noise.gumbel() }, { multiplicative = true } } do
      options.solver, options.samples, options.temperature = items, 5, 1e-6
      local x, y = theta:clone():watch(), theta:clone():watch()
      local smooth = loss.fenchel_young(options)(x, label)
      local sharp = loss.perceptron { solver = items }(y, label)
      smooth:backward()
      sharp:backward()
      near({ sharp:item() }, { smooth:item() }, 1e-4)
      near(y.grad, x.grad, 1e-4)
    end
  end)

  it("fenchel_young over one_hot with Gumbel noise has the mean softmax(theta / T) - label", function()
    -- n = 20,000 rows of 2 samples
    random.seed(69)
    local n, T = 20000, 0.8
    local x = rows_of(THETA, n):watch()
    local made = loss.fenchel_young { solver = solver.one_hot { n = 4 }, noise = noise.gumbel(), temperature = T,
      samples = 2 }
    made(x, rows_of({ 0, 1, 0, 0 }, n)):backward()
    assert_means(combine(1, softmax(combine(1 / T, THETA, 0, THETA)), -1, { 0, 1, 0, 0 }), x.grad * n, "fenchel_young")
  end)
end)

describe("over the identity map", function()
  local n, s = 4, echo(4)

  it("differences and straight gradients are the upstream gradient itself", function()
    random.seed(70)
    local x, u = tensor.normal(5, n), tensor.normal(5, n)
    local fixed = target.fixed { lambda = 0.5 }
    for name, options in pairs {
      blackbox = { lambda = 0.5 }, lpgd = { lambda = 0.5 }, identity = {},
      straight_through = { noise = noise.normal() },
      imle = { noise = noise.normal(), target = fixed, samples = 3 },
      aimle = { noise = noise.normal(), target = fixed, samples = 3, symmetric = true },
    } do
      options.solver = s
      near(u, (gradient(estimator[name](options), x, u)), is_double and 1e-10 or 1e-4, name)
    end
  end)

  double_it("the perturbed optimizer has the Jacobian I in the mean", function()
    -- n = 10,000 rows of 2 to 4 samples
    local rows = 10000
    local list = {
      { multiplicative = true, temperature = 0.4 }, { baseline = "unperturbed", samples = 2 },
      { temperature = 3, baseline = "none" },
    }
    for _, make in pairs(SCORED) do list[#list + 1] = { noise = make(), temperature = 0.5 } end
    for _, options in ipairs(list) do
      random.seed(71)
      options.solver, options.samples = s, options.samples or 4
      local g = gradient(estimator.perturbed(options), rows_of(THETA, rows), rows_of(U, rows):unsqueeze(1))
      assert_means(U, g, tostring(options.noise or "normal"))
    end
  end)
end)

-- ---------------------------------------------------------------- what means are

describe("the perturbed optimizer", function()
  double_it("over one_hot with Gumbel noise answers softmax(theta / T), with its Jacobian, whatever the baseline",
    function()
      -- n = 20,000 rows of 1 to 5 samples
      local n, T = 20000, 0.7
      local p = softmax(combine(1 / T, THETA, 0, THETA))
      local along, expected = dot(p, U), {}
      for i = 1, 4 do expected[i] = p[i] * (U[i] - along) / T end
      for _, case in ipairs { { 1, "none" }, { 1, "unperturbed" }, { 2, "loo" }, { 5, "loo" }, { 3, "unperturbed" },
        { 2, "none" }, { 4, "loo", true }, { 2, nil, true } } do
        random.seed(72)
        local layer = estimator.perturbed { solver = solver.one_hot { n = 4 }, temperature = T, samples = case[1],
          baseline = case[2], noise = noise.gumbel { antithetic = case[3] } }
        local g, z = gradient(layer, rows_of(THETA, n), rows_of(U, n):unsqueeze(1))
        assert_means(expected, g, ("%d samples, %s"):format(case[1], tostring(case[2])))
        assert_means(p, z[1], "mean solution")
      end
    end)

  double_it("over one_hot of 2 with multiplicative noise has its closed form, antithetic or not", function()
    -- theta_1 exp(T e_1) > theta_2 exp(T e_2) has the probability Phi(d), d = log(theta_1 / theta_2) / (T sqrt 2);
    -- n = 20,000 rows of 2 to 6 samples
    local n, T, theta = 20000, 0.5, { 1.5, 1.2 }
    local d = math.log(theta[1] / theta[2]) / (T * math.sqrt(2))
    local density = math.exp(-d * d / 2) / math.sqrt(2 * math.pi) / (T * math.sqrt(2))
    local expected = { density / theta[1], -density / theta[2] }
    for _, antithetic in ipairs { true, false } do
      for _, case in ipairs { { 2, "none" }, { 2, "unperturbed" }, { 4, "loo" }, { 6 }, { 3 }, { 2 } } do
        random.seed(78)
        local layer = estimator.perturbed { solver = solver.one_hot { n = 2 }, samples = case[1], baseline = case[2],
          noise = noise.multiplicative { antithetic = antithetic }, temperature = T }
        local g = gradient(layer, rows_of(theta, n), rows_of({ 1, 0 }, n):unsqueeze(1))
        assert_means(expected, g, ("%d samples, %s, antithetic %s"):format(case[1], layer.options.baseline,
          tostring(antithetic)))
      end
    end
  end)

  -- F(theta + h d) - F(theta - h d) is 2 h times the mean of <F', d> over the segment between: rows stand at uniform
  -- points of it, and the long difference is exact.
  local laws = { factors = { multiplicative = true, temperature = 0.5 } }
  for name, make in pairs(SCORED) do laws[name] = { noise = make(), temperature = 0.7 } end
  for name, options in pairs(laws) do
    double_it("is unbiased: a long central difference with common noise, " .. name, function()
      -- n = 20,000 rows of 2 samples, and 20,000 pairs of solutions
      random.seed(73)
      local n, h, s = 20000, 0.4, solver.top_k { n = 4, k = 2 }
      local T, start = options.temperature or 1, { 1.5, -1.2, 1.1, 1.9 }
      local layer = estimator.perturbed { solver = s, noise = options.noise, temperature = T, samples = 2,
        multiplicative = options.multiplicative }
      for _, d in ipairs { { 1, 0, 0, 0 }, { 0.3, -1, 0.5, 0.8 } } do
        local where = rows_of(start, n) + (tensor.uniform(n, 1) * 2 - 1) * h * tensor { d }
        local g = gradient(layer, where, rows_of(U, n):unsqueeze(1))
        local e = (options.noise or noise.normal()):sample({ 1, n, 4 })[1]
        local function solve(sign)
          local theta = rows_of(combine(1, start, sign * h, d), n)
          theta = options.multiplicative and theta * (e * T - T * T / 2):exp() or theta + e * T
          return (s(theta) * tensor { U }):sum(2)
        end
        local difference, squared = mean_of(((solve(1) - solve(-1)) * (0.5 / h)):to_list())
        assert_mean(difference, (g * tensor { d }):sum(2):to_list(), name, squared)
      end
    end)
  end
end)

describe("I-MLE and AIMLE", function()
  -- Rows of gradients over one_hot with Gumbel noise: n = 20,000 rows of 2 samples.
  local n = 20000
  local function rows(name, options, u, context)
    random.seed(74)
    options.solver, options.noise, options.samples = solver.one_hot { n = 4 }, noise.gumbel(), 2
    return (gradient(estimator[name](options), rows_of(THETA, n), rows_of(u or U, n), context))
  end

  double_it("symmetric: the central difference of softmax", function()
    local lambda = 0.9
    local expected = combine(0.5 / lambda, softmax(combine(1, THETA, lambda, U)), -0.5 / lambda,
      softmax(combine(1, THETA, -lambda, U)))
    for _, name in ipairs { "imle", "aimle" } do
      assert_means(expected, rows(name, { target = target.fixed { lambda = lambda }, symmetric = true }), name)
    end
  end)

  double_it("aimle with alpha and two temperatures: both ends are at the target's", function()
    local lambda, alpha, T = 0.7, 0.6, 0.8
    local g = rows("aimle", { target = target.fixed { lambda = lambda, alpha = alpha }, temperature = 1.5,
      temperature_target = T })
    local left = softmax(combine(alpha / T, THETA, 0, U))
    local right = softmax(combine(alpha / T, THETA, -lambda / T, U))
    assert_means(combine(1 / lambda, left, -1 / lambda, right), g, "aimle")
  end)

  double_it("the combinatorial target with the regret: the gradient of KL to the law of -c", function()
    local c = { 0.4, 1.1, -0.3, 0.2 }
    local g = rows("imle", { target = target.combinatorial {} }, c)
    assert_means(combine(1, softmax(THETA), -1, softmax(combine(-1, c, 0, c))), g, "regret")
  end)

  double_it("the given target: the gradient of KL to the law of the true scores, for a batch mean", function()
    local truth = { -0.4, 0.3, 1.2, 0.1 }
    local g = rows("imle", { target = target.given {} }, U, { truth = rows_of(truth, n) })
    assert_means(combine(1, softmax(THETA), -1, softmax(truth)), g * n, "given")
  end)

  -- Of two states under d = theta_1 - theta_2 + logistic noise, integrated by the midpoint rule over 40,000 quantiles:
  -- error about 1 / (40,000 lambda), and lambda for the step.
  double_it("with a loss of single samples: twice the gradient from one side, right if symmetric", function()
    local count, lambda, theta, b, noises = 40000, 0.01, { 0.3, 0 }, { 0.2, 0.9 }, {}
    for i = 1, count do
      local q = (i - 0.5) / count
      noises[i] = { { math.log(q / (1 - q)), 0 } }
    end
    local p = 1 / (1 + math.exp(-0.3))
    local truth = p * (1 - p) * 2 * (b[2] - b[1]) -- density of d at 0 times l(1, 0) - l(0, 1)
    for symmetric, factor in pairs { [false] = 2, [true] = 1 } do
      local layer = estimator.imle { solver = solver.one_hot { n = 2 }, noise = noise.given(tensor(noises)),
        samples = count, target = target.fixed { lambda = lambda }, symmetric = symmetric }
      local x = tensor { theta }:watch();
      ((layer(x) - tensor(b)):square():sum() * (1 / count)):backward()
      near({ factor * truth, -factor * truth }, x.grad, 0.012)
    end
  end)
end)

describe("identity", function()
  double_it("with noise is the gradient of <u, P(theta + T eps)> in the mean", function()
    -- n = 20,000 rows of 2 samples along a segment, and 20,000 pairs at its ends, as above
    random.seed(75)
    local n, h, T, d = 20000, 0.5, 0.8, { 0.3, -1, 0.5, 0.8 }
    for _, kind in ipairs { "norm", "std" } do
      local layer = estimator.identity { solver = solver.top_k { n = 4, k = 2 }, projection = kind,
        noise = noise.normal(), temperature = T, samples = 2 }
      local where = rows_of(THETA, n) + (tensor.uniform(n, 1) * 2 - 1) * h * tensor { d }
      local g = gradient(layer, where, rows_of(U, n))
      local e = tensor.normal(n, 4) * T
      local function value(sign)
        local x = rows_of(combine(1, THETA, sign * h, d), n) + e
        if kind == "std" then x = x - x:mean(2):unsqueeze(2) end
        return ((x / x:square():sum(2):sqrt():unsqueeze(2)) * tensor { U }):sum(2)
      end
      local difference, squared = mean_of(((value(1) - value(-1)) * (0.5 / h)):to_list())
      assert_mean(difference, (g * tensor { d }):sum(2):to_list(), kind, squared)
    end
  end)
end)

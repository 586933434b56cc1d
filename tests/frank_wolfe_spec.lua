-- The regularised layer: closed forms of entropies, SparseMAP, optimality over all solutions, gradients.
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, random, solver, tensor = mg.estimator, mg.random, mg.solver, mg.tensor
local near, assert_fails, is_double = support.near, support.assert_fails, support.is_double

local VALUE, GRADIENT = is_double and 1e-8 or 2e-3, is_double and 1e-7 or 5e-3

-- Omega(m) = sum_i m_i^4 / 4 + m_i^2 / 2
local QUARTIC = {
  gradient = function(m) return m * m * m + m end,
  value = function(m) return (m:square():square() * 0.25 + m:square() * 0.5):sum(2) end,
}

-- max over all solutions of <theta - slope(m), z - m>, theta and m lists.
local function gap(s, theta, m, slope)
  local q, best = {}, -math.huge
  for i = 1, #m do q[i] = theta[i] - slope(m[i]) end
  for _, z in ipairs(s:enumerate():reshape(-1, #m):to_table()) do
    local sum = 0
    for i = 1, #m do sum = sum + q[i] * (z[i] - m[i]) end
    best = math.max(best, sum)
  end
  return best
end

local function gradient(layer, x, u, context)
  local leaf = x:clone():watch()
  local m = layer(leaf, context)
  m:backward(u)
  return leaf.grad, m
end

-- Compares the gradient of <u, layer(x)> with central differences, entry by entry, in double.
local function assert_differences(layer, x, u, context)
  local flat, list = gradient(layer, x, u, context):to_list(), x:to_list()
  local h = 1e-5
  for i = 1, #list do
    local slopes = {}
    for side = 1, 2 do
      local kept = list[i]
      list[i] = kept + (side == 1 and h or -h)
      slopes[side] = (layer(tensor.from(list):reshape(x:shape()), context) * u):sum():item()
      list[i] = kept
    end
    local slope = (slopes[1] - slopes[2]) / (2 * h)
    assert(math.abs(slope - flat[i]) < 1e-5 * (1 + math.abs(slope)), ("entry %d: %g, %g"):format(i, slope, flat[i]))
  end
end

describe("estimator.frank_wolfe", function()
  it("with entropy over one-hot vectors is the softmax, with its Jacobian, at any temperature", function()
    random.seed(91)
    local x, u = tensor.normal(8, 6), tensor.normal(1, 8, 6)
    for _, tau in ipairs { 2, 0.7, 0.05 } do
      local layer = estimator.frank_wolfe { solver = solver.one_hot { n = 6 }, regulariser = "entropy",
        temperature = tau }
      local g, m = gradient(layer, x, u)
      local leaf = x:clone():watch()
      local p = (leaf * (1 / tau)):softmax(2)
      p:backward(u[1])
      near(p, m[1], VALUE)
      near(leaf.grad, g, GRADIENT)
      assert.equal(0, layer.open)
    end
  end)

  it("with entropy over subsets is min(1, exp((theta - nu) / tau - 1)) with the sum k", function()
    random.seed(92)
    local x, tau, k = tensor.normal(6, 7), 0.6, 3
    local s = solver.top_k { n = 7, k = k }
    local m = estimator.frank_wolfe { solver = s, regulariser = "entropy", temperature = tau }(x)[1]:to_table()
    for r, row in ipairs(x:to_table()) do
      local low, high, expected = -20, 20, {}
      for _ = 1, 100 do
        local nu, sum = (low + high) / 2, 0
        for i, v in ipairs(row) do
          expected[i] = math.min(1, math.exp((v - nu) / tau - 1))
          sum = sum + expected[i]
        end
        if sum > k then low = nu else high = nu end
      end
      near(expected, m[r], is_double and 1e-6 or 1e-2)
      assert(gap(s, row, m[r], function(v) return tau * (math.log(v) + 1) end) < (is_double and 1e-8 or 1e-3))
    end
  end)

  it("with the quadratic regulariser is SparseMAP, with its gradient, by both kinds of steps", function()
    random.seed(93)
    for _, s in ipairs { solver.one_hot { n = 6 }, solver.top_k { n = 6, k = 3 },
      solver.grid_path { rows = 2, cols = 3 } } do
      local shape = { 5 }
      for _, extent in ipairs(s.shape) do shape[#shape + 1] = extent end
      local x = tensor.uniform(shape) + 0.2
      table.insert(shape, 1, 1)
      local u = tensor.normal(shape)
      local g, m = gradient(estimator.sparsemap { solver = s, temperature = 0.4 }, x, u)
      for _, steps in ipairs { "corrective", "pairwise" } do
        local layer = estimator.frank_wolfe { solver = s, temperature = 0.4, steps = steps,
          tolerance = is_double and 1e-11 or nil }
        local own_g, own_m = gradient(layer, x, u)
        near(m, own_m, is_double and 1e-4 or 2e-2)
        if steps == "corrective" then
          near(m, own_m, VALUE)
          near(g, own_g, GRADIENT)
        end
        assert.equal(0, layer.open)
        assert(layer.atoms >= 5)
      end
    end
  end)

  it("with a regulariser of one's own is optimal over all solutions, and its gradient that of differences", function()
    random.seed(94)
    local s = solver.top_k { n = 6, k = 3 }
    local x, u = tensor.normal(3, 6), tensor.normal(1, 3, 6)
    local layer = estimator.frank_wolfe { solver = s, regulariser = QUARTIC }
    local g, m = gradient(layer, x, u)
    for r, row in ipairs(m[1]:to_table()) do
      assert(gap(s, x[r]:to_list(), row, function(v) return v ^ 3 + v end) < (is_double and 1e-8 or 1e-3))
    end
    local product = function(v, d) return (v:square() * 3 + 1) * d end
    local known = estimator.frank_wolfe { solver = s, regulariser = { gradient = QUARTIC.gradient, product = product } }
    local own, own_m = gradient(known, x, u)
    near(m, own_m, VALUE)
    near(g, own, is_double and 1e-6 or 1e-2)
    if is_double then assert_differences(layer, x, u) end
  end)

  it("has the gradient of central differences over subsets, trees and paths of a context", function()
    if not is_double then return pending "needs double" end
    random.seed(95)
    local edges = { { 1, 2 }, { 1, 3 }, { 1, 4 }, { 2, 3 }, { 2, 4 }, { 3, 4 } }
    assert_differences(estimator.frank_wolfe { solver = solver.top_k { n = 5, k = 2 }, regulariser = "entropy",
      temperature = 0.8, tolerance = 1e-12 }, tensor.normal(2, 5), tensor.normal(1, 2, 5))
    local trees = solver.spanning_tree { nodes = 4, edges = edges }
    assert_differences(estimator.frank_wolfe { solver = trees, regulariser = "entropy", temperature = 0.8,
      tolerance = 1e-12 }, tensor.normal(2, 6), tensor.normal(1, 2, 6))
    assert_differences(estimator.frank_wolfe { solver = solver.grid_path { rows = 2, cols = 3 }, temperature = 0.5,
      tolerance = 1e-12 }, tensor.uniform(2, 2, 3) + 0.5, tensor.normal(1, 2, 2, 3))
  end)

  it("negates costs, and hands contexts on", function()
    random.seed(96)
    local x = tensor.uniform(3, 4) + 0.5
    local knapsack = solver.knapsack { weights = { 1, 2, 3, 4 }, capacity = 5 }
    local context = { weights = tensor { { 1, 2, 3, 4 }, { 4, 3, 2, 1 }, { 2, 2, 2, 2 } } }
    local m = estimator.frank_wolfe { solver = knapsack, temperature = 0.3 }(x, context)
    near(estimator.sparsemap { solver = knapsack, temperature = 0.3 }(x, context), m, VALUE)
    local costs = solver.grid_path { rows = 2, cols = 2 }
    local path = estimator.frank_wolfe { solver = costs, temperature = 1e-3 }(tensor { { 1, 0.2 }, { 3, 1 } })
    near({ 1, 0, 0, 1 }, path:to_list(), VALUE) -- temperature towards 0: the cheapest path, straight down the diagonal
  end)

  it("takes an empty batch, counts solver calls and instances that iterations ended", function()
    local s = solver.top_k { n = 20, k = 10 }
    assert.same({ 1, 0, 20 }, estimator.frank_wolfe { solver = s }(tensor.zeros(0, 20)):shape())
    random.seed(97)
    local layer = estimator.frank_wolfe { solver = s, iterations = 2, temperature = 5 }
    layer(tensor.normal(3, 20))
    assert.same({ 3, 6 }, { layer.open, layer.solves })
  end)

  it("has a duality gap that bounds what is missing", function()
    random.seed(98)
    local s, tau = solver.top_k { n = 12, k = 4 }, 0.7
    local x = tensor.normal(12)
    local function value(m) return (x * m):sum():item() - tau / 2 * m:square():sum():item() end
    local best = value(estimator.sparsemap { solver = s, temperature = tau }(x)[1])
    local layer
    for _, steps in ipairs { "corrective", "pairwise" } do
      for iterations = 2, 40, 2 do
        layer = estimator.frank_wolfe { solver = s, temperature = tau, iterations = iterations, steps = steps }
        local missing = best - value(layer(x)[1])
        assert(missing <= layer.gap + 1e-3 * (is_double and 1e-6 or 1))
      end
      if steps == "corrective" then assert(layer.gap < (is_double and 1e-9 or 1e-4)) end
    end
    assert.equal(math.huge, (function()
      layer = estimator.frank_wolfe { solver = s, iterations = 1 }
      layer(x)
      return layer.gap
    end)())
  end)

  it("says what is wrong", function()
    local s = solver.top_k { n = 4, k = 2 }
    assert_fails("MG-ARGUMENT", "instance 1: score at entry 1 is -inf", estimator.frank_wolfe { solver = s },
      tensor.full({ 4 }, -math.huge))
    assert_fails("MG-ARGUMENT", "regulariser", estimator.frank_wolfe, { solver = s, regulariser = "entropie" })
    assert_fails("MG-OPTION", "has none", estimator.frank_wolfe, { solver = s, regulariser = QUARTIC, temperature = 1 })
    assert_fails("MG-OPTION", "did you mean 'gradient'", estimator.frank_wolfe, { solver = s,
      regulariser = { gradiant = QUARTIC.gradient } })
    local x = tensor { 0.3, 0.2, 0.1, 0 }
    assert_fails("MG-ARGUMENT", "gradient is not that of value", estimator.frank_wolfe { solver = s,
      regulariser = { gradient = QUARTIC.gradient, value = function(m) return m:square():sum(2) * 3 end } }, x)
    assert_fails("MG-SHAPE", "gradient answers 1 entries", estimator.frank_wolfe { solver = s,
      regulariser = { gradient = function(m) return m:sum() end } }, x)
  end)
end)

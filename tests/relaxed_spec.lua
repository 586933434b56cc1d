-- Relaxations and the layers around them: closed forms, limits, and gradients by central differences.
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, random, tensor = mg.estimator, mg.random, mg.tensor
local unpack = table.unpack or _G.unpack
local near, assert_fails, is_double = support.near, support.assert_fails, support.is_double

-- Each relaxation, made anew, and the trailing shape it takes.
local MADE = {
  gumbel_softmax = { { 5 }, function() return estimator.gumbel_softmax { temperature = 0.7, samples = 2 } end },
  relaxed_top_k = { { 5 }, function() return estimator.relaxed_top_k { k = 2, temperature = 0.7, samples = 2 } end },
  concrete = { { 5 }, function()
    return estimator.relaxed_top_k { k = 2, temperature = 0.7, samples = 2, kind = "concrete" }
  end },
  soft_rank = { { 5 }, function() return estimator.soft_rank { strength = 0.4 } end },
  soft_sort = { { 5 }, function() return estimator.soft_sort { strength = 0.4 } end },
  sinkhorn = { { 4, 4 }, function() return estimator.sinkhorn { temperature = 0.5 } end },
}

for name, row in pairs(MADE) do
  describe("relaxation " .. name, function()
    local shape, make = row[1], row[2]

    local function input()
      random.seed(31)
      return tensor.normal({ 3, unpack(shape) })
    end

    it("answers samples of x's shape, and the discrete state at evaluation", function()
      local layer, x = make(), input()
      local z = layer(x)
      assert.same(x:count() * z:size(1), z:count())
      assert.same({ 3, shape[1], shape[2] }, { select(2, unpack(z:shape())) })
      assert.matches("estimator.", tostring(layer), 1, true)
    end)

    it("has the gradient of central differences", function()
      if not is_double then return pending "needs double" end
      local layer, x = make(), input()
      local function value(t, weight)
        random.seed(32)
        return (layer(t) * weight):sum()
      end
      random.seed(32)
      local weight = tensor.normal(layer(x):shape())
      local leaf = x:clone():watch()
      value(leaf, weight):backward()
      local flat, list = leaf.grad:to_list(), x:to_list()
      for i = 1, #list do
        local slopes = {}
        for side = 1, 2 do
          local moved = { unpack(list) }
          moved[i] = moved[i] + (side == 1 and 1e-6 or -1e-6)
          slopes[side] = value(tensor.from(moved):reshape(x:shape()), weight):item()
        end
        local slope = (slopes[1] - slopes[2]) / 2e-6
        local close = math.abs(slope - flat[i]) < 1e-6 * (1 + math.abs(slope))
        assert(close, ("entry %d: %g, %g"):format(i, slope, flat[i]))
      end
    end)

    it("refuses what it cannot take", function()
      assert_fails("MG-SHAPE", "expected shape", make(), tensor(1))
      local maker = estimator[name == "concrete" and "relaxed_top_k" or name]
      assert_fails("MG-OPTION", "unknown option 'moon'", maker, { moon = 1 })
    end)
  end)
end

describe("estimator.gumbel_softmax", function()
  it("is one-hot when hard, with the law of the softmax and its gradient", function()
    random.seed(33)
    local x, n = tensor { 1, 0, -1 }, 20000
    local hard = estimator.gumbel_softmax { hard = true, samples = n }
    local z = hard(x)
    assert.is_true(z:sum(2):equals(tensor.ones(n)))
    -- the largest standard error is 0.5 / sqrt(n) = 0.0035; 4.5 of them, false alarm 3 x 7e-6
    near(x:softmax(1), z:mean(1), 0.016)
    random.seed(34)
    local a, b = x:clone():watch(), x:clone():watch();
    (estimator.gumbel_softmax { hard = true, temperature = 0.5 }(a) * tensor { 1, 2, 3 }):sum():backward()
    random.seed(34);
    (estimator.gumbel_softmax { temperature = 0.5 }(b) * tensor { 1, 2, 3 }):sum():backward()
    assert.is_true(a.grad:equals(b.grad))
    assert.same({ 1, 0, 0 }, hard:map(x):to_list())
  end)
end)

describe("estimator.relaxed_top_k", function()
  it("sums to k, towards a subset at low temperatures", function()
    random.seed(35)
    local x = tensor.normal(6, 8)
    local soft = estimator.relaxed_top_k { k = 3, samples = 4 }(x)
    near(tensor.full({ 4, 6 }, 3), soft:sum(3), 1e-5)
    random.seed(36)
    local sharp = estimator.relaxed_top_k { k = 3, temperature = 1e-4, samples = 1 }(x)
    random.seed(36)
    local noisy = x + mg.noise.gumbel():sample { 1, 6, 8 }:reshape(1, 6, 8)
    near(mg.solver.top_k { n = 8, k = 3 }(noisy), sharp, 0.05)
    assert_fails("MG-SHAPE", "k = 9 of 8", estimator.relaxed_top_k { k = 9 }, x)
    assert.is_true(mg.solver.top_k { n = 8, k = 3 }(x):equals(estimator.relaxed_top_k { k = 3 }:map(x)[1]))
  end)

  it("of kind concrete sums to at most k", function()
    random.seed(37)
    local z = estimator.relaxed_top_k { k = 3, kind = "concrete", samples = 50 }(tensor.normal(8))
    assert(z:sum(2):max():item() <= 3 + 1e-5 and z:max():item() <= 1)
  end)
end)

-- The projection of x onto the permutahedron of w, by enumeration of its faces: the nearest of many convex
-- combinations is not tried; its optimality is: <x - p, v - p> <= 0 for all vertices v.
local function is_projection(x, p, w)
  local n, largest = #x, -math.huge
  local order = {}
  for i = 1, n do order[i] = i end
  table.sort(order, function(i, j) return x[i] - p[i] > x[j] - p[j] end) -- the best vertex is sorted alike
  local sum = 0
  for place, i in ipairs(order) do sum = sum + (x[i] - p[i]) * (w[place] - p[i]) end
  largest = math.max(largest, sum)
  return largest
end

for _, name in ipairs { "soft_rank", "soft_sort" } do
  describe("estimator." .. name, function()
    it("names the instance and entry of a score that is not finite", function()
      for found, value in pairs { ["-inf"] = -math.huge, inf = math.huge, NaN = 0 / 0 } do
        assert_fails("MG-ARGUMENT", "estimator." .. name .. ": instance 2: score at entry 3 is " .. found .. ",",
          estimator[name] {}, tensor { { 1, 2, 3 }, { 1, 2, value } })
      end
    end)
  end)
end

describe("estimator.soft_rank", function()
  it("is the projection onto the permutahedron", function()
    random.seed(38)
    for _, strength in ipairs { 0.05, 0.5, 3 } do
      local x = tensor.normal(7)
      local ranks = estimator.soft_rank { strength = strength }(x)[1]:to_list()
      local scaled, sum = (x * (-1 / strength)):to_list(), 0
      for _, r in ipairs(ranks) do sum = sum + r end
      near({ 28 }, { sum }, 1e-5)
      assert(is_projection(scaled, ranks, { 7, 6, 5, 4, 3, 2, 1 }) < 1e-3)
    end
  end)

  it("has hard ranks and the mean rank as limits", function()
    local x = tensor { { 0.3, -1, 2, 0.5 }, { 4, 3, 2, 1 } }
    near(tensor { { 3, 4, 1, 2 }, { 1, 2, 3, 4 } }, estimator.soft_rank { strength = 1e-3 }(x)[1], 1e-4)
    near(tensor.full({ 2, 4 }, 2.5), estimator.soft_rank { strength = 1e4 }(x)[1], 1e-2)
    assert.same({ { 3, 4, 1, 2 }, { 1, 2, 3, 4 } }, estimator.soft_rank {}:map(x)[1]:to_table())
  end)
end)

describe("estimator.soft_sort", function()
  it("has the sorted scores and their mean as limits", function()
    local x = tensor { 0.5, -1, 2 }
    near(tensor { 2, 0.5, -1 }, estimator.soft_sort { strength = 1e-3 }(x)[1], 1e-3)
    near(tensor.full({ 3 }, 0.5), estimator.soft_sort { strength = 1e4 }(x)[1], 1e-2)
  end)
end)

describe("estimator.sinkhorn", function()
  it("is doubly stochastic, also with forbidden entries, and does not feel row and column constants", function()
    random.seed(39)
    local layer, x = estimator.sinkhorn { temperature = 0.3 }, tensor.normal(5, 4, 4)
    x:set(2, 1, 3, -math.huge)
    local p = layer(x)
    local tolerance = is_double and 1e-11 or 1e-5
    near(tensor.ones(1, 5, 4), p:sum(3), tolerance)
    near(tensor.ones(1, 5, 4), p:sum(4), tolerance)
    assert.equal(0, p:get(1, 2, 1, 3))
    local moved = x + tensor.normal(5, 4, 1) + tensor.normal(5, 1, 4)
    near(p, layer(moved), is_double and 1e-9 or 1e-4)
    assert.equal(0, layer.open)
  end)

  it("at low temperatures is the assignment", function()
    random.seed(40)
    local x = tensor.normal(4, 4)
    local best, value
    for _, z in ipairs(support.permutations(4)) do
      local sum = 0
      for i = 1, 4 do sum = sum + x:get(i, z[i]) end
      if not value or sum > value then best, value = z, sum end
    end
    local p = estimator.sinkhorn { temperature = 0.01 }(x)[1]
    for i = 1, 4 do assert(p:get(i, best[i]) > 0.9) end
  end)

  it("says which row has no allowed entry, and counts what does not converge", function()
    local x = tensor.zeros(2, 3, 3)
    for j = 1, 3 do x:set(2, 2, j, -math.huge) end
    assert_fails("MG-NO-SOLUTION", "instance 2: row or column 2", estimator.sinkhorn {}, x)
    local layer = estimator.sinkhorn { iterations = 1 }
    layer(tensor { { 5, 0 }, { 3, 1 } })
    assert.equal(1, layer.open)
    assert_fails("MG-SHAPE", "[batch..., n, n]", estimator.sinkhorn {}, tensor.zeros(2, 3))
    assert_fails("MG-ARGUMENT", "is NaN", estimator.sinkhorn {}, tensor { { 0 / 0 } })
  end)
end)

describe("estimator.sparsemap", function()
  local solver = mg.solver

  -- The projection onto the simplex, by sorting.
  local function sparsemax(x)
    local sorted = { unpack(x) }
    table.sort(sorted, function(a, b) return a > b end)
    local sum, threshold = 0, nil
    for k, v in ipairs(sorted) do
      sum = sum + v
      if 1 + k * v > sum then threshold = (sum - 1) / k end
    end
    local p = {}
    for i, v in ipairs(x) do p[i] = math.max(v - threshold, 0) end
    return p
  end

  it("over one-hot vectors is sparsemax, with its Jacobian", function()
    random.seed(41)
    local x, tau = tensor.normal(20, 6), 0.7
    local layer = estimator.sparsemap { solver = solver.one_hot { n = 6 }, temperature = tau }
    local leaf = x:clone():watch()
    local m, u = layer(leaf), tensor.normal(1, 20, 6)
    m:backward(u)
    for r, row in ipairs((x * (1 / tau)):to_table()) do
      local p, support_size, sum = sparsemax(row), 0, 0
      near(p, m[1][r], is_double and 1e-9 or 1e-4)
      for i = 1, 6 do
        if p[i] > 0 then support_size, sum = support_size + 1, sum + u:get(1, r, i) end
      end
      local expected = {} -- (diag(s) - s s^T / |s|) u / tau
      for i = 1, 6 do expected[i] = p[i] > 0 and (u:get(1, r, i) - sum / support_size) / tau or 0 end
      near(expected, leaf.grad[r], is_double and 1e-8 or 1e-3)
    end
    assert.equal(0, layer.open)
  end)

  it("over subsets clips to 0..1 with the sum k", function()
    random.seed(42)
    local x, k = tensor.normal(10, 7), 3
    local m = estimator.sparsemap { solver = solver.top_k { n = 7, k = k } }(x)[1]:to_table()
    for r, row in ipairs(x:to_table()) do
      local low, high = -10, 10
      for _ = 1, 100 do
        local nu, sum = (low + high) / 2, 0
        for _, v in ipairs(row) do sum = sum + math.min(math.max(v - nu, 0), 1) end
        if sum > k then low = nu else high = nu end
      end
      local expected = {}
      for i, v in ipairs(row) do expected[i] = math.min(math.max(v - low, 0), 1) end
      near(expected, m[r], is_double and 1e-8 or 1e-3)
    end
  end)

  it("has the gradient of central differences over paths", function()
    if not is_double then return pending "needs double" end
    random.seed(43)
    local x, u = tensor.uniform(2, 3, 3) + 0.5, tensor.normal(1, 2, 3, 3)
    local layer = estimator.sparsemap { solver = solver.grid_path { rows = 3, cols = 3 }, temperature = 0.4,
      tolerance = 1e-12 }
    local leaf = x:clone():watch();
    (layer(leaf) * u):sum():backward()
    for i = 1, 3 do
      for j = 1, 3 do
        local up, down = x:clone(), x:clone()
        up:set(1, i, j, x:get(1, i, j) + 1e-5)
        down:set(1, i, j, x:get(1, i, j) - 1e-5)
        local slope = ((layer(up) * u):sum():item() - (layer(down) * u):sum():item()) / 2e-5
        assert(math.abs(slope - leaf.grad:get(1, i, j)) < 1e-4, ("%g, %g"):format(slope, leaf.grad:get(1, i, j)))
      end
    end
  end)

  it("ends by iterations and counts it", function()
    random.seed(44)
    local layer = estimator.sparsemap { solver = solver.top_k { n = 20, k = 10 }, iterations = 2, temperature = 5 }
    layer(tensor.normal(3, 20))
    assert.equal(3, layer.open)
    assert.equal(6, layer.solves)
    assert_fails("MG-ARGUMENT", "is not finite", layer, tensor.full({ 20 }, -math.huge))
  end)
end)

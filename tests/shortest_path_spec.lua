-- Data of the shortest-path benchmark, against the formula in plain numbers and what is known of its laws.
local mg = require "mapgrad"
local support = require "tests.support"

local data, random = mg.data, mg.random
local make = data.make.shortest_path
local EPSILON = support.is_double and 1e-12 or 2e-5

-- The formula for one edge; weights and features are lists.
local function cost(weights, features, degree)
  local dot = 0
  for k = 1, #features do dot = dot + weights[k] * features[k] end
  return ((dot / math.sqrt(#features) + 3) ^ degree + 1) / 3.5 ^ degree
end

-- Least cost by trying all paths; costs of steps to the right and down in the documented order of the edges.
local function least(costs, rows, cols)
  local function from(i, j)
    if i == rows and j == cols then return 0 end
    local right, down = (i - 1) * (2 * cols - 1) + j, (i - 1) * (2 * cols - 1) + cols - 1 + j
    local best = math.huge
    if j < cols then best = costs[right] + from(i, j + 1) end
    if i < rows then best = math.min(best, costs[down] + from(i + 1, j)) end
    return best
  end
  return from(1, 1)
end

describe("data.make.shortest_path", function()
  it("has the shapes it documents", function()
    local set, paths, weights = make { rows = 3, cols = 4, count = 7, features = 2, seed = 1 }
    assert.same({ "costs", "expected", "path", "x" }, set:fields())
    assert.same({ 7, 2 }, set.x:shape())
    assert.same({ 17, 2 }, weights:shape()) -- 3 rows of 3 steps to the right, 2 of 4 steps down
    for _, name in ipairs { "costs", "expected", "path" } do assert.same({ 7, 17 }, set[name]:shape()) end
    assert.same({ 17 }, paths.shape)
    local usual = make { count = 2, seed = 1 }
    assert.same({ 2, 40 }, usual.costs:shape()) -- 2 x 5 x 4
    assert.same({ 2, 5 }, usual.x:shape())
  end)

  it("follows the formula", function()
    for degree = 1, 6 do
      local set, _, weights = make { rows = 2, cols = 3, count = 20, features = 3, degree = degree, noise = 0,
        seed = degree }
      local x, B, c = set.x:to_table(), weights:to_table(), set.costs:to_table()
      assert.is_true(set.costs:equals(set.expected))
      for i = 1, 20 do
        for e = 1, 7 do
          local expected = cost(B[e], x[i], degree)
          assert(math.abs(c[i][e] - expected) <= EPSILON * math.max(1, expected), ("degree %d, instance %d, edge %d: "
            .. "%.9g, expected %.9g"):format(degree, i, e, c[i][e], expected))
        end
      end
    end
  end)

  -- ((B @ x / np.sqrt(3) + 3)**degree + 1) / 3.5**degree for B = [[1, 0, 1], [0, 0, 0], [1, 1, 1]], x = [.5, -1.5, 2]
  it("is scaled as published: the formula above gives NumPy's values", function()
    for degree, column in pairs {
      [1] = { 1.55525019, 1.14285714, 1.30781436 }, [4] = { 2.60430982, 0.54643898, 1.09803809 },
      [6] = { 4.18722557, 0.39711345, 1.14069014 },
    } do
      for e, weights in ipairs { { 1, 0, 1 }, { 0, 0, 0 }, { 1, 1, 1 } } do
        assert.near(column[e], cost(weights, { 0.5, -1.5, 2 }, degree), 1e-8)
      end
    end
  end)

  -- False alarms: 1 in 10^6 each, at 5 deviations.
  it("has hidden weights of 0 and 1, standard normal features and uniform factors", function()
    local set, _, weights = make { rows = 6, cols = 10, count = 2000, features = 20, noise = 0.25, seed = 5 }
    local ones, n = weights:sum():item(), weights:count()
    assert.equal(n, weights:eq(0):sum():item() + ones)
    assert.near(n / 2, ones, 5 * math.sqrt(n) / 2)
    assert.near(0, set.x:mean():item(), 5 / math.sqrt(set.x:count()))
    assert.near(1, set.x:square():mean():item(), 5 * math.sqrt(2 / set.x:count()))
    local factor = set.costs / set.expected
    local m = factor:count()
    assert.is_true(factor:min():item() >= 0.75 - 1e-5 and factor:max():item() <= 1.25 + 1e-5)
    assert.near(1, factor:mean():item(), 5 * 0.25 / math.sqrt(3 * m))
    assert.near(0.25 ^ 2 / 3, (factor - 1):square():mean():item(), 5 * 0.25 ^ 2 * math.sqrt(4 / 45 / m))
  end)

  it("has cheapest paths as labels", function()
    local set = make { rows = 3, cols = 4, count = 50, seed = 2 }
    local costs, path = set.costs:to_table(), set.path:to_table()
    for i = 1, 50 do
      local sum, edges = 0, 0
      for e = 1, 17 do sum, edges = sum + costs[i][e] * path[i][e], edges + path[i][e] end
      assert.equal(5, edges)
      assert.near(least(costs[i], 3, 4), sum, 1e-5)
    end
  end)

  it("gives the same data for the same seed, the first ones of a larger set, and leaves the common streams", function()
    random.seed(11)
    local expected = mg.tensor.uniform(4):to_list()
    random.seed(11)
    local few, many = make { count = 30, seed = 1 }, make { count = 1500, seed = 1 }
    local other = make { count = 30, seed = 2 }
    assert.same(expected, mg.tensor.uniform(4):to_list())
    for _, name in ipairs(few:fields()) do
      assert.is_true(few[name]:equals(many[name]:rows(1, 30)), name)
      assert.is_false(few[name]:equals(other[name]), name)
    end
  end)

  it("draws from the stream 'data' without a seed of its own", function()
    random.seed(7)
    local first, second = make { count = 2 }, make { count = 2 }
    random.seed(7)
    mg.tensor.normal({ 5 }, "noise") -- other streams do not matter
    assert.is_true(first.costs:equals(make { count = 2 }.costs))
    assert.is_false(first.costs:equals(second.costs))
  end)

  it("refuses what it cannot make", function()
    for message, o in pairs {
      ["rows: expected 2 or more, got 1"] = { rows = 1 }, ["cols: expected 2 or more, got 1"] = { cols = 1 },
      ["noise: expected at most 1, got 1.5"] = { noise = 1.5 }, ["degree"] = { degree = 0 },
      ["did you mean 'count'"] = { counts = 3 },
    } do
      assert.has_error_matching(function() make(o) end, message)
    end
  end)
end)

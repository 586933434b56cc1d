-- Measures of solutions against values by hand and recorded values of the reference implementation.
local mg = require "mapgrad"
local support = require "tests.support"

local metric, random, tensor = mg.metric, mg.random, mg.tensor

local assert_fails, is_double, read_json = support.assert_fails, support.is_double, support.read_json

-- Measures are summed in double: only their inputs are rounded.
local function assert_near(expected, got, tolerance)
  support.assert_near(expected, got, tolerance or (is_double and 1e-12 or 1e-6))
end

describe("measures of paths around obstacles", function()
  it("count no obstacle beside the path", function()
    local costs = tensor { { { 1, math.huge }, { 1, 1 } } }
    local path = tensor { { { 1, 0 }, { 0, 1 } } }
    assert.equal(1, metric.optimal_rate(path, { costs = costs, path = path }))
    assert.equal(0, metric.regret(path, { costs = costs, path = path }))
  end)
end)

-- Three instances of "choose some of three": costs of the answers 1 | 6 | 5, of the optima 1 | 3 | 4.
local truth = {
  costs = tensor { { 1, 2, 3 }, { 3, 6, 9 }, { 1, 5, 4 } },
  solution = tensor { { 1, 0, 0 }, { 1, 0, 0 }, { 0, 0, 1 } },
}
local answers = tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 1, 0, 1 } }

local EXPECTED = {
  optimal_rate = 1 / 3,
  match_rate = 1 / 3,
  regret = (0 + 3 + 1) / 3,
  normalised_regret = 4 / 8,
  cost_ratio = (1 + 2 + 1.25) / 3,
  hamming = (0 + 2 + 1) / 3,
  edge_precision = 2 / 4,
}

describe("metric", function()
  for _, name in ipairs(metric.names) do
    it(name .. " follows its definition, with and without an axis of one sample", function()
      local expected = assert(EXPECTED[name], "no value for metric." .. name)
      assert_near(expected, metric[name](answers, truth))
      assert_near(expected, metric[name](answers:reshape(1, 3, 3), truth))
      assert_near(expected, metric[name](answers, { costs = truth.costs, path = truth.solution }))
    end)

    it(name .. " is perfect for the labels themselves", function()
      local perfect = {
        optimal_rate = 1, match_rate = 1, cost_ratio = 1, regret = 0, normalised_regret = 0,
        hamming = 0, edge_precision = 1,
      }
      assert.equal(perfect[name], metric[name](truth.solution, truth))
    end)

    it(name .. " refuses shapes that do not fit, several samples, and no instances", function()
      assert_fails("MG-SHAPE", "expected z of shape 3x3", metric[name], tensor.zeros(3, 2), truth)
      assert_fails("MG-SHAPE", "one sample before it at most", metric[name], tensor.zeros(2, 3, 3), truth)
      local none = { costs = tensor.zeros(0, 3), path = tensor.zeros(0, 3) }
      assert_fails("MG-SHAPE", "no instances", metric[name], tensor.zeros(0, 3), none)
      assert_fails("MG-ARGUMENT", "no tensor 'path' or 'solution'", metric[name], answers, { costs = truth.costs })
    end)

    it(name .. " records nothing and keeps nothing", function()
      local z = tensor(answers:to_table()):watch()
      collectgarbage()
      collectgarbage()
      local before = tensor.memory().tensors
      assert.is_number(metric[name](z, truth))
      assert.equal(before, tensor.memory().tensors)
    end)
  end

  it("match_rate and hamming take the labels themselves", function()
    assert_near(1 / 3, metric.match_rate(answers, truth.solution))
    assert_near(1, metric.hamming(answers, truth.solution))
  end)

  it("takes gains with sense 'max'", function()
    local gains = { costs = tensor { { 3, 2, 1 }, { 4, 2, 2 } }, solution = tensor { { 1, 0, 0 }, { 1, 0, 0 } } }
    local z = tensor { { 1, 0, 0 }, { 0, 1, 0 } }
    assert_near(1, metric.regret(z, gains, { sense = "max" }))
    assert_near(2 / 7, metric.normalised_regret(z, gains, { sense = "max" }))
    assert_near(0.5, metric.optimal_rate(z, gains, { sense = "max" }))
  end)

  it("cost_ratio and normalised_regret name an optimum of 0", function()
    local free = { costs = tensor.zeros(2, 3), solution = tensor.ones(2, 3) }
    assert_fails("MG-NUMBER", "instance 1 is 0", metric.cost_ratio, free.solution, free)
    assert_fails("MG-NUMBER", "all optimal values are 0", metric.normalised_regret, free.solution, free)
    assert.equal(1, metric.optimal_rate(free.solution, free))
  end)

  it("optimal_rate counts other optima, within its tolerance", function()
    local tied = { costs = tensor { { 1, 1, 1.001 } }, solution = tensor { { 1, 0, 0 } } }
    assert.equal(1, metric.optimal_rate(tensor { { 0, 1, 0 } }, tied))
    assert.equal(0, metric.match_rate(tensor { { 0, 1, 0 } }, tied))
    assert.equal(0, metric.optimal_rate(tensor { { 0, 0, 1 } }, tied))
    assert.equal(1, metric.optimal_rate(tensor { { 0, 0, 1 } }, tied, { tolerance = 0.01 }))
  end)

  it("optimal_rate does not count what beats the optimum, nor what is not feasible", function()
    local z = tensor { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 0, 1 } }
    assert_near(2 / 3, metric.optimal_rate(z, truth))
    local seen = {}
    local function is_feasible(row)
      seen[#seen + 1] = row:to_list()
      return row:get(3) == 1
    end
    assert_near(1 / 3, metric.optimal_rate(z, truth, { is_feasible = is_feasible }))
    assert.same(z:to_table(), seen)
    local solver = { is_feasible = function(_, row) return row:get(1) == 1 end }
    assert_near(1 / 3, metric.optimal_rate(z, truth, { is_feasible = solver }))
    assert_fails("MG-TYPE", "a function or a solver", metric.optimal_rate, z, truth, { is_feasible = {} })
  end)

  it("is_grid_path wants the corners connected by steps to 8 neighbours", function()
    for _, case in ipairs {
      { { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, true },
      { { { 1, 1, 1 }, { 0, 0, 1 }, { 0, 0, 1 } }, true },
      { { { 1, 0, 1 }, { 0, 1, 1 }, { 0, 0, 1 } }, true },
      { { { 1, 1, 0 }, { 0, 0, 0 }, { 0, 1, 1 } }, false },
      { { { 0, 1, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, false },
      { { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 1, 0 } }, false },
      { { { 1 } }, true }, { { { 0 } }, false }, { { { 1, 1, 0, 1 } }, false },
    } do
      assert.equal(case[2], metric.is_grid_path(tensor(case[1])))
    end
    assert_fails("MG-SHAPE", "expected [rows, cols], got 3", metric.is_grid_path, tensor { 1, 1, 1 })
  end)

  it("reads a thousand grids of 12x12 in less than a second", function()
    random.seed(1)
    local set = { costs = tensor.uniform(1000, 12, 12), path = tensor.uniform(1000, 12, 12):gt(0.5) }
    local start = os.clock()
    metric.optimal_rate(set.path, set)
    assert.truthy(os.clock() - start < 1)
  end)
end)

describe("metric on the grid experiments", function()
  for _, case in ipairs(read_json("tests/golden/identity/losses_metrics.json").cases) do
    it("equals the recorded values of " .. case.id, function()
      local z = tensor(case.path)
      local data = { costs = tensor(case.true_weights), path = tensor(case.target_path) }
      local tolerance = is_double and 1e-9 or 1e-6
      assert_near(case.mean_cost_ratio, metric.cost_ratio(z, data), tolerance)
      assert.equal(case.share_optimal_cost, metric.optimal_rate(z, data))
      assert.equal(case.share_optimal_cost, metric.optimal_rate(z, data, { is_feasible = metric.is_grid_path }))
      assert.equal(case.share_equal_mask, metric.match_rate(z, data))
      assert_near(case.hamming_loss, metric.hamming(z, data), tolerance)
      for i, expected in ipairs(case.cost_ratio_per_map) do
        local row = { costs = data.costs:rows(i, i), path = data.path:rows(i, i) }
        assert_near(expected, metric.cost_ratio(z:rows(i, i), row), tolerance)
      end
    end)
  end
end)

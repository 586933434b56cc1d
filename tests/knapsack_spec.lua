-- Knapsacks against a table in Lua, recorded optima, and what the search does with hard instances.
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"
local solver, tensor, random = mg.solver, mg.tensor, mg.random

local shared = os.getenv "MAPGRAD_SHARED" or "../shared"
local has_shared = lfs.attributes(shared .. "/validation") ~= nil
local shared_it = has_shared and it or pending

-- Items of value above 0 by falling value per weight, then index.
local function order_of(values, weights)
  local order = {}
  for i, v in ipairs(values) do
    if v > 0 then order[#order + 1] = i end
  end
  table.sort(order, function(i, j)
    local a, b = values[i] / weights[i], values[j] / weights[j]
    return a > b or (a == b and i < j)
  end)
  return order
end

-- The answer by a table over integer capacities, ties by the rule of the kind; and its value.
local function by_table(values, weights, capacity)
  local order, best, take, z = order_of(values, weights), {}, {}, {}
  for c = 0, capacity do best[c] = 0 end
  for k = #order, 1, -1 do
    local v, w = values[order[k]], weights[order[k]]
    take[k] = {}
    for c = capacity, w, -1 do
      if best[c - w] + v >= best[c] then best[c], take[k][c] = best[c - w] + v, true end
    end
  end
  for i = 1, #values do z[i] = 0 end
  local left = capacity
  for k = 1, #order do
    if take[k][left] then z[order[k]], left = 1, left - weights[order[k]] end
  end
  return z, best[capacity]
end

local function integer(low, high)
  return low + math.floor(random.uniform "spec" * (high - low + 1))
end

-- Families of instances of Pisinger's, easy and hard.
local families = {
  uncorrelated = function(w) return integer(1, 100), w end,
  ["weakly correlated"] = function(w) return math.max(1, w + integer(-10, 10)), w end,
  ["strongly correlated"] = function(w) return w + 10, w end,
  ["inversely correlated"] = function(w) return w, w + 10 end,
  ["subset sum"] = function(w) return w, w end,
  ["of few values"] = function(w) return integer(-1, 2), w end,
  ["of one value"] = function(w) return 1, w end,
  ["of even weights"] = function(w) return 2 * w + integer(-1, 1), 2 * w end, -- odd capacities
}

describe("solver.knapsack", function()
  for name, draw in pairs(families) do
    it("equals a table in Lua on items " .. name, function()
      random.seed(3)
      for _, n in ipairs { 5, 20, 40, 70, 150 } do
        for _ = 1, 8 do
          local values, weights, sum = {}, {}, 0
          for i = 1, n do
            values[i], weights[i] = draw(integer(1, 100))
            sum = sum + weights[i]
          end
          local capacity = math.floor(sum * integer(1, 9) / 10)
          local wanted, value = by_table(values, weights, capacity)
          local s = solver.knapsack { weights = weights, capacity = capacity }
          local answers = s:solve(tensor(values))
          assert.same(wanted, answers.z:to_list())
          assert.equal(value, answers.objective[1])
          assert.is_true(answers.proved[1])
          local by_context = s(tensor { values, values }, { weights = tensor(weights) / 4, capacity = capacity / 4 })
          assert.same({ wanted, wanted }, by_context:to_table()) -- quarters are decimals, too
        end
      end
    end)
  end

  it("equals a table on real values that a search does not finish", function()
    random.seed(4)
    for _ = 1, 5 do
      local values, weights, sum = {}, {}, 0
      for i = 1, 60 do
        weights[i] = integer(100, 110)
        values[i] = weights[i] + 0.01 * random.uniform "spec"
        sum = sum + weights[i]
      end
      values = tensor(values):to_list() -- as reals of this run
      local _, value = by_table(values, weights, math.floor(sum / 2))
      local answers = solver.knapsack { weights = weights, capacity = math.floor(sum / 2) }:solve(tensor(values))
      assert(math.abs(value - answers.objective[1]) < 1e-11 * value)
    end
  end)

  it("solves ten thousand items, with a certificate by the bound of the relaxation", function()
    random.seed(5)
    local n = 10000
    local values, weights = tensor.uniform({ n }, "spec"):to_list(), {}
    for i = 1, n do weights[i] = integer(1, 1000) end
    local capacity, value = 1e6, 0
    local answers = solver.knapsack { weights = weights, capacity = capacity }:solve(tensor(values))
    local left, bound, z, used = capacity, 0, answers.z:to_list(), 0
    for _, i in ipairs(order_of(values, weights)) do
      local part = math.min(1, left / weights[i])
      bound, left = bound + part * values[i], left - part * weights[i]
    end
    for i = 1, n do value, used = value + z[i] * values[i], used + z[i] * weights[i] end
    assert(used <= capacity and value <= bound and value > bound - 0.01)
    support.assert_near(value, answers.objective[1], 1e-12)
  end)

  it("adds decimals exactly", function()
    for _, unit in ipairs { 0.1, 0.01, 0.001, 0.0001 } do
      for k = 1, 30 do
        local weights = {}
        for i = 1, k do weights[i] = unit end
        local s = solver.knapsack { weights = weights, capacity = k * unit }
        assert.equal(k, s(tensor.ones(k)):sum():item())
        local c = { weights = tensor.full({ k }, unit), capacity = k * unit }
        assert.equal(k, s(tensor.ones(k), c):sum():item())
        assert.is_true(s:is_feasible(tensor.ones(k), c))
        assert.equal(k - 1, s(tensor.ones(k), { capacity = (k - 0.5) * unit }):sum():item())
      end
    end
  end)

  it("takes what weighs nothing, leaves what is worth nothing", function()
    local s = solver.knapsack { weights = { 0, 0, 1, 1, 0 }, capacity = 0 }
    assert.same({ 1, 0, 0, 0, 0 }, s(tensor { 1, 0, 5, -5, -math.huge }):to_table())
    assert.same({ 1, 0, 1, 0, 0 }, s(tensor { 1e-30, -1e-30, 5, -5, -1 }, { capacity = math.huge }):to_table())
  end)

  it("handles values of very different size", function()
    local top = support.is_double and 1e308 or 3e38
    local low = support.is_double and 5e-324 or 1e-45
    local s = solver.knapsack { weights = { 1, 1, 1, 1 }, capacity = 2 }
    assert.same({ 1, 0, 0, 1 }, s(tensor { top, low, 0, top }):to_table())
    assert.same({ 0, 1, 1, 0 }, s(tensor { 0, low, 2 * low, -top }):to_table())
    assert.same({ 1, 1, 0, 0 }, s(tensor { top, 2 * low, low, -top }):to_table())
  end)

  it("names what is wrong", function()
    for _, case in ipairs {
      { { weights = {}, capacity = 1 }, "weights are empty" },
      { { weights = { 1, -2 }, capacity = 1 }, "weight 2 is %-2" },
      { { weights = { 1 }, capacity = -1 }, "capacity = %-1" },
      { { weights = { 1 }, capacity = 1, time_limit = -1 }, "time_limit = %-1" },
      { { weights = "heavy", capacity = 1 }, "weights" }, { { capacity = 1 }, "weights" },
    } do
      assert.has_error_matching(function() solver.knapsack(case[1]) end, case[2])
    end
    local s = solver.knapsack { weights = { 1, 2 }, capacity = 2 }
    assert.has_error_matching(function() s(tensor { { 1, 2 }, { 1, math.huge } }) end,
      "instance 2: score at entry 2 is inf")
    assert.has_error_matching(function() s(tensor { 1, 2 }, { weights = { 1, -3 } }) end, "instance 1: weight 2 is %-3")
    assert.has_error_matching(function() s(tensor { { 1, 2 }, { 1, 2 } }, { capacity = { 1, -1 } }) end,
      "instance 2: no solution: the capacity is below 0")
  end)

  -- Weights without a table: even multiples of an irrational number, an odd capacity.
  local function hard(limit)
    local weights, values = {}, {}
    for i = 1, 60 do
      weights[i] = 2 * math.sqrt(2) * (1000 + i % 7)
      values[i] = 1000 + i % 7
    end
    return solver.knapsack { weights = weights, capacity = math.sqrt(2) * 60041, time_limit = limit }, tensor(values)
  end

  it("stops at the time limit, with the best so far and a bound", function()
    local s, values = hard(0.05)
    local started = core.processor_time()
    local answers = s:solve(values)
    assert(core.processor_time() - started < 2)
    assert.is_false(answers.proved[1])
    assert.is_true(answers.solved[1] and s:is_feasible(answers.z))
    assert(answers.objective[1] < answers.bound[1] and answers.bound[1] < 30021)
  end)

  it("can be interrupted", function()
    local s, values = hard(0)
    support.assert_interrupted(0.05, 2, s, values)
  end)

  shared_it("finds the recorded optima", function()
    local optima, solved = support.read_json(shared .. "/validation/knapsack/optima.json"), 0
    for name, known in pairs(optima) do
      local file = assert(io.open(("%s/validation/knapsack/%s.txt"):format(shared, name)))
      local n, capacity = file:read("*n", "*n")
      local values, weights = {}, {}
      for i = 1, n do values[i], weights[i] = file:read("*n", "*n") end
      file:close()
      local answers = solver.knapsack { weights = weights, capacity = capacity }:solve(tensor(values))
      support.assert_near(known.optimum_exact or known.optimum, answers.objective[1],
        support.is_double and 1e-12 or 1e-7)
      assert.is_true(answers.proved[1])
      solved = solved + 1
    end
    assert.equal(8, solved)
  end)

  shared_it("reproduces the golden values", function()
    local cases = support.read_json(shared .. "/golden/identity/knapsack.json").cases
    for _, case in ipairs(cases) do
      local answers = solver.knapsack { weights = case.weights, capacity = case.capacity }:solve(tensor(case.values))
      if support.is_double or case.gap_to_second_best > 1e-4 then assert.same(case.chosen, answers.z:to_list()) end
      support.assert_near(case.value, answers.objective[1])
    end
    assert.equal(9, #cases)
  end)
end)

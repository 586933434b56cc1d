-- Perfect matchings: published optima, recorded values, closed forms, certificates, special values, messages.
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"
local common = require "tests.bench.common"
local support = require "tests.support"
local tsplib = require "tests.tsplib"

local estimator, random, solver, tensor = mg.estimator, mg.random, mg.solver, mg.tensor
local from_one, grid_edges, read_json = support.from_one, support.grid_edges, support.read_json
local shared = os.getenv "MAPGRAD_SHARED" or "../shared"
local has_shared = lfs.attributes(shared .. "/validation", "mode") == "directory"

-- A test that needs the shared files.
local function it_shared(name, f)
  if has_shared then it(name, f) else pending(name .. ": no folder " .. shared) end
end

-- Costs f(i, j) of the complete graph.
local function complete_costs(n, f)
  local costs = {}
  for i = 1, n do
    for j = i + 1, n do costs[#costs + 1] = f(i, j) end
  end
  return tensor(costs)
end

local function sum_of(z, costs)
  local a, b, sum = z:to_list(), costs:to_list(), 0
  for i = 1, #a do
    if a[i] ~= 0 then sum = sum + a[i] * b[i] end
  end
  return sum
end

-- The cost of the complete graph's cheapest matching.
local function cheapest(n, costs)
  local s = solver.perfect_matching { nodes = n }
  local z = s(costs)
  assert.is_true(s:is_feasible(z))
  return sum_of(z, costs)
end

describe("perfect matching, shared values:", function()
  it_shared("optima on the points of TSPLIB", function()
    local count = 0
    for name, row in pairs(read_json(shared .. "/validation/tsp/optima.json")) do
      local n, d = tsplib.read(("%s/validation/tsp/%s.tsp"):format(shared, name))
      local function between(i, j) return d[i][j] end
      assert.equal(row.n, n)
      if row.min_weight_perfect_matching then
        count = count + 1
        assert.equal(row.min_weight_perfect_matching, cheapest(n, complete_costs(n, between)), name)
      else
        assert.has_error_matching(function() cheapest(n, complete_costs(n, between)) end,
          "instance 1: no solution: the graph has an odd number of nodes, " .. n)
      end
    end
    assert.equal(7, count)
  end)

  it_shared("grids of digits of MNIST", function()
    local count = 0
    for name, grid in pairs(read_json(shared .. "/validation/mnist_matching/grids.json")) do
      local side = math.floor(math.sqrt(#grid.digits))
      local edges, costs = grid_edges(side, side), {}
      for i, edge in ipairs(edges) do costs[i] = 10 * grid.digits[edge[1]] + grid.digits[edge[2]] end
      local z = solver.perfect_matching { nodes = side * side, edges = edges } (tensor(costs))
      assert.equal(grid.optimum, sum_of(z, tensor(costs)), name)
      if grid.optimal_matchings == 1 then
        local chosen = {}
        for _, pair in ipairs(grid.one_matching) do chosen[pair[1] + 1 .. " " .. pair[2] + 1] = true end
        for i, value in ipairs(z:to_list()) do
          assert.equal(chosen[edges[i][1] .. " " .. edges[i][2]] and 1 or 0, value)
        end
      end
      count = count + 1
    end
    assert.equal(24, count)
  end)

  it_shared("recorded matchings of general graphs and grids, and blackbox gradients", function()
    for _, case in ipairs(read_json(shared .. "/golden/identity/perfect_matching.json").cases) do
      local s = solver.perfect_matching { nodes = case.vertices, edges = from_one(case.edges) }
      local costs = tensor(case.weights)
      assert.same(case.matching, s(costs):to_list())
      support.near({ case.cost }, { sum_of(s(costs), costs) }, support.is_double and 1e-14 or 1e-6)
      for _, row in ipairs(case.per_lambda) do
        local moved = (costs + tensor(case.upstream_grad) * row.lambda):to_list()
        for i, cost in ipairs(moved) do moved[i] = math.max(cost, 0) end
        assert.same(row.perturbed_matching, s(tensor(moved)):to_list())
        if not row.any_edge_clipped then
          local x = tensor(case.weights):watch()
          local layer = estimator.blackbox { solver = s, lambda = row.lambda }
          layer(x):backward(tensor { case.upstream_grad })
          support.near(row.grad, x.grad, support.is_double and 1e-10 or 1e-5, case.id)
        end
      end
    end
  end)

  it_shared("recorded matchings of grids of digits", function()
    for _, case in ipairs(read_json(shared .. "/golden/identity/digit_grid_matching.json").cases) do
      local s = solver.perfect_matching { nodes = case.k * case.k, edges = from_one(case.edges) }
      local z = s(tensor(case.weights))
      assert.equal(case.cost, sum_of(z, tensor(case.weights)))
      assert.is_true(s:is_feasible(z))
      if case.unique then assert.same(case.matching, z:to_list()) end
    end
  end)
end)

-- ---------------------------------------------------------------- large instances

-- Sums over a batch of integer costs, computed by LEMON 1.3.1 (MaxWeightedPerfectMatching).
local recorded = {
  { "grid4", 16, 70, 205244001 }, { "grid4", 64, 70, 761679011 }, { "grid4", 144, 70, 1666458841 },
  { "grid4", 256, 70, 2914918756 }, { "grid4", 400, 70, 4464497134 },
  { "complete", 16, 1, 786560 }, { "complete", 64, 1, 819407 }, { "complete", 144, 1, 984639 },
  { "complete", 256, 1, 809128 }, { "complete", 400, 1, 823877 },
}

-- Whether a matching of a grid is the cheapest: its cells are coloured like a chess board, so it is if the
-- graph of matched edges from black to white (cost -c) and others from white to black (c) has no cycle below 0.
-- Bellman and Ford.
local function has_no_better(rows, cols, edges, costs, z)
  local arcs, d = {}, {}
  for i, edge in ipairs(edges) do
    local v = edge[1] - 1
    local is_black = (math.floor(v / cols) + v % cols) % 2 == 0
    local black, white = edge[is_black and 1 or 2], edge[is_black and 2 or 1]
    arcs[i] = z[i] == 1 and { black, white, -costs[i] } or { white, black, costs[i] }
  end
  for v = 1, rows * cols do d[v] = 0 end
  for _ = 1, rows * cols + 1 do
    local changed = false
    for _, arc in ipairs(arcs) do
      local way = d[arc[1]] + arc[3]
      if way < d[arc[2]] then d[arc[2]], changed = way, true end
    end
    if not changed then return true end
  end
  return false
end

describe("perfect matching, large:", function()
  for _, row in ipairs(recorded) do
    it(("equals LEMON on %s of %d"):format(row[1], row[2]), function()
      local side = math.floor(math.sqrt(row[2]) + 0.5)
      local s = solver.perfect_matching { nodes = row[2], edges = row[1] == "grid4" and grid_edges(side, side) or nil }
      local costs = common.input(42, { row[3], s.n }, function(u) return math.floor(2 ^ 20 * u) end)
      local z = s(costs)
      for _, good in ipairs(s:is_feasible(z)) do assert.is_true(good) end
      assert.equal(row[4], sum_of(z, costs))
      for _, i in ipairs { 1, row[3] } do assert.is_true(z[i]:equals(s(costs[i]))) end
    end)
  end

  it("leaves no cheaper way around in grids", function()
    random.seed(21)
    for _, extents in ipairs { { 2, 30 }, { 7, 12 }, { 20, 20 }, { 30, 31 } } do
      local rows, cols = extents[1], extents[2]
      local edges = grid_edges(rows, cols)
      local s = solver.perfect_matching { nodes = rows * cols, edges = edges }
      for _, size in ipairs { 2, 10, 1e5 } do
        local costs = (tensor.normal({ #edges }, "spec") * size):floor() -- sums are exact
        local z = s(costs)
        assert.is_true(s:is_feasible(z))
        assert.is_true(has_no_better(rows, cols, edges, costs:to_list(), z:to_list()))
      end
    end
    local edges = grid_edges(2, 2)
    assert.is_false(has_no_better(2, 2, edges, { 2, 1, 1, 2 }, { 1, 0, 0, 1 }))
  end)

  it("equals closed forms on complete graphs", function()
    for _, n in ipairs { 2, 4, 10, 26, 60, 100, 150 } do
      local far, near = 0, 0 -- convex and concave sums: outermost with innermost, neighbours
      for i = 1, n / 2 do far, near = far + i * (n + 1 - i), near + 2 * i * (2 * i - 1) end
      assert.equal(far, cheapest(n, complete_costs(n, function(i, j) return i * j end)))
      assert.equal(-near, cheapest(n, complete_costs(n, function(i, j) return -i * j end)))
      assert.equal(n / 2, cheapest(n, complete_costs(n, function(i, j) return j - i end)))
      assert.equal(-n * n / 4, cheapest(n, complete_costs(n, function(i, j) return i - j end)))
      assert.equal(n * (n + 1) / 2, cheapest(n, complete_costs(n, function(i, j) return i + j end)))
      assert.equal(n / 2, cheapest(n, complete_costs(n, function() return 1 end)))
      assert.equal(0, cheapest(n, complete_costs(n, function() return 0 end)))
    end
  end)

  it("joins far groups of odd size", function()
    -- four groups of 25 numbers on a line, 1000 apart: within a group neighbours, and two long edges
    local place = {}
    for i = 1, 100 do place[i] = 1000 * math.floor((i - 1) / 25) + (i - 1) % 25 end
    local function cost(i, j) return math.abs(place[i] - place[j]) end
    assert.equal(48 + 2 * 976, cheapest(100, complete_costs(100, cost)))
  end)

  it("matches graphs with large blossoms", function()
    -- triangles in a row, each with an edge to the next: {1, 2, 3}, {4, 5, 6}, ...
    random.seed(22)
    for _, n in ipairs { 6, 12, 60, 600 } do
      local edges, costs = {}, {}
      for v = 1, n, 3 do
        for _, edge in ipairs { { v, v + 1 }, { v + 1, v + 2 }, { v, v + 2 } } do
          edges[#edges + 1], costs[#costs + 1] = edge, 1
        end
        if v > 1 then edges[#edges + 1], costs[#costs + 1] = { v - 1, v }, 100 end
      end
      -- each odd triangle sends an edge to the next one
      assert.equal(n / 6 * (100 + 1 + 1), sum_of(solver.perfect_matching { nodes = n, edges = edges } (tensor(costs)),
        tensor(costs)))
    end
  end)
end)

-- ---------------------------------------------------------------- costs

describe("perfect matching, costs:", function()
  local largest = support.is_double and 1e308 or 1e38
  local least = support.is_double and 5e-324 or 1.5e-45

  it("of any size and sign", function()
    local s = solver.perfect_matching { nodes = 4 } -- 12 13 14 23 24 34
    local function chosen(...) return s(tensor { ... }):to_list() end
    for _, unit in ipairs { 1, largest / 4, 1e-30, 4 * least } do
      assert.same({ 1, 0, 0, 0, 0, 1 }, chosen(unit, 2 * unit, 3 * unit, 3 * unit, 2 * unit, unit))
      assert.same({ 0, 0, 1, 1, 0, 0 }, chosen(-unit, -2 * unit, -3 * unit, -3 * unit, -2 * unit, -unit))
      assert.same({ 0, 1, 0, 0, 1, 0 }, chosen(unit, -unit, 3 * unit, 3 * unit, -unit, unit))
    end
    assert.same({ 0, 1, 0, 0, 1, 0 }, chosen(largest, least, largest, 0, 0, 0))
    assert.same({ 0, 0, 1, 1, 0, 0 }, chosen(1e30, 1e30, 1e-30, 1e-30, 0, 0))
    assert.same({ 0, 0, 1, 1, 0, 0 }, chosen(largest, largest, -largest, -largest, -largest, largest))
  end)

  it("of integers are compared exactly", function()
    local size = support.is_double and 2 ^ 50 or 2 ^ 22 -- sums stay exact
    local s = solver.perfect_matching { nodes = 4 }
    assert.same({ 0, 1, 0, 0, 1, 0 }, s(tensor { size + 1, size, size, size + 1, size + 1, size + 1 }):to_list())
    assert.same({ 0, 0, 1, 1, 0, 0 }, s(tensor { size, size, size, size - 1, size, size }):to_list())
    if support.is_double then -- odd numbers just above 2^52
      local odd = 2 ^ 52 + 1
      assert.same({ 1, 0, 0, 0, 0, 1 }, s(tensor { odd, 2 ^ 53, 2 ^ 54, 2 ^ 54, 3, odd }):to_list())
    end
  end)

  it("that are infinite forbid an edge", function()
    local s, inf = solver.perfect_matching { nodes = 4 }, math.huge
    assert.same({ 0, 0, 1, 1, 0, 0 }, s(tensor { inf, 1, 9, 9, inf, 1 }):to_list())
    assert.has_error_matching(function() s(tensor { inf, 1, 1, inf, inf, 1 }) end,
      "instance 1: no solution: no perfect matching of edges of finite cost; node 2 is left over %[MG%-NO%-SOLUTION%]")
    assert.has_error_matching(function() s(tensor { { 1, 1, 1, 1, 1, 1 }, { inf, inf, inf, 1, 1, 1 } }) end,
      "instance 2: no solution: .* node 1 is left over")
    assert.has_error_matching(function() s(tensor { 1, 1, 1, 1, -inf, 1 }) end, "entry 5")
  end)

  it("that are infinite leave a path in a dense graph, or nothing", function()
    local n = 60
    local function path(i, j) return j == i + 1 and 1 or math.huge end
    assert.equal(n / 2, cheapest(n, complete_costs(n, path)))
    local function parts(i, j) return (i <= 31) == (j <= 31) and (i * 7 + j * 3) % 11 or math.huge end
    assert.has_error_matching(function() cheapest(n, complete_costs(n, parts)) end, "no perfect matching")
    local function bridged(i, j) return i == 31 and j == 60 and 5 or parts(i, j) end
    local costs = complete_costs(n, bridged)
    local z = solver.perfect_matching { nodes = n } (costs):to_list()
    for i, cost in ipairs(costs:to_list()) do assert.is_true(z[i] == 0 or cost < math.huge) end
    local function star(i) return i <= 28 and 1 or math.huge end -- 28 nodes for 32 that know nobody else
    assert.has_error_matching(function() cheapest(n, complete_costs(n, star)) end, "no perfect matching")
    local function double(i) return i <= 30 and i or math.huge end
    assert.equal(30 * 31 / 2, cheapest(n, complete_costs(n, double)))
  end)

  it("of edges between the same nodes: the cheapest, then the first", function()
    local s = solver.perfect_matching { nodes = 4, edges = { { 1, 2 }, { 3, 4 }, { 2, 1 }, { 4, 3 }, { 1, 2 } } }
    assert.same({ 0, 1, 1, 0, 0 }, s(tensor { 3, 1, 2, 1, 2 }):to_list())
    assert.same({ 1, 0, 0, 1, 0 }, s(tensor { 1, 5, 1, 4, 1 }):to_list())
    local tiny = 1e-25
    assert.same({ 0, 1, 0, 0, 1 }, s(tensor { 3 * tiny, 1, 2 * tiny, 1, tiny }):to_list())
  end)

  it("that tie give the same answer in any batch and with any threads", function()
    random.seed(23)
    for _, n in ipairs { 12, 40 } do
      local s = solver.perfect_matching { nodes = n }
      local x, before = (tensor.uniform({ 50, s.n }, "spec") * 3):floor(), core.threads()
      local z = s(x)
      for _, threads in ipairs { 1, 4 } do
        core.threads_set(threads)
        assert.is_true(z:equals(s(x)))
      end
      core.threads_set(before)
      for i = 1, 50, 7 do assert.is_true(z[i]:equals(s(x[i]))) end
    end
  end)
end)

describe("perfect matching, settings:", function()
  local function assert_refused(settings, pattern)
    assert.has_error_matching(function() solver.perfect_matching(settings) end, pattern)
  end

  it("are checked", function()
    assert_refused({ nodes = 1 }, "nodes = 1, expected 2")
    assert_refused({ nodes = 4, edges = { { 1, 2 }, { 3 } } }, "3 numbers, expected pairs")
    assert_refused({ nodes = 4, edges = { { 1, 2 }, { 3, 5 } } }, "edge 2 has an end 5, expected an integer in 1..4")
    assert_refused({ nodes = 4, edges = { { 0, 2 } } }, "edge 1 has an end 0")
    assert_refused({ nodes = 4, edges = { { 1.5, 2 } } }, "edge 1 has an end 1.5")
    assert_refused({ nodes = 4, edges = { { 1, 2 }, { 3, 3 } } }, "edge 2 joins node 3 to itself")
    assert_refused({ nodes = 4000000 }, "edges are too many")
  end)

  it("may be a tensor of edges; without edges the graph is complete", function()
    local s = solver.perfect_matching { nodes = 4, edges = tensor { { 1, 2 }, { 3, 4 } } }
    assert.same({ 1, 1 }, s(tensor { 5, 6 }):to_list())
    assert.equal(45, solver.perfect_matching { nodes = 10 }.n)
    assert.same({ 945, 45 }, solver.perfect_matching { nodes = 10 }:enumerate():shape())
  end)

  it("with an odd number of nodes have no solution", function()
    local s = solver.perfect_matching { nodes = 3 }
    assert.has_error_matching(function() s(tensor { 1, 2, 3 }) end, "odd number of nodes, 3 %[MG%-NO%-SOLUTION%]")
    assert.is_false(s:is_feasible(tensor { 1, 0, 0 }))
  end)
end)

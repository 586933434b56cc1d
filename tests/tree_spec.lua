-- Spanning trees and arborescences of large graphs: certificates, a second method, published optima.
local compat = require "mapgrad.compat"
local lfs = require "lfs"
local mg = require "mapgrad"
local oracle = require "tests.oracle.arborescence"
local support = require "tests.support"
local tsplib = require "tests.tsplib"
local random, solver, tensor = mg.random, mg.solver, mg.tensor

local complete = support.complete_edges
local shared = os.getenv "MAPGRAD_SHARED" or "../shared"

local function integer(low, high)
  return low + math.floor(random.uniform "spec" * (high - low + 1))
end

-- ---------------------------------------------------------------- graphs

-- A random graph, its first edges a path, several edges between the same nodes likely.
local function random_graph(nodes, count)
  local edges = {}
  for v = 2, nodes do edges[v - 1] = { v - 1, v } end
  for e = nodes, count do
    local a = integer(1, nodes)
    edges[e] = { a, (a + integer(1, nodes - 1) - 1) % nodes + 1 }
  end
  return edges
end

local graphs = {
  { "a grid", 900, support.grid_edges(30, 30) }, { "a complete graph", 120, complete(120) },
  { "a small complete graph", 40, complete(40) },
  { "a random graph", 300, random_graph(300, 900) }, { "a dense random graph", 100, random_graph(100, 4000) },
  { "a path", 1000, random_graph(1000, 999) },
}

-- ---------------------------------------------------------------- the certificate of a spanning tree

-- The tree's edges towards its node 1: parent, edge to it, depth. Asserts that it spans.
local function rooted(nodes, edges, z)
  local near, parent, by, depth = {}, { [1] = 0 }, {}, { [1] = 0 }
  for v = 1, nodes do near[v] = {} end
  local ones = 0
  for e, ends in ipairs(edges) do
    assert(z[e] == 0 or z[e] == 1)
    if z[e] == 1 then
      ones = ones + 1
      table.insert(near[ends[1]], { ends[2], e })
      table.insert(near[ends[2]], { ends[1], e })
    end
  end
  local queue, head = { 1 }, 1
  while queue[head] do
    local v = queue[head]
    head = head + 1
    for _, step in ipairs(near[v]) do
      local u, e = step[1], step[2]
      if not parent[u] then
        parent[u], by[u], depth[u] = v, e, depth[v] + 1
        queue[#queue + 1] = u
      end
    end
  end
  assert(ones == nodes - 1 and #queue == nodes, "no spanning tree")
  return parent, by, depth
end

-- No edge outside comes before an edge of the cycle that it closes, by cost, then by index: the one tree
-- that the rule for ties allows.
local function assert_best(nodes, edges, costs, z)
  local parent, by, depth = rooted(nodes, edges, z)
  for e, ends in ipairs(edges) do
    local a, b = ends[1], ends[2]
    while z[e] == 0 and a ~= b do
      if depth[a] < depth[b] then a, b = b, a end
      local f = by[a]
      assert(costs[f] < costs[e] or (costs[f] == costs[e] and f < e), "an edge outside is better")
      a = parent[a]
    end
  end
end

local weights = {
  { "normal", function(v) return v end },
  { "with ties", function(v) return math.floor(3 * v) end },
  { "equal", function() return -2 end },
  { "zeros of both signs", function(v) return v > 0 and 0 or -0.0 end },
  { "huge", function(v) return v * 1e30 end },
  { "denormal", function(v) return v * (support.is_double and 1e-310 or 1e-40) end },
  { "a few much cheaper", function(v) return v > 1.5 and v * 1e-20 or 1e9 + math.floor(v * 1e6) end },
}

describe("solver.spanning_tree", function()
  for _, graph in ipairs(graphs) do
    local name, nodes, edges = compat.unpack(graph)
    for _, weight in ipairs(weights) do
      it(("is best in %s, costs %s"):format(name, weight[1]), function()
        random.seed(31)
        local s = solver.spanning_tree { nodes = nodes, edges = edges }
        local opposite = solver.maximum_spanning_tree { nodes = nodes, edges = edges }
        local rows = {}
        for r = 1, 5 do
          rows[r] = tensor.normal({ #edges }, "spec"):to_list()
          for e, v in ipairs(rows[r]) do rows[r][e] = weight[2](v) end
        end
        local x = tensor(rows)
        local answers = s:solve(x)
        local z = answers.z:to_table()
        for r, costs in ipairs(x:to_table()) do
          assert_best(nodes, edges, costs, z[r])
          local sum = 0
          for e, cost in ipairs(costs) do sum = sum + cost * z[r][e] end
          assert.is_true(math.abs(sum - answers.objective[r]) <= 1e-12 * math.max(1, math.abs(sum)) * nodes)
        end
        assert.is_true(opposite(-x):equals(answers.z))
        assert.is_true(s:is_feasible(answers.z[1]))
        assert.is_true(s.constant_sum)
      end)
    end
  end

  it("is best where the cheap edges leave parts apart, whatever is forbidden", function()
    random.seed(32)
    local nodes, edges = 150, complete(150)
    local s = solver.spanning_tree { nodes = nodes, edges = edges }
    for parts = 2, 5 do
      local costs, allowed, places = {}, {}, {}
      for e, ends in ipairs(edges) do
        local is_inside = ends[1] % parts == ends[2] % parts
        costs[e] = (is_inside and 0 or 100) + integer(1, 50)
        if integer(1, 3) == 1 then costs[e] = math.huge
        else allowed[#allowed + 1], places[#places + 1] = ends, e end
      end
      local z, part, paid = s(tensor(costs)):to_list(), {}, {}
      for i, e in ipairs(places) do part[i], paid[i] = z[e], costs[e] end
      assert_best(nodes, allowed, paid, part)
      for e, v in ipairs(z) do assert(v == 0 or costs[e] < math.huge) end
    end
  end)

  it("has no solution where allowed edges do not connect, and counts the parts", function()
    local s = solver.spanning_tree { nodes = 4, edges = { { 1, 2 }, { 3, 4 }, { 2, 3 } } }
    local inf = math.huge
    assert.has_error_matching(function() s(tensor { { 1, 1, 1 }, { 1, inf, inf } }) end,
      "spanning_tree: instance 2: no solution: the allowed edges leave 3 components %[MG%-NO%-SOLUTION%]")
    local apart = solver.spanning_tree { nodes = 9, edges = { { 1, 2 } } }
    assert.has_error_matching(function() apart(tensor { 1 }) end, "leave 8 components")
    local dense = solver.spanning_tree { nodes = 60, edges = complete(60) }
    assert.has_error_matching(function() dense(tensor.full({ 1770 }, inf)) end, "leave 60 components")
    local most = solver.maximum_spanning_tree { nodes = 3, edges = { { 1, 2 }, { 1, 2 }, { 2, 3 } } }
    assert.same({ 0, 1, 1 }, most(tensor { -inf, -5, 2 }):to_list())
    assert.has_error_matching(function() s(tensor { 1, 2, -inf }) end, "cost at entry 3 is %-inf")
  end)

  it("refuses edges that are none", function()
    for _, wrong in ipairs {
      { { }, "edges has 0 numbers" }, { { 1, 2, 3 }, "edges has 3 numbers, expected pairs" },
      { { { 1, 2 }, { 2, 4 } }, "edge 2 has the end 4, expected a node in 1..3" },
      { { { 0, 2 } }, "edge 1 has the end 0" }, { { { 1, 1.5 } }, "edge 1 has the end 1.5" },
      { { { 1, 2 }, { 3, 3 } }, "edge 2 joins node 3 to itself" },
    } do
      for _, kind in ipairs { "spanning_tree", "maximum_spanning_tree", "arborescence" } do
        assert.has_error_matching(function() solver[kind] { nodes = 3, edges = wrong[1] } end,
          "tree_spec.*" .. kind .. ".*" .. wrong[2])
      end
    end
  end)

  it("takes edges as a tensor", function()
    local s = solver.spanning_tree { nodes = 3, edges = tensor { { 1, 2 }, { 2, 3 }, { 1, 3 } } }
    assert.same({ 0, 1, 1 }, s(tensor { 5, 1, 2 }):to_list())
  end)

  it("enumerates graphs of more edges than vectors could be tried", function()
    local s = solver.spanning_tree { nodes = 25, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 }, { 3, 4 }, { 4, 5 }, { 5, 6 },
      { 6, 7 }, { 7, 8 }, { 8, 9 }, { 9, 10 }, { 10, 11 }, { 11, 12 }, { 12, 13 }, { 13, 14 }, { 14, 15 }, { 15, 16 },
      { 16, 17 }, { 17, 18 }, { 18, 19 }, { 19, 20 }, { 20, 21 }, { 21, 22 }, { 22, 23 }, { 23, 24 }, { 24, 25 },
      { 24, 25 } } }
    assert.equal(6, s:enumerate():size(1))
    assert.equal(16, solver.spanning_tree { nodes = 4, edges = complete(4) }:enumerate():size(1)) -- Cayley: 4^2
    assert.equal(1296, solver.spanning_tree { nodes = 6, edges = complete(6) }:enumerate():size(1))
    assert.has_error_matching(function()
      solver.spanning_tree { nodes = 6, edges = complete(6) }:enumerate(nil, 1000)
    end, "more than 1000 solutions")
  end)
end)

-- ---------------------------------------------------------------- arborescences

-- A random directed graph in which all can be reached from the root.
local function directed(nodes, count, root)
  local edges, order = {}, {}
  for v = 1, nodes do order[v] = v end
  order[1], order[root] = order[root], order[1]
  for v = nodes, 3, -1 do
    local u = integer(2, v)
    order[u], order[v] = order[v], order[u]
  end
  for v = 2, nodes do edges[v - 1] = { order[integer(1, v - 1)], order[v] } end
  for e = nodes, count do
    local a = integer(1, nodes)
    edges[e] = { a, (a + integer(1, nodes - 1) - 1) % nodes + 1 }
  end
  return edges
end

describe("solver.arborescence", function()
  it("equals contracting all cycles at once, ties included", function()
    random.seed(33)
    for trial = 1, 120 do
      local nodes = integer(2, 60)
      local root = integer(1, nodes)
      local settings = { nodes = nodes, edges = directed(nodes, nodes - 1 + integer(0, 4 * nodes), root), root = root }
      local s = solver.arborescence(settings)
      local costs, most = {}, trial % 2 == 0 and 4 or 1000
      for e = 1, #settings.edges do costs[e] = integer(-most, most) end
      local z = s(tensor(costs))
      assert.same(oracle.choose(settings, nil, costs), z:to_list())
      assert.is_true(s:is_feasible(z))
    end
  end)

  it("has the cost of the other method where costs are no integers", function()
    random.seed(34)
    for _, size in ipairs { 10, 100, 250 } do
      local settings = { nodes = size, edges = directed(size, 8 * size, 1) }
      local s = solver.arborescence(settings)
      local x = tensor.normal({ 3, #settings.edges }, "spec")
      local answers = s:solve(x)
      for r, costs in ipairs(x:to_table()) do
        local sum = 0
        for e, v in ipairs(oracle.choose(settings, nil, costs)) do sum = sum + v * costs[e] end
        support.assert_near(sum, answers.objective[r], 1e-9)
      end
    end
  end)

  it("contracts cycles in cycles", function()
    -- cycles of two, four, eight, ... nodes, each cheaper than the way in
    local nodes, edges, costs = 65, {}, {}
    local function join(a, b, cost)
      edges[#edges + 1], costs[#costs + 1] = { a, b }, cost
      edges[#edges + 1], costs[#costs + 1] = { b, a }, cost
    end
    for level = 0, 5 do
      local step = 2 ^ level
      for v = 1, 64, 2 * step do join(v + step - 1, v + step, 10 * level + 1 + v % 3) end
    end
    edges[#edges + 1], costs[#costs + 1] = { 65, 37 }, 1000
    local settings = { nodes = nodes, edges = edges, root = 65 }
    local s = solver.arborescence(settings)
    assert.same(oracle.choose(settings, nil, costs), s(tensor(costs)):to_list())
  end)

  it("takes a root for each instance", function()
    local s = solver.arborescence { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 3, 1 }, { 2, 1 } } }
    local z = s(tensor.ones(3, 4), { root = tensor { 1, 2, 3 } })
    assert.same({ { 1, 1, 0, 0 }, { 0, 1, 1, 0 }, { 1, 0, 1, 0 } }, z:to_table())
    assert.same({ true, false, false }, s:is_feasible(z, { root = 1 }))
    assert.same({ true, true, true }, s:is_feasible(z, { root = tensor { 1, 2, 3 } }))
    for _, wrong in ipairs { 0, 4, 1.5 } do
      assert.has_error_matching(function() s(tensor.ones(4), { root = wrong }) end, "root .* is not a node in 1..3")
      assert.is_false(s:is_feasible(z[1], { root = wrong }))
    end
    assert.matches("root = 1", tostring(s))
    assert.has_error_matching(function() solver.arborescence { nodes = 3, edges = { { 1, 2 } }, root = 4 } end,
      "tree_spec.*root = 4, expected a node in 1..3")
    assert.has_error_matching(function() solver.arborescence { nodes = 3, edges = { { 1, 2 } }, root = 0 } end,
      "tree_spec.*root: expected an integer from 1")
  end)

  it("has no solution where the root does not reach a node, and names one", function()
    local s = solver.arborescence { nodes = 4, edges = { { 1, 2 }, { 3, 4 }, { 4, 3 }, { 2, 3 } } }
    assert.has_error_matching(function() s(tensor { { 1, 1, 1, 1 }, { 1, 1, 1, math.huge } }) end,
      "arborescence: instance 2: no solution: no allowed way from root 1 to node 3 %[MG%-NO%-SOLUTION%]")
    assert.has_error_matching(function() s(tensor { math.huge, 1, 1, 1 }) end, "from root 1 to node 2")
    assert.has_error_matching(function() s(tensor { 1, 1, 1, 1 }, { root = 3 }) end, "from root 3 to node [12]")
  end)

  it("keeps sums of the largest numbers finite", function()
    local most = support.is_double and 1.7e308 or 3e38
    local settings = { nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 2 }, { 1, 3 }, { 3, 4 }, { 4, 3 }, { 1, 4 } } }
    for _, costs in ipairs {
      { most, -most, -most, most, -most, -most, most }, { most, most, most, most, most, most, most },
      { -most, most, -most, most, -most, most, -most },
    } do
      local z, small = solver.arborescence(settings)(tensor(costs)):to_list(), {}
      for e, cost in ipairs(costs) do small[e] = cost / most end
      assert.same(oracle.choose(settings, nil, small), z)
    end
  end)
end)

-- ---------------------------------------------------------------- interrupts

describe("trees of large graphs", function()
  it("end soon after a time limit", function()
    local edges = complete(1200)
    local x = tensor.uniform({ #edges }, "spec")
    for _, kind in ipairs { "spanning_tree", "arborescence" } do
      local s = solver[kind] { nodes = 1200, edges = edges }
      support.assert_interrupted(0.05, 2, function()
        for _ = 1, 10000 do s(x):free() end
      end)
    end
  end)
end)

-- ---------------------------------------------------------------- published instances

describe("the shared graphs", function()
  local optima = shared .. "/validation/tsp/optima.json"
  if not lfs.attributes(optima, "mode") then
    pending("there is no " .. optima)
    return
  end

  it("of TSPLIB have the published spanning trees", function()
    local checked = 0
    for name, record in pairs(support.read_json(optima)) do
      local n, d = tsplib.read(("%s/validation/tsp/%s.tsp"):format(shared, name))
      assert.equal(record.n, n)
      local edges, costs = complete(n), {}
      for e, ends in ipairs(edges) do costs[e] = d[ends[1]][ends[2]] end
      local answers = solver.spanning_tree { nodes = n, edges = edges }:solve(tensor(costs))
      assert.equal(record.mst_weight, answers.objective[1])
      assert_best(n, edges, costs, answers.z:to_list())
      checked = checked + 1
    end
    assert.equal(10, checked)
  end)

  local golden = shared .. "/golden/identity/"

  it("of the recorded references have their trees", function()
    for _, case in ipairs(support.read_json(golden .. "spanning_tree.json").cases) do
      local edges, minus = support.from_one(case.edges), {}
      for e, w in ipairs(case.weights) do minus[e] = -w end
      local answers = solver.spanning_tree { nodes = case.vertices, edges = edges }:solve(tensor(case.weights))
      assert.same(case.tree, answers.z:to_list())
      support.assert_near(case.cost, answers.objective[1])
      local z = solver.maximum_spanning_tree { nodes = case.vertices, edges = edges }(tensor(minus))
      assert.same(case.tree, z:to_list())
    end
  end)

  it("have the recorded gradients by blackbox and identity", function()
    local checked = 0
    for _, case in ipairs(support.read_json(golden .. "solvers_identity_blackbox.json").cases) do
      if case.solver == "mst" then
        local edges = support.from_one(case.structure.edges)
        support.replay_flat(case, solver.spanning_tree { nodes = case.structure.vertices, edges = edges })
        checked = checked + 1
      end
    end
    assert.equal(2, checked)
  end)
end)

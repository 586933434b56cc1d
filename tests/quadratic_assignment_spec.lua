-- Quadratic assignment against recorded optima, golden graph matchings and all permutations.
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"
local solver, tensor, random = mg.solver, mg.tensor, mg.random

local shared = os.getenv "MAPGRAD_SHARED" or "../shared"
local shared_it = lfs.attributes(shared .. "/validation") and it or pending

-- n, flow and distance of an instance of QAPLIB, and what is known of it.
local function qaplib(name)
  local file = assert(io.open(("%s/validation/qap/%s.dat"):format(shared, name)))
  local n = file:read "*n"
  local function matrix()
    local rows = {}
    for i = 1, n do
      rows[i] = {}
      for j = 1, n do rows[i][j] = file:read "*n" end
    end
    return rows
  end
  local flow, distance = matrix(), matrix()
  file:close()
  return n, flow, distance, support.read_json(shared .. "/validation/qap/optima.json")[name]
end

local function quadratic(name, options)
  local n, flow, distance, known = qaplib(name)
  local o = { nodes_a = n, nodes_b = n, flow = flow, distance = distance }
  for key, value in pairs(options or {}) do o[key] = value end
  return solver.quadratic_assignment(o), n, known, flow, distance
end

-- The places 1..n that z holds.
local function places(z, n)
  local list, flat = {}, z:to_list()
  for i = 1, n do
    for j = 1, n do
      if flat[(i - 1) * n + j] == 1 then list[i] = j end
    end
  end
  return list
end

local function cost_of(place, flow, distance)
  local sum = 0
  for i = 1, #place do
    for k = 1, #place do sum = sum + flow[i][k] * distance[place[i]][place[k]] end
  end
  return sum
end

local function all_pairs(n)
  local edges = {}
  for i = 1, n do
    for j = 1, n do
      if i ~= j then edges[#edges + 1] = { i, j } end
    end
  end
  return edges
end

describe("solver.quadratic_assignment", function()
  for _, name in ipairs { "tai10a", "chr12a", "had12", "nug12", "rou12" } do
    shared_it("proves the recorded optimum of " .. name, function()
      local s, n, known, flow, distance = quadratic(name)
      local answers = s:solve(tensor.zeros(n * n))
      assert.equal(known.optimum, answers.objective[1])
      assert.is_true(answers.proved[1] and s:is_feasible(answers.z))
      assert.equal(known.optimum, cost_of(places(answers.z, n), flow, distance))
    end)
  end

  shared_it("proves the recorded optimum of nug15 with more nodes", function()
    local s, n, known = quadratic("nug15", { nodes = 2e6 })
    local answers = s:solve(tensor.zeros(n * n))
    assert.equal(known.optimum, answers.objective[1])
    assert.is_true(answers.proved[1])
  end)

  for name, gap in pairs { esc16a = 0, had20 = 0.01, nug20 = 0.01, bur26a = 0.005, kra30a = 0.03 } do
    shared_it("comes near to the recorded optimum of " .. name .. ", with a bound", function()
      local s, n, known, flow, distance = quadratic(name, { nodes = 30000 })
      local answers = s:solve(tensor.zeros(n * n))
      assert.is_false(answers.proved[1])
      assert(answers.bound[1] <= known.optimum and answers.bound[1] > 0.5 * known.optimum)
      assert(answers.objective[1] >= known.optimum and answers.objective[1] <= known.optimum * (1 + gap))
      assert.equal(answers.objective[1], cost_of(places(answers.z, n), flow, distance))
      assert.is_true(s(tensor.zeros(n * n)):equals(answers.z)) -- again the same
    end)
  end

  shared_it("reproduces the golden graph matchings", function()
    local cases = support.read_json(shared .. "/golden/identity/graph_matching.json").cases
    for _, case in ipairs(cases) do
      local s = solver.quadratic_assignment { nodes_a = case.n1, nodes_b = case.n2, partial = case.partial,
        edges_a = support.from_one(case.edges1), edges_b = support.from_one(case.edges2) }
      local function solve(unary)
        local costs = tensor.concat({ tensor(unary):flatten(), tensor(case.pairwise):flatten() }, 1)
        local answers = s:solve(costs)
        assert.is_true(answers.proved[1])
        local v = answers.z:to_list()
        return answers, v
      end
      local answers, z = solve(case.unary)
      local expected = support.flat { case.v, case.e }
      assert.same(expected, z)
      support.assert_near(case.cost, answers.objective[1])
      local margin = (tensor(case.unary) + tensor(case.target_v) * case.alpha):to_table()
      answers, z = solve(margin)
      support.assert_near(case.cost_with_margin, answers.objective[1])
      for i, wanted in ipairs(support.flat(case.v_with_margin)) do assert.equal(wanted, z[i]) end
    end
    assert.equal(6, #cases)
  end)

  it("takes flow and distance for each instance", function()
    random.seed(2)
    local n, list = 4, {}
    local s = solver.quadratic_assignment { nodes_a = n, nodes_b = n }
    local flow, distance = tensor.normal({ 5, n, n }, "spec"), tensor.normal({ 5, n, n }, "spec")
    local together = s(tensor.zeros(5, n * n), { flow = flow, distance = distance })
    for i = 1, 5 do
      list[i] = s(tensor.zeros(n * n), { flow = flow[i], distance = distance[i] })
      assert.is_true(list[i]:equals(together[i]))
    end
    assert.has_error_matching(function() s(tensor.zeros(n * n), { flow = flow[1] }) end,
      "flow and distance go together")
  end)

  it("equals linear assignment by enumeration when nothing is paired", function()
    random.seed(3)
    local s = solver.quadratic_assignment { nodes_a = 6, nodes_b = 7 }
    local set = s:enumerate():reshape(5040, 42)
    local costs = tensor.normal({ 20, 42 }, "spec")
    local answers = s:solve(costs)
    local least = costs:matmul(set:transpose()):min(2):to_list()
    for i = 1, 20 do support.assert_near(least[i], answers.objective[i]) end
  end)

  it("finds the isomorphism of two large graphs", function()
    random.seed(4)
    local n = 11
    local permutation, used, edges_a, edges_b = {}, {}, {}, {}
    for i = 1, n do
      local j
      repeat j = 1 + math.floor(random.uniform "spec" * n) until not used[j]
      permutation[i], used[j] = j, true
    end
    for i = 1, n do
      for k = 1, n do
        if i ~= k and random.uniform "spec" < 0.4 then
          edges_a[#edges_a + 1] = { i, k }
          edges_b[#edges_b + 1] = { permutation[i], permutation[k] }
        end
      end
    end
    local s = solver.quadratic_assignment { nodes_a = n, nodes_b = n, edges_a = edges_a, edges_b = edges_b }
    local costs = tensor.concat({ tensor.zeros(n * n), tensor.full({ #edges_a * #edges_b }, -1) }, 1)
    local answers = s:solve(costs)
    assert.equal(-#edges_a, answers.objective[1]) -- every edge onto an edge
    assert.is_true(answers.proved[1])
  end)

  it("keeps forbidden assignments and pairs out, or says that nothing is left", function()
    local inf = math.huge
    local s = solver.quadratic_assignment {
      nodes_a = 2, nodes_b = 2, edges_a = { { 1, 2 } }, edges_b = { { 1, 2 }, { 2, 1 } },
    }
    assert.same({ 0, 1, 1, 0, 0, 1 }, s(tensor { 0, 9, 9, 0, inf, 5 }):to_list())
    assert.same({ 1, 0, 0, 1, 1, 0 }, s(tensor { 0, inf, 9, 0, 100, 5 }):to_list())
    for _, costs in ipairs { { inf, inf, 0, 0, 0, 0 }, { inf, 0, 0, 0, 0, inf }, { 0, 0, 0, 0, inf, inf } } do
      assert.has_error_matching(function() s(tensor(costs)) end,
        "instance 1: no solution: every assignment has a forbidden")
    end
    local partial = solver.quadratic_assignment { nodes_a = 2, nodes_b = 1, partial = true }
    assert.same({ 0, 0 }, partial(tensor { inf, inf }):to_list())
    assert.same({ 0, 0 }, partial(tensor { inf, 1 }):to_list())
    assert.same({ 0, 1 }, partial(tensor { -1, -2 }):to_list())
  end)

  it("names what is wrong", function()
    local function fails(options, text)
      assert.has_error_matching(function() solver.quadratic_assignment(options) end, text)
    end
    fails({ nodes_a = 3, nodes_b = 2 }, "nodes_a = 3 is more than nodes_b = 2")
    fails({ nodes_a = 2, nodes_b = 2, flow = { { 0, 1 }, { 1, 0 } } }, "flow and distance go together")
    fails({ nodes_a = 2, nodes_b = 2, flow = { 1, 2, 3 } }, "flow has 3 numbers, expected 2 x 2")
    fails({ nodes_a = 2, nodes_b = 2, edges_a = { 1, 2, 1 } }, "edges_a has 3 numbers, expected pairs")
    fails({ nodes_a = 2, nodes_b = 2, edges_b = { { 1, 2 }, { 3, 1 } } },
      "edges_b: edge 2 has the node 3, expected one of 1..2")
    fails({ nodes_a = 2, nodes_b = 2, edges_b = { { 1, 2 }, { 1, 2 } } }, "edges_b: edges 1 and 2 are the same")
    fails({ nodes_a = 2, nodes_b = 2, time_limit = -1 }, "time_limit = %-1")
    fails({ nodes_a = 1e5, nodes_b = 1e5 }, "too many")
  end)

  -- Random graphs of 25 nodes: nothing to be proved.
  local function hard(options)
    random.seed(5)
    local n, edges = 25, all_pairs(12)
    local o = { nodes_a = n, nodes_b = n, edges_a = edges, edges_b = edges }
    for key, value in pairs(options) do o[key] = value end
    local s = solver.quadratic_assignment(o)
    return s, tensor.normal({ s.n }, "spec")
  end

  it("stops at the time limit", function()
    local s, costs = hard { time_limit = 0.1, nodes = 1e9 }
    local started = core.processor_time()
    local answers = s:solve(costs)
    assert(core.processor_time() - started < 3)
    assert.is_false(answers.proved[1])
    assert.is_true(s:is_feasible(answers.z))
    assert(answers.bound[1] < answers.objective[1])
  end)

  it("can be interrupted", function()
    local s, costs = hard { nodes = 1e9 }
    support.assert_interrupted(0.1, 3, s, costs)
  end)

  it("gives layers gradients of unary and pairwise costs", function()
    random.seed(6)
    local edges = { { 1, 2 }, { 2, 3 } }
    local s = solver.quadratic_assignment { nodes_a = 3, nodes_b = 3, edges_a = edges, edges_b = edges }
    local layer = mg.estimator.blackbox { solver = s, lambda = 10 }
    local costs = tensor.normal({ 4, 13 }, "spec"):watch()
    local z = layer(costs);
    (z * tensor.normal({ 4, 13 }, "spec")):sum():backward()
    assert.same({ 4, 13 }, costs.grad:shape())
    assert(costs.grad:abs():sum():item() > 0)
  end)
end)

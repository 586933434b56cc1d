-- Paths and flows in graphs: validation instances, certificates on large random graphs, special values.
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"
local graphs = require "tests.oracle.graph_path"

local solver, tensor, random = mg.solver, mg.tensor, mg.random
local base = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/validation"
local huge = math.huge

local function integer(low, high)
  return low + math.floor(random.uniform "spec" * (high - low + 1))
end

-- Distances of all nodes from one, by relaxing until nothing changes; costs may be below 0 but no cycle.
local function distances(nodes, edges, costs, start)
  local d, changed = {}, true
  for v = 1, nodes do d[v] = huge end
  d[start] = 0
  while changed do
    changed = false
    for e, edge in ipairs(edges) do
      local way = d[edge[1]] + costs[e]
      if way < d[edge[2]] then d[edge[2]], changed = way, true end
    end
  end
  return d
end

-- ---------------------------------------------------------------- validation instances

-- The road graph: edges and lengths.
local function read_road()
  local edges, lengths = {}, {}
  for line in io.lines(base .. "/road/rome99.gr") do
    local a, b, length = line:match "^a (%d+) (%d+) (%d+)"
    if a then
      edges[#edges + 1] = { tonumber(a), tonumber(b) }
      lengths[#lengths + 1] = tonumber(length)
    end
  end
  return edges, lengths
end

-- Nodes and edges of the free cells of an octile map: straight 1, diagonal sqrt 2 past two free cells.
local function read_octile()
  local rows, y = {}, nil
  for line in io.lines(base .. "/octile/arena.map") do
    if y then
      y = y + 1
      rows[y] = line
    elseif line:match "^map" then
      y = 0
    end
  end
  local edges, costs = {}, {}
  local function is_free(r, c) return rows[r] and rows[r]:sub(c, c) == "." end
  for r = 1, 49 do
    for c = 1, 49 do
      for dr = -1, 1 do
        for dc = -1, 1 do
          local is_open = is_free(r, c) and is_free(r + dr, c + dc) and is_free(r + dr, c) and is_free(r, c + dc)
          if (dr ~= 0 or dc ~= 0) and is_open then
            edges[#edges + 1] = { (r - 1) * 49 + c, (r + dr - 1) * 49 + c + dc }
            costs[#costs + 1] = math.sqrt(dr * dr + dc * dc)
          end
        end
      end
    end
  end
  return edges, costs
end

describe("the validation instances", function()
  if not lfs.attributes(base, "mode") then
    pending("of paths: there is no " .. base)
    return
  end

  it("road: all queries", function()
    local edges, lengths = read_road()
    local s = solver.graph_path { nodes = 3353, edges = edges }
    local queries = support.read_json(base .. "/road/queries.json").rome99.queries_source_target_distance_count
    local x = tensor(lengths):expand(#queries, #lengths)
    local starts, goals = {}, {}
    for i, query in ipairs(queries) do starts[i], goals[i] = { query[1] }, { query[2] } end
    local context = { start = tensor(starts), goal = tensor(goals) }
    local answers = s:solve(x, context)
    local feasible = s:is_feasible(answers.z, context)
    for i, query in ipairs(queries) do
      assert.equal(query[3], answers.objective[i])
      assert.is_true(feasible[i])
    end
    assert.equal(40, #queries)
  end)

  it("octile: all queries, without cutting corners", function()
    local edges, costs = read_octile()
    local s = solver.graph_path { nodes = 49 * 49, edges = edges }
    local starts, goals, lengths = {}, {}, {}
    for line in io.lines(base .. "/octile/arena.map.scen") do
      local sx, sy, gx, gy, length = line:match(
        "^%d+\t%S+\t%d+\t%d+\t(%d+)\t(%d+)\t(%d+)\t(%d+)\t(%S+)")
      if length then
        starts[#starts + 1], goals[#goals + 1] = { sy * 49 + sx + 1 }, { gy * 49 + gx + 1 }
        lengths[#lengths + 1] = tonumber(length)
      end
    end
    assert.equal(65, #lengths)
    local answers = s:solve(tensor(costs):expand(65, #costs), { start = tensor(starts), goal = tensor(goals) })
    for i, length in ipairs(lengths) do
      assert(math.abs(answers.objective[i] - length) < (support.is_double and 1e-7 or 1e-5))
    end
  end)

  it("terrain: all maps, as cells and as a graph", function()
    local letters = support.read_json(base .. "/terrain/costs.json").cost_tenths
    local solved = 0
    for _, map in pairs(support.read_json(base .. "/terrain/grids.json")) do
      local rows, n = map.terrain, #map.terrain
      local costs, edges, steps = {}, {}, {}
      for r = 1, n do
        for c = 1, n do
          costs[#costs + 1] = letters[rows[r]:sub(c, c)]
          for dr = -1, 1 do
            for dc = -1, 1 do
              local y, x = r + dr, c + dc
              if (dr ~= 0 or dc ~= 0) and y >= 1 and y <= n and x >= 1 and x <= n then
                edges[#edges + 1] = { (r - 1) * n + c, (y - 1) * n + x }
                steps[#steps + 1] = letters[rows[y]:sub(x, x)]
              end
            end
          end
        end
      end
      local grid = solver.grid_path { rows = n, cols = n }
      local x = tensor(costs):reshape(n, n)
      local answer = grid:solve(x)
      assert.equal(map.optimum_tenths, answer.objective[1])
      assert.is_true(grid:is_feasible(answer.z))
      assert.equal(map.optimum_tenths, grid:solve(x:expand(20, n, n)).objective[20])
      local graph = solver.graph_path { nodes = n * n, edges = edges }
      assert.equal(map.optimum_tenths - costs[1], graph:solve(tensor(steps)).objective[1])
      solved = solved + 1
    end
    assert.equal(26, solved)
  end)
end)

-- ---------------------------------------------------------------- grid_path

describe("solver.grid_path on large maps", function()
  it("answers alike by buckets, by lanes and by the heap", function()
    random.seed(20)
    for _, low in ipairs { 0, 1e-6, 0.5, 3 } do
      local s = solver.grid_path { rows = 60, cols = 45 }
      local costs = (tensor.uniform({ 9, 60, 45 }, "spec") * 8):floor() + low
      costs = costs + costs:gt(6 + low) * 1e30
      local many = s(costs)
      for i = 1, 9 do
        assert.is_true(many[i]:equals(s(costs[i])))
        assert.is_true(s:is_feasible(many[i]))
      end
    end
  end)

  it("finds what Bellman and Ford find among obstacles", function()
    random.seed(21)
    local rows, cols = 40, 50
    for _, neighbours in ipairs { 4, 8 } do
      local s = solver.grid_path { rows = rows, cols = cols, neighbours = neighbours }
      local costs, list = {}, {}
      for i = 1, rows * cols do
        costs[i] = integer(1, 5) > 1 and integer(2, 30) / 4 or huge
        list[i] = costs[i]
      end
      list[1], list[#list] = 1, 1
      local edges, steps = {}, {}
      for v = 1, rows * cols do
        local r, c = math.floor((v - 1) / cols) + 1, (v - 1) % cols + 1
        for dr = -1, 1 do
          for dc = -1, 1 do
            local y, x = r + dr, c + dc
            local is_step = (dr ~= 0 or dc ~= 0) and (neighbours == 8 or dr == 0 or dc == 0)
            if is_step and y >= 1 and y <= rows and x >= 1 and x <= cols then
              edges[#edges + 1] = { v, (y - 1) * cols + x }
              steps[#steps + 1] = list[(y - 1) * cols + x]
            end
          end
        end
      end
      local d = distances(rows * cols, edges, steps, 1)
      local answer = s:solve(tensor(list):reshape(rows, cols))
      if d[#d] == huge then
        assert.is_false(answer.solved[1])
      else
        assert.equal(d[#d] + 1, answer.objective[1])
        assert.is_true(s:is_feasible(answer.z))
      end
    end
  end)

  it("tells long paths from near misses", function()
    local n = 61
    local s = solver.grid_path { rows = n, cols = n, neighbours = 4 }
    local snake = tensor.zeros(n, n)
    for r = 1, n do
      for c = 1, n do
        if r % 2 == 1 or (r % 4 == 2 and c == n) or (r % 4 == 0 and c == 1) then snake:set(r, c, 1) end
      end
    end
    assert.is_true(s:is_feasible(snake))
    snake:set(2, 1, 1) -- a shortcut that is visited as well: a dead end
    assert.is_false(s:is_feasible(snake))
    snake:set(2, 1, 0)
    snake:set(31, 20, 0)
    assert.is_false(s:is_feasible(snake))
    assert.is_true(s:is_feasible(tensor.ones(n, n))) -- all cells, by rows
    assert.is_false(solver.grid_path { rows = 8, cols = 8, neighbours = 4 }:is_feasible(tensor.ones(8, 8)))
  end)

  it("enumerates in a fixed order, each set once", function()
    local s = solver.grid_path { rows = 4, cols = 4 }
    local found, seen = s:enumerate(), {}
    for _, z in ipairs(found:reshape(found:size(1), 16):to_table()) do
      local key = table.concat(z, " ")
      assert.is_nil(seen[key])
      seen[key] = true
    end
    assert.is_true(found:equals(s:enumerate()))
    assert.has_error_matching(function() s:enumerate(nil, 10) end, "more than 10 solutions")
  end)
end)

-- ---------------------------------------------------------------- paths in graphs

describe("solver.graph_path", function()
  it("finds what Bellman and Ford find on large graphs", function()
    random.seed(22)
    for _, negative in ipairs { "error", "allow" } do
      local nodes = 400
      local edges = graphs.draw_edges(integer, nodes, 2500)
      local s = solver.graph_path { nodes = nodes, edges = edges, negative = negative }
      local lift, rows = {}, {}
      for v = 1, nodes do lift[v] = negative == "allow" and integer(0, 50) or 0 end
      for b = 1, 6 do -- costs from 0 plus what a potential adds: no cycle changes
        rows[b] = {}
        for e, edge in ipairs(edges) do rows[b][e] = integer(0, 40) + lift[edge[2]] - lift[edge[1]] end
      end
      local answers = s:solve(tensor(rows), { goal = 17 })
      for b = 1, 6 do
        local d = distances(nodes, edges, rows[b], 1)
        assert.equal(d[17] < huge, answers.solved[b])
        if d[17] < huge then
          assert.equal(d[17], answers.objective[b])
          assert.is_true(s:is_feasible(answers.z[b], { goal = 17 }))
        end
      end
    end
  end)

  it("refuses, clips or takes costs below 0", function()
    local edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } }
    local costs = tensor { 4, -3, 2 }
    assert.has_error_matching(function() solver.graph_path { nodes = 3, edges = edges } (costs) end,
      "instance 1: cost at entry 2 is %-3, expected 0 and more")
    assert.has_error_matching(function() solver.graph_path { nodes = 3, edges = edges, negative = "clip" } (costs) end,
      "instance 1: cost at entry 2 is %-3") -- a person's costs; layers clip
    assert.same({ 1, 1, 0 }, solver.graph_path { nodes = 3, edges = edges, negative = "allow" } (costs):to_list())
    local function in_layer(negative)
      local s = solver.graph_path { nodes = 3, edges = edges, negative = negative }
      local draw = { seed = 0, stream = "noise", index = 0 }
      return s:perturbed_argmax(-costs, nil, { samples = 1, temperature = 0, draw = draw })[1]:to_list()
    end
    assert.same({ 0, 0, 1 }, in_layer(nil)) -- clips
    assert.same({ 1, 1, 0 }, in_layer "allow")
  end)

  it("names the instance and the nodes of a negative cycle", function()
    local s = solver.graph_path {
      nodes = 5, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 2 }, { 4, 5 } }, negative = "allow",
    }
    local costs = tensor { { 1, 1, 1, 1, 1 }, { 1, 2, -3, 0.5, 1 }, { 1, 2, -3, 1, 1 } }
    local ok, message = pcall(s, costs)
    assert.is_false(ok)
    assert.matches("graph_path: instance 2: the costs of a cycle add up to less than 0: nodes ", message)
    local nodes = message:match "nodes ([%d, ]*%d)"
    assert.is_truthy(("2, 3, 4, 2, 3, 4, 2"):find(nodes, 1, true))
    assert.equal(nodes:match "^%d+", nodes:match "(%d+)%D*$")
    assert.equal(1, s(costs[3])[5]) -- a cycle of cost 0 is fine
    local far = solver.graph_path { nodes = 4, edges = { { 1, 2 }, { 3, 4 }, { 4, 3 } }, goal = 2, negative = "allow" }
    assert.same({ 1, 0, 0 }, far(tensor { 1, -1, -1 }):to_list()) -- not met from the start
  end)

  it("names a negative cycle of any size, and never runs on", function()
    random.seed(23)
    for _, nodes in ipairs { 2, 3, 50, 700 } do
      local edges, costs = {}, {}
      for v = 1, nodes do
        edges[v], costs[v] = { v, v % nodes + 1 }, 1
      end
      costs[nodes] = -nodes
      for e = nodes + 1, 4 * nodes do edges[e], costs[e] = { integer(1, nodes), integer(1, nodes) }, nodes end
      local s = solver.graph_path { nodes = nodes, edges = edges, negative = "allow" }
      assert.has_error_matching(function() s(tensor(costs)) end, "instance 1: the costs of a cycle .*%[MG%-ARGUMENT%]")
      costs[nodes] = 1 - nodes
      assert.is_true(s:solve(tensor(costs)).solved[1])
    end
  end)

  it("takes rounding for no cycle", function()
    local s = solver.graph_path { nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 1 }, { 3, 4 } }, negative = "allow" }
    for _, scale in ipairs { 1, 2 ^ 100, 2 ^ -100, support.is_double and 2 ^ -1040 or 2 ^ -140 } do
      local x = tensor { 0.125 * scale, 0.25 * scale, -0.375 * scale, 1e-9 * scale }
      assert.equal(1, s(x)[4])
    end
  end)

  it("goes over edges of cost 0 and around cycles of cost 0", function()
    local s = solver.graph_path {
      nodes = 5, edges = { { 1, 2 }, { 2, 1 }, { 2, 3 }, { 3, 2 }, { 3, 4 }, { 4, 5 }, { 2, 5 }, { 2, 5 } },
    }
    assert.same({ 1, 0, 0, 0, 0, 0, 1, 0 }, s(tensor.zeros(8)):to_list())
    assert.same({ 0, 0, 0, 0, 0, 0, 0, 0 }, s(tensor.zeros(8), { start = 3, goal = 3 }):to_list())
  end)

  it("says what is wrong with edges and ends", function()
    local function with(changes)
      local o = { nodes = 3, edges = { { 1, 2 }, { 2, 3 } } }
      for key, value in pairs(changes) do o[key] = value end
      return function() return solver.graph_path(o)(tensor { 1, 1 }) end
    end
    assert.has_error_matching(with { edges = { { 1, 2 }, { 2, 4 } } },
      "graph_path: the head of edge 2 is 4, expected a node of 1..3")
    assert.has_error_matching(with { edges = { { 1, 2 }, { 2, 1.5 } } }, "the head of edge 2 is 1.5")
    assert.has_error_matching(with { edges = { { 0, 2 }, { 2, 3 } } }, "the tail of edge 1 is 0")
    assert.has_error_matching(with { edges = { 1, 2, 3 } }, "edges has 3 numbers, expected a tail and a head")
    assert.has_error_matching(with { edges = {} }, "edges is empty")
    assert.has_error_matching(with { start = 4 }, "start = 4, expected a node of 1..3")
    assert.has_error_matching(with { goal = 2.5 }, "goal = 2.5, expected a node of 1..3")
    local s = solver.graph_path { nodes = 3, edges = { { 1, 2 }, { 2, 3 } } }
    assert.has_error_matching(function() s(tensor { { 1, 1 }, { 1, 1 } }, { goal = tensor { 3, 4 } }) end,
      "instance 2: goal is 4, expected a node of 1..3")
    assert.has_error_matching(function() s(tensor { { 1, 1 }, { 1, huge } }) end,
      "instance 2: no solution: no path of finite cost from node 1 to node 3")
    assert.has_error_matching(function() s(tensor { 1, -huge }) end, "cost at entry 2 is %-inf")
  end)
end)

describe("solver.dag_path", function()
  it("names the nodes of a cycle when it is made", function()
    local ok, message = pcall(solver.dag_path, {
      nodes = 6, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 5 }, { 5, 3 }, { 5, 6 } },
    })
    assert.is_false(ok)
    local nodes = message:match "dag_path: the edges have a cycle: nodes ([%d, ]*%d)"
    assert.is_truthy(("3, 4, 5, 3, 4, 5, 3"):find(nodes, 1, true))
    assert.equal(4, #nodes:gsub("[^%d]", ""))
    assert.has_error_matching(function() solver.dag_path { nodes = 2, edges = { { 1, 2 }, { 2, 2 } } } end,
      "a cycle: nodes 2, 2")
  end)

  it("equals relaxation on large graphs, for any batch", function()
    random.seed(24)
    local nodes = 500
    local edges, rows = graphs.draw_edges(integer, nodes, 3000, true), {}
    local d
    local s, start, goal, reached = solver.dag_path { nodes = nodes, edges = edges }, 1, 1, -1
    for b = 1, 21 do
      rows[b] = {}
      for e = 1, #edges do rows[b][e] = integer(-20, 30) end
    end
    for candidate = 1, nodes do -- the start with most nodes ahead of it
      d = distances(nodes, edges, rows[1], candidate)
      local count, last = 0, candidate
      for v = 1, nodes do
        if d[v] < huge then count, last = count + 1, v end
      end
      if count > reached then start, goal, reached = candidate, last, count end
      if candidate > 40 then break end
    end
    assert(reached > 10)
    local context = { start = start, goal = goal }
    local answers = s:solve(tensor(rows), context)
    for b = 1, 21 do
      assert.equal(distances(nodes, edges, rows[b], start)[goal], answers.objective[b])
      assert.is_true(answers.z[b]:equals(s(tensor(rows[b]), context)))
    end
  end)

  it("finds longest paths from minus gains", function()
    local s = solver.dag_path { nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 1, 4 } } }
    assert.same({ 1, 1, 1, 0 }, s(-tensor { 1, 1, 1, 2.5 }):to_list())
  end)
end)

-- ---------------------------------------------------------------- flows

-- No cycle of the residual network costs less than 0 (to within slack): Bellman and Ford from all nodes.
local function is_cheapest(nodes, edges, costs, capacities, z, slack)
  local d = {}
  for v = 1, nodes do d[v] = 0 end
  for round = 1, nodes + 1 do
    local changed = false
    for e, edge in ipairs(edges) do
      local a, b = edge[1], edge[2]
      if z[e] < capacities[e] and d[a] + costs[e] < d[b] - slack then d[b], changed = d[a] + costs[e], true end
      if z[e] > 0 and d[b] - costs[e] < d[a] - slack then d[a], changed = d[b] - costs[e], true end
    end
    if not changed then return true end
    if round == nodes + 1 then return false end
  end
end

describe("solver.min_cost_flow", function()
  it("has no negative cycle left on large networks", function()
    random.seed(25)
    local shapes = { { 30, 200, 5 }, { 100, 400, 1 }, { 60, 1500, 30 }, { 200, 1200, 3 } }
    for _, shape in ipairs(shapes) do
      local nodes, count = shape[1], shape[2]
      local edges, capacities, supplies = graphs.draw_edges(integer, nodes, count), {}, {}
      for v = 1, nodes do supplies[v] = 0 end
      for e, edge in ipairs(edges) do
        capacities[e] = integer(0, shape[3])
        local flow = integer(0, capacities[e])
        supplies[edge[1]] = supplies[edge[1]] + flow
        supplies[edge[2]] = supplies[edge[2]] - flow
      end
      local s = solver.min_cost_flow { nodes = nodes, edges = edges, capacities = capacities, supplies = supplies }
      for kind = 1, 4 do
        local x = tensor.normal({ count }, "spec")
        if kind == 2 then x = (x * 2):floor() end -- ties
        if kind == 3 then x = x * 1e30 end
        if kind == 4 then x = x * (support.is_double and 1e-310 or 1e-40) end
        local answer = s:solve(x)
        assert.is_true(s:is_feasible(answer.z) and answer.proved[1])
        local costs = x:to_list()
        local scale = x:abs():max():item()
        assert.is_true(is_cheapest(nodes, edges, costs, capacities, answer.z:to_list(), 1e-13 * scale))
      end
    end
  end)

  it("solves equal costs, whatever ties there are", function()
    local nodes, edges, capacities, supplies = 60, {}, {}, {}
    for a = 1, 30 do
      supplies[a], supplies[30 + a] = 1, -1
      for b = 31, 60 do edges[#edges + 1], capacities[#capacities + 1] = { a, b }, 1 end
    end
    local s = solver.min_cost_flow { nodes = nodes, edges = edges, capacities = capacities, supplies = supplies }
    for _, cost in ipairs { 0, 1, -1, 1e30 } do
      local z = s(tensor.full({ #edges }, cost))
      assert.is_true(s:is_feasible(z))
      assert.equal(30, z:sum():item())
      assert.is_true(z:equals(s(tensor.full({ #edges }, 7)))) -- the same face
    end
  end)

  it("assigns as Hungarian methods do", function()
    local edges, supplies = {}, { 1, 1, 1, -1, -1, -1 }
    for a = 1, 3 do
      for b = 4, 6 do edges[#edges + 1] = { a, b } end
    end
    local s = solver.min_cost_flow { nodes = 6, edges = edges, supplies = supplies } -- without capacities
    local answer = s:solve(tensor { 4, 1, 3, 2, 0, 5, 3, 2, 2 })
    assert.same({ 0, 1, 0, 1, 0, 0, 0, 0, 1 }, answer.z:to_list())
    assert.equal(5, answer.objective[1])
  end)

  it("says when the cost falls without end, when supplies cannot be carried, and what is no number", function()
    local edges = { { 1, 2 }, { 2, 1 }, { 2, 3 } }
    local s = solver.min_cost_flow { nodes = 3, edges = edges, supplies = { 2, 0, -2 } }
    assert.same({ 2, 0, 2 }, s(tensor { 1, 1, 1 }):to_list())
    assert.same({ 2, 0, 2 }, s(tensor { 1, -1, 1 }):to_list())
    assert.has_error_matching(function() s(tensor { { 1, 1, 1 }, { 1, -2, 1 } }) end,
      "instance 2: the cost falls without end around a cycle of edges without a capacity")
    assert.same({ 7, 5, 2 }, s(tensor { 1, -2, 1 }, { capacity = tensor { huge, 5, huge } }):to_list())
    assert.has_error_matching(function() s(tensor { 1, 1, 1 }, { capacity = tensor { 9, 9, 1 } }) end,
      "instance 1: no solution: the edges cannot carry the supplies")
    assert.has_error_matching(function() s(tensor { 1, huge, huge }) end, "no solution: the edges cannot carry")
    assert.has_error_matching(function() s(tensor { 1, 1, 1 }, { supply = tensor { 1, 0, 0 } }) end,
      "no solution: the supplies add up to 1, expected 0")
    assert.has_error_matching(function() s(tensor { 1, 1, 1 }, { supply = tensor { 0.5, 0, -0.5 } }) end,
      "supply of node 1 is 0.5, expected an integer")
    assert.has_error_matching(function() s(tensor { 1, 1, 1 }, { capacity = tensor { 1, -1, 1 } }) end,
      "capacity of edge 2 is %-1, expected an integer from 0")
    assert.has_error_matching(function() solver.min_cost_flow { nodes = 3, edges = edges, capacities = { 1, 2 } } end,
      "capacities has 2 numbers, expected 3")
    assert.has_error_matching(function()
      solver.min_cost_flow { nodes = 3, edges = edges, supplies = { 1, 0.5, 0 } }
    end, "supplies at entry 2 is 0.5, expected an integer")
    assert.has_error_matching(function() s:enumerate() end, "enumerate: edge 1 has capacity inf")
  end)
end)

describe("a time limit", function()
  teardown(function() core.time_limit(0) end)

  it("stops paths and flows", function()
    random.seed(26)
    local nodes = 20000
    local edges = graphs.draw_edges(integer, nodes, 10 * nodes)
    local capacities, supplies = {}, {}
    for e = 1, #edges do capacities[e] = integer(1, 20) end
    for v = 1, nodes do supplies[v] = 0 end
    for e, edge in ipairs(edges) do
      supplies[edge[1]] = supplies[edge[1]] + capacities[e] % 3
      supplies[edge[2]] = supplies[edge[2]] - capacities[e] % 3
    end
    local x = tensor.uniform({ #edges }, "spec")
    local flow = solver.min_cost_flow { nodes = nodes, edges = edges, capacities = capacities, supplies = supplies }
    local path = solver.graph_path { nodes = nodes, edges = edges }
    local grid = solver.grid_path { rows = 700, cols = 700 }
    local map = tensor.uniform({ 700, 700 }, "spec") -- costs of very different size: by the heap
    local complete = {}
    for a = 1, 12 do
      for b = 1, 12 do complete[#complete + 1] = { a, b } end
    end
    for _, work in ipairs {
      function() flow(x) end, function() for _ = 1, 1000 do path(x, { goal = 2 }) end end,
      function() for _ = 1, 1000 do grid(map) end end,
      function() solver.graph_path { nodes = 12, edges = complete } :enumerate(nil, 1e9) end,
      function() solver.grid_path { rows = 7, cols = 7 } :enumerate(nil, 1e9) end,
    } do
      support.assert_interrupted(0.03, 2, work)
    end
  end)
end)

-- Solvers against enumeration of their feasible sets, their rules on input, batches, and solvers in Lua.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local support = require "tests.support"
local solver, tensor, random = mg.solver, mg.tensor, mg.random

local function dot(x, z)
  local sum = 0
  for i = 1, #x do
    if z[i] ~= 0 then sum = sum + x[i] * z[i] end
  end
  return sum
end

-- <x, z> and what the oracle says that a solution has besides.
local function value_of(oracle, settings, context, x, z)
  return dot(x, z) + (oracle.extra and oracle.extra(settings, context, z) or 0)
end

-- Best value of x over a set, in the solver's sense; f(z) instead of <x, z> if given.
local function best(s, x, set, f)
  local value
  for _, z in ipairs(set) do
    local v = f and f(z) or dot(x, z)
    if not value or (s.sense == "max" and v > value) or (s.sense == "min" and v < value) then value = v end
  end
  return value
end

local function contains(set, z)
  for _, candidate in ipairs(set) do
    local same = true
    for i = 1, #z do same = same and candidate[i] == z[i] end
    if same then return true end
  end
  return false
end

-- Kinds of inputs, made of a normal number v; costs are made non-negative afterwards.
local inputs = {
  { "random", function(v) return v end },
  { "integer (ties)", function(v) return math.floor(2 * v) end },
  { "all equal", function() return 1 end },
  { "all zero", function() return 0 end },
  { "huge", function(v) return v * 1e30 end },
  { "tiny", function(v) return v * 1e-30 end },
  { "denormal", function(v) return v * (support.is_double and 1e-310 or 1e-40) end },
  { "of very different size", function(v) return math.floor(v * 4) % 2 == 0 and v * 1e8 or v * 1e-8 end },
}

-- signed: the solver takes costs below 0.
local function draw_input(s, make, signed)
  local x = tensor.normal({ s.n }, "spec"):to_list()
  for i = 1, #x do
    x[i] = make(x[i])
    if s.sense == "min" and not signed then x[i] = math.abs(x[i]) end
  end
  return tensor(x):to_list() -- as the reals of this run
end

-- Trials of each instance and kind of input, in one batch; and instances against enumeration. The core is the same for
-- both interpreters, and Lua 5.4 takes five times as long for the comparing: it does less.
local is_luajit = rawget(_G, "jit") ~= nil
local TRIALS, MANY = is_luajit and 60 or 25, is_luajit and 100000 or 10000

-- The solver's shape with leading extents.
local function shape_of(s, ...)
  local shape = { ... }
  for _, extent in ipairs(s.shape) do shape[#shape + 1] = extent end
  return shape
end

-- A vector as a text, the same for integers and reals of Lua 5.4.
local function key_of(z)
  local parts = {}
  for i, v in ipairs(z) do parts[i] = ("%.17g"):format(v) end
  return table.concat(parts, " ")
end

-- A random integer of low..high.
local function integer(low, high)
  return low + math.floor(random.uniform "spec" * (high - low + 1))
end

-- A tensor [count, ...] of the same context of several instances.
local function stack_contexts(contexts)
  local stacked = {}
  for name in pairs(contexts[1]) do
    local rows = {}
    for i, context in ipairs(contexts) do rows[i] = context[name] end
    stacked[name] = tensor(rows)
  end
  return stacked
end

for _, kind in ipairs(solver.kinds) do
  describe("solver." .. kind.name, function()
    local found, oracle = pcall(require, "tests.oracle." .. kind.name)

    it("has an oracle", function()
      assert(found, "no oracle for " .. kind.name)
    end)
    if not found then return end
    if oracle.missing and oracle.missing() then
      pending(oracle.missing())
      return
    end

    -- fewer for kinds that say so
    local trials = math.min(MANY, oracle.trials or MANY)
    local each = math.min(TRIALS, math.ceil(trials / 40))

    random.seed(7)
    for i, instance in ipairs(oracle.instances) do
      local s = solver[kind.name](instance.settings)
      local set = oracle.enumerate(instance.settings, instance.context)
      local function value(x, z) return value_of(oracle, instance.settings, instance.context, x, z) end
      for _, input in ipairs(inputs) do
        it(("equals enumeration on instance %d, %s"):format(i, input[1]), function()
          local rows = {}
          for t = 1, each do rows[t] = draw_input(s, input[2], oracle.signed) end
          local z = s(tensor(rows):reshape(shape_of(s, each)), instance.context)
          z = z:reshape(each, s.n):to_table()
          for t, x in ipairs(rows) do
            assert(contains(set, z[t]), "not feasible: " .. table.concat(z[t], " "))
            local wanted, got = best(s, x, set, function(y) return value(x, y) end), value(x, z[t])
            local scale = oracle.extra and 10 or 0 -- of the numbers that are no part of x
            for _, v in ipairs(x) do scale = math.max(scale, math.abs(v)) end
            local slack = (support.is_double and 1e-14 or 1e-6) * scale * s.n -- of sums in reals
            assert(math.abs(wanted - got) <= slack, ("objective %.9g, best %.9g"):format(got, wanted))
          end
        end)
      end
      local tie_test = oracle.ties == "any" and function() end or it
      tie_test(("breaks ties as documented on instance %d"):format(i), function()
        for t = 1, each do
          local x = draw_input(s, function(v) return t == 1 and 0.5 or math.floor(2 * v) end, oracle.signed)
          if s.sense == "min" then -- costs above 0: each trial has few values, hence many ties
            for j = 1, s.n do x[j] = x[j] == 0 and 1 or x[j] end
          end
          local z = s(tensor(x):reshape(s.shape), instance.context):to_list()
          local wanted = oracle.choose(instance.settings, instance.context, x)
          if wanted then
            assert.same(wanted, z)
          else -- no rule, but always the same one of the best
            assert.equal(best(s, x, oracle.enumerate(instance.settings, instance.context)), dot(x, z))
            local again = s(tensor { x, x }:reshape(shape_of(s, 2)), instance.context)
            assert.same(z, again[2]:to_list())
          end
        end
      end)
    end

    it("equals enumeration with a context of its own for each instance, and obstacles", function()
      random.seed(8)
      local solved, unsolvable = 0, 0
      for _ = 1, each do
        local settings, draw_context = oracle.draw(integer)
        local s, rows, answers, contexts = solver[kind.name](settings), {}, {}, {}
        for _ = 1, 40 do
          local context = draw_context and draw_context()
          local x = draw_input(s, inputs[integer(1, 2)][2], oracle.signed)
          for j = 1, s.n do
            local forbids = oracle.forbids or (oracle.forbids == nil and s.sense == "min")
            if forbids and integer(1, 5) == 1 then x[j] = s.sense == "min" and math.huge or -math.huge end
          end
          local function value(z) return value_of(oracle, settings, context, x, z) end
          local wanted = best(s, x, oracle.enumerate(settings, context), value)
          local theta = tensor(x):reshape(s.shape)
          if wanted and math.abs(wanted) < math.huge then
            local z = s(theta, context):to_list()
            assert(contains(oracle.enumerate(settings, context), z))
            assert(math.abs(wanted - value(z)) <= (support.is_double and 1e-13 or 1e-5) * (1 + math.abs(wanted)))
            rows[#rows + 1], answers[#answers + 1], contexts[#contexts + 1] = x, z, context
          else
            unsolvable = unsolvable + 1
            assert.has_error_matching(function() s(theta, context) end,
              "instance 1: no solution: .*%[MG%-NO%-SOLUTION%]")
          end
        end
        if #rows > 0 then -- the solvable ones in one batch
          local z = s(tensor(rows):reshape(shape_of(s, #rows)), draw_context and stack_contexts(contexts))
          assert.same(answers, z:reshape(#rows, s.n):to_table())
        end
        solved = solved + #rows
      end
      assert(solved >= 8 * each and (unsolvable > 0 or oracle.solvable or #kind.contexts == 0))
    end)

    it("enumerates the oracle's set, and tells solutions from other vectors", function()
      random.seed(10)
      for _, instance in ipairs(oracle.instances) do
        local s = solver[kind.name](instance.settings)
        local set, seen = oracle.enumerate(instance.settings, instance.context), {}
        for _, z in ipairs(set) do seen[key_of(z)] = true end
        local all = s:enumerate(instance.context)
        local flat = all:reshape(#set, s.n)
        for i, z in ipairs(flat:to_table()) do
          local key = key_of(z)
          assert(seen[key], "not in the oracle's set: " .. key)
          seen[key] = nil
          assert.is_true(s:is_feasible(all[i], instance.context))
        end
        assert.is_nil((next(seen)))
        for _ = 1, 200 do -- a solution with an entry changed, or values from several
          local z = flat[integer(1, #set)]:to_list()
          local other = flat[integer(1, #set)]:to_list()
          z[integer(1, s.n)] = integer(0, 2)
          for j = 1, s.n do
            if integer(0, 3) == 0 then z[j] = other[j] end
          end
          assert.equal(contains(set, z), s:is_feasible(tensor(z):reshape(s.shape), instance.context))
        end
      end
    end)

    it(("equals enumeration on %d instances"):format(trials), function()
      random.seed(11)
      local count = math.ceil(trials / #oracle.instances / 4)
      for _, instance in ipairs(oracle.instances) do
        local s = solver[kind.name](instance.settings)
        local set = s:enumerate(instance.context)
        local columns = set:reshape(set:size(1), s.n):transpose()
        for round = 1, 4 do
          local x = tensor.normal({ count, s.n }, "spec")
          if round == 2 then x = (x * 3):floor() end -- ties
          if round == 3 then x = (x * 4):exp() end -- of very different size
          if s.sense == "min" and not oracle.signed then x = x:abs() end
          local answers = s:solve(x:reshape(shape_of(s, count)), instance.context)
          local all = x:matmul(columns)
          if oracle.extra then
            local extra = {}
            for i, z in ipairs(set:reshape(set:size(1), s.n):to_table()) do
              extra[i] = oracle.extra(instance.settings, instance.context, z)
            end
            all = all + tensor(extra)
          end
          local best_of_all = (s.sense == "max" and all:max(2) or all:min(2)):to_list()
          local scale = x:abs():max(2):to_list()
          for i = 1, oracle.extra and #scale or 0 do scale[i] = scale[i] + 10 end
          local slack = (support.is_double and 1e-14 or 1e-6) * s.n
          for i, wanted in ipairs(best_of_all) do
            if math.abs(wanted - answers.objective[i]) > slack * scale[i] then
              error(("objective %.9g, best %.9g of {%s}"):format(answers.objective[i], wanted,
                table.concat(x[i]:to_list(), ", ")))
            end
          end
        end
      end
    end)

    it("reports the objective, in the user's sense", function()
      random.seed(9)
      for _, instance in ipairs(oracle.instances) do
        local s = solver[kind.name](instance.settings)
        local x = tensor.uniform(shape_of(s, 5), "spec")
        local answers = s:solve(x, instance.context)
        local z = answers.z:reshape(5, s.n):to_table()
        for i, row in ipairs(x:reshape(5, s.n):to_table()) do
          support.assert_near(value_of(oracle, instance.settings, instance.context, row, z[i]), answers.objective[i])
          support.assert_near(answers.objective[i], answers.bound[i])
          assert.is_true(answers.proved[i] and answers.solved[i])
        end
      end
    end)

    it("names instance and entry of a NaN, the lowest first", function()
      local instance = oracle.instances[3]
      local s = solver[kind.name](instance.settings)
      local x = tensor.full({ 40, s.n }, 1)
      x:set(35, 1, 0 / 0)
      x:set(9, s.n, 0 / 0)
      local ok, message = pcall(function() return s(x:reshape(shape_of(s, 40))) end)
      assert.is_false(ok)
      assert.matches(("instance 9: .* at entry %d is NaN"):format(s.n), message)
    end)

    it("has the same bits for 1, 2 and 4 threads and for any batch", function()
      local instance = oracle.instances[#oracle.instances]
      local s = solver[kind.name](instance.settings)
      local x = tensor.uniform(shape_of(s, 100), "spec")
      local before, results = core.threads(), {}
      for _, threads in ipairs { 1, 2, 4 } do
        core.threads_set(threads)
        results[#results + 1] = s(x, instance.context)
      end
      core.threads_set(before)
      assert.is_true(results[1]:equals(results[2]) and results[1]:equals(results[3]))
      for _, row in ipairs { 1, 2, 50, 100 } do
        assert.is_true(results[1][row]:equals(s(x[row], instance.context)))
      end
    end)

    it("suggests the right name for a mistyped setting or context", function()
      local wrong = {}
      for key, value in pairs(oracle.instances[3].settings) do wrong[key] = value end
      local name = kind.settings[1].name
      wrong[name .. "x"] = 1
      assert.has_error_matching(function() solver[kind.name](wrong) end, "unknown option '" .. name .. "x'")
      local s = solver[kind.name](oracle.instances[3].settings)
      local x = tensor.full(s.shape, 1)
      assert.has_error_matching(function() s(x, { moon = 1 }) end, "unknown context 'moon'")
    end)
  end)
end

describe("the core", function()
  it("gives the objective of each instance", function()
    local s = solver.grid_path { rows = 2, cols = 2 }
    local z, solves, repaired, answers = core.solver_solve(s.plan,
      tensor({ { { -1, -2 }, { -3, -1 } }, { { -4, -1 }, { -1, -0.5 } } }).handle, {}, true)
    assert.is_true(core.is_alive(z))
    assert.same({ 2, 0, { -2, -4.5 } }, { solves, repaired, answers.objective })
  end)
end)

describe("solver.top_k", function()
  it("says k and n when k is more than n", function()
    assert.has_error_matching(function() solver.top_k { n = 3, k = 4 } end, "solver_spec.*k = 4 is more than n = 3")
  end)

  it("takes k and mask per instance", function()
    local s = solver.top_k { n = 4, k = 2 }
    local z = s(tensor { { 4, 3, 2, 1 }, { 4, 3, 2, 1 }, { 4, 3, 2, 1 } }, {
      k = tensor { 1, 2, 3 }, mask = tensor { { 1, 1, 1, 1 }, { 0, 1, 0, 1 }, { 1, 1, 1, 0 } },
    })
    assert.same({ { 1, 0, 0, 0 }, { 0, 1, 0, 1 }, { 1, 1, 1, 0 } }, z:to_table())
  end)

  it("has no solution when the mask leaves too few", function()
    local s = solver.top_k { n = 3, k = 2 }
    assert.has_error_matching(function()
      s(tensor { { 1, 2, 3 }, { 1, 2, 3 } }, { mask = tensor { { 1, 1, 1 }, { 0, 1, 0 } } })
    end, "instance 2: no solution: 1 entries are allowed, k = 2 %[MG%-NO%-SOLUTION%]")
  end)

  it("refuses a k that is no integer in 0..n", function()
    local s = solver.top_k { n = 3, k = 2 }
    for _, k in ipairs { 1.5, -1, 4 } do
      assert.has_error_matching(function() s(tensor { 1, 2, 3 }, { k = k }) end, "expected an integer in 0..3")
    end
  end)

  it("never takes -inf, and refuses inf", function()
    local s, inf = solver.top_k { n = 3, k = 2 }, math.huge
    assert.same({ 1, 0, 1 }, s(tensor { 1, -inf, -2 }):to_table())
    assert.same({ 0, 0, 1 }, s(tensor { 7, -inf, -2 }, { k = 1, mask = { 0, 1, 1 } }):to_table())
    assert.has_error_matching(function() s(tensor { { 1, 2, 3 }, { 1, -inf, -inf } }) end,
      "instance 2: no solution: 1 entries are allowed, k = 2")
    assert.has_error_matching(function() s(tensor { 1, 2, inf }) end, "instance 1: score at entry 3 is inf")
    local most = solver.top_k { n = 3, k = 2, least = 0 }
    assert.same({ 0, 0, 0 }, most(tensor { -inf, -inf, -inf }):to_table())
  end)

  it("takes from least to k, beyond least only what is above 0", function()
    local s = solver.top_k { n = 4, k = 3, least = 1 }
    assert.same({ { 1, 0, 0, 0 }, { 0, 1, 0, 1 }, { 1, 1, 1, 0 }, { 1, 0, 0, 0 }, { 0, 0, 1, 0 } },
      s(tensor { { -1, -2, -3, -4 }, { -1, 3, 0, 2 }, { 1, 2, 3, 1 }, { 0, -0.0, 0, 0 }, { -1, -1, 4e-45, 0 } })
        :to_table())
    assert.is_false(s.constant_sum)
    assert.is_true(solver.top_k { n = 4, k = 3 }.constant_sum)
    assert.is_true(solver.top_k { n = 4, k = 3, least = 3 }.constant_sum)
    local z = s(tensor { { 1, 2, 3, 4 }, { 1, 2, 3, -4 }, { -1, -2, -3, -4 } },
      { k = tensor { 1, 4, 2 }, least = tensor { 0, 4, 2 } })
    assert.same({ { 0, 0, 0, 1 }, { 1, 1, 1, 1 }, { 1, 1, 0, 0 } }, z:to_table())
    assert.same({ 0, 0 }, s:solve(tensor { { 0, 0, 0, 0 }, { -1, 0, -1, -1 } }, { least = 0 }).objective)
  end)

  it("refuses a least that is no integer in 0..k", function()
    for _, least in ipairs { -1, 3, 1.5 } do
      assert.has_error_matching(function() solver.top_k { n = 4, k = 2, least = least } end,
        "solver_spec.*least = .*, expected an integer in 0..2")
      local s = solver.top_k { n = 4, k = 2, least = 1 }
      assert.has_error_matching(function() s(tensor { 1, 2, 3, 4 }, { least = least }) end,
        "instance 1: least = .*, expected an integer in 0..2")
    end
    local s = solver.top_k { n = 4, k = 2, least = 2 }
    assert.has_error_matching(function() s(tensor { 1, 2, 3, 4 }, { least = 1 }) end, "made for exactly k")
    assert.has_error_matching(function() solver.top_k { n = 4, k = 2, least = "two" } end,
      "solver_spec.*least: expected a finite number")
  end)

  it("counts -0 and 0 as equal", function()
    assert.same({ 1, 0, 0 }, solver.top_k { n = 3, k = 1 } (tensor { -0.0, 0, 0 }):to_table())
  end)
end)

describe("solver.one_hot", function()
  it("never takes -inf, and refuses inf", function()
    local s, inf = solver.one_hot { n = 3 }, math.huge
    assert.same({ 0, 0, 1 }, s(tensor { -inf, -9, -8 }):to_table())
    assert.has_error_matching(function() s(tensor { { 1, 2, 3 }, { -inf, -inf, -inf } }) end,
      "instance 2: no solution: all entries are %-inf")
    assert.has_error_matching(function() s(tensor { 1, inf, 2 }) end, "instance 1: score at entry 2 is inf")
  end)
end)

-- Dijkstra with a binary heap: distances of all cells, 8 neighbours, from the top left.
local function distances(w, rows, cols)
  local d, heap, cells = {}, {}, {} -- heap of distances, with their cells beside
  for i = 1, rows * cols do d[i] = math.huge end
  local function push(distance, cell)
    local i = #heap + 1
    while i > 1 and heap[math.floor(i / 2)] > distance do
      local up = math.floor(i / 2)
      heap[i], cells[i], i = heap[up], cells[up], up
    end
    heap[i], cells[i] = distance, cell
  end
  local function pop()
    local distance, cell, n = heap[1], cells[1], #heap
    local last, last_cell, i = heap[n], cells[n], 1
    heap[n], cells[n], n = nil, nil, n - 1
    while 2 * i <= n do
      local child = 2 * i
      if child < n and heap[child + 1] < heap[child] then child = child + 1 end
      if heap[child] >= last then break end
      heap[i], cells[i], i = heap[child], cells[child], child
    end
    if n > 0 then heap[i], cells[i] = last, last_cell end
    return distance, cell
  end
  d[1] = w[1]
  push(w[1], 1)
  while #heap > 0 do
    local distance, v = pop()
    if distance == d[v] then
      local r, c = math.floor((v - 1) / cols), (v - 1) % cols
      for y = math.max(r - 1, 0), math.min(r + 1, rows - 1) do
        for x = math.max(c - 1, 0), math.min(c + 1, cols - 1) do
          local u = y * cols + x + 1
          if distance + w[u] < d[u] then
            d[u] = distance + w[u]
            push(d[u], u)
          end
        end
      end
    end
  end
  return d
end

describe("solver.grid_path", function()
  it("finds the cheapest path of large maps, by lanes and by heap", function()
    random.seed(3)
    for _, size in ipairs { 40, 300 } do -- 300 x 300 is too large for lanes
      local s = solver.grid_path { rows = size, cols = size }
      local costs = tensor.uniform({ 1, size, size }, "spec") * 9 + 0.5
      local w = costs:to_list()
      local d = distances(w, size, size)
      local one = s(costs)
      assert.is_true(mg.metric.is_grid_path(one[1]))
      local got = dot(w, one:to_list())
      assert(math.abs(got - d[#d]) < 1e-4 * d[#d], ("%g, expected %g"):format(got, d[#d]))
      local many = s(tensor.concat { costs, costs, costs, costs, costs, costs, costs, costs, costs })
      for i = 1, 9 do assert.is_true(many[i]:equals(one[1])) end
    end
  end)

  it("answers alike by lanes and by heap, whatever the batch", function()
    random.seed(4)
    local grids = { { 1, 9, 8 }, { 9, 1, 4 }, { 6, 7, 8 }, { 7, 6, 4 }, { 12, 12, 8 }, { 2, 30, 4 } }
    local rules = { "error", "clip", "shift" }
    local draw = { seed = 0, stream = "noise", index = 0 }
    for i, grid in ipairs(grids) do
      for levels = 1, 4 do -- few levels of cost: ties, and plateaus of cost 0
        local s = solver.grid_path { rows = grid[1], cols = grid[2], neighbours = grid[3],
          negative = rules[(i + levels) % 3 + 1] }
        local x = tensor.uniform({ 70, grid[1], grid[2] }, "spec") * levels
        local costs = tensor.zeros(70, grid[1], grid[2])
        for level = 1, levels - 1 do costs = costs + x:gt(level) end
        local starts, goals = {}, {}
        for b = 1, 70 do
          starts[b] = { integer(1, grid[1]), integer(1, grid[2]) }
          goals[b] = { integer(1, grid[1]), integer(1, grid[2]) }
        end
        local function solve(first, last)
          local rows, context = costs:rows(first, last), {}
          context.start, context.goal = tensor(starts):rows(first, last), tensor(goals):rows(first, last)
          return s:perturbed_argmax(-rows, context, { samples = 1, temperature = 0, draw = draw })[1]
        end
        local whole = solve(1, 70)
        for _, size in ipairs { 1, 4, 5, 32, 33 } do
          for first = 1, 70, size do
            local last = math.min(first + size - 1, 70)
            assert.is_true(solve(first, last):equals(whole:rows(first, last)))
          end
        end
      end
    end
  end)

  it("names the lowest failing instance, whatever the failure and the threads", function()
    local s = solver.grid_path { rows = 3, cols = 3 }
    local before = core.threads()
    for _, threads in ipairs { 1, 2, 4 } do
      core.threads_set(threads)
      for _, at in ipairs { { 1, 2, 3, 4 }, { 40, 41, 39, 42 }, { 70, 69, 36, 3 }, { 5, 64, 33, 32 } } do
        local costs, goal = tensor.ones(70, 3, 3), tensor.full({ 70, 2 }, 3)
        local kinds = { "cost at entry 9 is NaN.*%[MG%-ARGUMENT%]", "goal %(5, 3%) is not a cell.*%[MG%-ARGUMENT%]",
          "no solution: no path.*%[MG%-NO%-SOLUTION%]", "cost at entry 2 is %-1.*%[MG%-ARGUMENT%]" }
        costs:set(at[1], 3, 3, 0 / 0)
        goal:set(at[2], 1, 5)
        for c = 1, 3 do costs:set(at[3], 2, c, math.huge) end
        costs:set(at[4], 1, 2, -1)
        local order = { 1, 2, 4 } -- wrong input first, then what has no solution
        table.sort(order, function(i, j) return at[i] < at[j] end)
        order[4] = 3
        for _, which in ipairs(order) do
          assert.has_error_matching(function() s(costs, { goal = goal }) end,
            ("instance %d: %s"):format(at[which], kinds[which]))
          for r = 1, 3 do
            for c = 1, 3 do costs:set(at[which], r, c, 1) end
          end
          goal:set(at[which], 1, 3)
        end
        assert.equal(70, s(costs, { goal = goal }):size(1))
      end
    end
    core.threads_set(before)
  end)

  it("goes through mazes that take many sweeps", function()
    local n = 31
    local maze = tensor.full({ n, n }, math.huge)
    for r = 1, n do
      for c = 1, n do
        if r % 2 == 1 or (r % 4 == 2 and c == n) or (r % 4 == 0 and c == 1) then maze:set(r, c, 1) end
      end
    end
    local s = solver.grid_path { rows = n, cols = n, neighbours = 4 }
    local z = s(tensor.stack { maze, maze, maze, maze, maze, maze, maze, maze, maze })
    assert.is_true(z[1]:equals(z[4]) and z[1]:equals(s(maze)))
    assert.equal(15 * n + 15 + 1, z[1]:sum():item()) -- the last row is entered at the goal
  end)

  it("has no solution when obstacles shut the goal off", function()
    local s = solver.grid_path { rows = 3, cols = 3 }
    local costs = tensor.ones(20, 3, 3)
    for c = 1, 3 do costs:set(12, 2, c, math.huge) end
    assert.has_error_matching(function() s(costs) end, "instance 12: no solution: no path of finite cost")
    for i = 1, 20 do costs:set(i, 1, 1, math.huge) end
    assert.has_error_matching(function() s(costs) end, "instance 1: no solution")
  end)

  it("goes around obstacles", function()
    local s = solver.grid_path { rows = 3, cols = 3, neighbours = 4 }
    local inf = math.huge
    assert.same({ { 1, 0, 0 }, { 1, 0, 0 }, { 1, 1, 1 } },
      s(tensor { { 1, 1, inf }, { 5, inf, 1 }, { 1, 1, 1 } }):to_table())
  end)

  it("takes start and goal per instance", function()
    local s = solver.grid_path { rows = 2, cols = 3 }
    local z = s(tensor.ones(2, 2, 3), { start = tensor { { 1, 1 }, { 2, 3 } }, goal = tensor { { 1, 3 }, { 2, 2 } } })
    assert.same({ { 0, 0, 0 }, { 0, 1, 1 } }, z[2]:to_table())
    assert.equal(3, z[1]:sum():item())
    for _, wrong in ipairs { { 0, 1 }, { 3, 1 }, { 1, 4 }, { 1.5, 1 } } do
      assert.has_error_matching(function() s(tensor.ones(2, 3), { goal = wrong }) end,
        "is not a cell of the 2 x 3 grid")
    end
  end)

  it("refuses negative costs in a direct call, clips or shifts them in layers", function()
    local s = solver.grid_path { rows = 2, cols = 2 }
    local costs = tensor { { { 1, -2 }, { 3, 1 } } }
    assert.has_error_matching(function() s(costs) end, "instance 1: cost at entry 2 is %-2, expected 0 and more")
    local draw = { seed = 0, stream = "noise", index = 0 }
    local function in_layer(rule, x)
      local made = solver.grid_path { rows = 2, cols = 2, neighbours = 4, negative = rule }
      local z = made:perturbed_argmax(-x, nil, { samples = 1, temperature = 0, draw = draw })
      return z[1][1]:to_table(), made.repaired
    end
    -- clipped: 1 0 0 0 / path right and down; the count is of cells below 0
    local z, repaired = in_layer("clip", costs)
    assert.same({ { 1, 1 }, { 0, 1 } }, z)
    assert.equal(1, repaired)
    assert.has_error_matching(function() in_layer("error", costs) end, "cost at entry 2 is %-2")
    z = in_layer("shift", costs)
    assert.same({ { 1, 1 }, { 0, 1 } }, z)
    assert.has_error_matching(function() in_layer("clip", tensor { { { 1, -math.huge }, { 1, 1 } } }) end, "is %-inf")
  end)

  it("solves the costs of its rule in layers, by enumeration", function()
    random.seed(6)
    local oracle = require "tests.oracle.grid_path"
    local draw = { seed = 0, stream = "noise", index = 0 }
    for _, rule in ipairs { "clip", "shift" } do
      for _, neighbours in ipairs { 4, 8 } do
        local settings = { rows = 3, cols = 3, neighbours = neighbours }
        local s = solver.grid_path { rows = 3, cols = 3, neighbours = neighbours, negative = rule }
        local set, x, negative = oracle.enumerate(settings), tensor.normal({ 50, 3, 3 }, "spec"), 0
        local z = s:perturbed_argmax(-x, nil, { samples = 1, temperature = 0, draw = draw })
        z = z:reshape(50, 9):to_table()
        for b, costs in ipairs(x:reshape(50, 9):to_table()) do
          local least = 0
          for _, cost in ipairs(costs) do
            least = math.min(least, cost)
            negative = negative + (cost < 0 and 1 or 0)
          end
          for i, cost in ipairs(costs) do
            costs[i] = rule == "shift" and cost - least or math.max(cost, 0)
          end
          assert(contains(set, z[b]))
          support.assert_near(best(s, costs, set), dot(costs, z[b]))
        end
        assert.equal(negative, s.repaired)
        assert.equal(450, s.entries)
      end
    end
  end)

  it("suggests names", function()
    local s = solver.grid_path { rows = 2, cols = 2 }
    assert.has_error_matching(function() solver.grid_path { rows = 2, cols = 2, neighbors = 4 } end,
      "solver_spec.*unknown option 'neighbors', did you mean 'neighbours'")
    assert.has_error_matching(function() s(tensor.ones(2, 2), { strat = { 1, 1 } }) end,
      "solver_spec.*unknown context 'strat', did you mean 'start'")
    assert.has_error_matching(function() return solver.gridpath end, "did you mean 'grid_path'")
    for _, context in ipairs { 3, "start", tensor { 1, 1 } } do
      assert.has_error_matching(function() s(tensor.ones(2, 2), context) end,
        "solver_spec.*expected the context as a table { name = value }, got a ")
    end
  end)

  it("names the infinite cost in layers, not one that is clipped", function()
    local layer = mg.estimator.blackbox { solver = solver.grid_path { rows = 2, cols = 2 }, lambda = 1 }
    assert.has_error_matching(function() layer(tensor { { { -0.5, 1 }, { 1, -math.huge } } }) end,
      "instance 1: cost at entry 4 is %-inf")
  end)

  it("refuses contexts whose axes are swapped, and takes them with an empty batch", function()
    local s = solver.grid_path { rows = 5, cols = 5 }
    assert.has_error_matching(function() s(tensor.ones(3, 5, 5), { start = tensor { { 1, 1, 2 }, { 1, 5, 5 } } }) end,
      "context start has shape 2x3")
    assert.same({ 0, 5, 5 }, s(tensor.new(0, 5, 5), { start = tensor.new(0, 2) }):shape())
  end)

  it("answers with one simple path on plateaus of cost 0", function()
    local s = solver.grid_path { rows = 9, cols = 9 }
    random.seed(5)
    local costs = tensor.uniform({ 200, 9, 9 }, "spec"):gt(0.6)
    local z = s(costs)
    for i = 1, 200 do
      assert.is_true(mg.metric.is_grid_path(z[i]))
      local set = z[i]:to_list()
      local d = distances(costs[i]:to_list(), 9, 9)
      assert.equal(d[81], dot(costs[i]:to_list(), set))
    end
  end)

  it("refuses 6 neighbours", function()
    assert.has_error_matching(function() solver.grid_path { rows = 2, cols = 2, neighbours = 6 } end,
      "neighbours = 6, expected 4 or 8")
  end)
end)

-- Tours: published optima, both methods against each other, certificates, special values, limits.
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"
local tsplib = require "tests.tsplib"
local random, solver, tensor = mg.random, mg.solver, mg.tensor

local shared = os.getenv "MAPGRAD_SHARED" or "../shared"
local is_sanitized = os.getenv "MAPGRAD_SANITIZER" ~= nil

-- The tests of a folder of shared files; one that is pending where they are absent.
local function with_files(name, path, tests)
  describe(name, function()
    if lfs.attributes(path) then tests()
    else it("needs " .. path, function() pending(path .. " is absent") end) end
  end)
end

-- Costs of the pairs of a matrix d.
local function pairs_of(d)
  local list = {}
  for i = 1, #d do
    for j = i + 1, #d do list[#list + 1] = d[i][j] end
  end
  return list
end

-- A matrix of f(i, j), i < j, mirrored.
local function matrix(n, f)
  local d = {}
  for i = 1, n do d[i] = {} end
  for i = 1, n do
    d[i][i] = 0
    for j = i + 1, n do
      d[i][j] = f(i, j)
      d[j][i] = d[i][j]
    end
  end
  return d
end

-- Whether z of pairs has n edges, two a city, that form one cycle.
local function is_tour(n, z)
  local next_to, e = {}, 0
  for i = 1, n do next_to[i] = {} end
  for i = 1, n do
    for j = i + 1, n do
      e = e + 1
      if z[e] == 1 then
        table.insert(next_to[i], j)
        table.insert(next_to[j], i)
      elseif z[e] ~= 0 then
        return false
      end
    end
  end
  for i = 1, n do
    if #next_to[i] ~= 2 then return false end
  end
  local from, at, steps = 1, next_to[1][1], 1
  while at ~= 1 do
    local a, b = next_to[at][1], next_to[at][2]
    from, at, steps = at, a == from and b or a, steps + 1
  end
  return steps == n
end

local function total(costs, z)
  local sum = 0
  for e = 1, #costs do
    if z[e] == 1 then sum = sum + costs[e] end
  end
  return sum
end

-- Solves one instance; the answer is a tour, costs what it says and is proved.
local function solved(n, costs, options)
  local settings = { cities = n }
  for key, value in pairs(options or {}) do settings[key] = value end
  local s = solver.tour(settings)
  local answers = s:solve(tensor(costs))
  local z = answers.z:to_list()
  assert.is_true(is_tour(n, z) and s:is_feasible(answers.z))
  local reals = tensor(costs):to_list()
  assert(math.abs(answers.objective[1] - total(reals, z)) <= 1e-12 * math.abs(answers.objective[1]))
  assert.is_true(answers.proved[1])
  assert.equal(answers.objective[1], answers.bound[1])
  return answers.objective[1], z
end

-- ---------------------------------------------------------------- published optima

with_files("published optima", shared .. "/validation/tsp/optima.json", function()
  local optima = support.read_json(shared .. "/validation/tsp/optima.json")
  local names = {}
  for name in pairs(optima) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it("of TSPLIB: " .. name, function()
      if is_sanitized and optima[name].n > 60 then return pending "takes long under a sanitizer" end
      local n, d = tsplib.read(("%s/validation/tsp/%s.tsp"):format(shared, name))
      assert.equal(optima[name].tsp_optimum, (solved(n, pairs_of(d))))
    end)
  end
end)

with_files("capitals", shared .. "/validation/globe/tours.json", function()
  local tours = support.read_json(shared .. "/validation/globe/tours.json")
  local place = {}
  for line in support.read_bytes(shared .. "/validation/globe/capitals.tsv"):gmatch "[^\n]+" do
    local code, lat, lon = line:match "^(%u%u)\t[^\t]*\t(%S+)\t(%S+)"
    if code and tonumber(lat) then place[code] = { math.rad(tonumber(lat)), math.rad(tonumber(lon)) } end
  end
  it("are toured as published", function()
    local count = 0
    for name, case in pairs(tours) do
      if type(case) == "table" and case.iso2 then
        local d = matrix(#case.iso2, function(i, j)
          local a, b = place[case.iso2[i]], place[case.iso2[j]]
          local h = math.sin((a[1] - b[1]) / 2) ^ 2 +
            math.cos(a[1]) * math.cos(b[1]) * math.sin((a[2] - b[2]) / 2) ^ 2
          return math.floor(2 * 6371 * math.asin(math.sqrt(h)) * 10 + 0.5)
        end)
        for _, method in ipairs { "table", "search" } do
          assert.equal(case.optimum_hectometres, (solved(#d, pairs_of(d), { method = method })), name)
        end
        count = count + 1
      end
    end
    assert.equal(19, count)
  end)
end)

with_files("golden identity/tsp", shared .. "/golden/identity/tsp.json", function()
  local cases = support.read_json(shared .. "/golden/identity/tsp.json").cases
  for _, case in ipairs(cases) do
    it("replays " .. case.id, function()
      local n = case.cities
      local s = solver.tour { cities = n, form = "matrix" }
      local d = tensor(case.distances)
      local answers = s:solve(d)
      assert.same(case.adjacency, answers.z:to_table())
      assert(math.abs(answers.objective[1] - 2 * case.cost) < 1e-5)
      local z = solver.tour { cities = n, method = "search" } (tensor(pairs_of(case.distances))):to_list()
      assert.same(pairs_of(case.adjacency), z)
      for _, row in ipairs(case.per_lambda) do
        local x = tensor(case.distances):watch()
        local layer = mg.estimator.blackbox { solver = s, lambda = row.lambda }
        local y = layer(x)
        y:backward(tensor(case.upstream_grad):reshape(y:shape()))
        support.near(row.grad, x.grad, support.is_double and 1e-10 or 1e-5, case.id)
      end
    end)
  end
end)

-- ---------------------------------------------------------------- both methods

local function uniform() return random.uniform "spec" end

local function points(n, f)
  local list = {}
  for i = 1, n do list[i] = { f(), f() } end
  return list
end

local function euclid(p)
  return matrix(#p, function(i, j) return math.sqrt((p[i][1] - p[j][1]) ^ 2 + (p[i][2] - p[j][2]) ^ 2) end)
end

local draws = {
  plane = function(n) return euclid(points(n, uniform)) end,
  ["any sign"] = function(n) return matrix(n, function() return uniform() - 0.6 end) end,
  ["few integers"] = function(n) return matrix(n, function() return math.floor(3 * uniform()) - 1 end) end,
  ["a line"] = function(n)
    local p = points(n, uniform)
    return matrix(n, function(i, j) return math.abs(p[i][1] - p[j][1]) end)
  end,
  clusters = function(n)
    return euclid(points(n, function() return math.floor(3 * uniform()) + 1e-3 * uniform() end))
  end,
  equal = function(n) return matrix(n, function() return 0.3 end) end,
  forbidden = function(n)
    return matrix(n, function() return uniform() < 0.6 and math.huge or math.floor(3 * uniform()) end)
  end,
  huge = function(n)
    return matrix(n, function() return (uniform() - 0.3) * (support.is_double and 1.7e308 or 3e38) end)
  end,
  denormal = function(n)
    return matrix(n, function() return uniform() * (support.is_double and 1e-310 or 1e-40) end)
  end,
  ["different size"] = function(n)
    return matrix(n, function() return uniform() < 0.5 and uniform() * 1e8 or uniform() * 1e-8 end)
  end,
}

describe("table and search", function()
  for name, draw in pairs(draws) do
    it("agree on costs: " .. name, function()
      random.seed(21)
      for n = 3, 10 do
        local rows = {}
        for t = 1, 30 do rows[t] = pairs_of(draw(n)) end
        local costs = tensor(rows)
        local a = solver.tour { cities = n, method = "table" }:solve(costs)
        local s = solver.tour { cities = n, method = "search" }
        local b = s:solve(costs)
        local feasible = s:is_feasible(b.z)
        for t, row in ipairs(costs:to_table()) do
          assert.equal(a.solved[t], b.solved[t])
          if a.solved[t] then
            local scale = 0
            for _, v in ipairs(row) do
              if v < math.huge then scale = math.max(scale, math.abs(v)) end
            end
            assert.is_true(b.proved[t] and feasible[t])
            local slack = (support.is_double and 1e-14 or 1e-6) * n * scale
            -- halves: sums of the largest doubles are infinite
            assert(a.objective[t] == b.objective[t] or math.abs(a.objective[t] / 2 - b.objective[t] / 2) <= slack,
              ("%d cities: %.17g, %.17g"):format(n, a.objective[t], b.objective[t]))
          end
        end
      end
    end)
  end

  it("agree on whole numbers through 14 cities", function()
    random.seed(22)
    for _ = 1, 5 do
      local costs = pairs_of(matrix(14, function() return math.floor(50 * uniform()) end))
      assert.equal((solved(14, costs, { method = "table" })), (solved(14, costs, { method = "search" })))
    end
  end)
end)

-- ---------------------------------------------------------------- larger instances

describe("larger tours", function()
  it("visit points on a convex curve in their order", function()
    for _, n in ipairs { 14, 25, 60 } do
      random.seed(23)
      local angles = {}
      for i = 1, n do angles[i] = 2 * math.pi * uniform() end
      local order = {}
      for i = 1, n do order[i] = i end
      table.sort(order, function(i, j) return angles[i] < angles[j] end)
      local p = {}
      for i = 1, n do p[i] = { 3 * math.cos(angles[i]), math.sin(angles[i]) } end
      local d, length = euclid(p), 0
      for place = 1, n do length = length + d[order[place]][order[place % n + 1]] end
      local found = solved(n, pairs_of(d))
      assert(math.abs(found - length) < (support.is_double and 1e-12 or 1e-5))
    end
  end)

  it("find a hidden tour of cost 0 among edges that cost, and the only tour of a cycle", function()
    random.seed(24)
    for _, other in ipairs { 1, math.huge } do
      local n, place = 50, {}
      for i = 1, n do place[i] = i end
      for i = n, 2, -1 do
        local j = 1 + math.floor(uniform() * i)
        place[i], place[j] = place[j], place[i]
      end
      local d = matrix(n, function(i, j)
        local step = math.abs(place[i] - place[j])
        return (step == 1 or step == n - 1) and 0 or other
      end)
      assert.equal(0, (solved(n, pairs_of(d))))
    end
  end)

  it("end where costs tie", function()
    random.seed(25)
    local equal = pairs_of(matrix(40, function() return 0.3 end))
    local value = tensor { 0.3 }:item()
    assert(math.abs(solved(40, equal) - 40 * value) < 1e-12)
    solved(40, pairs_of(matrix(40, function() return math.floor(3 * uniform()) end)))
    local xs = {}
    for i = 1, 40 do xs[i] = math.floor(1000 * uniform()) end
    local low, high = math.min((table.unpack or unpack)(xs)), math.max((table.unpack or unpack)(xs))
    local line = matrix(40, function(i, j) return math.abs(xs[i] - xs[j]) end)
    assert.equal(2 * (high - low), (solved(40, pairs_of(line))))
  end)

  it("do not change when a city's edges all cost more: the answer only shifts", function()
    random.seed(26)
    local d = matrix(22, function() return math.floor(1000 * uniform()) end)
    local before = solved(22, pairs_of(d))
    local shifted = matrix(22, function(i, j) return d[i][j] + (i == 5 and 300 or 0) + (j == 5 and 300 or 0) end)
    assert.equal(before + 600, (solved(22, pairs_of(shifted))))
  end)

  it("have none where a city hangs by one edge or the graph falls apart", function()
    for _, n in ipairs { 6, 20 } do
      local hanging = matrix(n, function(i, j) return (j == n and i > 1) and math.huge or 1 end)
      local apart = matrix(n, function(i, j) return ((i > n / 2) ~= (j > n / 2)) and math.huge or 1 end)
      local bridge = matrix(n, function(i, j) return (i < n / 2 and j > n / 2) and math.huge or 1 end)
      for _, d in ipairs { hanging, apart, bridge } do
        assert.has_error_matching(function() solver.tour { cities = n } (tensor(pairs_of(d))) end,
          "instance 1: no solution: every tour through the " .. n .. " cities has a forbidden edge")
      end
    end
  end)

  it("do not depend on the batch or the threads", function()
    random.seed(27)
    local rows = {}
    for t = 1, 12 do rows[t] = pairs_of(matrix(18, function() return math.floor(10 * uniform()) end)) end
    local s, before = solver.tour { cities = 18 }, core.threads()
    local whole = s(tensor(rows))
    core.threads_set(2)
    assert.is_true(whole:equals(s(tensor(rows))))
    core.threads_set(before)
    for t = 1, 12 do assert.is_true(whole[t]:equals(s(tensor(rows[t])))) end
  end)
end)

-- ---------------------------------------------------------------- settings, limits

-- An instance that is open for long: a dense graph of few costs without a cheap tour.
local function hard(n)
  random.seed(28)
  return tensor(pairs_of(euclid(points(n, uniform))))
end

describe("solver.tour", function()
  it("says what is wrong with its settings", function()
    local function refuses(settings, message)
      assert.has_error_matching(function() solver.tour(settings) end, message)
    end
    refuses({ cities = 2 }, "cities = 2, expected 3..1000")
    refuses({ cities = 1001 }, "cities = 1001, expected 3..1000")
    refuses({ cities = 17, method = "table" }, "method \"table\" takes at most 16")
    refuses({ cities = 5, time_limit = -1 }, "time_limit = %-1")
    refuses({ cities = 5, form = "list" }, "form")
  end)

  it("has the shapes of its forms, and ignores the diagonal", function()
    assert.same({ 10 }, solver.tour { cities = 5 }.shape)
    local s = solver.tour { cities = 5, form = "matrix" }
    assert.same({ 5, 5 }, s.shape)
    local d = draws.plane(5)
    local z = s(tensor(d))
    for i = 1, 5 do d[i][i] = i == 2 and math.huge or -7 end
    assert.is_true(z:equals(s(tensor(d))))
    assert.has_error_matching(function() s(tensor(pairs_of(d))) end, "expected shape %[batch..., 5, 5%]")
  end)

  it("adds both entries of an edge in a matrix", function()
    local s = solver.tour { cities = 4, form = "matrix" }
    local d = tensor { { 0, 9, 0, 0 }, { -9, 0, 0, 5 }, { 0, 0, 0, 0 }, { 0, 5, 0, 0 } } -- 2-4 costs 10
    local answers = s:solve(d)
    assert.equal(0, answers.objective[1])
    assert.same({ { 0, 1, 0, 1 }, { 1, 0, 1, 0 }, { 0, 1, 0, 1 }, { 1, 0, 1, 0 } }, answers.z:to_table())
  end)

  it("refuses -inf", function()
    assert.has_error_matching(function() solver.tour { cities = 3 } (tensor { 1, -math.huge, 1 }) end,
      "instance 1: cost at entry 2 is %-inf")
  end)

  it("stops at its time limit with a tour and a bound", function()
    local n = 300
    local s = solver.tour { cities = n, time_limit = 0.05 }
    local costs = hard(n)
    local started = core.processor_time()
    local answers = s:solve(costs)
    if not is_sanitized then assert(core.processor_time() - started < 2) end
    assert.is_true(is_tour(n, answers.z:to_list()))
    assert.is_false(answers.proved[1])
    assert(answers.bound[1] < answers.objective[1] and answers.bound[1] > 0.8 * answers.objective[1],
      ("%g, bound %g"):format(answers.objective[1], answers.bound[1]))
  end)

  it("is interrupted", function()
    local costs = hard(300)
    local s = solver.tour { cities = 300 }
    support.assert_interrupted(0.1, is_sanitized and math.huge or 0.3, s, costs)
  end)
end)

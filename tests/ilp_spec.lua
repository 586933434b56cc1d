-- Integer programs: published instances, programs stated in Lua, mixed ones, limits of time, what is refused.
local command = require "tests.command"
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"

local solver, tensor, random = mg.solver, mg.tensor, mg.random
local shared = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/validation/"
local is_sanitized = os.getenv "MAPGRAD_SANITIZER" ~= nil
local inf = math.huge

describe("without CBC", function()
  it("solver.ilp says what is missing, all else works, doctor names it", function()
    local own = package.searchpath and package.searchpath("mapgrad.core", package.cpath)
    if not own then
      for template in package.cpath:gmatch "[^;]+" do
        local path = template:gsub("%?", "mapgrad/core")
        if lfs.attributes(path) then
          own = path
          break
        end
      end
    end
    local folder = os.tmpname()
    os.remove(folder)
    local source = own:match "^(.*)/core.so$"
    os.execute(("mkdir -p %s/mapgrad && cp %s/core*.so %s/mapgrad"):format(folder, source, folder))
    local text = command.printed([[
      local mg = require "mapgrad"
      print(mg.solver.top_k { n = 2, k = 1 } (mg.tensor { 1, 2 }):get(2))
      print(pcall(mg.solver.ilp, { variables = 2 }))
      local p = mg.solver.program()
      print(pcall(p.solver, p, { theta = p:variables { n = 2, binary = true } }))
      require("mapgrad.cli.doctor").run({}, nil, { codes = { ok = 0 } })
    ]], { modules = folder })
    os.execute("rm -r " .. folder)
    assert.matches("^1\n?.*", text)
    local message = "ilp: built without COIN-OR CBC; install coinor-libcbc-dev and rebuild"
    local _, count = text:gsub(message:gsub("%p", "%%%0"), "")
    assert.equal(2, count, text)
    assert.matches("COIN%-OR CBC%s+missing: no solver.ilp", text)
  end)
end)

if not core.cbc_version() then
  pending("integer programs: built without COIN-OR CBC")
  return
end

-- All numbers of a text.
local function numbers_of(path)
  local list, file = {}, assert(io.open(path))
  for word in file:read("*a"):gmatch "%S+" do list[#list + 1] = tonumber(word) end
  file:close()
  return list
end

local function slice(list, first, count)
  local part = {}
  for i = 1, count do part[i] = list[first + i - 1] end
  return part
end

local has_instances = lfs.attributes(shared .. "mdknapsack/mknap1.txt") ~= nil
local when_there = has_instances and it or pending

describe("published instances", function()
  when_there("of the multidimensional knapsack reach their optima", function()
    local list, at = numbers_of(shared .. "mdknapsack/mknap1.txt"), 2
    for problem = 1, list[1] do
      local n, m, optimum = list[at], list[at + 1], list[at + 2]
      local profits, weights = slice(list, at + 3, n), {}
      for i = 1, m do weights[i] = slice(list, at + 3 + i * n, n) end
      local capacities = slice(list, at + 3 + (m + 1) * n, m)
      at = at + 3 + (m + 1) * n + m
      local s = solver.multidimensional_knapsack { weights = weights, capacities = capacities }
      local answer = s:solve(tensor(profits))
      support.assert_near(optimum, answer.objective[1])
      assert.is_true(answer.proved[1] and s:is_feasible(answer.z), "problem " .. problem)
      local z = answer.z:to_list()
      for i = 1, m do
        local used = 0
        for j = 1, n do used = used + z[j] * weights[i][j] end
        assert(used <= capacities[i])
      end
    end
    assert.equal(#list + 1, at)
  end)

  when_there("of the knapsack reach their optima", function()
    for name, row in pairs(support.read_json(shared .. "knapsack/optima.json")) do
      local list, weights, profits = numbers_of(shared .. "knapsack/" .. name .. ".txt"), {}, {}
      for i = 1, list[1] do profits[i], weights[i] = list[2 * i + 1], list[2 * i + 2] end
      local s = solver.multidimensional_knapsack { weights = { weights }, capacities = { list[2] } }
      local answer = s:solve(tensor(profits))
      support.assert_near(row.optimum_exact or row.optimum, answer.objective[1])
      assert.is_true(answer.proved[1])
    end
  end)
end)

local function integer(low, high)
  return low + math.floor(random.uniform "spec" * (high - low + 1))
end

-- The first of the best.
local function best_of(set, x)
  local chosen, most
  for _, z in ipairs(set) do
    local sum = 0
    for j = 1, #z do sum = sum + x[j] * z[j] end
    if not most or sum > most then chosen, most = z, sum end
  end
  return chosen
end

describe("solver.b_matching", function()
  it("equals enumeration, each instance with degrees of its own", function()
    random.seed(21)
    for _ = 1, 12 do
      local nodes, edges = integer(2, 5), {}
      for u = 1, nodes do
        for v = u + 1, nodes do
          if #edges < 8 and integer(1, 4) > 1 then edges[#edges + 1] = { u, v } end
        end
      end
      if #edges == 0 then edges[1] = { 2, 1 } end
      local s = solver.b_matching { nodes = nodes, edges = edges, ties = "first" }
      for _ = 1, 10 do
        local capacity, least, x = {}, {}, {}
        for i = 1, nodes do capacity[i], least[i] = integer(0, 3), integer(-3, 1) end
        for e = 1, #edges do x[e] = integer(-2, 4) end
        local set = support.zero_ones(#edges, function(z)
          for node = 1, nodes do
            local degree = 0
            for e, edge in ipairs(edges) do
              if edge[1] == node or edge[2] == node then degree = degree + z[e] end
            end
            if degree > capacity[node] or degree < least[node] then return false end
          end
          return true
        end)
        local context = { capacity = capacity, least = least }
        if #set > 0 then
          assert.same(best_of(set, x), s(tensor(x), context):to_list())
          assert.same(set, s:enumerate(context):to_table())
        else
          assert.has_error_matching(function() s(tensor(x), context) end, "ilp: instance 1: no solution")
        end
      end
    end
  end)

  it("is a matching unless told otherwise", function()
    local s = solver.b_matching { nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 } } }
    assert.same({ 1, 0, 1 }, s(tensor { 2, 3, 2 }):to_list())
    assert.same({ { 0, 1, 0 }, { 1, 0, 1 } }, s(tensor { { 2, 5, 2 }, { 2, 3, 2 } }):to_table())
    assert.same({ 1, 1, 1 }, s(tensor { 2, 3, 2 }, { capacity = { 1, 2, 2, 1 } }):to_list())
    s = solver.b_matching { nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 } }, least = { 1, 0, 0, 1 } }
    assert.same({ 1, 0, 1 }, s(tensor { -2, 3, -2 }):to_list())
  end)

  it("names the edge that is none", function()
    for _, edge in ipairs { { 1, 4 }, { 1, 1 }, { 1 }, { 0, 1 }, { 1, 2, 3 }, "edge", 7 } do
      assert.has_error_matching(function()
        solver.b_matching { nodes = 3, edges = { { 1, 2 }, edge } }
      end, "ilp_spec.*edge 2: expected two different nodes of 1..3")
    end
    assert.has_error_matching(function() solver.b_matching { nodes = 3, edges = {} } end, "a list of pairs")
  end)
end)

describe("solver.multidimensional_knapsack", function()
  it("equals enumeration, each instance with capacities of its own", function()
    random.seed(22)
    for _ = 1, 15 do
      local n, m, weights = integer(1, 8), integer(1, 3), {}
      for i = 1, m do
        weights[i] = {}
        for j = 1, n do weights[i][j] = integer(0, 9) end
      end
      local none = {}
      for i = 1, m do none[i] = 0 end
      local s = solver.multidimensional_knapsack { weights = weights, capacities = none, ties = "first" }
      local rows, capacities, wanted = {}, {}, {}
      for b = 1, 10 do
        rows[b], capacities[b] = {}, {}
        for j = 1, n do rows[b][j] = integer(-1, 6) end
        for i = 1, m do capacities[b][i] = integer(0, 25) end
        wanted[b] = best_of(support.zero_ones(n, function(z)
          for i = 1, m do
            local used = 0
            for j = 1, n do used = used + weights[i][j] * z[j] end
            if used > capacities[b][i] then return false end
          end
          return true
        end), rows[b])
      end
      assert.same(wanted, s(tensor(rows), { capacities = tensor(capacities) }):to_table())
    end
  end)

  it("refuses what is no matrix", function()
    for _, weights in ipairs { 3, {}, { {} }, { { 1, 2 }, { 1 } }, { 1, 2 } } do
      assert.has_error_matching(function()
        solver.multidimensional_knapsack { weights = weights, capacities = { 1 } }
      end, "expected a row of n numbers for each dimension")
    end
    assert.has_error_matching(function()
      solver.multidimensional_knapsack { weights = { { 1, -1 } }, capacities = { 1 } }
    end, "expected numbers from 0, row 1 has %-1")
    assert.has_error_matching(function()
      solver.multidimensional_knapsack { weights = { { 1, 1 } }, capacities = { 1, 2 } }
    end, "2 capacities of 1 dimensions")
  end)
end)

describe("a program", function()
  local function menu()
    local p = solver.program { name = "menu" }
    local x = p:variables { n = 4, binary = true }
    p:constrain(x:sum(), "==", 2)
    p:constrain(x[1] + x[3], ">=", 1)
    p:constrain(x:dot { 4, 3, 7, 6 }, "<=", 10, "price")
    return p, x
  end

  it("is stated by expressions", function()
    local p, x = menu()
    local s = p:solver { theta = x }
    assert.same({ 0, 1, 1, 0 }, s(tensor { 1, 2, 5, 4 }):to_list())
    assert.same({ 1, 1, 0, 0 }, s(tensor { 1, 2, 5, 4 }, { price = 9 }):to_list())
    assert.same({ { 0, 1, 1, 0 }, { 1, 1, 0, 0 }, { 1, 0, 0, 1 } },
      s(tensor { { 1, 2, 5, 4 }, { 1, 2, 5, 4 }, { 9, 0, 0, 8 } }, { price = tensor { 10, 9, 10 } }):to_table())
    assert.equal("menu: 4 variables, 3 constraints", tostring(p))
    assert.matches("^menu { variables = 4, constraints = 3 }", tostring(s))
    assert.is_true(s:is_feasible(tensor { 0, 1, 1, 0 }))
    assert.is_false(s:is_feasible(tensor { 0, 1, 1, 0 }, { price = 9 }))
    assert.equal(3, s:enumerate():size(1)) -- 1 1 0 0, 1 0 0 1, 0 1 1 0
  end)

  it("can be written on after it gave a solver", function()
    local p, x = menu()
    local before = p:solver { theta = x }
    p:constrain(x[1], "==", 1)
    local after = p:solver { theta = x }
    assert.same({ 0, 1, 1, 0 }, before(tensor { 1, 2, 5, 4 }):to_list())
    assert.same({ 1, 0, 0, 1 }, after(tensor { 1, 2, 5, 4 }):to_list())
  end)

  it("computes with numbers and arrays on either side", function()
    local p = solver.program()
    local x = p:variables { shape = { 2, 2 }, name = "x" }
    local y = p:variable { name = "y" }
    assert.equal("2 x[2] + -1 y + 3", tostring(2 * x[1][2] - y + 3))
    assert.equal("-1 x[3] + 1", tostring(1 - x[2][1]))
    assert.equal("1.5 x[4]", tostring((3 * x[-1][-1]) / 2))
    assert.equal("1 x[1] + 2 x[2] + 3 x[3] + 4 x[4]", tostring(x:dot { { 1, 2 }, { 3, 4 } }))
    assert.equal("1 x[1] + 1 x[3]", tostring(x:sum(1)[1]))
    assert.equal("1 x[3] + 1 x[4]", tostring(x:sum(-1)[2]))
    assert.equal("2 x[3] + 1 y + 1", tostring((x * { { 1, 1 }, { 2, 2 } } + y + 1)[2][1]))
    assert.equal("expressions of shape 2x2", tostring(-x))
    assert.equal("5 x[2]", tostring(x:dot(tensor { { 0, 5 }, { 0, 0 } })))
    assert.equal("0", tostring(y - y))
  end)

  it("chooses an assignment with the shape of its array", function()
    local p = solver.program { name = "assignment" }
    local x = p:variables { shape = { 3, 3 }, binary = true }
    p:constrain(x:sum(1), "==", 1)
    p:constrain(x:sum(2), "==", 1)
    local s = p:solver { theta = x, sense = "min" }
    local costs = tensor { { 4, 1, 3 }, { 2, 0, 5 }, { 3, 2, 2 } }
    assert.same({ { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } }, s(costs):to_table())
    local answer = s:solve(costs)
    assert.same({ { 5 }, { 5 }, { true } }, { answer.objective, answer.bound, answer.proved })
    assert.equal(6, s:enumerate():size(1))
  end)

  it("mixes integers and real numbers, with variables that theta does not score", function()
    -- x real in 0..10, y whole, x <= 3 y, 2 per unit of y: at theta 1 each y earns 3 - 2
    local p = solver.program()
    local x = p:variables { n = 1, upper = 10 }
    local y = p:variable { integer = true, upper = 4 }
    p:constrain(x, "<=", 3 * y)
    p:objective(-2 * y)
    local s = p:solver { theta = x }
    local answer = s:solve(tensor { { 1 }, { 0.5 }, { 3 } })
    support.assert_near({ 9, 0, 10 }, answer.z:to_list())
    support.assert_near({ 3, 0, 22 }, answer.objective)
    assert.same({ true, true, false, false }, s:is_feasible(tensor { { 9.5 }, { 0 }, { 10.5 }, { -1 } }))
    assert.has_error_matching(function() s:enumerate() end, "variable 1 is no integer")
    local costs = p:solver { theta = x, sense = "min" }
    support.assert_near({ 10 }, costs(tensor { -1 }):to_list()) -- and -2 y is a gain
  end)

  it("works in layers, and its gradients are those of the same solver from lists", function()
    local p, x = menu()
    local function gradient(s)
      random.seed(5)
      local layer = mg.estimator.imle { solver = s, noise = mg.noise.gumbel(), target = mg.target.fixed { lambda = 1 } }
      local theta = tensor { { 1, 2, 5, 4 }, { 0, 1, 0, 1 } }:watch();
      (layer(theta) * tensor { { 1, -1, 2, 0 }, { 3, 1, 0, 1 } }):sum():backward()
      return theta.grad:to_list()
    end
    assert.same(gradient(p:solver { theta = x }), gradient(solver.ilp {
      variables = 4, constraints = 3, rows = { 1, 1, 1, 1, 2, 2, 3, 3, 3, 3 }, cols = { 1, 2, 3, 4, 1, 3, 1, 2, 3, 4 },
      values = { 1, 1, 1, 1, 1, 1, 4, 3, 7, 6 }, row_lower = { 2, 1, -inf }, row_upper = { 2, inf, 10 },
    }))
  end)

  it("can be cached, and stand in blocks", function()
    local p, x = menu()
    local s = p:solver { theta = x }
    local theta, context = tensor { { 1, 2, 5, 4 }, { 9, 0, 0, 8 }, { 1, 2, 5, 4 } }, { price = tensor { 10, 10, 9 } }
    local cached = solver.cached { solver = s }
    for _ = 1, 2 do assert.same(s(theta, context):to_table(), cached(theta, context):to_table()) end
    assert.equal(3, cached.hits)
    local blocks = solver.factored { solver = s, blocks = 3 }
    assert.same(s(theta):to_table(), blocks(theta):to_table())
    assert.has_error_matching(function() blocks(theta, { price = 3 }) end, "unknown context 'price'; it takes none")
  end)

  it("says what is wrong, and where", function()
    local p, x = menu()
    local other = solver.program { name = "other" }:variables { n = 2 }
    local function refuses(f, pattern) assert.has_error_matching(f, "ilp_spec.*menu: " .. pattern) end
    refuses(function() return x[1] * x[2] end, "a product of two expressions is not linear")
    refuses(function() local _ = x:dot(x) end, "dot: a product of two expressions is not linear")
    refuses(function() local _ = x:dot { 1, 2 } end, "dot of 4 expressions with 2 numbers")
    refuses(function() return x[5] end, "index 5 of an array of shape 4")
    refuses(function() local _ = x:sum(2) end, "sum over axis 2 of an array of shape 4")
    refuses(function() return x + { 1, 2 } end, "sum of shapes 4 and 2")
    refuses(function() return x + "a" end, "sum: expected numbers and expressions, got a string")
    refuses(function() return x / x end, "an expression may be divided by a number")
    refuses(function() return x + other end, "sum is of another program, other")
    refuses(function() p:constrain(x:sum(), "<", 3) end, "constrain: the relation is '<', expected")
    refuses(function() p:constrain(x:sum() == 3) end, "constrain: the relation is a nil")
    refuses(function() p:constrain(x, "<=", { 1, 2 }) end, "constraint 4: 4 expressions on the left, 2 on the right")
    refuses(function() p:constrain(x[1], "<=", 1, "price") end, "there are two constraints 'price'")
    refuses(function() p:constrain(x[1] - x[1], ">=", 1, "odd") end, "odd holds for no values")
    refuses(function() p:objective(x) end, "objective: expected one expression without a constant; use :sum")
    refuses(function() p:solver { theta = 2 * x } end, "theta: entry 1 is not a variable")
    refuses(function() p:solver { theta = { x[1], x[2], x[1] } } end, "theta names x1%[1%] twice")
    refuses(function() p:solver { thta = x } end, "solver: unknown option 'thta', did you mean 'theta'")
    refuses(function() p:variables {} end, "variables: expected one of n and shape")
    refuses(function() p:variables { n = 3, upper = { 1, 2 } } end,
      "variables: upper: expected a number or 3 numbers, got 2 numbers")
    refuses(function() p:variables { n = 3, lower = "a" } end,
      "variables: lower: expected a number or 3 numbers, got a string")
    local s = p:solver { theta = x }
    refuses(function() s(tensor { 1, 2, 3, 4 }, { prize = 3 }) end, "unknown context 'prize', did you mean 'price'")
    assert.has_error_matching(function() s(tensor { 1, 2, 3, 4 }, { price = 1 }) end,
      "instance 1: no solution: no values hold all constraints")
  end)
end)

describe("solver.ilp", function()
  it("refuses what is no program", function()
    for pattern, settings in pairs {
      ["lower has 1 entries, expected none or 2"] = { lower = { 0 } },
      ["cols has 0 entries, expected as many as rows, 1"] = { constraints = 1, rows = { 1 }, values = { 1 } },
      ["rows at entry 1 is 2, expected an integer in 1..1"] = {
        constraints = 1, rows = { 2 }, cols = { 1 }, values = { 1 },
      },
      ["cols at entry 1 is 1.5, expected an integer in 1..2"] = {
        constraints = 1, rows = { 1 }, cols = { 1.5 }, values = { 1 },
      },
      ["values at entry 1 is infinite"] = { constraints = 1, rows = { 1 }, cols = { 1 }, values = { inf } },
      ["variable 2 has no value within its bounds 1..0"] = { lower = { 0, 0.2 }, upper = { 1, 0.8 } },
      ["theta names variable 2 twice"] = { theta = { 2, 2 } },
      ["fixed at entry 1 is infinite"] = { fixed = { inf, 0 } },
      ["ties = first needs variables of theta that are integer"] = { ties = "first", is_integer = { 1, 0 } },
    } do
      settings.variables = 2
      assert.has_error_matching(function() solver.ilp(settings) end, "ilp_spec.*ilp: " .. pattern)
    end
    assert.has_error_matching(function()
      solver.ilp { variables = 2 } (tensor { 1, 2 }, { row_upper = { 1 } })
    end, "context row_upper has shape 1, expected 0 entries")
  end)

  it("tells an objective without bound from constraints that contradict each other", function()
    local settings = {
      variables = 2, constraints = 1, rows = { 1, 1 }, cols = { 1, 2 }, values = { 2, -2 }, upper = { inf, inf },
      row_lower = { 0 }, row_upper = { 1 },
    }
    local s = solver.ilp(settings)
    assert.has_error_matching(function() s(tensor { { -1, -1 }, { 1, 1 } }) end,
      "instance 2: the objective grows without bound: give the variables bounds")
    assert.same({ 0, 0 }, s(tensor { -1, -1 }):to_list())
    settings.row_lower = { 1 } -- 2 (x - y) == 1
    settings.upper = { 50, 50 }
    assert.has_error_matching(function() solver.ilp(settings)(tensor { 1, 1 }) end,
      "instance 1: no solution: no values hold all constraints")
    local answers = solver.ilp(settings):solve(tensor { { 1, 1 }, { 0, 0 } })
    assert.same({ false, false }, answers.solved)
  end)

  -- The largest value over all integer points, by plain loops.
  local function largest(c, theta)
    local best, x = -math.huge, {}
    local function holds()
      for i = 1, c.constraints do
        local sum = 0
        for k = 1, #c.rows do
          if c.rows[k] == i then sum = sum + c.values[k] * x[c.cols[k]] end
        end
        if sum < c.row_lower[i] or sum > c.row_upper[i] then return false end
      end
      return true
    end
    local function visit(j, sum)
      if j > c.variables then
        if holds() then best = math.max(best, sum) end
        return
      end
      for v = c.lower[j], c.upper[j] do
        x[j] = v
        visit(j + 1, sum + theta[j] * v)
      end
    end
    visit(1, 0)
    return best
  end

  it("finds the best of programs whose rows have bounds on both sides", function()
    -- one that CBC's probing cuts answered wrongly, as they did about one in 4000 of the random ones
    local c = { variables = 3, constraints = 1, rows = { 1, 1, 1 }, cols = { 1, 2, 3 }, values = { 2, -2, 4 },
      lower = { 0, 0, 0 }, upper = { 0, 2, 1 }, row_lower = { -3 }, row_upper = { 5 } }
    assert.same({ 0, 1, 0 }, solver.ilp(c)(tensor { -1.3068641424179, 1.264688372612, -2.0536575317383 }):to_list())
    random.seed(5)
    local function whole(a, b) return a + math.floor(random.uniform() * (b - a + 1)) end
    for _ = 1, 1500 do
      c = { variables = whole(1, 5), constraints = whole(1, 3), rows = {}, cols = {}, values = {}, lower = {},
        upper = {}, row_lower = {}, row_upper = {} }
      for i = 1, c.constraints do
        c.row_lower[i], c.row_upper[i] = -whole(0, 5), whole(0, 6)
        for j = 1, c.variables do
          c.rows[#c.rows + 1], c.cols[#c.cols + 1], c.values[#c.values + 1] = i, j, whole(-4, 4)
        end
      end
      for j = 1, c.variables do c.lower[j], c.upper[j] = -whole(0, 2), whole(0, 3) end
      local theta = tensor.normal(c.variables)
      local answers = solver.ilp(c):solve(theta)
      assert.near(largest(c, theta:to_list()), answers.objective[1], 1e-5)
    end
  end)

  it("takes numbers of any size, and keeps integers exact", function()
    local s = solver.ilp {
      variables = 3, constraints = 1, rows = { 1, 1, 1 }, cols = { 1, 2, 3 }, values = { 1, 1, 1 }, row_upper = { 1e6 },
      upper = { 1e6, 1e6, 1e6 }, lower = { -5, 0, 0 },
    }
    for _, scale in ipairs { 1, 1e30, 1e-30, support.is_double and 1e-300 or 1e-38 } do
      assert.same({ 0, 1e6, 0 }, s(tensor { 1 * scale, 2 * scale, -scale }):to_list())
    end
    assert.same({ -5, 1e6, 5 }, s(tensor { -1, 2, 1 }):to_list())
  end)

  it("has the same bits on 1 and 4 threads on programs that need branch and bound", function()
    random.seed(23)
    local w = (tensor.uniform({ 3, 14 }, "spec") * 30):floor() + 1
    local s = solver.multidimensional_knapsack { weights = w, capacities = { 80, 80, 80 } }
    local x, before, z = tensor.uniform({ 30, 14 }, "spec"), core.threads(), {}
    for i, threads in ipairs { 1, 4, 4 } do
      core.threads_set(threads)
      z[i] = s(x)
    end
    core.threads_set(before)
    assert.is_true(z[1]:equals(z[2]) and z[1]:equals(z[3]))
  end)

  -- 10 constraints of 200 random weights: hours of branch and bound
  local function hard(time_limit)
    random.seed(24)
    local w, capacities = (tensor.uniform({ 10, 200 }, "spec") * 99):floor() + 1, {}
    for i = 1, 10 do capacities[i] = 5000 end
    return solver.multidimensional_knapsack { weights = w, capacities = capacities, time_limit = time_limit },
      tensor.uniform({ 200 }, "spec")
  end

  it("ends at its time limit with the best so far and a bound", function()
    local s, x = hard(0.3)
    local started = core.processor_time()
    local answer = s:solve(x)
    assert(core.processor_time() - started < (is_sanitized and 5 or 1))
    assert.is_true(answer.solved[1] and s:is_feasible(answer.z))
    assert.is_false(answer.proved[1])
    assert(answer.bound[1] > answer.objective[1] and answer.bound[1] < 1.1 * answer.objective[1])
    assert.is_false(s.exact)
    local answers = hard(1e-6):solve(x) -- too little for any answer
    assert.same({ { false }, { false } }, { answers.solved, answers.proved })
    assert.has_error_matching(function() hard(1e-6)(x) end, "no solution: none was found within the time limit")
  end)

  it("ends at a time limit of the computation", function()
    local s, x = hard()
    support.assert_interrupted(0.2, is_sanitized and 5 or 0.6, s, x)
  end)

  local script = [[
    local mg = require "mapgrad"
    local core = require "mapgrad.real"
    local tensor = mg.tensor
    mg.random.seed(24)
    local w, capacities = (tensor.uniform({ 10, 200 }, "spec") * 99):floor() + 1, {}
    for i = 1, 10 do capacities[i] = 5000 end
    local s = mg.solver.multidimensional_knapsack { weights = w, capacities = capacities }
    core.time_limit(0.1)
    pcall(s, tensor.uniform({ 200 }, "spec"))
    core.time_limit(0)
    print "ready"
    io.stdout:flush()
    local ok, message = pcall(s, tensor.uniform({ 200 }, "spec"))
    print(ok, message)
    print(s(tensor.ones(200) * -1):sum():item() == 0 and "usable")
  ]]

  it("ends at Ctrl-C, prints nothing, and leaves the handler alone", function()
    assert.matches("^ready\nfalse\t[^\n]*interrupted[^\n]*\nusable\n$", command.printed(script, { interrupt = true }))
  end)
end)

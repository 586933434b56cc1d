-- Assignments beyond what enumeration reaches: certificates, recorded optima, ties, warm state, special values.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local lfs = require "lfs"
local support = require "tests.support"
local solver, tensor, random = mg.solver, mg.tensor, mg.random

local shared = os.getenv "MAPGRAD_SHARED" or "../shared"
local inf = math.huge

local function integer(low, high)
  return low + math.floor(random.uniform "spec" * (high - low + 1))
end

-- Column of each row, false without one; row of each column likewise.
local function partners(z, rows, cols)
  local col_of, row_of = {}, {}
  for i = 1, rows do
    col_of[i] = false
    for j = 1, cols do
      if z[(i - 1) * cols + j] == 1 then col_of[i] = j end
    end
  end
  for j = 1, cols do
    row_of[j] = false
    for i = 1, rows do
      if col_of[i] == j then row_of[j] = i end
    end
  end
  return col_of, row_of
end

-- Whether no exchange along a cycle makes the assignment cheaper by more than `slack` (Bellman and Ford). Rows are
-- nodes; one more holds columns without a row and the place of rows without a column.
-- alone: costs of rows without a column where they may stay so, else nil
local function is_optimal(costs, z, rows, cols, alone, slack)
  local col_of, row_of = partners(z, rows, cols)
  local nobody, d, own = rows + 1, {}, {}
  for i = 1, rows + 1 do d[i] = 0 end
  for i = 1, rows do
    own[i] = col_of[i] and costs[(i - 1) * cols + col_of[i]] or alone and alone[i] or 0
  end
  for round = 1, rows + 2 do
    local changed = false
    local function lower(node, value)
      if value < d[node] - slack then d[node], changed = value, true end
    end
    for i = 1, rows do
      local base = d[i] - own[i]
      for j = 1, cols do
        lower(row_of[j] or nobody, base + costs[(i - 1) * cols + j])
      end
      if alone or (rows > cols and col_of[i]) then lower(nobody, base + (alone and alone[i] or 0)) end
    end
    for i = 1, rows do
      if not col_of[i] or alone or cols > rows then lower(i, d[nobody]) end
    end
    if not changed then return true end
    assert(round <= rows + 2)
  end
  return false
end

local function total(costs, z)
  local sum = 0
  for i = 1, #costs do
    if z[i] ~= 0 then sum = sum + costs[i] end
  end
  return sum
end

local kinds = {
  uniform = function(rows, cols) return tensor.uniform({ rows, cols }, "spec") end,
  normal = function(rows, cols) return tensor.normal({ rows, cols }, "spec") end,
  integer = function(rows, cols) return (tensor.uniform({ rows, cols }, "spec") * 100):floor() end,
  few = function(rows, cols) return (tensor.uniform({ rows, cols }, "spec") * 3):floor() end,
  distance = function(rows, cols)
    local d = tensor.uniform({ rows, 1, 2 }, "spec") - tensor.uniform({ 1, cols, 2 }, "spec")
    return (d * d):sum(3):sqrt()
  end,
}

describe("assignment of many", function()
  local sizes = {
    { 50, 50 }, { 77, 77 }, { 40, 90 }, { 90, 40 }, { 363, 363 }, { 368, 368 }, { 300, 450 }, { 450, 300 },
  }
  for name, make in pairs(kinds) do
    for _, size in ipairs(sizes) do
      it(("is optimal for %s costs of %d x %d"):format(name, size[1], size[2]), function()
        random.seed(21)
        local rows, cols = size[1], size[2]
        local costs = make(rows, cols)
        local s = solver.assignment { rows = rows, cols = cols }
        local answer = s:solve(costs)
        local x, z = costs:to_list(), answer.z:to_list()
        assert.is_true(s:is_feasible(answer.z))
        support.assert_near(total(x, z), answer.objective[1], 1e-9)
        assert.is_true(answer.proved[1])
        assert.is_true(is_optimal(x, z, rows, cols, nil, 1e-9))
      end)
    end
  end

  it("is optimal where rows may stay unmatched at a cost of their own", function()
    random.seed(22)
    for _, size in ipairs { { 30, 30 }, { 20, 60 }, { 60, 20 }, { 363, 363 } } do
      for name, make in pairs(kinds) do
        local rows, cols = size[1], size[2]
        local costs, alone = make(rows, cols), {}
        for i = 1, rows do alone[i] = name == "few" and integer(-1, 1) or integer(0, 64) / 128 end
        local s = solver.assignment { rows = rows, cols = cols, unmatched = true }
        local answer = s:solve(costs, { unmatched = alone })
        local x, z = costs:to_list(), answer.z:to_list()
        assert.is_true(s:is_feasible(answer.z, { unmatched = alone }))
        assert.is_true(is_optimal(x, z, rows, cols, alone, 1e-9))
        local col_of = partners(z, rows, cols)
        local sum = total(x, z)
        for i = 1, rows do
          if not col_of[i] then sum = sum + alone[i] end
        end
        support.assert_near(sum, answer.objective[1], 1e-9)
      end
    end
  end)

  it("is caught when it is not optimal", function()
    assert.is_false(is_optimal({ 1, 2, 2, 1 }, { 0, 1, 1, 0 }, 2, 2, nil, 1e-9))
    assert.is_false(is_optimal({ 1, 2, 3, 1, 1, 1 }, { 0, 1, 0, 0, 0, 1 }, 2, 3, nil, 1e-9))
    assert.is_false(is_optimal({ 1, 2 }, { 0, 1 }, 2, 1, nil, 1e-9))
    assert.is_false(is_optimal({ 1 }, { 1 }, 1, 1, { 0 }, 1e-9))
  end)
end)

describe("ties of assignments", function()
  -- The least cost of all assignments with some cells fixed, from the objective alone.
  local function cost_with(s, x, rows, cols, fixed, alone)
    local y, context = {}, nil
    if alone then
      context = { unmatched = {} }
      for i = 1, rows do context.unmatched[i] = fixed[i] and inf or alone[i] end
    end
    for k = 1, rows * cols do y[k] = x[k] end
    for i, col in pairs(fixed) do
      for j = 1, cols do
        if j ~= col then y[(i - 1) * cols + j] = inf end
      end
      for k = 1, rows do
        if k ~= i and col then y[(k - 1) * cols + col] = inf end
      end
    end
    local answer = s:solve(tensor(y):reshape(rows, cols), context)
    return answer.solved[1] and answer.objective[1] or inf
  end

  local function check(rows, cols, unmatched, most)
    local s = solver.assignment { rows = rows, cols = cols, unmatched = unmatched }
    local x, alone = {}, {}
    for k = 1, rows * cols do x[k] = integer(0, 9) == 0 and inf or integer(0, most) end
    for i = 1, rows do alone[i] = integer(0, most) end
    local context = unmatched and { unmatched = alone } or nil
    local answer = s:solve(tensor(x):reshape(rows, cols), context)
    if not answer.solved[1] then return end
    local col_of, fixed = partners(answer.z:to_list(), rows, cols), {}
    for i = 1, rows do
      for j = 1, (col_of[i] or cols + 1) - 1 do -- nothing smaller is possible
        fixed[i] = j
        assert(cost_with(s, x, rows, cols, fixed, unmatched and alone) > answer.objective[1])
      end
      fixed[i] = col_of[i]
    end
  end

  it("go to the smallest column of row 1, then of row 2, ...", function()
    random.seed(23)
    for _ = 1, 30 do
      check(12, 12, false, 2)
      check(9, 14, false, 2)
      check(14, 9, false, 2)
      check(10, 10, true, 3)
      check(13, 7, true, 3)
    end
    check(70, 70, false, 20)
    check(60, 75, false, 20)
  end)

  it("give the identity to equal costs, whatever their number", function()
    for _, size in ipairs { { 1, 1 }, { 65, 65 }, { 3, 130 }, { 130, 3 }, { 500, 500 } } do
      local s = solver.assignment { rows = size[1], cols = size[2] }
      local col_of = partners(s(tensor.full(size, -2.5)):to_list(), size[1], size[2])
      for i = 1, size[1] do assert.equal(i <= size[2] and i, col_of[i]) end
    end
  end)
end)

describe("assignment from an earlier solve's prices", function()
  it("has the same answers", function()
    random.seed(24)
    for name, make in pairs(kinds) do
      for _, n in ipairs { 3, 10, 40, 363 } do
        local s, count = solver.assignment { rows = n, cols = n }, n > 100 and 1 or 5
        local warm = core.solver_warm(s.plan, count)
        local costs = make(count * n, n):reshape(count, n, n)
        for step = 1, 6 do
          local scores = costs * -(step == 5 and 1e20 or 1)
          local z = tensor.wrap((core.solver_solve(s.plan, scores.handle, {}, false, warm)))
          assert.is_true(z:equals(s:argmax(scores)), name)
          if step % 2 == 1 then costs = costs + make(count * n, n):reshape(count, n, n) * 0.125 end
        end
      end
    end
  end)

  it("is offered where both sides are equal", function()
    assert.is_truthy(core.solver_warm(solver.assignment { rows = 3, cols = 3 }.plan, 1))
    assert.is_nil(core.solver_warm(solver.assignment { rows = 3, cols = 4 }.plan, 1))
    assert.is_nil(core.solver_warm(solver.assignment { rows = 3, cols = 3, unmatched = true }.plan, 1))
  end)
end)

describe("special costs of assignments", function()
  it("are right or an error: infinities, zeros, huge, denormal", function()
    random.seed(25)
    local huge, tiny = support.is_double and 1e307 or 1e37, support.is_double and 5e-324 or 1e-45
    local values = { inf, inf, 0, -0.0, 1, -1, huge, -huge, tiny, -tiny }
    local oracle = require "tests.oracle.assignment"
    for _, size in ipairs { { 3, 3 }, { 2, 3 }, { 3, 2 } } do
      local settings = { rows = size[1], cols = size[2] }
      local s, set = solver.assignment(settings), oracle.enumerate(settings)
      for _ = 1, 3000 do
        local x, best, largest = {}, inf, 0
        for k = 1, #set[1] do x[k] = values[integer(1, #values)] end
        x = tensor(x):to_list() -- as the reals of this run
        for _, z in ipairs(set) do best = math.min(best, total(x, z)) end
        for _, v in ipairs(x) do largest = math.max(largest, math.abs(v) < inf and math.abs(v) or 0) end
        local answer = s:solve(tensor(x):reshape(s.shape))
        assert.equal(best < inf, answer.solved[1])
        if best < inf then
          assert(math.abs(answer.objective[1] - best) <= largest * (support.is_double and 3e-14 or 3e-6))
        end
      end
    end
  end)

  it("forbid cells beside huge numbers", function()
    local s = solver.assignment { rows = 3, cols = 3 }
    local z = s(tensor { { inf, 1e30, 1 }, { 1, 1, inf }, { 1e30, inf, inf } })
    assert.same({ { 0, 0, 1 }, { 0, 1, 0 }, { 1, 0, 0 } }, z:to_table())
  end)

  it("have no solution where the finite cells do not match a side", function()
    local function message(rows, cols, x, options)
      local s = solver.assignment { rows = rows, cols = cols, unmatched = options and true }
      return select(2, pcall(s, tensor(x), options))
    end
    assert.matches("no solution: the finite costs do not match every row", message(2, 2, { { 1, inf }, { 1, inf } }))
    assert.matches("no solution: the finite costs do not match every column", message(3, 2, { { 1, inf }, { 1, inf },
      { 3, inf } }))
    assert.matches("no solution: the finite costs do not match every row",
      message(2, 1, { { 1 }, { 1 } }, { unmatched = { inf, inf } }))
  end)

  it("refuse -inf, also as the cost of a row that stays", function()
    local s = solver.assignment { rows = 1, cols = 2, unmatched = true }
    assert.has_error_matching(function() s(tensor { { 1, -inf } }) end, "cost at entry 2 is %-inf")
    assert.has_error_matching(function() s(tensor { { 1, 2 } }, { unmatched = { -inf } }) end,
      "unmatched is %-inf at entry 1")
    local square = solver.assignment { rows = 2, cols = 2 }
    assert.has_error_matching(function() square(tensor.ones(2, 2), { unmatched = { 1, 1 } }) end,
      "the context unmatched needs the setting unmatched")
  end)

  it("of staying unmatched are each instance's own", function()
    local s = solver.assignment { rows = 2, cols = 2, unmatched = true }
    local z = s(tensor { { { 1, 2 }, { 3, 4 } }, { { 1, 2 }, { 3, 4 } }, { { 1, 2 }, { 3, 4 } } },
      { unmatched = tensor { { 0, 9 }, { 9, 9 }, { 1.5, 1.5 } } })
    assert.same({ { { 0, 0 }, { 1, 0 } }, { { 1, 0 }, { 0, 1 } }, { { 1, 0 }, { 0, 0 } } }, z:to_table())
    assert.equal(0, s(tensor { { 1, 2 }, { 3, 4 } }):sum():item())
    assert.same({ { 0, 1 }, { 0, 0 } }, s(tensor { { 1, -2 }, { 3, 4 } }):to_table())
  end)

  it("end within a time limit", function()
    local s, costs = solver.assignment { rows = 2000, cols = 2000 }, kinds.distance(2000, 2000)
    support.assert_interrupted(0.02, 1, s.argmax, s, costs * -1)
  end)
end)

describe("recorded assignments", function()
  if not lfs.attributes(shared) then
    pending("there is no " .. shared)
    return
  end

  it("of the OR-Library: assign100 is 305", function()
    local file = assert(io.open(shared .. "/validation/assignment/assign100.txt"))
    local numbers = {}
    for number in file:read("*a"):gmatch "%S+" do numbers[#numbers + 1] = tonumber(number) end
    file:close()
    local n = table.remove(numbers, 1)
    local answer = solver.assignment { rows = n, cols = n }:solve(tensor(numbers):reshape(n, n))
    assert.equal(305, answer.objective[1])
    assert.is_true(is_optimal(numbers, answer.z:to_list(), n, n, nil, 0))
  end)

  for _, case in ipairs(support.read_json(shared .. "/golden/identity/linear_assignment.json").cases) do
    it("of SciPy: " .. case.id, function()
      local n = case.n
      local answer = solver.assignment { rows = n, cols = n }:solve(tensor(case.cost_matrix))
      local col_of = partners(answer.z:to_list(), n, n)
      for i = 1, n do assert.equal(case.column_of_row[i] + 1, col_of[i]) end
      assert(math.abs(case.cost - answer.objective[1]) <= n * 10 * (support.is_double and 1e-14 or 1e-6))
    end)
  end
end)

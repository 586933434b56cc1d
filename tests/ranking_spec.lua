-- Top-k, ranks and orders of many entries against sorting in Lua, and the recorded references.
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, random, solver, tensor = mg.estimator, mg.random, mg.solver, mg.tensor

local golden = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/golden/identity"
local EXACT = support.is_double and 1e-10 or 1e-5

-- Inputs of n entries that are hard on sorts by digits and on guessing thresholds.
local shapes = {
  { "normal", function(n) return tensor.normal({ n }, "spec"):to_list() end },
  { "of few values", function(n) return (tensor.normal({ n }, "spec") * 2):floor():to_list() end },
  { "equal", function(n) return tensor.full({ n }, -3):to_list() end },
  { "ascending", function(n)
    local x = {}
    for i = 1, n do x[i] = i end
    return x
  end },
  { "of every size", function(n)
    local x = (tensor.normal({ n }, "spec") * 12):exp():to_list()
    for i = 1, n, 3 do x[i] = -x[i] end
    return x
  end },
  { "huge but for one", function(n)
    local x = (tensor.normal({ n }, "spec") * 1e30):to_list()
    x[math.ceil(n / 2)] = 1e-30
    return x
  end },
  { "zeros of both signs", function(n)
    local x = {}
    for i = 1, n do x[i] = i % 2 == 0 and 0 or -0.0 end
    return x
  end },
  { "denormal", function(n)
    local unit = support.is_double and 4.94065645841246544e-324 or 1.401298464324817e-45
    local x = {}
    for i = 1, n do x[i] = (i * 7 % 11 - 5) * unit end
    return x
  end },
  { "neighbours in the last place", function(n)
    local unit, x = support.is_double and 2 ^ -52 or 2 ^ -23, {}
    for i = 1, n do x[i] = 1 + (i * 5 % 9) * unit end
    return x
  end },
}

-- Indices by falling score, of equal ones the smaller first.
local function falling(x)
  local order = {}
  for i = 1, #x do order[i] = i end
  table.sort(order, function(i, j) return x[i] > x[j] or (x[i] == x[j] and i < j) end)
  return order
end

local sizes = { 1, 2, 15, 16, 17, 31, 32, 33, 100, 255, 256, 257, 300, 1000, 4095, 4096, 4097, 20000 }

for _, shape in ipairs(shapes) do
  describe("entries " .. shape[1], function()
    random.seed(21)
    local inputs = {}
    for _, n in ipairs(sizes) do
      local x = shape[2](n)
      inputs[#inputs + 1] = { n = n, x = x, order = falling(x) }
    end

    it("have the ranks of a sort", function()
      for _, input in ipairs(inputs) do
        local wanted = {}
        for place, i in ipairs(input.order) do wanted[i] = place end
        local s = solver.ranking { n = input.n }
        local z = s(tensor(input.x))
        assert.same(wanted, z:to_list())
        assert.is_true(s:is_feasible(z))
        if input.n > 1 then
          z:set(input.n, z:to_list()[1])
          assert.is_false(s:is_feasible(z))
        end
      end
    end)

    it("have the ranks of a sort where a mask leaves some out", function()
      for _, input in ipairs(inputs) do
        local wanted, mask, place = {}, {}, 0
        for i = 1, input.n do mask[i] = i % 5 == 2 and 0 or 1 end
        for _, i in ipairs(input.order) do
          place = place + mask[i]
          wanted[i] = mask[i] == 0 and 0 or place
        end
        local s = solver.ranking { n = input.n }
        assert.same(wanted, s(tensor(input.x), { mask = tensor(mask) }):to_list())
        assert.is_true(s:is_feasible(tensor(wanted), { mask = tensor(mask) }))
      end
    end)

    it("give given values the order of a sort", function()
      for _, input in ipairs(inputs) do
        local values, wanted = {}, {}
        for i = 1, input.n do values[i] = (i * 13 % 17) / 4 end
        local s = solver.sorting { n = input.n, values = values }
        table.sort(values, function(a, b) return a > b end)
        for place, i in ipairs(input.order) do wanted[i] = values[place] end
        local z = s(tensor(input.x))
        assert.same(wanted, z:to_list())
        assert.is_true(s:is_feasible(z))
        z:set(1, wanted[1] + 0.125)
        assert.is_false(s:is_feasible(z))
      end
    end)

    it("have the k best of a sort", function()
      for _, input in ipairs(inputs) do
        for _, share in ipairs { 0, 0.1, 0.5, 0.9, 1 } do
          local k, wanted = math.max(1, math.floor(share * input.n)), {}
          for place, i in ipairs(input.order) do wanted[i] = place <= k and 1 or 0 end
          assert.same(wanted, solver.top_k { n = input.n, k = k } (tensor(input.x)):to_list())
          for place, i in ipairs(input.order) do
            wanted[i] = (place <= k and (input.x[i] > 0 or place <= k / 2)) and 1 or 0
          end
          local s = solver.top_k { n = input.n, k = k, least = math.floor(k / 2) }
          assert.same(wanted, s(tensor(input.x)):to_list())
        end
      end
    end)
  end)
end

describe("solver.ranking", function()
  it("gives rank 1 to the largest score, and to the smallest by argmax", function()
    local s = solver.ranking { n = 3 }
    assert.same({ 3, 1, 2 }, s(tensor { 5, 7, 6 }):to_list())
    assert.same({ 1, 3, 2 }, s:argmax(tensor { 5, 7, 6 }):to_list())
    assert.same({ 1, 3, 2 }, s(-tensor { 5, 7, 6 }):to_list())
    assert.is_true(s.constant_sum)
    assert.equal(3 * 5 + 7 + 2 * 6, s:solve(tensor { 5, 7, 6 }).objective[1])
  end)

  it("ranks the smaller index first, but has the larger value there in sorting", function()
    assert.same({ 1, 2, 3 }, solver.ranking { n = 3 } (tensor { 4, 4, 4 }):to_list())
    assert.same({ 3, 2, 1 }, solver.sorting { n = 3 } (tensor { 4, 4, 4 }):to_list())
  end)

  it("takes a mask for each instance", function()
    local mask = tensor { { 1, 1, 0 }, { 0, 0, 0 } }
    local z = solver.ranking { n = 3 } (tensor { { 1, 2, 3 }, { 1, 2, 3 } }, { mask = mask })
    assert.same({ { 2, 1, 0 }, { 0, 0, 0 } }, z:to_table())
  end)

  it("refuses infinite scores", function()
    local s = solver.ranking { n = 3 }
    assert.has_error_matching(function() s(tensor { 1, math.huge, 2 }) end, "instance 1: cost at entry 2 is inf")
    assert.has_error_matching(function() s(tensor { 1, 3, -math.huge }) end, "instance 1: cost at entry 3 is %-inf")
  end)
end)

describe("solver.sorting", function()
  it("is top_k for ones and zeros", function()
    random.seed(22)
    local x = tensor.normal({ 50, 7 }, "spec")
    local z = solver.sorting { n = 7, values = { 0, 1, 0, 1, 0, 1, 0 } } (x)
    assert.is_true(z:equals(solver.top_k { n = 7, k = 3 } (x)))
  end)

  it("gives ranks by default", function()
    random.seed(23)
    local x = tensor.normal({ 50, 7 }, "spec")
    assert.is_true(solver.sorting { n = 7 } (x):equals(solver.ranking { n = 7 } (-x)))
  end)

  it("refuses another number of values, and infinite ones", function()
    assert.has_error_matching(function() solver.sorting { n = 3, values = { 1, 2 } } end,
      "ranking_spec.*2 values, expected n = 3")
    assert.has_error_matching(function() solver.sorting { n = 2, values = { 1, math.huge } } end,
      "ranking_spec.*value 2 is infinite")
  end)
end)

describe("solver.permutation", function()
  it("puts entries in the order of their ranks", function()
    random.seed(24)
    local x = tensor.normal({ 4, 5, 6 }, "spec")
    local matrix = solver.permutation(solver.ranking { n = 6 } (x))
    assert.same({ 4, 5, 6, 6 }, matrix:shape())
    assert.is_true(matrix:sum(-1):equals(tensor.ones(4, 5, 6)))
    local sorted = matrix:matmul(x:reshape(4, 5, 6, 1)):to_table()
    for _, block in ipairs(sorted) do
      for _, row in ipairs(block) do
        for i = 2, 6 do assert(row[i - 1][1] >= row[i][1]) end
      end
    end
  end)

  it("has a column of zeros for rank 0", function()
    assert.same({ { 0, 0, 1 }, { 1, 0, 0 }, { 0, 0, 0 } }, solver.permutation(tensor { 2, 0, 1 }):to_table())
    assert.same({ { 1 } }, solver.permutation { 1 }:to_table())
  end)

  it("takes empty batches and no scalars", function()
    assert.same({ 0, 0 }, solver.permutation(tensor.new(0)):shape())
    assert.same({ 0, 3, 3 }, solver.permutation(tensor.new(0, 3)):shape())
    assert.has_error_matching(function() solver.permutation(1) end, "expected ranks of shape %[batch..., n%]")
    assert.has_error_matching(function() solver.permutation "ranks" end, "ranking_spec.*expected a tensor")
  end)
end)

describe("the recorded references", function()
  if not lfs.attributes(golden .. "/ranking.json", "mode") then
    pending("there is no " .. golden)
    return
  end

  it("rank alike, and have the same blackbox gradients", function()
    local checked = 0
    for _, case in ipairs(support.read_json(golden .. "/ranking.json").cases) do
      local s, n, x = solver.ranking { n = case.n }, case.n, tensor(case.scores)
      local ranks = s(x)
      assert.same(case.rank, ranks:to_table())
      for _, row in ipairs(case.per_lambda) do
        -- their output is rank / n, whose step lambda is n lambda on the rank
        local layer = estimator.blackbox { solver = s, lambda = row.lambda * n, divisor_epsilon = 1e-8 * n }
        local watched = tensor(case.scores):watch()
        layer(watched):backward(tensor(case.upstream_grad):reshape(1, case.rows, n) / n)
        local perturbed = s(x + tensor(case.upstream_grad) * row.lambda)
        assert.same(row.perturbed_rank, perturbed:to_table())
        support.near(row.grad, watched.grad, EXACT)
        checked = checked + 1
      end
    end
    assert(checked > 10)
  end)

  it("have the same ranks of measures", function()
    for _, case in ipairs(support.read_json(golden .. "/rank_metrics.json").cases) do
      assert.same(case.rank, solver.ranking { n = case.n } (tensor(case.scores)):to_table())
    end
  end)

  it("rank flat vectors, and have their gradients by blackbox and identity", function()
    local checked = 0
    for _, case in ipairs(support.read_json(golden .. "/solvers_identity_blackbox.json").cases) do
      if case.solver == "ranking" then
        support.replay_flat(case, solver.ranking { n = case.structure.n })
        checked = checked + 1
      end
    end
    assert.equal(2, checked)
  end)
end)

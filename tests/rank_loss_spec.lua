-- Losses and measures of ranks against counting and sorting in Lua, central differences of the interpolation, and the
-- recorded references (the golden files beside the checkout; skipped where they are not).
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, loss, metric, solver, tensor = mg.estimator, mg.loss, mg.metric, mg.solver, mg.tensor
local random = mg.random
local near, assert_fails, is_double = support.near, support.assert_fails, support.is_double

local EXACT = is_double and 1e-10 or 1e-5

local function cases(name)
  return support.golden_cases("identity/" .. name, pending)
end

local function double_it(name, f)
  it(name, function()
    if not is_double then return pending "needs double" end
    f()
  end)
end

-- The value and the gradient of a loss.
local function evaluate(f, scores, relevance)
  local x = tensor(scores):watch()
  local value = f(x, tensor(relevance))
  value:backward()
  return value:item(), x.grad
end

-- ---------------------------------------------------------------- by counting

local WEIGHTS = {
  log = function(r) return math.log(1 + r) end,
  loglog = function(r) return math.log(1 + math.log(1 + r)) end,
  linear = function(r) return r end,
}

-- How many of a list's scores, relevant ones only if asked, come before entry i, which counts itself.
local function count_rank(s, i, relevance)
  local rank = 1
  for j = 1, #s do
    local is_before = s[j] > s[i] or (s[j] == s[i] and j < i)
    if is_before and (not relevance or relevance[j] == 1) then rank = rank + 1 end
  end
  return rank
end

local function with_margin(s, relevance, margin)
  local shifted = {}
  for j = 1, #s do shifted[j] = s[j] - margin * (relevance[j] - 0.5) end
  return shifted
end

-- The mean over lists of the mean over relevant items of f(rank, rank among relevant); or over all items.
local function counted(scores, relevance, margin, f, by_entries)
  local sum, count, all, number = 0, 0, 0, 0
  for q, s in ipairs(scores) do
    local r, own, items = relevance[q], 0, 0
    local shifted = with_margin(s, r, margin)
    for i = 1, #s do
      if r[i] == 1 then
        own, items = own + f(count_rank(shifted, i), count_rank(shifted, i, r)), items + 1
      end
    end
    all, number = all + own, number + items
    if items > 0 then sum, count = sum + own / items, count + 1 end
  end
  if by_entries then return all / number end
  return sum / count
end

local function problem(lists, n, share)
  random.seed(31)
  return tensor.normal(lists, n), tensor.uniform(lists, n):lt(share or 0.3)
end

-- ---------------------------------------------------------------- golden

describe("golden identity/recall_loss", function()
  for _, case in ipairs(cases "recall_loss") do
    double_it("replays " .. case.id, function()
      local f = loss.recall { lambda = case.lambda, divisor_epsilon = 1e-8, margin = case.margin, weight = case.weight,
        average = "entries" }
      local value, gradient = evaluate(f, case.scores, case.relevance)
      near({ case.loss }, { value }, EXACT, "loss")
      near(case.grad, gradient, EXACT, "grad")
    end)
  end
end)

-- What the published class computes: the ranks among n items are divided by n and multiplied by the number of lists.
local function published(case, s, relevance)
  local rows, n = s:size(1), s:size(2)
  local layer = estimator.blackbox { solver = solver.ranking { n = n }, lambda = case.lambda * n,
    divisor_epsilon = 1e-8 * n }
  local shifted = s - (relevance - 0.5) * case.margin
  local ranks = layer(shifted)[1]
  local among = solver.ranking { n = n }(-(ranks:detach() + (1 - relevance) * n))
  local above = (ranks - among) * (rows / n) * relevance
  local weighted = (above + 1):log()
  if case.weight == "loglog" then weighted = (weighted + 1):log() end
  return (weighted * relevance):sum() / relevance:sum()
end

describe("golden identity/recall_loss with memory", function()
  local path = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/golden/identity/recall_loss.json"
  local has_file = #cases "recall_loss" > 0
  for _, case in ipairs(has_file and support.read_json(path).memory_cases or {}) do
    double_it("replays " .. case.id .. ", which appends lists", function()
      local kept = {}
      for i, step in ipairs(case.steps) do
        local x = tensor(step.scores):watch()
        local all, marks = { x }, { tensor(step.relevance) }
        for j = math.max(1, i - case.batch_memory), i - 1 do
          all[#all + 1], marks[#marks + 1] = kept[j][1], kept[j][2]
        end
        kept[i] = { tensor(step.scores), tensor(step.relevance) }
        local value = published(case, tensor.concat(all, 1), tensor.concat(marks, 1))
        value:backward()
        near({ step.loss_reference }, { value:item() }, EXACT, "loss of step " .. i)
        near(step.grad_reference, x.grad, EXACT, "grad of step " .. i)
        if #all == 1 and case.rows == case.n then
          local f = loss.recall { lambda = case.lambda, divisor_epsilon = 1e-8, margin = case.margin,
            weight = case.weight, average = "entries" }
          local own, gradient = evaluate(f, step.scores, step.relevance)
          near({ step.loss_reference }, { own }, EXACT, "own loss of step " .. i)
          near(step.grad_reference, gradient, EXACT, "own grad of step " .. i)
        end
      end
    end)
  end
end)

describe("golden identity/map_loss", function()
  for _, case in ipairs(cases "map_loss") do
    double_it("replays " .. case.id, function()
      local step
      local function deviations(shape)
        if case.deviations == "ones" then return tensor.ones(shape) end
        return shape[1] == 1 and shape[2] == case.batch * case.classes and tensor { step.deviation_flat }
          or tensor(step.deviation_long)
      end
      local o = { lambda = case.lambda, divisor_epsilon = 1e-8, ap_epsilon = 1e-5, margin = case.margin, axis = 1,
        memory = case.batch_memory, interclass = case.interclass_coef, deviations = deviations }
      local f = loss.average_precision(o)
      for i = 1, #case.steps do
        step = case.steps[i]
        local value, gradient = evaluate(f, step.scores, step.relevance)
        near({ step.loss }, { value }, EXACT, "loss of step " .. i)
        near(step.grad, gradient, EXACT, "grad of step " .. i)
      end
    end)
  end
end)

describe("golden identity/rank_metrics", function()
  for _, case in ipairs(cases "rank_metrics") do
    it("replays " .. case.id, function()
      local scores, relevance = tensor(case.scores), tensor(case.relevance)
      local value, left_out = metric.average_precision(scores, relevance)
      near({ case.mean_average_precision }, { value }, 1e-12)
      assert.equal(0, left_out)
      for _, row in ipairs(case.per_K) do
        near({ row.R_at_K }, { (metric.recall(scores, relevance, { k = row.K })) }, 1e-12, "recall")
        local shifted = scores - (relevance - 0.5) * case.margin
        local sum = 0
        for q = 1, case.rows do
          near({ row.r_at_K[q] }, { (metric.recall(scores[q], relevance[q], { k = row.K })) }, 0, "recall of a list")
          local refined = metric.recall(shifted[q], relevance[q], { k = row.K, refined = true })
          near({ row.refined_r_at_K[q] }, { refined }, 1e-12, "refined recall")
          sum = sum + 1 - row.L_at_K[q]
        end
        near({ sum / case.rows }, { (metric.recall(shifted, relevance, { k = row.K, refined = true })) }, 1e-12)
      end
      for q = 1, case.rows do
        near({ case.average_precision[q] }, { (metric.average_precision(scores[q], relevance[q])) }, 1e-12, "AP")
      end
    end)
  end
end)

-- ---------------------------------------------------------------- own

describe("loss.recall", function()
  for name, weight in pairs(WEIGHTS) do
    for _, average in ipairs { "queries", "entries" } do
      it(("of weight %s over %s is that of counting"):format(name, average), function()
        local scores, relevance = problem(6, 9)
        for _, margin in ipairs { 0, 0.5 } do
          local expected = counted(scores:to_table(), relevance:to_table(), margin, function(rank, among)
            return weight(rank - among)
          end, average == "entries")
          local f = loss.recall { lambda = 1, margin = margin, weight = name, average = average }
          support.assert_near(expected, f(scores, relevance):item())
        end
      end)
    end
  end

  it("is the sum over K of the refined recalls that are missing, weight linear", function()
    local scores, relevance = problem(5, 8, 0.4)
    local sum = 0
    for k = 1, 8 do sum = sum + 1 - metric.recall(scores, relevance, { k = k, refined = true }) end
    support.assert_near(sum, loss.recall { lambda = 1, weight = "linear" }(scores, relevance):item())
  end)
end)

describe("loss.average_precision", function()
  it("is that of counting, and without a margin 1 less the measure", function()
    local scores, relevance = problem(6, 9)
    for _, margin in ipairs { 0, 0.5 } do
      local expected = 1 - counted(scores:to_table(), relevance:to_table(), margin, function(rank, among)
        return among / rank
      end)
      support.assert_near(expected, loss.average_precision { lambda = 1, margin = margin }(scores, relevance):item())
    end
    support.assert_near(1 - metric.average_precision(scores, relevance),
      loss.average_precision { lambda = 1 }(scores, relevance):item())
  end)

  it("mixes in one list of all scores", function()
    local scores, relevance = problem(3, 4)
    local function value(interclass)
      return loss.average_precision { lambda = 1, interclass = interclass, axis = 1 }(scores, relevance):item()
    end
    local all = 1 - metric.average_precision(scores:reshape(1, -1), relevance:reshape(1, -1))
    support.assert_near(all, value(1))
    support.assert_near(value(0) * 0.75 + all * 0.25, value(0.25))
    assert_fails("MG-OPTION", "in 0..1", value, 2)
  end)
end)

local BOTH = { recall = loss.recall, average_precision = loss.average_precision }

for name, make in pairs(BOTH) do
  describe("loss." .. name, function()
    -- f_lambda of the rule, where the loss is differentiated at ranks r: <u, pi - r> linearised.
    double_it("has the gradient of the interpolation of its linearisation", function()
      local scores, relevance = problem(1, 6, 0.5)
      local lambda, n = 2, 6
      local f = make { lambda = lambda, margin = 0.3 }
      local ranking = solver.ranking { n = n }
      local base = tensor(with_margin(scores:to_table()[1], relevance:to_table()[1], 0.3))
      local ranks = ranking(base)
      -- u = dL/d(rank / n) from the rule's formulas
      local u, items, r = {}, relevance:sum():item(), ranks:to_list()
      for i, mark in ipairs(relevance:to_list()) do
        local among = count_rank(base:to_list(), i, relevance:to_list())
        local above = r[i] - among
        local slope = name == "recall" and 1 / ((1 + above) * (1 + math.log(1 + above))) or among / r[i] ^ 2
        u[i] = mark * slope / items * n
      end
      local direction = tensor(u)
      local function interpolation(s) -- min over pi of <s, pi> / n + lambda <u, pi> / n, less min <s, pi> / n
        local moved = ranking(s + direction * lambda)
        return (((s + direction * lambda) * moved):sum():item() - (s * ranking(s)):sum():item()) / (n * lambda)
      end
      local _, gradient = evaluate(f, scores:to_table(), relevance:to_table())
      local h, numeric = 1e-6, {}
      for i = 1, n do
        local e = {}
        for j = 1, n do e[j] = i == j and h or 0 end
        numeric[i] = (interpolation(base + tensor(e)) - interpolation(base - tensor(e))) / (2 * h)
      end
      near(numeric, gradient, 1e-8)
      assert(gradient:abs():sum():item() > 0)
    end)

    it("is 0 without a gradient for a perfect ranking", function()
      local value, gradient = evaluate(make { lambda = 0.2 }, { { 4, 3, 1, 2 } }, { { 1, 1, 0, 0 } })
      near({ 0 }, { value }, 1e-6)
      assert.same({ { 0, 0, 0, 0 } }, gradient:to_table())
    end)

    it("has gradients whose sum over a list is 0, which permuted items permute", function()
      local scores, relevance = problem(4, 7)
      local order = { 3, 1, 7, 2, 6, 5, 4 }
      local f = make { lambda = 3, margin = 0.1 }
      local value, gradient = evaluate(f, scores:to_table(), relevance:to_table())
      near({ 0, 0, 0, 0 }, gradient:sum(2), EXACT)
      local moved_value, moved = evaluate(f, scores:index_select(2, order):to_table(),
        relevance:index_select(2, order):to_table())
      near({ value }, { moved_value }, EXACT)
      near(gradient:index_select(2, order), moved, EXACT)
    end)

    it("leaves out lists without a relevant item and says how many, never NaN", function()
      local f = make { lambda = 1 }
      local value, gradient = evaluate(f, { { 1, 2, 3 }, { 3, 1, 2 }, { 5, 1, 4 } },
        { { 1, 0, 0 }, { 0, 0, 0 }, { 1, 0, 1 } })
      assert.same({ 1, 3 }, { f.left_out, f.lists })
      local rest = evaluate(make { lambda = 1 }, { { 1, 2, 3 }, { 5, 1, 4 } }, { { 1, 0, 0 }, { 1, 0, 1 } })
      near({ rest }, { value }, EXACT)
      assert.same({ 0, 0, 0 }, gradient[2]:to_table())
      local nothing, none = evaluate(f, { { 1, 2, 3 } }, { { 0, 0, 0 } })
      assert.same({ 0, 1 }, { nothing, f.left_out })
      assert.same({ { 0, 0, 0 } }, none:to_table())
      local empty = evaluate(make { lambda = 1, memory = 2 }, { { 1, 2 } }, { { 0, 0 } })
      assert.equal(0, empty)
    end)

    it("takes lists along another axis, and leading axes", function()
      local scores, relevance = problem(6, 5)
      local value, gradient = evaluate(make { lambda = 2 }, scores:to_table(), relevance:to_table())
      local turned, turned_gradient = evaluate(make { lambda = 2, axis = 1 }, scores:transpose():to_table(),
        relevance:transpose():to_table())
      near({ value }, { turned }, EXACT)
      near(gradient, turned_gradient:transpose(), EXACT)
      local cube = evaluate(make { lambda = 2 }, scores:reshape(2, 3, 5):to_table(),
        relevance:reshape(2, 3, 5):to_table())
      near({ value }, { cube }, EXACT)
    end)

    it("with memory is the loss of longer lists, the former scores constants, through scopes", function()
      local a, marks = problem(3, 4, 0.5)
      local b, c = a:sin() * 2, a:cos() * 2
      local f = make { lambda = 2, memory = 1, margin = 0.1 }
      tensor.scope(function() f(a, marks) end)
      local kept = tensor.scope(function() return evaluate(f, b:to_table(), marks:to_table()) end)
      local function long(old)
        local x, y = b:clone():watch(), tensor.concat({ marks, marks }, 2)
        local value = make { lambda = 2, margin = 0.1 }(tensor.concat({ x, old }, 2), y)
        value:backward()
        return value:item(), x.grad
      end
      local expected = long(a)
      near({ expected }, { kept }, EXACT)
      f(c, marks) -- a is forgotten now
      local value, gradient = evaluate(f, b:to_table(), marks:to_table())
      local wanted, wanted_gradient = long(c)
      near({ wanted }, { value }, EXACT)
      near(wanted_gradient, gradient, EXACT)
      assert_fails("MG-SHAPE", "forget()", f, tensor.zeros(2, 4), tensor.zeros(2, 4))
      f:forget()
      f(tensor.zeros(2, 4), tensor.zeros(2, 4))
    end)

    it("normalised counts lambda for rank / n", function()
      local scores, relevance = problem(2, 8)
      local _, normalised = evaluate(make { lambda = 0.5 }, scores:to_table(), relevance:to_table())
      local _, plain = evaluate(make { lambda = 4, normalised = false }, scores:to_table(), relevance:to_table())
      near(normalised, plain, EXACT)
    end)

    it("says what is wrong", function()
      assert_fails("MG-OPTION", "missing", make, {})
      assert_fails("MG-OPTION", "did you mean 'lambda'", make, { lamda = 1 })
      local f = make { lambda = 1 }
      assert_fails("MG-SHAPE", "shape 2x3, the relevance 2x2", f, tensor.zeros(2, 3), tensor.zeros(2, 2))
      assert_fails("MG-SHAPE", "no lists", f, tensor.zeros(0, 3), tensor.zeros(0, 3))
      assert_fails("MG-ARGUMENT", "not 0 or 1", f, tensor.zeros(1, 3), tensor.full({ 1, 3 }, 0.5))
      assert(tostring(f):find("loss." .. name, 1, true))
    end)
  end)
end

describe("measures of rankings", function()
  it("are those of counting, ties to the smaller index", function()
    random.seed(5)
    local scores, relevance = (tensor.normal(7, 10) * 2):floor(), tensor.uniform(7, 10):lt(0.3)
    local s, r = scores:to_table(), relevance:to_table()
    support.assert_near(counted(s, r, 0, function(rank, among) return among / rank end),
      (metric.average_precision(scores, relevance)), 1e-12)
    for k = 1, 10 do
      support.assert_near(counted(s, r, 0, function(rank, among) return rank - among < k and 1 or 0 end),
        (metric.recall(scores, relevance, { k = k, refined = true })), 1e-12)
    end
  end)

  it("leave out lists without a relevant item", function()
    local scores, relevance = tensor { { 3, 2, 1 }, { 1, 2, 3 } }, tensor { { 0, 1, 0 }, { 0, 0, 0 } }
    assert.same({ 0, 1 }, { metric.recall(scores, relevance, { k = 1 }) })
    assert.same({ 1, 1 }, { metric.recall(scores, relevance, { k = 2 }) })
    assert.same({ 0.5, 1 }, { metric.average_precision(scores, relevance) })
    local value, left_out = metric.average_precision(scores, tensor.zeros(2, 3))
    assert.is_nil(value)
    assert.equal(2, left_out)
  end)

  it("say what is wrong", function()
    assert_fails("MG-OPTION", "k", metric.recall, tensor.zeros(2, 2), tensor.zeros(2, 2))
    assert_fails("MG-SHAPE", "the relevance 3", metric.average_precision, tensor.zeros(2, 2), tensor.zeros(3))
    assert_fails("MG-NUMBER", "list 1", metric.average_precision, tensor { { 0 / 0, 1 } }, tensor { { 1, 0 } })
  end)
end)

describe("metric.worst_regret", function()
  it("is the largest regret among the optima, by enumeration", function()
    random.seed(8)
    local SET = require("tests.oracle.top_k").enumerate { n = 5, k = 2 }
    local items = solver.top_k { n = 5, k = 2 }
    local theta, truth = (tensor.normal(20, 5) * 1.2):floor(), tensor.normal(20, 5)
    local dot = support.dot
    local expected, ties, t, c = 0, 0, theta:to_table(), truth:to_table()
    for i = 1, 20 do
      local optimum, best, worst, count = -math.huge, -math.huge, math.huge, 0
      for _, z in ipairs(SET) do optimum, best = math.max(optimum, dot(t[i], z)), math.max(best, dot(c[i], z)) end
      for _, z in ipairs(SET) do
        if dot(t[i], z) == optimum then worst, count = math.min(worst, dot(c[i], z)), count + 1 end
      end
      expected, ties = expected + (best - worst) / 20, ties + (count > 1 and 1 or 0)
    end
    assert(ties > 5)
    local value, open = metric.worst_regret(theta, truth, { solver = items })
    support.assert_near(expected, value)
    assert.equal(0, open)
  end)

  it("of equal costs is that of the worst path, of right ones 0", function()
    local paths = solver.grid_path { rows = 2, cols = 2, neighbours = 4 }
    local costs = tensor { { { 1, 2 }, { 5, 1 } } }
    near({ 3 }, { (metric.worst_regret(tensor.ones(1, 2, 2), costs, { solver = paths })) }, 1e-6)
    near({ 0 }, { (metric.worst_regret(costs, costs, { solver = paths })) }, 1e-6)
    assert_fails("MG-SHAPE", "no instances", metric.worst_regret, tensor.zeros(0, 2, 2), tensor.zeros(0, 2, 2),
      { solver = paths })
  end)
end)

describe("metric.subset_precision", function()
  it("counts tokens inside the annotation over those selected, k at least", function()
    local z, marks = tensor { { 1, 1, 0, 0 }, { 1, 0, 0, 1 } }, tensor { { 0, 1, 1, 0 }, { 1, 1, 0, 1 } }
    assert.equal(3 / 4, metric.subset_precision(z, marks, { k = 2 }))
    assert.equal(3 / 6, metric.subset_precision(z:unsqueeze(1), marks, { k = 3 }))
    local tokens = tensor { { 0, 1, 1, 1 }, { 0, 1, 1, 1 } } -- padding in front
    assert.equal(2 / 4, metric.subset_precision(z, marks, { k = 2, tokens = tokens }))
    assert.equal(2 / 2, metric.subset_precision(z, marks, { k = 1, tokens = tokens }))
    assert_fails("MG-SHAPE", "the annotation 2x4", metric.subset_precision, tensor.zeros(2, 3), marks, { k = 2 })
  end)
end)

-- Diagnosis: exact gradients against enumeration and central differences, and what reports say of known estimators.
local mg = require "mapgrad"
local support = require "tests.support"
local diagnose, estimator, noise, random, solver, target = mg.diagnose, mg.estimator, mg.noise, mg.random, mg.solver,
  mg.target
local tensor, near, assert_fails = mg.tensor, support.near, support.assert_fails

local N, K = 6, 2
local top = solver.top_k { n = N, k = K }
local SET = require("tests.oracle.top_k").enumerate { n = N, k = K }
local THETA = { 0.4, -0.3, 1.1, 0.2, -0.8, 0.5 }
local B = tensor { 0.9, 0.1, 0.3, -0.4, 0.7, 0.2 }

local function loss(z) return (z - B):square():sum(-1) end

-- E[loss] under exp(<z, theta> / temperature), in plain numbers.
local function expected_loss(theta, temperature)
  local b, total, sum = B:to_list(), 0, 0
  for _, z in ipairs(SET) do
    local weight, l = 0, 0
    for i = 1, N do weight, l = weight + theta[i] * z[i], l + (z[i] - b[i]) ^ 2 end
    weight = math.exp(weight / temperature)
    total, sum = total + weight, sum + weight * l
  end
  return sum / total
end

describe("diagnose.exact", function()
  it("is the gradient of the expected loss", function()
    for _, temperature in ipairs { 1, 0.4 } do
      local gradient, value = diagnose.exact(top, tensor(THETA), loss, { temperature = temperature })
      near({ expected_loss(THETA, temperature) }, { value }, 1e-5)
      for i = 1, N do
        local up, down = {}, {}
        for j = 1, N do up[j], down[j] = THETA[j] + (i == j and 1e-5 or 0), THETA[j] - (i == j and 1e-5 or 0) end
        local slope = (expected_loss(up, temperature) - expected_loss(down, temperature)) / 2e-5
        near({ slope }, { gradient:get(i) }, support.is_double and 1e-7 or 1e-5)
      end
    end
  end)

  it("of costs has the other sign", function()
    local paths = solver.grid_path { rows = 2, cols = 3 }
    local costs, weight = tensor { { 1, 2, 3 }, { 0.5, 1.5, 1 } }, tensor { { 1, -2, 0.5 }, { 0, 3, 1 } }
    local function cost_of(z) return (z * weight):sum(-1):sum(-1) end
    local gradient = diagnose.exact(paths, costs, cost_of)
    local function expected(x)
      local total, sum = 0, 0
      local z = paths:enumerate()
      for s = 1, z:size(1) do
        local p = math.exp(-(z[s] * x):sum():item())
        total, sum = total + p, sum + p * (z[s] * weight):sum():item()
      end
      return sum / total
    end
    local up, down = costs:clone(), costs:clone()
    up:set(1, 2, 2.01)
    down:set(1, 2, 1.99)
    near({ (expected(up) - expected(down)) / 0.02 }, { gradient:get(1, 2) }, 1e-3)
  end)
end)

describe("diagnose.perturbed", function()
  it("of Gumbel noise over one-hot vectors is the softmax's gradient", function()
    random.seed(3)
    local one = solver.one_hot { n = 3 }
    local weight = tensor { 1, -2, 0.5 }
    local function f(z) return (z * weight):sum(-1) end
    local theta = tensor { 0.3, 0, -0.5 }
    local gradient, deviation = diagnose.perturbed(one, theta, f, { noise = noise.gumbel(), samples = 5000 })
    local exact = diagnose.exact(one, theta, f)
    -- 100,000 samples; 4.5 standard errors of the norm of the difference: false alarm below 1e-5
    assert((gradient - exact):norm():item() < 4.5 * deviation, deviation)
    assert(deviation > 0 and deviation < 0.05)
  end)

  -- P(entry i is the largest of theta + T e), by the midpoint rule.
  local function first_law(theta, T, density, cdf)
    local p, h = {}, 0.01
    for i = 1, #theta do
      p[i] = 0
      for x = -12 + h / 2, 12, h do
        local product = density((x - theta[i]) / T) / T * h
        for j = 1, #theta do
          if j ~= i then product = product * cdf((x - theta[j]) / T) end
        end
        p[i] = p[i] + product
      end
    end
    return p
  end

  local function logistic_cdf(x) return 1 / (1 + math.exp(-x)) end
  local function logistic_density(x) return logistic_cdf(x) * (1 - logistic_cdf(x)) end

  -- 100,000 samples a noise; 4.5 standard errors of the norm, t with 19 degrees: false alarm below 1e-3, fixed seed.
  -- Differences of width 0.2 T have a bias of T^2 / 600 third derivatives: below 0.005 here.
  it("of other noises over one-hot vectors is that of the integral", function()
    random.seed(13)
    local one, weight, theta, T = solver.one_hot { n = 3 }, { 1, -2, 0.5 }, { 0.3, 0, -0.5 }, 0.8
    local function f(z) return (z * tensor(weight)):sum(-1) end
    local function value(scores, density, cdf)
      local p, sum = first_law(scores, T, density, cdf), 0
      for i = 1, 3 do sum = sum + p[i] * weight[i] end
      return sum
    end
    local exponential = function(x) return x < 0 and 0 or math.exp(-x) end
    local cases = {
      { noise.logistic(), logistic_density, logistic_cdf, 0 },
      { noise.exponential(), exponential, function(x) return x < 0 and 0 or 1 - math.exp(-x) end, 0.005 },
    }
    for _, case in ipairs(cases) do
      local gradient, deviation = diagnose.perturbed(one, tensor(theta), f, { noise = case[1], samples = 5000,
        temperature = T })
      local off = 0
      for i = 1, 3 do
        local up, down = { 0.3, 0, -0.5 }, { 0.3, 0, -0.5 }
        up[i], down[i] = up[i] + 0.01, down[i] - 0.01
        local slope = (value(up, case[2], case[3]) - value(down, case[2], case[3])) / 0.02
        off = off + (gradient:get(i) - slope) ^ 2
      end
      assert(math.sqrt(off) < 4.5 * deviation + case[4], case[1].name)
      assert(deviation < 0.05)
    end
  end)
end)

describe("diagnose's intervals", function()
  local statistics = require "mapgrad.diagnose.statistics"

  it("have Student's quantiles and Wilson's shares", function()
    -- tables of Student's law; 5 of 20 by Wilson: 0.1119, 0.4687 (statsmodels)
    near({ 2.776, 2.262, 2.093 }, { statistics.student(4), statistics.student(9), statistics.student(19) }, 3e-3)
    near({ 0.1119, 0.4687 }, statistics.share(5, 20), 1e-4)
    assert.equal(0, statistics.share(0, 20)[1])
  end)

  -- 60 repetitions of 100 normal gradients of known bias, norm ratio and squared error: at a coverage of 0.95 fewer
  -- than 48 hits of 60 have a probability of 1e-5; fixed seed.
  it("hold the true numbers about 95 times of 100", function()
    random.seed(14)
    local truth, mean = { gradient = { 1, 0, 0 } }, { 1, 0.8, 0 }
    local bias, ratio, square = 1 - 1 / math.sqrt(1.64), math.sqrt(1.64), 0.64 + 3 * 0.25
    local hits = { bias = 0, norm_ratio = 0, squared_error = 0 }
    for _ = 1, 60 do
      local rows = (tensor.normal(100, 3) * 0.5 + tensor(mean)):to_table()
      local interval = statistics.against(rows, truth, 1).interval
      for key, value in pairs { bias = bias, norm_ratio = ratio, squared_error = square } do
        if interval[key][1] <= value and value <= interval[key][2] then hits[key] = hits[key] + 1 end
      end
    end
    for key, count in pairs(hits) do assert(count >= 48, key .. " " .. count) end
  end)

  it("know of the error of the truth", function()
    local rows = { { 1, 0 }, { 1, 0.1 }, { 1, -0.1 }, { 1, 0 } }
    local sure = statistics.against(rows, { gradient = { 1, 1 } }, 1)
    local unsure = statistics.against(rows, { gradient = { 1, 1 }, rows = { { 1, 0 }, { 1, 2 } } }, 1)
    assert(unsure.interval.bias[2] - unsure.interval.bias[1] > sure.interval.bias[2] - sure.interval.bias[1])
    assert(unsure.deviation < sure.deviation)
  end)

  it("call no rounding a bias, also where the truth of an entry is 0", function()
    local rows, off = { { 1, 0 }, { 1.2, 0 }, { 0.8, 0 } }, { { 1, 0.1 }, { 1.2, 0.1 }, { 0.8, 0.1 } }
    assert.equal(0, statistics.against(rows, { gradient = { 1, 4e-7 } }, 1).deviation)
    assert.equal(0, statistics.against({ { 1, 4e-7 }, { 1, 4e-7 } }, { gradient = { 1, 0 } }, 1).deviation)
    assert.equal(math.huge, statistics.against(off, { gradient = { 1, 0 } }, 1).deviation)
  end)
end)

describe("diagnose.compare", function()
  local LABEL = tensor { 1, 0, 1, 0, 0, 0 }

  it("shows the unbiased estimator unbiased, and others as theory says", function()
    random.seed(4)
    local law = mg.distribution.top_k { n = N, k = K }
    local reports = diagnose.compare {
      solver = top, theta = tensor(THETA), loss = loss, calls = 5000, truth = "family", estimators = {
        { "score law", function() return estimator.score_function { solver = top, law = law, samples = 20 } end },
        { "straight through", function()
          return estimator.straight_through { solver = top, noise = noise.gumbel(), samples = 20 }
        end },
        { "tiny lambda", function()
          return estimator.blackbox { solver = top, lambda = 1e-9 }
        end },
      },
    }
    assert.equal(3, #reports)
    local first = reports[1].family
    assert(first.bias < 0.01 and first.interval.bias[2] < 0.02, first.bias)
    assert(first.interval.norm_ratio[1] <= 1 and first.interval.norm_ratio[2] >= 1)
    assert(first.deviation < 4.5) -- 6 entries: false alarm 4e-5
    assert(reports[2].family.interval.bias[1] > 0.05 and reports[2].family.deviation > 4.5)
    local dead = reports[3]
    assert.same({ 1, 0, 1, 1 }, { dead.zero_rate, dead.norm_ratio, dead.bias, dead.error })
    near({ 1 }, { dead.squared_error }, 1e-9)
    near({ 2 }, { dead.call_error }, 1e-9)
    assert.same({ 20, 20, 2 }, { reports[1].calls, reports[2].calls, reports[3].calls })
    assert.is_nil(first.perturbed)
    local text = tostring(reports)
    for _, word in ipairs { "score law", "straight through", "tiny lambda", "zero", "by enumeration", "jackknife" } do
      assert.matches(word, text, 1, true)
    end
  end)

  -- Gumbel noise over one-hot vectors: both laws are the softmax, so both truths are one. The samples of the truth and
  -- of the estimator are independent; 4.5 standard errors of 6 entries: false alarm 4e-5.
  it("has both truths in one report, which agree for Gumbel noise over one-hot vectors", function()
    random.seed(5)
    local one = solver.one_hot { n = N }
    local reports = diagnose.compare {
      solver = one, theta = tensor(THETA), loss = loss, calls = 4000, temperature = 0.7, samples = 2000,
      noise = noise.gumbel(), estimators = { { "score", function()
        return estimator.score_function { solver = one, noise = noise.gumbel(), temperature = 0.7, samples = 100 }
      end } },
    }
    local row = reports[1]
    assert(row.family.bias < 0.05 and row.perturbed.bias < 0.05)
    assert(row.family.deviation < 4.5 and row.perturbed.deviation < 4.5)
    near({ row.family.norm_ratio }, { row.perturbed.norm_ratio }, 0.1)
    assert.equal(row.family.bias, row.bias)
    assert.matches("perturb-and-MAP law of gumbel {} at temperature 0.7 (score function, standard error",
      tostring(reports), 1, true)
  end)

  it("takes the truth of each layer's own noise", function()
    random.seed(15)
    local reports = diagnose.compare {
      solver = top, theta = tensor(THETA), loss = loss, calls = 100, truth = "perturbed", samples = 200, rounds = 5,
      estimators = {
        { "gumbel", function() return estimator.perturbed { solver = top, noise = noise.gumbel(), samples = 5 } end },
        { "normal", function() return estimator.perturbed { solver = top, temperature = 0.5, samples = 5 } end },
        { "none", function() return estimator.identity { solver = top, noise = "none" } end },
      },
    }
    assert.is_nil(reports[3].perturbed)
    assert.is_nil(reports[1].family)
    assert.equal(reports[1].perturbed.error, reports[1].error)
    assert.matches("gumbel {} at temperature 1 (score function, ", tostring(reports), 1, true)
    assert.matches("; normal {} at temperature 0.5", tostring(reports), 1, true)
    assert_fails("MG-OPTION", "needs noise", diagnose.compare, { solver = top, theta = tensor(THETA), loss = loss,
      estimators = {}, truth = "perturbed" })
  end)

  -- The Fenchel-Young loss of a label is unbiased for E[z] - y under its own noise. 6 entries, 4.5 standard errors.
  it("measures losses over a solver against the gradient of a label's loss", function()
    random.seed(16)
    local reports = diagnose.compare {
      solver = top, theta = tensor(THETA), label = LABEL, calls = 2000, samples = 2000, estimators = {
        { "fenchel_young", function()
          return mg.loss.fenchel_young { solver = top, noise = noise.gumbel(), samples = 10 }
        end },
        { "perceptron", function() return mg.loss.perceptron { solver = top } end },
      },
    }
    assert(reports[1].perturbed.deviation < 4.5 and reports[1].perturbed.bias < 0.01)
    assert.matches("(mean solution, ", tostring(reports), 1, true)
    assert(reports[2].family.bias > reports[1].family.bias)
    assert.same({ 10, 1 }, { reports[1].calls, reports[2].calls })
  end)

  it("measures losses of true costs against the gradient of a loss, in the sense of costs", function()
    random.seed(17)
    local paths = solver.grid_path { rows = 2, cols = 3 }
    local costs, true_costs = tensor { { 1, 2, 3 }, { 0.5, 1.5, 1 } }, tensor { { 1, 0.2, 0.3 }, { 1, 3, 1 } }
    local reports = diagnose.compare {
      solver = paths, theta = costs, loss = function(z) return (z * true_costs):sum(-1):sum(-1) end, calls = 20,
      estimators = {
        { "spo_plus", function() return mg.loss.spo_plus { solver = paths } end, true_costs },
        { "identity", function() return estimator.identity { solver = paths, noise = "none" } end },
      },
    }
    assert(reports[1].family.bias < 1, "a descent direction") -- the true costs differ much
    assert.equal(1, reports[2].calls)
    assert_fails("MG-OPTION", "is a loss of a target", diagnose.compare, { solver = paths, theta = costs,
      loss = loss, estimators = { { "spo_plus", function() return mg.loss.spo_plus { solver = paths } end } } })
    assert_fails("MG-OPTION", "is a layer: option 'loss' is missing", diagnose.compare, { solver = paths,
      theta = costs, label = costs, estimators = { { "identity", function()
        return estimator.identity { solver = paths, noise = "none" }
      end } } })
  end)

  it("has a bar on terminals only", function()
    local core, kept, lines = require "mapgrad.real", io.stderr, {}
    local is_terminal = core.is_terminal
    local function compare(answer, extra)
      core.is_terminal = function() return answer end
      io.stderr = { write = function(_, ...) -- luacheck: ignore 122
        for _, text in ipairs { ... } do lines[#lines + 1] = text end
      end }
      local options = { solver = top, theta = tensor(THETA), loss = loss, calls = 20, truth = "family", estimators = {
        { "identity", function() return estimator.identity { solver = top, noise = "none" } end } } }
      for key, value in pairs(extra or {}) do options[key] = value end
      local ok, message = pcall(diagnose.compare, options)
      core.is_terminal, io.stderr = is_terminal, kept -- luacheck: ignore 122
      assert(ok, message)
    end
    compare(false)
    compare(true, { progress = false })
    assert.same({}, lines)
    compare(true)
    assert.matches("diagnose.compare", table.concat(lines), 1, true)
    assert.matches("20/20", table.concat(lines), 1, true)
  end)

  it("refuses batches, estimators that are none, losses of other counts", function()
    assert_fails("MG-SHAPE", "of one instance", diagnose.exact, top, tensor.zeros(2, N), loss)
    assert_fails("MG-SHAPE", "losses, expected one for each", diagnose.exact, top, tensor(THETA), function(z)
      return z
    end)
    assert_fails("MG-TYPE", "estimators[1]", diagnose.compare, { solver = top, theta = tensor(THETA), loss = loss,
      estimators = { "imle" } })
    assert_fails("MG-OPTION", "'loss' or 'label' is missing", diagnose.compare, { solver = top, theta = tensor(THETA),
      estimators = {} })
  end)
end)

describe("diagnose.curve", function()
  it("has a report for each value, and a picture", function()
    random.seed(6)
    local command = dofile "tests/command.lua"
    local folder = command.folder()
    local path = folder .. "/curve.svg"
    local reports, message = diagnose.curve {
      solver = top, theta = tensor(THETA), loss = loss, calls = 400, name = "lambda", values = { 1e-9, 3 },
      samples = 200, plot = path, make = function(lambda)
        return estimator.imle { solver = top, noise = noise.gumbel(), target = target.fixed { lambda = lambda } }
      end,
    }
    assert.same({ 1e-9, 3 }, { reports[1].value, reports[2].value })
    assert(reports[1].zero_rate == 1 and reports[2].zero_rate < 0.5)
    assert(reports[1].interval.zero_rate[1] > 0.95)
    assert.matches("lambda = 3", tostring(reports), 1, true)
    local file = io.open(path)
    if message then
      assert.matches("gnuplot", message)
      assert.is_nil(file)
    else
      local text = file:read "*a"
      file:close()
      for _, word in ipairs { "bias, family", "variance, perturbed", "zero_rate", "log10 of lambda" } do
        assert.matches(word, text, 1, true)
      end
      assert.is_true(reports:plot { file = folder .. "/ratio.svg", keys = { "norm_ratio" } })
    end
    command.remove(folder)
    assert_fails("MG-OPTION", "unknown option 'keyz'", reports.plot, reports, { keyz = {} })
  end)
end)

describe("diagnose.layer", function()
  local function mean_loss(z) return loss(z):mean() end

  local function problem(lambda)
    random.seed(7)
    return diagnose.layer(estimator.imle { solver = top, noise = noise.gumbel(), samples = 4,
      target = target.fixed { lambda = lambda } }, tensor.normal(30, N), mean_loss)
  end

  it("says in words that lambda is too small, and how much would do", function()
    local report = problem(1e-3)
    assert(report.zero_rate > 0.99)
    assert.matches("100 % of gradients are zero: the target's lambda is too small", tostring(report), 1, true)
    local last = report.sensitivity[#report.sensitivity]
    assert(last.factor >= 100 and last.zero_rate <= 0.5)
    assert.matches(("; at %g times as much"):format(last.factor), report.hint, 1, true)
  end)

  it("finds nothing wrong with a good one", function()
    local report = problem(100)
    assert(report.zero_rate < 0.1 and report.agreement > 0.5)
    assert.matches("nothing strikes", report.hint)
    assert.same({ 0.5, 2 }, { report.sensitivity[1].factor, report.sensitivity[2].factor })
    assert.equal(30 * 2 * 4, report.calls)
  end)

  -- blackbox has no noise: its gradient at 2 lambda is that of a layer made so, and halves agree entirely.
  it("has the gradients of other steps", function()
    random.seed(9)
    local x, rows = tensor.normal(20, N), {}
    for i, lambda in ipairs { 10, 20 } do
      local leaf = x:clone():watch()
      mean_loss(estimator.blackbox { solver = top, lambda = lambda }(leaf)):backward()
      rows[i] = leaf.grad:to_table()
    end
    local report, sum, zeros = diagnose.layer(estimator.blackbox { solver = top, lambda = 10 }, x, mean_loss), 0, 0
    for i = 1, 20 do
      local dot, a, b = 0, 0, 0
      for j = 1, N do
        local p, q = rows[1][i][j], rows[2][i][j]
        dot, a, b = dot + p * q, a + p * p, b + q * q
      end
      sum, zeros = sum + (a * b > 0 and dot / math.sqrt(a * b) or 0), zeros + (b == 0 and 1 or 0)
    end
    local twice = report.sensitivity[2]
    near({ sum / 20, zeros / 20 }, { twice.cosine, twice.zero_rate }, 1e-5)
    near({ 1 - report.zero_rate }, { report.agreement }, 1e-5)
  end)

  it("says that noise rules, and that the loss does not reach the layer", function()
    random.seed(10)
    local noisy = diagnose.layer(estimator.score_function { solver = top }, tensor.normal(5, N), loss, { rounds = 2 })
    assert.matches("take more samples", noisy.hint)
    assert.is_nil(noisy.sensitivity)
    local deaf = diagnose.layer(estimator.blackbox { solver = top, lambda = 1 }, tensor.normal(5, N), function(z)
      return (z * 0):sum(-1)
    end)
    assert.matches("the loss has no gradient for solutions", deaf.hint)
  end)

  it("looks at losses over a solver", function()
    random.seed(11)
    local x = tensor.normal(5, N)
    local report = diagnose.layer(mg.loss.fenchel_young { solver = top, samples = 4 }, x, top(x))
    assert.equal(5 * 4, report.calls)
    local done = diagnose.layer(mg.loss.perceptron { solver = top }, x, top(x))
    assert.equal(1, done.zero_rate)
    assert.matches("solved as their targets say", done.hint)
    assert_fails("MG-TYPE", "a layer or a loss", diagnose.layer, function() end, x, loss)
    assert_fails("MG-OPTION", "unknown option", diagnose.layer, mg.loss.perceptron { solver = top }, x, x,
      { round = 2 })
  end)

  it("sees clipped costs", function()
    random.seed(8)
    local report = diagnose.layer(estimator.blackbox { solver = solver.grid_path { rows = 4, cols = 4 }, lambda = 1e4 },
      tensor.uniform(10, 4, 4), function(z) return (z * tensor.normal(10, 4, 4)):mean() end)
    assert(report.repaired > 0.1)
    assert.matches("were clipped", report.hint)
  end)
end)

describe("experiments/choosing.md", function()
  local file = assert(io.open "experiments/choosing.md")
  local text = file:read "*a"
  file:close()

  it("names every estimator, and specs that exist", function()
    for _, name in ipairs(getmetatable(estimator).names) do assert.matches("`" .. name, text, 1, true) end
    local rows = 0
    for line in text:gmatch "[^\n]+" do
      local specs = line:match "^| `.*|([ `%w_,]+)|$" or ""
      if specs:gsub("`[%w_]+`", ""):match "^[ ,]+$" then -- names alone
        for name in specs:gmatch "`([%w_]+)`" do
          local spec = assert(io.open(("tests/%s_spec.lua"):format(name)), name)
          spec:close()
          rows = rows + 1
        end
      end
    end
    assert(rows > 30)
  end)
end)

describe("experiments/k_subset.lua", function()
  it("prints a row an estimator and the gaps of the descents", function()
    local command = dofile "tests/command.lua"
    local folder = command.folder()
    local result = command.mapgrad { "run", "experiments/k_subset.lua", "--quiet", "--out", folder, "--set",
      "budget=20", "--set", "runs=3", "--set", "steps=6", "--set", "samples=100" }
    command.remove(folder)
    assert.equal(0, result.code, result.err)
    for _, word in ipairs { "imle symmetric", "subset (SIMPLE)", "sparsemap", "optimality gap", "straight-through" } do
      assert.matches(word, result.out, 1, true)
    end
  end)
end)

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
end)

describe("diagnose.compare", function()
  it("shows the unbiased estimator unbiased, and others as theory says", function()
    random.seed(4)
    local law = mg.distribution.top_k { n = N, k = K }
    local reports = diagnose.compare {
      solver = top, theta = tensor(THETA), loss = loss, calls = 20000, estimators = {
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
    assert(reports[1].bias < 0.01 and reports[1].bias_error < 0.01, reports[1].bias)
    near({ 1 }, { reports[1].norm_ratio }, 0.1) -- 20,000 samples
    assert(reports[2].bias > 0.05)
    assert.same({ 1, 0, 1 }, { reports[3].zero_rate, reports[3].norm_ratio, reports[3].bias })
    assert.same({ 20, 20, 2 }, { reports[1].calls, reports[2].calls, reports[3].calls })
    local text = tostring(reports)
    for _, word in ipairs { "score law", "straight through", "tiny lambda", "zero rate", "by enumeration" } do
      assert.matches(word, text, 1, true)
    end
  end)

  it("compares with the perturbed law, too", function()
    random.seed(5)
    local reports = diagnose.compare {
      solver = top, theta = tensor(THETA), loss = loss, calls = 4000, truth = "perturbed", noise = noise.gumbel(),
      estimators = { { "score", function()
        return estimator.score_function { solver = top, noise = noise.gumbel(), samples = 100 }
      end } },
    }
    assert(reports[1].bias < 0.05, reports[1].bias)
    assert.matches("perturb-and-MAP law of gumbel", reports.truth, 1, true)
    assert_fails("MG-OPTION", "needs noise", diagnose.compare, { solver = top, theta = tensor(THETA), loss = loss,
      estimators = {}, truth = "perturbed" })
  end)

  it("refuses batches and estimators that are none", function()
    assert_fails("MG-SHAPE", "of one instance", diagnose.exact, top, tensor.zeros(2, N), loss)
    assert_fails("MG-TYPE", "estimators[1]", diagnose.compare, { solver = top, theta = tensor(THETA), loss = loss,
      estimators = { "imle" } })
  end)
end)

describe("diagnose.curve", function()
  it("has a report for each value", function()
    random.seed(6)
    local reports = diagnose.curve {
      solver = top, theta = tensor(THETA), loss = loss, calls = 400, name = "lambda", values = { 1e-9, 3 },
      make = function(lambda)
        return estimator.imle { solver = top, noise = noise.gumbel(), target = target.fixed { lambda = lambda } }
      end,
    }
    assert.same({ 1e-9, 3 }, { reports[1].value, reports[2].value })
    assert(reports[1].zero_rate == 1 and reports[2].zero_rate < 0.5)
    assert.matches("lambda = 3", tostring(reports), 1, true)
  end)
end)

describe("diagnose.layer", function()
  local function problem(lambda)
    random.seed(7)
    return diagnose.layer(estimator.imle { solver = top, noise = noise.gumbel(), samples = 4,
      target = target.fixed { lambda = lambda } }, tensor.normal(30, N), function(z) return loss(z):mean() end)
  end

  it("says in words that lambda is too small", function()
    local report = problem(1e-9)
    assert.equal(1, report.zero_rate)
    assert.matches("100 % of gradients are zero: the target's lambda is too small", tostring(report), 1, true)
  end)

  it("finds nothing wrong with a good one", function()
    local report = problem(200)
    assert(report.zero_rate < 0.1 and report.agreement > 0.2)
    assert.matches("nothing strikes", report.hint)
  end)

  it("sees clipped costs", function()
    random.seed(8)
    local report = diagnose.layer(estimator.blackbox { solver = solver.grid_path { rows = 4, cols = 4 }, lambda = 1e4 },
      tensor.uniform(10, 4, 4), function(z) return (z * tensor.normal(10, 4, 4)):mean() end)
    assert(report.repaired > 0.1)
    assert.matches("were clipped", report.hint)
  end)
end)

describe("experiments/k_subset.lua", function()
  it("prints a row an estimator and the gaps of the descents", function()
    local command = dofile "tests/command.lua"
    local folder = command.folder()
    local result = command.mapgrad { "run", "experiments/k_subset.lua", "--quiet", "--out", folder, "--set",
      "budget=20", "--set", "runs=3", "--set", "steps=6" }
    command.remove(folder)
    assert.equal(0, result.code, result.err)
    for _, word in ipairs { "imle symmetric", "subset (SIMPLE)", "sparsemap", "optimality gap", "straight-through" } do
      assert.matches(word, result.out, 1, true)
    end
  end)
end)

-- Interpolation, margins and more of the Identity and blackbox papers against recorded numbers (the golden files
-- beside the checkout; skipped where they are not).
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, random, solver, tensor = mg.estimator, mg.random, mg.solver, mg.tensor
local near = support.near

local EXACT = support.is_double and 1e-10 or 1e-5

local function cases(name)
  return support.golden_cases("identity/" .. name, pending)
end

-- argmin over a list of solutions, costs in.
local function among(solutions, n)
  return solver.define { name = "among", n = n, sense = "min", solve = function(w, z)
    local best, value
    for _, y in ipairs(solutions) do
      local cost = 0
      for i = 1, n do cost = cost + w[i] * y[i] end
      if not value or cost < value then best, value = y, cost end
    end
    for i = 1, n do z[i] = best[i] end
  end }
end

-- The gradient that a layer gives costs w for the upstream gradient g.
local function gradient(layer, w, g)
  local x = tensor(w):watch()
  layer(x):backward(tensor { g })
  return x.grad
end

describe("golden identity/interpolation", function()
  for _, case in ipairs(cases "interpolation") do
    for _, row in ipairs(case.per_lambda) do
      it(("replays %s, lambda %g"):format(case.id, row.lambda), function()
        local s = among(case.solutions, case.n)
        for _, point in ipairs(row.points or { row }) do
          local w = point.omega
          near(point.grad, gradient(estimator.blackbox { solver = s, lambda = row.lambda }, w, case.g), EXACT, "right")
          for side, name in pairs { right = "grad", left = "grad_left", average = "grad_average" } do
            local layer = estimator.lpgd { solver = s, lambda = row.lambda, side = side }
            near(point[name], gradient(layer, w, case.g), EXACT, name)
          end
        end
      end)
    end
  end
end)

-- A layer over a solver that answers with what it is given, so that margins can be seen.
local function echo(n, options)
  options.solver = solver.define { name = "echo", n = n, sense = options.sense, solve = function(x, z)
    for i = 1, n do z[i] = x[i] end
  end }
  options.sense = nil
  return estimator.identity(options)
end

describe("golden identity/margins", function()
  for _, case in ipairs(cases "margins") do
    it("replays " .. case.id, function()
      local layer = echo(case.n, { margin = case.alpha, sense = "min" })
      local x = tensor(case.omega):watch()
      local z = layer(x, { label = tensor(case.target) })
      near(case.informed_cost_margin, z[1], EXACT, "informed")
      z:backward(tensor.ones(1, case.n))
      near(tensor.full({ case.n }, -1), x.grad, 0, "the gradient passes it unchanged")
      near(case.omega, layer:map(x)[1], EXACT, "none at evaluation")
      near(case.score_margin, echo(case.n, { margin = case.alpha * 1 })(x, { label = tensor(case.target) })[1], EXACT,
        "scores")
    end)
  end
end)

describe("a noise margin", function()
  it("adds plus or minus half of it with equal chances, anew each time", function()
    random.seed(3)
    local layer = echo(1000, { margin = 0.5, margin_kind = "noise" })
    local first, second = layer(tensor.zeros(4, 1000)), layer(tensor.zeros(4, 1000))
    assert.is_true((first:abs()):equals(tensor.full({ 1, 4, 1000 }, 0.25)))
    assert.is_false(first:equals(second))
    -- 4000 signs: standard error of the mean of +-1/4 is 0.004; 4.5 of them, false alarm 7e-6
    assert(math.abs(first:mean():item()) < 0.018)
  end)

  it("stands before the projection, or after it", function()
    local labels = tensor { 1, 0, 0 }
    local function answer(order)
      return echo(3, { margin = 2, margin_order = order, projection = "norm" })(tensor { 3, 4, 0 }, { label = labels })
    end
    near(tensor { 3 / 5 - 1, 4 / 5 + 1, 1 }, answer "after" [1], 1e-6)
    near(tensor { 2, 5, 1 } * (1 / math.sqrt(30)), answer "before" [1], 1e-6)
  end)

  it("asks for labels", function()
    support.assert_fails("MG-OPTION", "the informed margin needs labels", echo(3, { margin = 1 }), tensor { 1, 2, 3 })
  end)
end)

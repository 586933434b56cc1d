-- Losses that call a solver: values by enumeration, gradients by central differences with frozen noise, identities.
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, loss, noise, random, solver, tensor = mg.estimator, mg.loss, mg.noise, mg.random, mg.solver, mg.tensor
local near, assert_fails, dot, is_double = support.near, support.assert_fails, support.dot, support.is_double

local N, K, BATCH = 5, 2, 3
local items = solver.top_k { n = N, k = K }
local SET = require("tests.oracle.top_k").enumerate { n = N, k = K }

-- Losses by name: made over a solver; what they compare with ("label" or "truth").
local MADE = {
  perceptron = { "label", function(s) return loss.perceptron { solver = s } end },
  hinge = { "label", function(s) return loss.hinge { solver = s, margin = 0.7 } end },
  fenchel_young = { "label", function(s) return loss.fenchel_young { solver = s, samples = 4, temperature = 0.5 } end },
  sparsemap = { "label", function(s) return loss.sparsemap { solver = s, temperature = 0.8 } end },
  spo_plus = { "truth", function(s) return loss.spo_plus { solver = s } end },
  perturbation_gradient = { "truth", function(s) return loss.perturbation_gradient { solver = s, step = 0.3 } end },
  contrastive_nce = { "truth", function(s) return loss.contrastive_nce { solver = s } end },
  contrastive_map = { "truth", function(s) return loss.contrastive_map { solver = s } end },
  pool_pointwise = { "truth", function(s) return loss.pool_pointwise { solver = s } end },
  pool_pairwise = { "truth", function(s) return loss.pool_pairwise { solver = s, margin = 0.1 } end },
  pool_listwise = { "truth", function(s) return loss.pool_listwise { solver = s, temperature = 2 } end },
}

-- Losses through a layer: their gradient is the estimator's.
local THROUGH = { regret = true, imitation = true }

-- Over a law: exact_spec.lua. Of ranks: rank_loss_spec.lua.
local LAWS = { maximum_likelihood = true }

local PLAIN = { absolute = true, average_precision = true, bernoulli = true, bernoulli_probability = true,
  categorical_kl = true, recall = true, cross_entropy = true, gaussian_kl = true, hamming = true, huber = true,
  squared = true }

local function argmax(theta) return support.argmax(SET, theta) end

-- The mean over rows of f(theta_row, other_row).
local function mean_over(theta, other, f)
  local sum = 0
  for i = 1, #theta do sum = sum + f(theta[i], other[i]) end
  return sum / #theta
end

local function combine(a, x, b, y)
  local z = {}
  for i = 1, #x do z[i] = a * x[i] + b * y[i] end
  return z
end

local function problem()
  random.seed(21)
  local theta, truth = tensor.normal(BATCH, N), tensor.normal(BATCH, N)
  return theta, truth, items(tensor.normal(BATCH, N))
end

describe("every loss over a solver", function()
  for _, name in ipairs(getmetatable(loss).names) do
    it(name .. " is known to this spec", function()
      assert(PLAIN[name] or THROUGH[name] or LAWS[name] or MADE[name], "no row for loss." .. name)
    end)
  end

  for name, row in pairs(MADE) do
    it(name .. " has the gradient of its value", function()
      if not is_double then return pending "needs double" end
      local theta, truth, label = problem()
      local function value(x)
        random.seed(22) -- the same noise and pool each time
        return row[2](items)(x, row[1] == "label" and label or truth)
      end
      local x = theta:clone():watch()
      value(x):backward()
      local h = 1e-6
      for i = 1, BATCH do
        for j = 1, N do
          local up, down = theta:clone(), theta:clone()
          up:set(i, j, theta:get(i, j) + h)
          down:set(i, j, theta:get(i, j) - h)
          local slope = (value(up):item() - value(down):item()) / (2 * h)
          assert(math.abs(slope - x.grad:get(i, j)) < 1e-7, ("%d %d: %g, %g"):format(i, j, slope, x.grad:get(i, j)))
        end
      end
    end)

    it(name .. " of costs is that of scores", function()
      local theta, truth, label = problem()
      local function by(sense)
        local sign = sense == "max" and 1 or -1
        local s = solver.define { name = "pick", n = N, sense = sense, solve = function(x, z)
          local best = argmax(combine(sign, x, 0, x))
          for i = 1, N do z[i] = best[i] end
        end }
        random.seed(23)
        local x = (theta * sign):watch()
        local l = row[2](s)(x, row[1] == "label" and label or truth * sign)
        l:backward()
        return l:item(), x.grad * sign
      end
      local l, g = by "max"
      local other, h = by "min"
      near({ l }, { other }, 1e-6)
      near(g, h, 1e-6)
    end)

    it(name .. " refuses other shapes and says so", function()
      local made = row[2](items)
      assert_fails("MG-SHAPE", "has shape 5, x has 3x5", made, tensor.ones(3, N), tensor.ones(N))
      assert_fails("MG-OPTION", "after x", made, tensor.ones(3, N))
      assert_fails("MG-SHAPE", "no instances: x has shape", made, tensor.ones(0, N), tensor.ones(0, N))
      assert.matches("loss." .. name, tostring(made), 1, true)
    end)
  end
end)

describe("loss values", function()
  local theta, truth, label = problem()
  local T, C, Y = theta:to_table(), truth:to_table(), label:to_table()
  local slack = is_double and 1e-12 or 1e-5

  it("perceptron and hinge are those of enumeration", function()
    near({ mean_over(T, Y, function(t, y) return select(2, argmax(t)) - dot(t, y) end) },
      { loss.perceptron { solver = items }(theta, label):item() }, slack)
    for _, margin in ipairs { 0, 0.5, 3 } do
      local expected = mean_over(T, Y, function(t, y)
        local best = -math.huge
        for _, z in ipairs(SET) do
          local differing = 0
          for i = 1, N do differing = differing + math.abs(z[i] - y[i]) end
          best = math.max(best, margin * differing + dot(t, z))
        end
        return best - dot(t, y)
      end)
      near({ expected }, { loss.hinge { solver = items, margin = margin }(theta, label):item() }, slack)
    end
  end)

  it("spo_plus is that of enumeration, an upper bound of the regret and 0 at the truth", function()
    local made = loss.spo_plus { solver = items }
    local expected = mean_over(T, C, function(t, c)
      local shifted, best = combine(2, t, -1, c), argmax(c)
      return select(2, argmax(shifted)) - dot(shifted, best)
    end)
    near({ expected }, { made(theta, truth):item() }, slack)
    near({ expected }, { made(theta, truth, { solution = items(truth) }):item() }, slack)
    local regret = mean_over(T, C, function(t, c) return select(2, argmax(c)) - dot(c, (argmax(t))) end)
    assert(regret <= made(theta, truth):item() and regret > 0)
    near({ 0 }, { made(truth, truth):item() }, slack)
    near({ regret }, { loss.regret { layer = estimator.blackbox { solver = items, lambda = 1 } }(theta, truth):item() },
      slack)
  end)

  it("losses of true costs take the solution that others need", function()
    local s, x, costs = solver.top_k { n = 4, k = 2 }, tensor { 3, 1, 2, 0 }, tensor { 1, 2, 0, 3 }
    for _, name in ipairs { "perturbation_gradient", "spo_plus" } do
      local made = loss[name](name == "spo_plus" and { solver = s } or { solver = s, step = 0.5 })
      assert.equal(made(x, costs):item(), made(x, costs, { solution = s(costs) }):item())
    end
  end)

  it("the gradient of perturbation_gradient is blackbox interpolation of the regret", function()
    for _, side in ipairs { "right", "left", "central" } do
      local x, y = theta:clone():watch(), theta:clone():watch()
      loss.perturbation_gradient { solver = items, step = 0.4, side = side }(x, truth):backward()
      local name = side == "central" and "average" or side
      -- the upstream gradient of a mean over the batch, so the step is 0.4 BATCH
      local layer = estimator.lpgd { solver = items, lambda = 0.4 * BATCH, side = name }
      loss.regret { layer = layer }(y, truth):backward()
      near(x.grad, y.grad, slack)
    end
  end)

  it("contrastive_map with all solutions known is the perceptron", function()
    local made = loss.contrastive_map { solver = items }
    for _, z in ipairs(SET) do made(tensor { z }, tensor { z }) end
    near({ loss.perceptron { solver = items }(theta, items(truth)):item() }, { made(theta, truth):item() }, slack)
    local nce = loss.contrastive_nce { solver = items }
    for _, z in ipairs(SET) do nce(tensor { z }, tensor { z }) end
    local expected = mean_over(T, C, function(t, c)
      local best, sum = argmax(c), 0
      for _, z in ipairs(SET) do sum = sum + dot(t, z) - dot(t, best) end
      return sum / #SET
    end)
    near({ expected }, { nce(theta, truth):item() }, slack)
  end)

  it("ranking losses with all solutions known are those of enumeration", function()
    local function filled(name, options)
      options.solver = items
      local made = loss[name](options)
      for _, z in ipairs(SET) do made(tensor { z }, tensor { z }) end
      return made(theta, truth):item()
    end
    near({ mean_over(T, C, function(t, c)
      local sum = 0
      for _, z in ipairs(SET) do sum = sum + (dot(t, z) - dot(c, z)) ^ 2 end
      return sum / #SET
    end) }, { filled("pool_pointwise", {}) }, slack)
    near({ mean_over(T, C, function(t, c)
      local best, sum = argmax(c), 0
      for _, z in ipairs(SET) do
        if z ~= best then sum = sum + math.max(0, 0.3 + dot(t, z) - dot(t, best)) end
      end
      return sum / (#SET - 1)
    end) }, { filled("pool_pairwise", { margin = 0.3 }) }, slack)
    near({ mean_over(T, C, function(t, c)
      local zt, zc = 0, 0
      for _, z in ipairs(SET) do zt, zc = zt + math.exp(dot(t, z) / 2), zc + math.exp(dot(c, z) / 2) end
      local sum = 0
      for _, z in ipairs(SET) do sum = sum - math.exp(dot(c, z) / 2) / zc * (dot(t, z) / 2 - math.log(zt)) end
      return sum
    end) }, { filled("pool_listwise", { temperature = 2 }) }, slack * 10)
  end)

  it("a pool knows which of its solutions is the best one, also of integers", function()
    local f = loss.pool_pairwise { solver = solver.ranking { n = 3 }, margin = 5, solve_ratio = 0 }
    f(tensor { { 1, 2, 3 } }, tensor { { 1, 2, 3 } })
    -- known: ranks 3 2 1 and now the best, 1 2 3: max(0, 5 + <-x, (3, 2, 1) - (1, 2, 3)>)
    near({ 1 }, { f(tensor { { 3, 2, 1 } }, tensor { { 3, 2, 1 } }):item() }, slack)
  end)

  it("a pool refuses a context under which a known solution is none", function()
    local s = solver.knapsack { weights = { 1, 2, 3 }, capacity = 3 }
    local x, y = tensor { { 1, 1, 5 }, { 1, 1, 5 } }, tensor { { 1, 2, 4 }, { 1, 2, 4 } }
    for _, name in ipairs { "contrastive_nce", "contrastive_map", "pool_pointwise", "pool_pairwise",
      "pool_listwise" } do
      local made = loss[name] { solver = s }
      assert(made(x, y, { capacity = tensor { 3, 3 } }):item() >= 0)
      assert_fails("MG-ARGUMENT", "instance 2: known solution 1 is none under its context", made, x, y,
        { capacity = tensor { 3, 2 } })
    end
  end)

  it("pool_pointwise says so where its square is no number", function()
    local large = is_double and 1e200 or 1e30
    assert_fails("MG-ARGUMENT", "whose square is no number here; scale both down", loss.pool_pointwise {
      solver = items }, tensor.full({ 1, N }, large), tensor.full({ 1, N }, 1))
  end)

  it("a pool grows by solutions of theta with the probability solve_ratio", function()
    random.seed(24)
    local before = items.solves
    local made = loss.contrastive_nce { solver = items, solve_ratio = 0.25 }
    for _ = 1, 200 do made(theta, truth, { solution = items(truth) }) end
    local calls = (items.solves - before) / BATCH - 200
    -- binomial, 200 trials at 0.25: 50 +- 6.1; 5 deviations, false alarm 6e-7
    assert(math.abs(calls - 50) < 31, calls)
  end)
end)

describe("loss.fenchel_young", function()
  it("without noise is the perceptron", function()
    local theta, _, label = problem()
    near({ loss.perceptron { solver = items }(theta, label):item() },
      { loss.fenchel_young { solver = items, temperature = 0 }(theta, label):item() }, 1e-6)
  end)

  it("is never negative, also with factors, and its gradient is the mean solution less the label", function()
    local theta, _, label = problem()
    for _, options in ipairs { { noise = noise.gumbel() }, { multiplicative = true, temperature = 0.5 } } do
      options.solver, options.samples = items, 3
      local made = loss.fenchel_young(options)
      for seed = 1, 50 do
        random.seed(seed)
        assert(made(theta, label):item() >= -1e-6)
      end
    end
    random.seed(5)
    local x = theta:clone():watch()
    loss.fenchel_young { solver = items, noise = noise.gumbel(), samples = 3 }(x, label):backward()
    random.seed(5)
    local layer = estimator.imle { solver = items, noise = noise.gumbel(), samples = 3,
      target = mg.target.fixed { lambda = 1 } }
    near((layer(theta):mean(1) - label) * (1 / BATCH), x.grad, 1e-6)
  end)

  it("with factors has the gradient of its value", function()
    if not is_double then return pending "needs double" end
    local theta, _, label = problem()
    local function value(x)
      random.seed(9)
      return loss.fenchel_young { solver = items, multiplicative = true, samples = 4, temperature = 0.4 }(x, label)
    end
    local x = theta:clone():watch()
    value(x):backward()
    for j = 1, N do
      local up, down = theta:clone(), theta:clone()
      up:set(2, j, theta:get(2, j) + 1e-6)
      down:set(2, j, theta:get(2, j) - 1e-6)
      assert(math.abs((value(up):item() - value(down):item()) / 2e-6 - x.grad:get(2, j)) < 1e-7)
    end
  end)

  it("leaves forbidden entries alone, and refuses labels and solutions that have them", function()
    local s = solver.define { name = "pick", n = 3, solve = function(x, z)
      local best = 1
      for i = 2, 3 do
        if x[i] > x[best] then best = i end
      end
      z[best] = 1
    end }
    local x = tensor({ { 1, -math.huge, 2 } }):watch()
    local l = loss.fenchel_young { solver = s, samples = 5 }(x, tensor { { 1, 0, 0 } })
    assert(l:item() == l:item() and l:item() < math.huge)
    l:backward()
    assert.equal(0, x.grad:get(1, 2))
    local truth, forbidden = tensor { { 3, -math.huge, 0 } }, "an entry that is forbidden"
    near({ 5 }, { loss.spo_plus { solver = s }(x, truth):item() }, 1e-6) -- <2 theta - truth, (0, 0, 1) - (1, 0, 0)>
    near({ -1.25 }, { loss.perturbation_gradient { solver = s, step = 2 }(x, truth):item() }, 1e-6)
    for _, name in ipairs { "perceptron", "hinge", "fenchel_young" } do
      assert_fails("MG-ARGUMENT", forbidden, loss[name] { solver = s }, x, tensor { { 0, 1, 0 } })
    end
    local through = loss.regret { layer = estimator.blackbox { solver = s, lambda = 1 } }
    assert_fails("MG-ARGUMENT", forbidden, through, tensor { { 1, 5, 2 } }, truth)
    local pool = loss.contrastive_map { solver = s }
    pool(x, tensor { { 3, 4, 0 } } * tensor { { 1, 0, 1 } })
    pool(tensor { { 1, 5, 2 } }, tensor { { 3, 4, 0 } })
    assert_fails("MG-ARGUMENT", "share one feasible set", pool, x, truth)
  end)
end)

describe("loss.sparsemap", function()
  it("is never negative, 0 at its own solution, and has the gradient m - y", function()
    local theta, _, label = problem()
    local made, layer = loss.sparsemap { solver = items, temperature = 0.8 },
      estimator.sparsemap { solver = items, temperature = 0.8 }
    local m = layer(theta)[1]
    near({ 0 }, { made(theta, m):item() }, is_double and 1e-9 or 1e-4)
    assert(made(theta, label):item() > 0)
    local x = theta:clone():watch()
    made(x, label):backward()
    near((m - label) * (1 / BATCH), x.grad, is_double and 1e-9 or 1e-4)
  end)
end)

describe("loss.imitation", function()
  it("is the loss against the true solutions", function()
    local theta, truth = problem()
    local layer = estimator.identity { solver = items }
    near({ loss.hamming(items(theta), items(truth)):item() },
      { loss.imitation { layer = layer, loss = loss.hamming }(theta, truth):item() }, 1e-6)
  end)
end)

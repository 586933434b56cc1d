-- Estimators against enumeration, identities of the theory, and what layers promise.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local support = require "tests.support"
local estimator, noise, random, solver = mg.estimator, mg.noise, mg.random, mg.solver
local target, tensor = mg.target, mg.tensor
local near, assert_fails = support.near, support.assert_fails
local argmax, dot, gradient = support.argmax, support.dot, support.gradient

local EXACT = support.is_double and 1e-12 or 1e-5

-- Options of every estimator, made anew: a layer of it over a solver. One without a row fails below.
local OPTIONS = {
  imle = function() return { noise = noise.gumbel(), target = target.fixed { lambda = 2 }, samples = 2 } end,
  aimle = function() return { noise = noise.gumbel(), samples = 2, symmetric = true } end,
  blackbox = function() return { lambda = 2 } end,
  lpgd = function() return { lambda = 2 } end,
  identity = function() return { projection = "norm" } end,
  straight_through = function() return { noise = noise.gumbel(), samples = 2 } end,
  perturbed = function() return { noise = noise.gumbel(), samples = 2 } end,
  sparsemap = function() return { temperature = 0.5 } end,
  frank_wolfe = function() return { temperature = 0.5 } end,
}

-- Those of relaxed_spec.lua, without a solver; the one whose gradient needs losses, of score_function_spec.lua; the
-- one over a law, of exact_spec.lua.
local ELSEWHERE = {
  gumbel_softmax = true, relaxed_top_k = true, soft_rank = true, soft_sort = true, sinkhorn = true,
  score_function = true, subset = true,
}

-- Those that answer means of solutions.
local MEANS = { perturbed = true, sparsemap = true, frank_wolfe = true }

-- Those that take noise and samples.
local NOISY = { imle = true, aimle = true, identity = true, straight_through = true }

-- Solver calls of the forward and backward passes for one of the forward.
local CALLS = { imle = 2, aimle = 3, blackbox = 2, lpgd = 3, identity = 1, straight_through = 1,
  perturbed = 2 }

-- A layer of a row, with further options.
local function layer_by(name, s, extra)
  local options = OPTIONS[name]()
  options.solver = s
  for key, value in pairs(extra or {}) do options[key] = value end
  return estimator[name](options)
end

-- The same with 3 samples and noise, where the estimator has them, and their number.
local function sampled(name, s, extra)
  local options = {}
  for key, value in pairs(extra or {}) do options[key] = value end
  if NOISY[name] then options.noise, options.samples = options.noise or noise.gumbel(), 3 end
  return layer_by(name, s, options), NOISY[name] and 3 or 1
end

-- All 0/1 vectors of length n with k ones.
local function subsets(n, k)
  return require("tests.oracle.top_k").enumerate({ n = n, k = k })
end

describe("every estimator", function()
  local names = {}
  for _, name in ipairs(getmetatable(estimator).names) do
    if not ELSEWHERE[name] then names[#names + 1] = name end
  end

  for _, name in ipairs(names) do
    local make = OPTIONS[name] and function(s) return layer_by(name, s) end

    it(name .. " has a row in this spec", function() assert(make, "no row for " .. name) end)

    if make then
      it(name .. " answers [samples, batch..., n] and a gradient of theta's shape", function()
        random.seed(1)
        local layer = make(solver.top_k { n = 5, k = 2 })
        local x = tensor.normal(2, 3, 5)
        local g, z = gradient(layer, x, tensor.normal(2, 3, 5))
        assert.same({ 2, 3, 5 }, g:shape())
        local shape = z:shape()
        assert.same({ 2, 3, 5 }, { shape[2], shape[3], shape[4] })
        if not MEANS[name] then assert.equal(1, z:max():item()) end
        for _, total in ipairs(z:sum(4):to_list()) do near({ 2 }, { total }, MEANS[name] and 1e-6 or 0) end
      end)

      it(name .. " pulls costs of a min solver the other way", function()
        random.seed(2)
        local function pick(sense)
          return solver.define { name = "pick", n = 4, sense = sense, solve = function(x, z)
            local best = 1
            for i = 2, 4 do
              if (sense == "max" and x[i] > x[best]) or (sense == "min" and x[i] < x[best]) then best = i end
            end
            z[best] = 1
          end }
        end
        local theta, u = tensor.normal(3, 4), tensor.normal(3, 4)
        random.seed(3)
        local as_scores = gradient(make(pick "max"), theta, u)
        random.seed(3)
        local as_costs = gradient(make(pick "min"), -theta, u)
        near(as_scores, -as_costs, 0)
      end)

      it(name .. " has the same bits for 1 and 2 threads", function()
        local before, results = core.threads(), {}
        for i, threads in ipairs { 1, 2 } do
          core.threads_set(threads)
          random.seed(4)
          local s = solver.grid_path { rows = 6, cols = 6 }
          results[i] = gradient(make(s), tensor.uniform(60, 6, 6), tensor.normal(60, 6, 6))
        end
        core.threads_set(before)
        assert.is_true(results[1]:equals(results[2]))
      end)

      it(name .. " has no gradient where none comes in", function()
        random.seed(5)
        local layer = make(solver.top_k { n = 5, k = 2 })
        local g = gradient(layer, tensor.normal(4, 5), tensor.zeros(4, 5))
        assert.equal(0, g:abs():max():item())
        assert.equal(1, layer:zero_rate())
      end)

      it(name .. " prints itself and counts solves", function()
        local layer = make(solver.top_k { n = 5, k = 2 })
        local _, z = gradient(layer, tensor.normal(7, 5), tensor.normal(7, 5))
        local expected = CALLS[name] and 7 * z:size(1) * CALLS[name] or layer.options.solver.solves
        assert.equal(expected, layer.solves)
        assert(layer.solves >= 7)
        assert.is_true(layer.seconds > 0)
        assert.matches("estimator." .. name, tostring(layer), 1, true)
        assert.matches("top_k", tostring(layer), 1, true)
      end)

      it(name .. " says what is wrong, at this file's line", function()
        local layer = make(solver.top_k { n = 5, k = 2 })
        assert.has_error_matching(function() layer(tensor.ones(2, 4)) end,
          "^[^:]*estimator_spec.lua:%d+: estimator%." .. name .. ": expected shape %[batch..., 5%], got 2x4")
        assert.has_error_matching(function() estimator[name] {} end, "estimator_spec.lua:%d+: .* is missing")
        assert.has_error_matching(function()
          estimator[name] { solver = solver.one_hot { n = 2 }, sample = 3 }
        end, "unknown option 'sample'")
      end)
    end
  end

  for _, name in ipairs(getmetatable(estimator).names) do
    if OPTIONS[name] then
      it(name .. " over top_k is itself over enumeration in Lua, with samples and contexts", function()
        random.seed(40)
        local sets = { subsets(5, 1), subsets(5, 2), subsets(5, 3) }
        local listed = solver.define { name = "listed", n = 5, constant_sum = true,
          solve = function(theta, z, n, context)
            local best = argmax(sets[context and context.k or 2], theta)
            for i = 1, n do z[i] = best[i] end
          end }
        local x, u = tensor.normal(6, 5), tensor.normal(6, 5)
        for _, context in ipairs { false, { k = tensor { 1, 2, 3, 3, 2, 1 } }, { k = 3 } } do
          local state = random.state()
          local g, z = gradient(sampled(name, solver.top_k { n = 5, k = 2 }), x, u, context or nil)
          random.restore(state)
          local g_listed, z_listed = gradient(sampled(name, listed), x, u, context or nil)
          assert.is_true(z_listed:equals(z))
          assert.is_true(g_listed:equals(g))
        end
      end)

      it(name .. " with output 'mean' gives every sample the mean's gradient", function()
        random.seed(41)
        local s = solver.top_k { n = 6, k = 2 }
        local x, u = tensor.normal(3, 6), tensor.normal(1, 3, 6)
        local state = random.state()
        local layer, samples = sampled(name, s)
        local g, z = gradient(layer, x, (tensor.zeros(samples, 3, 6) + u) * (1 / samples))
        random.restore(state)
        local g_mean, mean = gradient((sampled(name, s, { output = "mean" })), x, u)
        assert.same({ samples, 3, 6 }, z:shape())
        assert.same({ 1, 3, 6 }, mean:shape())
        near(z:mean(1), mean[1], EXACT)
        near(g, g_mean, EXACT)
      end)

      it(name .. " answers the MAP state, the mean or the samples at evaluation, not recorded", function()
        random.seed(42)
        local s = solver.top_k { n = 6, k = 2 }
        local x = tensor.normal(3, 6):watch()
        local map = s(x:detach())
        for _, output in ipairs { "samples", "mean" } do
          local state, answer = random.state(), {}
          for _, mode in ipairs { "map", "mean", "samples" } do
            random.restore(state)
            local layer, samples = sampled(name, s, { output = output, evaluation = mode })
            answer[mode] = layer:evaluate(x)
            assert.is_false(answer[mode].id)
            assert.same({ mode == "samples" and samples or 1, 3, 6 }, answer[mode]:shape())
          end
          assert.is_true(answer.map[1]:equals(map))
          near(answer.samples:mean(1), answer.mean[1], EXACT)
          random.restore(state)
          local z = (sampled(name, s))(x)
          assert.is_true(z:equals(answer.samples))
          assert(z.id, "a layer's answer has a history")
          local drawn = (name == "sparsemap" or name == "frank_wolfe") and 0 or 1
          assert(random.draw("noise").index == (state.position.noise or 0) + drawn)
        end
      end)

      it(name .. " answers layer:map without a history and without a draw", function()
        random.seed(43)
        local s = solver.grid_path { rows = 3, cols = 4 }
        local x = tensor.uniform(2, 3, 4):watch()
        local state = random.state()
        local z = (sampled(name, s)):map(x)
        assert.same({ 1, 2, 3, 4 }, z:shape())
        assert.is_false(z.id)
        assert.is_true(z[1]:equals(s(x:detach())))
        assert.same(state, random.state())
        assert_fails("estimator_spec.lua:", "has no history", function() z:backward(tensor.ones(1, 2, 3, 4)) end)
      end)

      it(name .. " counts the instances without a gradient", function()
        random.seed(44)
        local layer, samples = sampled(name, solver.top_k { n = 5, k = 2 })
        assert.equal(0, layer:zero_rate())
        local kept, zeros = tensor { { 0 }, { 1 }, { 1 }, { 0 } }, 0
        for round = 1, 3 do
          local g, z = gradient(layer, tensor.normal(4, 5), tensor.normal(4, 5) * kept)
          for i, row in ipairs(g:to_table()) do
            local largest = 0
            for _, v in ipairs(row) do largest = math.max(largest, math.abs(v)) end
            if largest == 0 then zeros = zeros + 1 end
            if kept[i]:item() == 0 then assert.equal(0, largest) end
          end
          assert.equal(samples, z:size(1))
          support.assert_near(zeros / (4 * round), layer:zero_rate())
        end
        assert(zeros >= 6 and zeros < 12)
        local other = layer_by(name, layer.solver) -- counters are a layer's own, over one solver
        assert.equal(0, other:zero_rate())
        assert.equal(0, other.solves)
        assert.equal(0, other.seconds)
      end)

      it(name .. " names what it is made of", function()
        local layer, samples = sampled(name, solver.top_k { n = 5, k = 2 })
        local text = tostring(layer)
        for _, part in ipairs { "estimator." .. name .. " over top_k", "k = 2", "0 solves", "zero rate 0.000" } do
          assert(text:find(part, 1, true), text)
        end
        if samples > 1 then
          assert(text:find("noise gumbel {}", 1, true), text)
          assert(text:find("samples 3", 1, true), text)
        end
        if name == "imle" then assert(text:find("target fixed { lambda = 2", 1, true), text) end
      end)

      it(name .. " walks from each instance's start to its goal in every sample", function()
        random.seed(45)
        local s = solver.grid_path { rows = 3, cols = 4, neighbours = 4 }
        local layer, samples = sampled(name, s, NOISY[name] and { temperature = 0.1 })
        local starts, goals = { { 1, 1 }, { 3, 4 }, { 2, 2 } }, { { 3, 1 }, { 1, 2 }, { 2, 2 } }
        local lengths = { 3, 5, 1 } -- at least
        local g, z = gradient(layer, tensor.uniform(3, 3, 4) + 1, tensor.normal(3, 3, 4),
          { start = tensor(starts), goal = tensor(goals) })
        assert.same({ 3, 3, 4 }, g:shape())
        for i = 1, samples do
          for b = 1, 3 do
            local path = z[i][b]
            assert.equal(1, path:get(starts[b][1], starts[b][2]))
            assert.equal(1, path:get(goals[b][1], goals[b][2]))
            assert(path:sum():item() >= lengths[b])
          end
          assert.equal(1, z[i][3]:sum():item())
        end
        for _, v in ipairs((z[1][3] - z[samples][3]):to_list()) do assert.equal(0, v) end
      end)

      it(name .. " suggests the right name of an option", function()
        local options = OPTIONS[name]()
        options.solver, options.outptu = solver.one_hot { n = 3 }, "mean"
        assert_fails("estimator_spec.lua:", "estimator." .. name .. ": unknown option 'outptu', did you mean 'output'?",
          function() estimator[name](options) end)
        options.outptu, options.output = nil, "avg"
        assert_fails("estimator_spec.lua:", "output: expected one of samples, mean, got 'avg'",
          function() estimator[name](options) end)
        options.output, options.solver = nil, 3
        assert_fails("estimator_spec.lua:", "solver: expected a solver, got 3", function() estimator[name](options) end)
      end)
    end
  end

  it("suggests a name", function()
    assert.has_error_matching(function() return estimator.imlee end, "did you mean 'imle'")
  end)
end)

describe("I-MLE", function()
  local function layer_of(options)
    local fields = { solver = solver.top_k { n = 6, k = 3 }, noise = noise.gumbel(),
      target = target.fixed { lambda = 1.5, scale = false } }
    for key, value in pairs(options) do fields[key] = value end
    return estimator.imle(fields)
  end

  it("without noise is blackbox, bit for bit", function()
    random.seed(6)
    local s = solver.grid_path { rows = 5, cols = 5 }
    local x, u = tensor.uniform(9, 5, 5), tensor.normal(9, 5, 5)
    local imle = estimator.imle { solver = s, noise = "none", target = target.fixed { lambda = 3 } }
    local blackbox = estimator.blackbox { solver = s, lambda = 3 }
    assert.is_true(gradient(imle, x, u):equals(gradient(blackbox, x, u)))
  end)

  it("has raw entries in -1, 0, 1 that sum to 0 over a constant-sum set", function()
    random.seed(7)
    local g = gradient(layer_of {}, tensor.normal(50, 6), tensor.normal(50, 6))
    for _, v in ipairs(g:to_list()) do assert(v == -1 or v == 0 or v == 1) end
    for _, v in ipairs(g:sum(2):to_list()) do assert.equal(0, v) end
    assert.is_true(g:abs():sum():item() > 0)
  end)

  it("moves every sample against its gradient: <g, z' - z> <= 0", function()
    random.seed(8)
    local x, u = tensor.normal(80, 6), tensor.normal(80, 6)
    local g = gradient(layer_of {}, x, u) -- z - z'
    for _, v in ipairs((g * u):sum(2):to_list()) do assert(v >= -1e-6) end
  end)

  it("uses the noise of its forward pass backwards", function()
    random.seed(9)
    local s = solver.top_k { n = 6, k = 3 }
    local layer = layer_of { solver = s, samples = 4, temperature = 0.7 }
    local x, u = tensor.normal(5, 6), tensor.normal(4, 5, 6)
    local state = random.state()
    local g, z = gradient(layer, x, u)
    random.restore(state)
    local draw = random.draw "noise"
    local options = { noise = noise.gumbel(), draw = draw, temperature = 0.7, samples = 4 }
    assert.is_true(s:perturbed_argmax(x, nil, options):equals(z))
    options.per_sample = true
    local moved = s:perturbed_argmax(x - u * 4 * 1.5, nil, options)
    near((z - moved):mean(1), g, 0)
  end)

  it("with another temperature at the target solves that", function()
    random.seed(10)
    local s = solver.top_k { n = 6, k = 3 }
    local x, u = tensor.normal(5, 6), tensor.normal(1, 5, 6)
    local g, z = gradient(layer_of { solver = s, temperature_target = 0 }, x, u)
    near(z[1] - s(x - u[1] * 1.5), g, 0)
  end)

  it("has a mean that does not depend on the number of samples, and is the finite difference of the mean "
    .. "solution", function()
    -- n = 40,000 draws a side; entries of a difference lie in [-1, 1] / lambda: 5 standard errors of the
    -- difference of two means are at most 5 sqrt(2 / n) / lambda: a false alarm in 10^6 for each entry
    random.seed(11)
    local n, lambda = 40000, 1
    local x, u = tensor { 0.5, -0.2, 0.1, 0.9 }, tensor { 1, -0.5, 0.3, 0.2 }
    local function mean_gradient(samples)
      local layer = estimator.imle { solver = solver.top_k { n = 4, k = 2 }, noise = noise.gumbel(),
        target = target.fixed { lambda = lambda }, samples = samples }
      local batch = n / samples
      local rows = tensor.zeros(batch, 4) + x
      return gradient(layer, rows, tensor.zeros(batch, 4) + u):mean(1)
    end
    local s = solver.top_k { n = 4, k = 2 }
    local function mean_solution(theta)
      return s:perturbed_argmax(theta, nil, { noise = noise.gumbel(), draw = random.draw "noise", temperature = 1,
        samples = n }):mean(1)
    end
    local slack = 5 * math.sqrt(2 / n) / lambda
    local one, many = mean_gradient(1), mean_gradient(40)
    local truth = (mean_solution(x) - mean_solution(x - u * lambda)) * (1 / lambda)
    near(one, many, slack)
    near(truth, one, slack)
  end)

  it("is the difference of enumerated solutions under the noise of its draw", function()
    random.seed(46)
    local set, samples, batch = subsets(5, 2), 4, 6
    for _, case in ipairs { { alpha = 1, here = 1, there = 1 }, { alpha = 0.5, here = 0.7, there = 0.3 },
      { alpha = 0, here = 0, there = 2 } } do
      local x, u = tensor.normal(batch, 5), tensor.normal(samples, batch, 5)
      local layer = estimator.imle { solver = solver.top_k { n = 5, k = 2 }, noise = noise.gumbel(),
        samples = samples, temperature = case.here, temperature_target = case.there,
        target = target.fixed { lambda = 0.6, alpha = case.alpha } }
      local state = random.state()
      local g, z = gradient(layer, x, u)
      random.restore(state)
      local epsilon = noise.gumbel():sample({ samples, batch, 5 }):to_table()
      local theta, dz, expected, solutions = x:to_table(), u:to_table(), {}, {}
      for s = 1, samples do
        solutions[s] = {}
        for b = 1, batch do
          local here, there = {}, {}
          for i = 1, 5 do
            here[i] = theta[b][i] + case.here * epsilon[s][b][i]
            there[i] = case.alpha * theta[b][i] - 0.6 * samples * dz[s][b][i] + case.there * epsilon[s][b][i]
          end
          local a, c = argmax(set, here), argmax(set, there)
          solutions[s][b], expected[b] = a, expected[b] or { 0, 0, 0, 0, 0 }
          for i = 1, 5 do expected[b][i] = expected[b][i] + (a[i] - c[i]) / 0.6 / samples end
        end
      end
      near(solutions, z, 0)
      near(expected, g, EXACT)
    end
  end)

  it("moves each of several samples against its own gradient, and only that one", function()
    random.seed(47)
    local x, u, samples = tensor.normal(40, 6), tensor.normal(40, 6), 4
    local state, moved = random.state(), 0
    for s = 1, samples do
      local dz = {}
      for i = 1, samples do dz[i] = i == s and u or tensor.zeros(40, 6) end
      random.restore(state)
      local g = gradient(layer_of { samples = samples }, x, tensor.stack(dz)) * samples -- z_s - z'_s
      for _, v in ipairs(g:to_list()) do assert(v == -1 or v == 0 or v == 1) end
      for _, v in ipairs((g * u):sum(2):to_list()) do assert(v >= -1e-6) end
      moved = moved + g:abs():sum():item()
    end
    assert(moved > 0)
  end)

  it("is the finite difference of the mean solution under the same noise", function()
    random.seed(48)
    local n, lambda, s = 2000, 0.8, solver.top_k { n = 5, k = 2 }
    local x, u = tensor.normal(1, 5), tensor.normal(1, 5)
    local layer = estimator.imle { solver = s, noise = noise.normal(), samples = n, output = "mean",
      target = target.fixed { lambda = lambda } }
    local draw = { seed = 48, stream = "noise", index = 0 }
    local function mean_solution(theta)
      local options = { noise = noise.normal(), draw = draw, temperature = 1, samples = n }
      return s:perturbed_argmax(theta, nil, options):mean(1)
    end
    local g = gradient(layer, x, u:unsqueeze(1))
    near((mean_solution(x) - mean_solution(x - u * lambda)) * (1 / lambda), g, support.is_double and 1e-12 or 2e-5)
  end)

  it("over one_hot with Gumbel noise has the mean (softmax(theta) - softmax(theta - lambda g)) / lambda", function()
    -- n = 40,000 draws in one batch; an entry is one of -1, 0, 1 over lambda: 5 standard errors are at most
    -- 5 / (lambda sqrt(n)): a false alarm below 10^-6 for each of 4 entries
    random.seed(49)
    local n, lambda, theta, u = 40000, 1.5, { 0.5, -0.2, 0.1, 0.9 }, { 1, -0.5, 0.3, 0.2 }
    local function softmax(shift)
      local p, sum = {}, 0
      for i = 1, 4 do
        p[i] = math.exp(theta[i] - shift * u[i])
        sum = sum + p[i]
      end
      for i = 1, 4 do p[i] = p[i] / sum end
      return p
    end
    local layer = estimator.imle { solver = solver.one_hot { n = 4 }, noise = noise.gumbel(), samples = 8,
      target = target.fixed { lambda = lambda } }
    local rows = tensor.zeros(n / 8, 4)
    local g = gradient(layer, rows + tensor(theta), rows + tensor(u)):mean(1):to_list()
    local before, after = softmax(0), softmax(lambda)
    for i = 1, 4 do
      assert(math.abs(g[i] - (before[i] - after[i]) / lambda) < 5 / (lambda * math.sqrt(n)))
    end
  end)

  it("solves each instance with its own start and goal under its own noise", function()
    random.seed(50)
    local s = solver.grid_path { rows = 3, cols = 3 }
    local costs, epsilon = tensor.uniform(2, 3, 3) + 1, tensor.uniform(3, 2, 3, 3) * 0.4
    local u = tensor.normal(3, 2, 3, 3) * 0.05
    local starts, goals = { { 1, 1 }, { 3, 1 } }, { { 3, 3 }, { 1, 3 } }
    local layer = estimator.imle { solver = s, noise = noise.given(epsilon), samples = 3,
      target = target.fixed { lambda = 2 } }
    local g, z = gradient(layer, costs, u, { start = tensor(starts), goal = tensor(goals) })
    for b = 1, 2 do
      local own, sum = { start = starts[b], goal = goals[b] }, tensor.zeros(3, 3)
      for i = 1, 3 do
        local w = costs[b] - epsilon[i][b] -- noise is added to scores
        assert.is_true(z[i][b]:equals(s(w, own)))
        -- dL/dw = (z(w + lambda g) - z) / lambda, g = 3 dz
        sum = sum + (s(w + u[i][b] * 6, own) - z[i][b]) * (1 / 6)
      end
      near(sum, g[b], EXACT)
    end
  end)

  it("refuses to do without a target or a noise", function()
    local s = solver.one_hot { n = 2 }
    assert_fails("estimator_spec.lua:", "estimator.imle: option 'target' is missing, expected a target", function()
      estimator.imle { solver = s, noise = "none" }
    end)
    assert_fails("estimator_spec.lua:", "estimator.imle: option 'noise' is missing, expected a noise or 'none'",
      function() estimator.imle { solver = s, target = target.given() } end)
  end)

  it("takes contexts per instance with several samples", function()
    random.seed(12)
    local layer = layer_of { samples = 3 }
    local k = tensor { 1, 2, 4 }
    local x = tensor.normal(3, 6)
    local g, z = gradient(layer, x, tensor.normal(3, 6), { k = k })
    for s = 1, 3 do
      for b = 1, 3 do assert.equal(k[b], z[s][b]:sum():item()) end
    end
    assert.same({ 3, 6 }, g:shape())
    local mask = tensor { { 1, 1, 1, 0, 0, 0 }, { 0, 0, 0, 1, 1, 1 }, { 1, 0, 1, 0, 1, 0 } }
    local _, masked = gradient(layer, x, tensor.normal(3, 6), { mask = mask })
    for s = 1, 3 do assert.is_true(masked[s]:equals(mask)) end
  end)

  it("works over a solver written in Lua, with its contexts", function()
    random.seed(13)
    local s = solver.define { name = "told", n = 3, solve = function(_, z, _, context) z[context.take] = 1 end }
    local layer = layer_of { solver = s, samples = 2 }
    local _, z = gradient(layer, tensor.normal(2, 3), tensor.normal(2, 3), { take = tensor { 3, 1 } })
    assert.same({ { { 0, 0, 1 }, { 1, 0, 0 } }, { { 0, 0, 1 }, { 1, 0, 0 } } }, z:to_table())
  end)

  it("gives the mean of its samples one gradient for all", function()
    random.seed(14)
    local x, u = tensor.normal(3, 6), tensor.normal(1, 3, 6)
    local state = random.state()
    local mean_gradient, mean = gradient(layer_of { samples = 5, output = "mean" }, x, u)
    random.restore(state)
    local g, z = gradient(layer_of { samples = 5 }, x, (tensor.zeros(5, 3, 6) + u) * (1 / 5))
    near(z:mean(1), mean[1], EXACT)
    near(g, mean_gradient, EXACT)
  end)
end)

describe("blackbox", function()
  it("is the gradient of its interpolation of the loss", function()
    -- f_lambda(theta) = f(z_l) + (<theta, z(theta)> - <theta, z_l>) / lambda, f linear, z_l its minimiser
    if not support.is_double then return pending "central differences need double" end
    random.seed(15)
    local set, lambda, step, checked = subsets(5, 2), 1.3, 1e-5, 0
    for _ = 1, 40 do
      local x, u = tensor.normal(1, 5), tensor.normal(1, 5)
      local layer = estimator.blackbox { solver = solver.top_k { n = 5, k = 2 }, lambda = lambda }
      local g = gradient(layer, x, u):to_list()
      local theta, weight = x:to_list(), u:to_list()
      local function interpolation(t)
        local shifted = {}
        for i = 1, 5 do shifted[i] = t[i] - lambda * weight[i] end
        local z_l = argmax(set, shifted)
        local _, best = argmax(set, t)
        return dot(weight, z_l) + (best - dot(t, z_l)) / lambda
      end
      for i = 1, 5 do
        local t = {}
        for j = 1, 5 do t[j] = theta[j] end
        t[i] = theta[i] + step
        local above = interpolation(t)
        t[i] = theta[i] - step
        local difference = (above - interpolation(t)) / (2 * step)
        assert(math.abs(difference - g[i]) < 1e-8, ("%g, expected %g"):format(g[i], difference))
        checked = checked + 1
      end
    end
    assert.equal(200, checked)
  end)

  it("divides by lambda + divisor_epsilon", function()
    random.seed(51)
    local s, x, u = solver.top_k { n = 6, k = 2 }, tensor.normal(9, 6), tensor.normal(9, 6)
    local g, z = gradient(estimator.blackbox { solver = s, lambda = 2, divisor_epsilon = 0.5 }, x, u)
    near((z[1] - s(x - u * 2)) * 0.4, g, EXACT)
    assert_fails("estimator_spec.lua:", "option 'lambda' is missing", function() estimator.blackbox { solver = s } end)
  end)

  it("with a large step and the Hamming loss is the perceptron over lambda", function()
    random.seed(16)
    local s = solver.top_k { n = 6, k = 2 }
    local label = s(tensor.normal(8, 6))
    local x = tensor.normal(8, 6)
    local g, z = gradient(estimator.blackbox { solver = s, lambda = 1e6 }, x, 1 - label * 2)
    near((z[1] - label) * 1e-6, g, EXACT)
  end)
end)

describe("identity", function()
  local function first(constant_sum)
    return solver.define { name = "first", n = 4, constant_sum = constant_sum, solve = function(_, z) z[1] = 1 end }
  end

  it("has the Jacobians of its projections", function()
    if not support.is_double then return pending "central differences need double" end
    random.seed(17)
    for _, projection in ipairs { "none", "mean", "norm", "std" } do
      local x, u = tensor.normal(4):to_list(), tensor.normal(4):to_list()
      local kind = core.projections[projection]
      local function value(v)
        return dot(tensor.wrap((core.project(kind, tensor(v).handle, 4))):to_list(), u)
      end
      local layer = estimator.identity { solver = first(true), projection = projection }
      local g = gradient(layer, tensor { x }, tensor { u }):to_list()
      for i = 1, 4 do
        local kept = x[i]
        x[i] = kept + 1e-6
        local above = value(x)
        x[i] = kept - 1e-6
        local difference = (above - value(x)) / 2e-6
        x[i] = kept
        assert(math.abs(difference - g[i]) < 1e-7, projection)
      end
      if projection == "norm" or projection == "std" then assert(math.abs(dot(x, g)) < 1e-12) end
      if projection == "mean" or projection == "std" then assert(math.abs(dot({ 1, 1, 1, 1 }, g)) < 1e-12) end
    end
  end)

  it("has no gradient at a vector without norm, and counts it", function()
    for projection, x in pairs { norm = { 0, 0, 0, 0 }, std = { 0.1, 0.1, 0.1, 0.1 } } do
      local layer = estimator.identity { solver = first(true), projection = projection }
      local g = gradient(layer, tensor { x, { 1, 2, 3, 5 } }, tensor { { 1, 2, 3, 4 }, { 1, 2, 3, 4 } })
      assert.same({ 0, 0, 0, 0 }, g[1]:to_table())
      assert.equal(1, layer.zero_norms)
    end
  end)

  it("names the score that no projection can take, and not the first one", function()
    for _, projection in ipairs { "mean", "norm", "std" } do
      assert_fails("MG-ARGUMENT", "instance 2: score at entry 3 is -inf, expected a finite number; forbid",
        estimator.identity { solver = first(true), projection = projection },
        tensor { { 1, 2, 3, 4 }, { 1, 2, -math.huge, 4 } })
    end
    local paths = estimator.identity { solver = solver.grid_path { rows = 1, cols = 3 }, projection = "norm" }
    assert_fails("MG-ARGUMENT", "instance 1: cost at entry 2 is inf", paths, tensor { { { 1, math.huge, 1 } } })
  end)

  it("refuses projections that change solutions", function()
    for _, projection in ipairs { "mean", "std" } do
      assert.has_error_matching(function()
        estimator.identity { solver = solver.grid_path { rows = 2, cols = 2 }, projection = projection }
      end, "projection '" .. projection .. "' changes the solutions of grid_path")
    end
  end)

  it("has the solutions of the scores themselves", function()
    random.seed(52)
    local s = solver.top_k { n = 6, k = 2 }
    local x = tensor.normal(20, 6)
    for _, projection in ipairs { "none", "mean", "norm", "std" } do
      assert.is_true(estimator.identity({ solver = s, projection = projection })(x)[1]:equals(s(x)))
    end
  end)

  it("adds noise before it projects", function()
    random.seed(53)
    local s = solver.top_k { n = 6, k = 2 }
    local x, u, epsilon = tensor.normal(4, 6), tensor.normal(3, 4, 6), tensor.normal(3, 4, 6)
    for _, projection in ipairs { "none", "mean", "norm", "std" } do
      local g, z = gradient(estimator.identity { solver = s, projection = projection, samples = 3,
        noise = noise.given(epsilon), temperature = 0.8 }, x, u)
      local sum = tensor.zeros(4, 6)
      for i = 1, 3 do
        local own, solution = gradient(estimator.identity { solver = s, projection = projection },
          x + epsilon[i] * 0.8, u[i])
        assert.is_true(z[i]:equals(solution[1]))
        sum = sum + own
      end
      near(sum, g, EXACT)
    end
  end)

  it("without projection is straight-through", function()
    random.seed(18)
    local s = solver.top_k { n = 6, k = 2 }
    local x, u = tensor.normal(3, 6), tensor.normal(3, 6)
    assert.is_true(gradient(estimator.identity { solver = s }, x, u):equals(
      gradient(estimator.straight_through { solver = s }, x, u)))
  end)
end)

describe("straight-through", function()
  it("sums the upstream gradients of its samples", function()
    random.seed(19)
    local layer = estimator.straight_through {
      solver = solver.top_k { n = 6, k = 2 }, noise = noise.normal(), samples = 3,
    }
    local u = tensor.normal(3, 4, 6)
    near(u:sum(1), (gradient(layer, tensor.normal(4, 6), u)), EXACT)
  end)
end)

describe("targets", function()
  local function step(t, sense, context)
    random.seed(20)
    local s = sense == "min" and solver.grid_path { rows = 3, cols = 3 } or solver.top_k { n = 9, k = 3 }
    local x = sense == "min" and tensor.uniform(4, 3, 3) or tensor.normal(4, 9)
    local u = sense == "min" and tensor.normal(4, 3, 3) or tensor.normal(4, 9)
    local layer = estimator.imle { solver = s, noise = "none", target = t }
    local g, z = gradient(layer, x, u, context and context(x))
    return g, z[1], s, x, u
  end

  it("fixed: theta' = alpha theta - lambda g, divided by lambda", function()
    local g, z, s, x, u = step(target.fixed { lambda = 4, alpha = 0.5 })
    near((z - s(x * 0.5 - u * 4)) * 0.25, g, EXACT)
  end)

  it("combinatorial: -g where there is a gradient, theta elsewhere", function()
    local g, z, s, x, u = step(target.combinatorial { weight = 2 })
    near(z - s(x * u:eq(0) - u * 2), g, 0)
  end)

  it("combinatorial: its weight tells how much a gradient counts beside theta", function()
    local x, u = tensor { { 3, 1, 2, 0 } }, tensor { { 0, -1, 0, 0 } }
    local function moved_to(weight)
      local layer = estimator.imle { solver = solver.one_hot { n = 4 }, noise = "none",
        target = target.combinatorial { weight = weight } }
      local g, z = gradient(layer, x, u)
      return (z[1] - g):to_list()
    end
    assert.same({ 1, 0, 0, 0 }, moved_to(2.9)) -- theta' = 3, 2.9, 2, 0
    assert.same({ 0, 1, 0, 0 }, moved_to(3.1))
  end)

  it("combinatorial with the Hamming loss is the perceptron rule", function()
    random.seed(21)
    local s = solver.top_k { n = 6, k = 2 }
    local label, x = s(tensor.normal(8, 6)), tensor.normal(8, 6)
    local layer = estimator.imle { solver = s, noise = "none", target = target.combinatorial() }
    local g, z = gradient(layer, x, 1 - label * 2)
    near(z[1] - label, g, 0)
  end)

  it("given: the true parameters, for a batch mean, whatever the gradient", function()
    local truth
    local g, z, s = step(target.given(), "max", function(x)
      truth = tensor.normal(x:shape())
      return { truth = truth }
    end)
    near((z - s(truth)) * 0.25, g, EXACT)
    -- of a min solver: true costs; dL/dw = (z(c) - z(w)) / batch
    g, z, s = step(target.given(), "min", function(x)
      truth = tensor.uniform(x:shape())
      return { truth = truth }
    end)
    near((s(truth) - z) * 0.25, g, EXACT)
    -- the line that calls the layer, in support.gradient
    assert_fails("support.lua:", "needs the true parameters", function() step(target.given()) end)
    assert_fails("support.lua:", "truth: expected shape [batch..., 9], got 4x8", function()
      step(target.given(), "max", function() return { truth = tensor.ones(4, 8) } end)
    end)
  end)

  it("given: the same bits for any gradient that comes in, over several samples", function()
    random.seed(54)
    local s = solver.top_k { n = 6, k = 2 }
    local x, truth, epsilon = tensor.normal(4, 6), tensor.normal(4, 6), tensor.normal(3, 4, 6)
    local layer = estimator.imle { solver = s, noise = noise.given(epsilon), samples = 3,
      target = target.given { weight = 2 } }
    local first, z = gradient(layer, x, tensor.zeros(3, 4, 6), { truth = truth })
    assert.is_true(gradient(layer, x, tensor.normal(3, 4, 6) * 100, { truth = truth }):equals(first))
    near((z - s(epsilon + truth)):mean(1) * (2 / 4), first, EXACT)
  end)

  it("keep forbidden entries forbidden", function()
    local x = tensor { { { 1, math.huge, 1 }, { 1, math.huge, 5 }, { 2, 1, 1 } } }
    local all = { target.fixed { lambda = 3, alpha = 0 }, target.combinatorial(), target.fixed { lambda = 3 } }
    for _, t in ipairs(all) do
      local s = solver.grid_path { rows = 3, cols = 3 }
      local layer = estimator.imle { solver = s, noise = "none", target = t }
      for _, u in ipairs { tensor.full({ 1, 3, 3 }, -1), tensor.zeros(1, 3, 3), tensor.full({ 1, 3, 3 }, 1) } do
        local g, z = gradient(layer, x, u)
        for _, v in ipairs((g * 3):to_list()) do assert(v == v and math.abs(v) <= 3.0001) end
        assert.equal(0, z[1][1][1][2] + z[1][1][2][2])
        assert.equal(0, g[1][1][2])
        assert.equal(0, g[1][2][2])
      end
    end
  end)

  it("step by the length of theta where the step itself, or its inverse, is no number", function()
    local made = { target.normalised(), target.normalised { norms = "batch" }, target.adaptive(),
      target.adaptive { norms = "instance", scaling = "reference" } }
    for _, sizes in ipairs { { 1e20, 1e-25 }, { 1, 1e-38 }, { 1e30, 1e-30 }, { 1, 1e-2 } } do
      for _, t in ipairs(made) do
        local theta, g = tensor.full({ 1, 2 }, sizes[1]), tensor { { { sizes[2], 0 } }, { { sizes[2], 0 } } }
        local shifted, scale = t(theta, g, nil, 1)
        near({ 1 - math.sqrt(2), 1 }, (shifted[1] * (1 / sizes[1])):to_list(), 1e-5)
        assert(scale:item() >= 0 and scale:item() <= 1)
      end
    end
  end)

  it("keep them without theta and with an adaptive step too", function()
    local layer = estimator.aimle { solver = solver.top_k { n = 3, k = 1 }, noise = "none",
      target = target.adaptive { alpha = 0 } }
    local g = gradient(layer, tensor { { 1, 2, -math.huge } }, tensor { { { 1, 2, -3 } } })
    assert.equal(0, g[1][3])
  end)

  it("refuse what makes no sense", function()
    assert.has_error_matching(function() target.fixed {} end, "estimator_spec.*option 'lambda' is missing")
    assert.has_error_matching(function() target.fixed { lambda = -1 } end, "expected a number from 0, got %-1")
    assert.has_error_matching(function() target.fixed { lambda = 0 } end, "lambda = 0 has no scale")
    assert.has_error_matching(function() return target.fixd end, "did you mean 'fixed'")
  end)
end)

describe("an operation of the user's", function()
  it("may return a tensor it keeps, which stays as it was", function()
    local kept = tensor { 3, 4 }
    local times = mg.autograd.operation { name = "times",
      forward = function(saved, x, k) saved.k = k return kept, x end,
      backward = function(saved, dy) return dy * saved.k end }
    local x = tensor({ 1, 2 }):watch();
    (times(x, 1) + times(x, 10)):sum():backward()
    assert.same({ 11, 11 }, x.grad:to_list())
    assert.is_false(kept.id)
  end)
end)

describe("pause and scope", function()
  it("cannot be left by a yield", function()
    for _, f in ipairs { mg.autograd.pause, tensor.scope } do
      local ok = coroutine.resume(coroutine.create(function() f(coroutine.yield) end))
      assert.is_false(ok)
    end
    assert.is_true(mg.autograd.is_recording())
  end)
end)

describe("a layer", function()
  it("answers at evaluation as asked, without recording", function()
    random.seed(22)
    local s = solver.top_k { n = 6, k = 2 }
    local x = tensor.normal(3, 6):watch()
    for _, mode in ipairs { "map", "mean", "samples" } do
      local layer = estimator.imle { solver = s, noise = noise.gumbel(), samples = 4, evaluation = mode,
        target = target.fixed { lambda = 1 } }
      local z = layer:evaluate(x)
      assert.same({ mode == "samples" and 4 or 1, 3, 6 }, z:shape())
      assert.is_false(z.id)
      if mode == "map" then assert.is_true(z[1]:equals(s(x:detach()))) end
      assert.is_true(layer:map(x)[1]:equals(s(x:detach())))
    end
  end)

  it("has no margin at evaluation, whatever it answers", function()
    local s, x = solver.top_k { n = 4, k = 2 }, tensor { { 4, 3, 2, 1 } }
    for _, mode in ipairs { "map", "mean", "samples" } do
      for _, kind in ipairs { "informed", "noise" } do
        local layer = estimator.straight_through { solver = s, margin = 100, margin_kind = kind, evaluation = mode }
        assert.same({ 1, 1, 0, 0 }, layer:evaluate(x):to_list())
        if kind == "informed" then
          assert.same({ 0, 0, 1, 1 }, layer(x, { label = tensor { { 1, 1, 0, 0 } } }):to_list())
        end
      end
    end
  end)

  it("names the instance, whatever the sample, of a gradient that is NaN", function()
    for _, threads in ipairs { 1, 2 } do
      local before = core.threads()
      core.threads_set(threads)
      local layer = estimator.imle { solver = solver.top_k { n = 6, k = 2 }, noise = noise.gumbel(), samples = 90,
        target = target.fixed { lambda = 1 } }
      local u = tensor.ones(90, 3, 6)
      u:set(80, 2, 5, 0 / 0)
      u:set(85, 1, 1, 0 / 0)
      local z = layer(tensor.ones(3, 6):watch())
      assert.has_error_matching(function() z:backward(u) end,
        "estimator_spec.*top_k: instance 2: score at entry 5 is NaN")
      core.threads_set(before)
    end
  end)

  it("clips negative costs of paths and reports them", function()
    local s = solver.grid_path { rows = 3, cols = 3 }
    local layer = estimator.blackbox { solver = s, lambda = 10 }
    local g = gradient(layer, tensor.ones(1, 3, 3), tensor.full({ 1, 3, 3 }, -1))
    assert.same({ 1, 3, 3 }, g:shape())
    assert.equal(9, layer.repaired)
    assert.equal(18, layer.entries)
  end)

  it("refuses a layer's own mistakes in context", function()
    local layer = estimator.blackbox { solver = solver.grid_path { rows = 3, cols = 3 }, lambda = 1 }
    assert.has_error_matching(function() layer(tensor.ones(2, 3, 3), { strat = { 1, 1 } }) end,
      "unknown context 'strat', did you mean 'start'")
    assert.has_error_matching(function() layer(tensor.ones(2, 3, 3), { start = tensor.ones(3, 2) }) end,
      "context start has shape 3x2, expected 2 entries for each of 2 instances")
    for _, context in ipairs { 3, "start", tensor { 1, 1 } } do
      assert.has_error_matching(function() layer(tensor.ones(2, 3, 3), context) end,
        "estimator_spec.*expected the context as a table { name = value }, got a ")
    end
  end)
end)

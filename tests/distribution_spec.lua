-- Exact laws against enumeration by the solvers' oracles, central differences, closed forms and recorded values.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local support = require "tests.support"
local autograd, distribution, random, solver, tensor = mg.autograd, mg.distribution, mg.random, mg.solver, mg.tensor
local near, assert_near, assert_fails, is_double = support.near, support.assert_near, support.assert_fails,
  support.is_double

local complete = support.complete_edges
local SLACK = is_double and 1e-11 or 2e-5

local function oracle(name)
  return require("tests.oracle." .. name).enumerate
end

local DIAMOND = { nodes = 5,
  edges = { { 1, 2 }, { 1, 3 }, { 2, 3 }, { 2, 4 }, { 3, 4 }, { 4, 5 }, { 3, 5 }, { 1, 2 } } }
local CHAINED = { nodes = 5,
  edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 5 }, { 5, 1 }, { 1, 3 }, { 3, 5 }, { 1, 2 } } }

-- Blocks of sets.
local function products(set, blocks)
  local found = { {} }
  for _ = 1, blocks do
    local longer = {}
    for _, head in ipairs(found) do
      for _, z in ipairs(set) do
        local joined = {}
        for _, v in ipairs(head) do joined[#joined + 1] = v end
        for _, v in ipairs(z) do joined[#joined + 1] = v end
        longer[#longer + 1] = joined
      end
    end
    found = longer
  end
  return found
end

-- Laws by name: small settings and, where the solver's oracle is of another name or takes other settings, states.
local ROWS = {
  one_hot = { { n = 1 }, { n = 5 } },
  top_k = {
    { n = 6, k = 3 }, { n = 4, k = 4 }, { n = 5, k = 0 }, { n = 5, k = 1 }, { n = 5, k = 3, least = 1 },
    { n = 4, k = 4, least = 0 },
  },
  chain = { { length = 3, states = 3 }, { length = 1, states = 2 } },
  chain_edges = { { steps = 3, states = 2 }, { steps = 1, states = 3 }, { steps = 2, states = 1 } },
  dag_path = { DIAMOND, { nodes = 5, edges = DIAMOND.edges, start = 2, goal = 4 },
    { nodes = 3, edges = { { 3, 2 }, { 2, 1 }, { 3, 1 } }, start = 3, goal = 1 } },
  knapsack = { { weights = { 2, 3, 4, 0, 9 }, capacity = 6 }, { weights = { 1, 1 }, capacity = 0 },
    { weights = { 5, 2, 3, 3 }, capacity = 1e300 } },
  assignment = { { rows = 3, cols = 3 }, { rows = 2, cols = 4 }, { rows = 4, cols = 2 }, { rows = 1, cols = 1 } },
  spanning_tree = { CHAINED, { nodes = 4, edges = complete(4) }, { nodes = 2, edges = { { 2, 1 }, { 1, 2 } } } },
  factored = {
    { blocks = 2, law = distribution.top_k { n = 3, k = 2, temperature = 0.7 }, states =
      products(oracle "top_k" { n = 3, k = 2 }, 2) },
    { blocks = 3, law = distribution.assignment { rows = 2, cols = 2, temperature = 0.7 }, states =
      products(oracle "assignment" { rows = 2, cols = 2 }, 3) },
  },
  enumerated = {
    { solver = solver.ranking { n = 4 }, states = oracle "ranking" { n = 4 } },
    { solver = solver.top_k { n = 5, k = 2 }, context = { k = { 3 } }, states = oracle "top_k" { n = 5, k = 3 } },
  },
}

-- The law of a row, and its states by the oracle.
local function make(name, row, temperature)
  local options = {}
  for key, value in pairs(row) do options[key] = value end
  if name == "factored" or name == "enumerated" then options.states = nil end
  if name ~= "factored" then options.temperature = temperature end
  local law = distribution[name](options)
  if type(row.states) == "table" then return law, row.states end
  return law, oracle(name)(row)
end

-- By enumeration in plain numbers: log-partition, marginals, entropy, probabilities of x = theta / temperature.
local function truth(states, theta, temperature)
  local scores, most, sum = {}, -math.huge, 0
  for s, z in ipairs(states) do
    scores[s] = 0
    for i = 1, #z do
      if z[i] ~= 0 then scores[s] = scores[s] + z[i] * theta[i] / temperature end
    end
    most = math.max(most, scores[s])
  end
  for _, v in ipairs(scores) do sum = sum + math.exp(v - most) end
  local t = { log_partition = most + math.log(sum), marginals = {}, entropy = 0, p = {} }
  for i = 1, #theta do t.marginals[i] = 0 end
  for s, z in ipairs(states) do
    local p = math.exp(scores[s] - t.log_partition)
    t.p[s] = p
    if p > 0 then t.entropy = t.entropy - p * (scores[s] - t.log_partition) end
    for i = 1, #z do t.marginals[i] = t.marginals[i] + p * z[i] end
  end
  return t
end

-- J u by the covariance.
local function covariance(states, t, u, temperature)
  local mean, out = 0, {}
  for i = 1, #u do out[i], mean = 0, mean + t.marginals[i] * u[i] end
  for s, z in ipairs(states) do
    local inner = -mean
    for i = 1, #u do inner = inner + z[i] * u[i] end
    for i = 1, #u do out[i] = out[i] + t.p[s] * inner * (z[i] - t.marginals[i]) / temperature end
  end
  return out
end

local function each_row(f)
  for _, name in ipairs(getmetatable(distribution).names) do
    for _, row in ipairs(ROWS[name] or {}) do f(name, row) end
  end
end

local function thetas(law, batch)
  local shape = { batch }
  for _, extent in ipairs(law.shape) do shape[#shape + 1] = extent end
  return tensor.normal(shape), shape
end

-- One line of numbers for each instance.
local function lines(t, n)
  return t:reshape(t:count() / n, n):to_table()
end

describe("every law", function()
  before_each(function() random.seed(31) end)

  it("has a row in this spec and is listed by the core or made of what is", function()
    for _, name in ipairs(getmetatable(distribution).names) do assert(ROWS[name], "no row for " .. name) end
    for _, name in ipairs(core.law_kinds()) do assert(ROWS[name], "no row for " .. name) end
  end)

  each_row(function(name, row)
    for _, temperature in ipairs(name == "factored" and { 0.7 } or { 1, 0.7 }) do
      it(name .. " is enumeration: log-partition, marginals, entropy, tangents, probabilities", function()
        local law, states = make(name, row, temperature)
        local theta, shape = thetas(law, 3)
        theta = theta * 2
        local u, rows, x = tensor.normal(shape), lines(theta, law.n), theta:clone():watch()
        local mu = law:marginals(x)
        mu:backward(u)
        local a, h = law:log_partition(theta), law:entropy(theta)
        assert.same({ 3 }, a:shape())
        assert.same({ 3 }, h:shape())
        assert.same(shape, mu:shape())
        local every = tensor(states):reshape({ #states, 1, law.n }):expand(#states, 3, law.n)
        table.insert(shape, 1, #states)
        local logs = law:log_prob(theta, every:reshape(shape))
        assert.same({ #states, 3 }, logs:shape())
        near({ 1, 1, 1 }, logs:exp():sum(1), SLACK)
        for i = 1, 3 do
          local t = truth(states, rows[i], temperature)
          near({ t.log_partition }, { a:get(i) }, SLACK)
          near({ t.entropy }, { h:get(i) }, SLACK)
          near(t.marginals, lines(mu, law.n)[i], SLACK)
          near(covariance(states, t, lines(u, law.n)[i], temperature), lines(x.grad, law.n)[i], SLACK)
          for s = 1, #states do near({ t.p[s] }, { math.exp(logs:get(s, i)) }, SLACK) end
        end
      end)
    end

    it(name .. " has the divergence of enumeration, 0 from itself", function()
      local law, states = make(name, row, 0.7)
      local p, q = thetas(law, 2), thetas(law, 2)
      local found = law:kl(p, q)
      for i = 1, 2 do
        local a, b, sum = truth(states, lines(p, law.n)[i], 0.7), truth(states, lines(q, law.n)[i], 0.7), 0
        for s = 1, #states do sum = sum + a.p[s] * math.log(a.p[s] / b.p[s]) end
        near({ sum }, { found:get(i) }, SLACK)
      end
      near({ 0, 0 }, law:kl(p, p), SLACK)
    end)

    it(name .. " has gradients of all it answers", function()
      if not is_double then return pending "needs double" end
      local law, states = make(name, row, 0.7)
      local theta, other = thetas(law, 2), thetas(law, 2)
      local z = law:sample(theta, 3)
      local weight = tensor.normal(theta:shape())
      for what, f in pairs {
        log_partition = function(x) return law:log_partition(x[1]) * tensor { 1, -2 } end,
        marginals = function(x) return law:marginals(x[1]) * weight end,
        entropy = function(x) return law:entropy(x[1]) * tensor { 1, -2 } end,
        kl = function(x) return law:kl(x[1], x[2]) * tensor { 1, -2 } end,
        log_prob = function(x) return law:log_prob(x[1], z) * tensor { 1, -2 } end,
        expectation = function(x)
          return law:expectation(x[1], function(y)
            return (y:reshape(#states, 2, law.n) * x[2]:reshape(2, law.n)):sum(3):square()
          end) * tensor { 1, -2 }
        end,
      } do
        local err = autograd.check(function(x) return f(x):sum() end, { theta, other })
        assert(err < 1e-6, ("%s: %g"):format(what, err))
      end
    end)

    it(name .. " samples with the probabilities of enumeration", function()
      -- n = 4000 draws; chi-square over the states expected 5 times and more (the rest as one); threshold: the mean
      -- plus 4.5 standard deviations of chi-square, plus 10 for its skew: false alarms below 10^-4 a law
      local law, states = make(name, row, 1)
      local theta = thetas(law, 2)
      local n, index = 4000, {}
      for s, z in ipairs(states) do index[table.concat(z, " ")] = s end
      local samples = law:sample(theta, n)
      assert.equal(n, samples:size(1))
      local found = lines(samples, law.n)
      for i = 1, 2 do
        local counts, t = {}, truth(states, lines(theta, law.n)[i], law.temperature)
        for s = 1, n do
          local z = found[(s - 1) * 2 + i]
          for j = 1, #z do z[j] = math.floor(z[j] + 0.5) end
          local key = assert(index[table.concat(z, " ")], "a sample is no solution")
          counts[key] = (counts[key] or 0) + 1
        end
        local statistic, classes, rare, rare_count = 0, 0, 0, 0
        for s = 1, #states do
          local expected, count = n * t.p[s], counts[s] or 0
          if expected >= 5 then
            statistic, classes = statistic + (count - expected) ^ 2 / expected, classes + 1
          else
            rare, rare_count = rare + expected, rare_count + count
          end
        end
        if rare > 0 then statistic, classes = statistic + (rare_count - rare) ^ 2 / math.max(rare, 1), classes + 1 end
        local freedom = classes - 1
        assert(statistic <= freedom + 4.5 * math.sqrt(2 * freedom) + 10, ("%g of %d"):format(statistic, freedom))
      end
    end)

    it(name .. " samples by the draw alone, with the same bits for any number of threads", function()
      local law = make(name, row, 1)
      local theta = thetas(law, 40)
      local draw, before, found = random.draw "noise", core.threads(), {}
      for i, threads in ipairs { 1, 2 } do
        core.threads_set(threads)
        found[i] = { law:sample(theta, 5, draw), law:marginals(theta), law:log_partition(theta), law:entropy(theta) }
      end
      core.threads_set(before)
      for i = 1, 4 do assert.is_true(found[1][i]:equals(found[2][i])) end
      assert.is_true(law:sample(theta:rows(1, 3), 5, draw):equals(found[1][1]:slice(2, 1, 3)))
      assert.is_true(law:sample(theta, 2, draw):equals(found[1][1]:rows(1, 2)))
      assert.is_false(law:sample(theta, 1, draw).id)
      local state = random.state()
      law:sample(theta)
      assert.equal((state.position.noise or 0) + 1, random.draw("noise").index)
    end)

    it(name .. " has the solver's argmax as its mode, and finds it when cold", function()
      local law, states = make(name, row, 1)
      local theta = thetas(law, 2)
      local mode = lines(law:mode(theta), law.n)
      for i = 1, 2 do
        local p = truth(states, lines(theta, law.n)[i], 1).p
        local best = 1
        for s = 2, #states do best = p[s] > p[best] and s or best end
        near(states[best], mode[i], 0)
      end
      if name ~= "factored" then
        local cold = make(name, row, 1e-4)
        near(law:mode(theta), cold:marginals(theta), 1e-6)
      end
    end)

    it(name .. " is stable at scores of 1e4 and -1e4", function()
      local law, states = make(name, row, 1)
      for _, scale in ipairs { 1e4, -1e4 } do
        local theta, shape = thetas(law, 2)
        local ones = tensor.ones(shape) * scale
        local mixed = theta:gt(0):where(scale, -scale)
        for _, x in ipairs { ones, mixed + tensor.uniform(shape) } do
          local mu, a, watched = law:marginals(x), law:log_partition(x), x:clone():watch()
          law:marginals(watched):backward(theta)
          for i = 1, 2 do
            local t = truth(states, lines(x, law.n)[i], law.temperature)
            near(t.marginals, lines(mu, law.n)[i], is_double and 1e-7 or 1e-4)
            near({ t.log_partition }, { a:get(i) }, 1e-6)
            near(covariance(states, t, lines(theta, law.n)[i], law.temperature), lines(watched.grad, law.n)[i],
              is_double and 1e-7 or 1e-4)
          end
          assert(law:log_prob(x, law:sample(x, 2)):min():item() > -60)
        end
      end
    end)

    it(name .. " takes -inf for what is forbidden", function()
      local law, states = make(name, row, 1)
      local theta = thetas(law, 1)
      local list = lines(theta, law.n)[1]
      local place = law.n > 2 and 2 or 1
      list[place] = -math.huge
      local left = {}
      for _, z in ipairs(states) do
        if z[place] == 0 then left[#left + 1] = z end
      end
      local shape = theta:shape()
      local x = tensor(list):reshape(shape)
      if #left == 0 then
        assert_fails("MG-NO-SOLUTION", "instance 1", law.log_partition, law, x)
        assert_fails("MG-NO-SOLUTION", "instance 1", law.sample, law, x)
        return
      end
      local t, u, watched = truth(left, list, law.temperature), tensor.normal(shape), x:clone():watch()
      local mu = law:marginals(watched)
      mu:backward(u)
      near({ t.log_partition }, law:log_partition(x), SLACK)
      near({ t.entropy }, law:entropy(x), SLACK)
      near(t.marginals, mu, SLACK)
      near(covariance(left, t, lines(u, law.n)[1], law.temperature), watched.grad, SLACK)
      near({ 0 }, { law:sample(x, 50):reshape(50, law.n):to_table()[50][place] }, 0)
      watched.grad = nil
      law:entropy(watched):sum():backward()
      local forbidden = lines(watched.grad, law.n)[1]
      assert.equal(0, forbidden[place])
    end)

    it(name .. " says what is wrong at this file's line, and what it is", function()
      local law = make(name, row, 1)
      local theta = thetas(law, 3)
      assert_fails("distribution_spec.lua:", "distribution." .. name .. ": theta: expected shape",
        function() law:marginals(tensor.ones(2, 99)) end)
      local broken = lines(theta, law.n)
      broken[2][1] = 0 / 0
      assert_fails("MG-ARGUMENT", "instance 2", law.entropy, law, tensor(broken):reshape(theta:shape()))
      broken[2][1] = math.huge
      assert_fails("MG-ARGUMENT", "instance 2", law.sample, law, tensor(broken):reshape(theta:shape()))
      assert_fails("distribution_spec.lua:", "unknown option 'temprature'",
        function() distribution[name] { temprature = 3 } end)
      assert_fails("MG-OPTION", "is missing", distribution[name], {})
      assert.matches("distribution." .. name, tostring(law), 1, true)
      assert.equal("mapgrad.law", getmetatable(law).__name)
    end)

    it(name .. " works for no instances and for one without a batch", function()
      local law = make(name, row, 1)
      local theta, shape = thetas(law, 0)
      assert.same({ 0 }, law:log_partition(theta):shape())
      assert.same(shape, law:marginals(theta):shape())
      assert.same(0, law:sample(theta, 3):count())
      local alone = tensor.zeros(law.shape)
      assert.same({}, law:entropy(alone):shape())
      assert.same(law.shape, law:marginals(alone):shape())
      local z = law:sample(alone, 2)
      assert.same({ 2 }, law:log_prob(alone, z):shape())
      assert.same({}, law:log_prob(alone, z[1]):shape())
      assert.same({}, law:expectation(alone, function(y) return y:reshape(y:size(1), law.n):sum(2) end):shape())
    end)
  end)
end)

describe("closed forms", function()
  local close = is_double and 1e-12 or 1e-6

  it("of k-subsets: binomial coefficients, k / n, one solution for k = 0 and k = n", function()
    local law = distribution.top_k { n = 20, k = 10 }
    assert_near(12.126791, law:log_partition(tensor.zeros(20)):item(), 1e-6)
    assert_near(12.126791, law:entropy(tensor.zeros(20)):item(), 1e-6)
    near(tensor.ones(20) * 0.5, law:marginals(tensor.zeros(20)), close)
    for _, k in ipairs { 0, 7 } do
      local one, x = distribution.top_k { n = 7, k = k }, tensor.normal(4, 7):watch()
      local mu = one:marginals(x)
      mu:backward(tensor.normal(4, 7))
      near(tensor.ones(4, 7) * (k / 7), mu, 0)
      assert.equal(0, x.grad:abs():max():item())
      near(tensor.zeros(4), one:entropy(x:detach()), is_double and 1e-14 or 1e-6)
      near(tensor.ones(3, 4, 7) * (k / 7), one:sample(x:detach(), 3), 0)
    end
  end)

  it("of one of n: the softmax and its Jacobian, for one_hot and top_k", function()
    random.seed(32)
    local x, u, tau = tensor.normal(3, 6), tensor.normal(3, 6), 0.6
    local soft = x:clone():watch()
    local expected = (soft * (1 / tau)):softmax()
    expected:backward(u)
    for _, law in ipairs { distribution.one_hot { n = 6, temperature = tau },
      distribution.top_k { n = 6, k = 1, temperature = tau } } do
      local y = x:clone():watch()
      local mu = law:marginals(y)
      mu:backward(u)
      near(expected, mu, SLACK)
      near(soft.grad, y.grad, SLACK)
    end
  end)

  it("of trees: (n - 2) log n and 2 / n on complete graphs", function()
    for n = 2, 12 do
      local edges = complete(n)
      local law = distribution.spanning_tree { nodes = n, edges = edges }
      assert_near((n - 2) * math.log(n), law:log_partition(tensor.zeros(#edges)):item(), close)
      near(tensor.ones(#edges) * (2 / n), law:marginals(tensor.zeros(#edges)), close)
    end
  end)

  it("of paths: 70 on a grid of 5 x 5", function()
    local edges = {}
    for r = 0, 4 do
      for c = 0, 4 do
        if c < 4 then edges[#edges + 1] = { 5 * r + c + 1, 5 * r + c + 2 } end
        if r < 4 then edges[#edges + 1] = { 5 * r + c + 1, 5 * r + c + 6 } end
      end
    end
    local law = distribution.dag_path { nodes = 25, edges = edges }
    assert_near(math.log(70), law:log_partition(tensor.zeros(#edges)):item(), close)
    near({ 8 }, { law:marginals(tensor.zeros(#edges)):sum():item() }, close)
  end)

  it("of assignments: log n!, 1 / n; and of sequences: length log states", function()
    local factorial = 1
    for n = 1, 8 do
      factorial = factorial * n
      local law = distribution.assignment { rows = n, cols = n }
      assert_near(math.log(factorial), law:log_partition(tensor.zeros(n, n)):item(), close)
      near(tensor.ones(n, n) * (1 / n), law:marginals(tensor.zeros(n, n)), close)
    end
    assert_near(5 * math.log(3), distribution.chain_edges { steps = 4, states = 3 }
      :log_partition(tensor.zeros(4, 3, 3)):item(), close)
  end)

  it("of a constant added to all scores: k c / temperature, the same marginals, rows of J that sum to 0", function()
    random.seed(33)
    for _, row in ipairs { { distribution.top_k { n = 6, k = 2, temperature = 2 }, 2 },
      { distribution.spanning_tree { nodes = 4, edges = complete(4), temperature = 2 }, 3 },
      { distribution.assignment { rows = 3, cols = 3, temperature = 2 }, 3 } } do
      local law, x = row[1], tensor.normal(row[1].shape):watch()
      near(law:log_partition(x) + row[2] * 5 / 2, law:log_partition(x + 5), SLACK)
      near(law:marginals(x), law:marginals(x + 5), SLACK)
      law:marginals(x):backward(tensor.normal(law.shape))
      near({ 0 }, { x.grad:sum():item() }, SLACK)
    end
  end)

  it("of an assignment of 16 x 16", function()
    local law = distribution.assignment { rows = 16, cols = 16 }
    local expected = 0
    for i = 2, 16 do expected = expected + math.log(i) end
    assert_near(expected, law:log_partition(tensor.zeros(16, 16)):item(), close)
  end)
end)

describe("no solution", function()
  it("names the lowest instance, and the block", function()
    local inf = math.huge
    local law = distribution.top_k { n = 3, k = 2 }
    assert_fails("MG-NO-SOLUTION", "top_k: instance 2: no solution: fewer entries are allowed than must be taken",
      law.marginals, law, tensor { { 1, 2, 3 }, { 1, -inf, -inf }, { -inf, -inf, -inf } })
    assert_fails("MG-NO-SOLUTION", "instance 2, block 1", function()
      distribution.factored { law = law, blocks = 2 }:log_partition(
        tensor { { { 1, 2, 3 }, { 1, 2, 3 } }, { { 1, -inf, -inf }, { 1, 2, 3 } } })
    end)
    local apart = distribution.spanning_tree { nodes = 4, edges = { { 1, 2 }, { 3, 4 } } }
    assert_fails("MG-NO-SOLUTION", "instance 1: no solution: the allowed edges do not connect all nodes",
      apart.entropy, apart, tensor.zeros(2))
    local unreached = distribution.dag_path { nodes = 3, edges = { { 1, 2 } } }
    assert_fails("MG-NO-SOLUTION", "no path from start to goal", unreached.sample, unreached, tensor.zeros(1))
  end)

  it("gives an infinite divergence where only the second forbids, and a log-probability of -inf", function()
    local law, inf = distribution.one_hot { n = 3 }, math.huge
    assert.equal(inf, law:kl(tensor { 1, 2, 3 }, tensor { 1, -inf, 3 }):item())
    assert(law:kl(tensor { 1, -inf, 3 }, tensor { 1, 2, 3 }):item() < 10)
    assert.equal(-inf, law:log_prob(tensor { 1, -inf, 3 }, tensor { 0, 1, 0 }):item())
    assert.equal(-inf, law:log_prob(tensor { 1, 2, 3 }, tensor { 1, 1, 0 }):item())
  end)

  it("is refused with settings that are wrong", function()
    for text, f in pairs {
      ["expected an integer from 0"] = function() distribution.knapsack { weights = { 1.5 }, capacity = 2 } end,
      ["k = 4 is more than n = 3"] = function() distribution.top_k { n = 3, k = 4 } end,
      ["up to 18 rows and columns"] = function() distribution.assignment { rows = 2, cols = 19 } end,
      ["have a cycle"] = function() distribution.dag_path { nodes = 2, edges = { { 1, 2 }, { 2, 1 } } } end,
      ["temperature: expected a number above 0"] = function() distribution.one_hot { n = 2, temperature = 0 } end,
      ["did you mean 'assignment'"] = function() return distribution.asignment end,
      ["is more than n"] = function() distribution.top_k { n = 1, k = 2, temperature = 1 } end,
    } do
      assert_fails("distribution_spec.lua:", text, f)
    end
  end)
end)

describe("a chain with transitions", function()
  local inf, oracle_chain = math.huge, require "tests.oracle.chain"
  local settings = { length = 4, states = 3, temperature = 0.7 }
  local transitions = { { 0, -inf, 1 }, { 2, 0.5, -inf }, { -1, 0, 0.3 } }
  settings.transitions = transitions

  -- Solutions that are allowed, and their probabilities, for a line of numbers.
  local function expected(theta)
    local context, scores, sum = { transitions = transitions }, {}, 0
    local states = oracle_chain.enumerate(settings, context)
    for s, z in ipairs(states) do
      local score = oracle_chain.extra(settings, context, z)
      for i = 1, #z do score = score + z[i] * theta[i] end
      scores[s] = math.exp(score / 0.7)
      sum = sum + scores[s]
    end
    for s in ipairs(states) do scores[s] = scores[s] / sum end
    return states, scores, math.log(sum)
  end

  it("is enumeration", function()
    random.seed(35)
    local law, theta = distribution.chain(settings), tensor.normal(2, 4, 3)
    local a, h, mu, u = law:log_partition(theta), law:entropy(theta), law:marginals(theta), tensor.normal(2, 4, 3)
    local watched = theta:clone():watch()
    law:marginals(watched):backward(u)
    near(law:tangent(theta, u), watched.grad, SLACK)
    local mode = law:mode(theta)
    for i = 1, 2 do
      local states, p, sum = expected(theta[i]:to_list())
      local entropy, mean, best = 0, {}, 1
      for j = 1, 12 do mean[j] = 0 end
      for s, z in ipairs(states) do
        entropy = entropy - p[s] * math.log(p[s])
        for j = 1, 12 do mean[j] = mean[j] + p[s] * z[j] end
        best = p[s] > p[best] and s or best
        near({ math.log(p[s]) }, law:log_prob(theta[i], tensor(z):reshape(4, 3)), SLACK)
      end
      near({ sum }, { a:get(i) }, SLACK)
      near({ entropy }, { h:get(i) }, SLACK)
      near(mean, mu[i], SLACK)
      near(states[best], mode[i], 0)
    end
    local forbidden = tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 1, 0, 0 }, { 1, 0, 0 } }
    assert.equal(-inf, law:log_prob(theta[1], forbidden):item())
  end)

  it("samples by its probabilities, with the gradients of all it answers, transitions included", function()
    -- n = 20,000; entries in [0, 1]: 4.5 standard errors are at most 4.5 / 2 / sqrt(n): 7e-6 false alarms an entry
    random.seed(36)
    local law, theta = distribution.chain(settings), tensor.normal(2, 4, 3)
    near(law:marginals(theta), law:sample(theta, 20000):mean(1), 4.5 / 2 / math.sqrt(20000))
    if not is_double then return end
    local weight, z, other = tensor.normal(2, 4, 3), law:sample(theta, 1)[1], tensor.normal(2, 4, 3)
    local err = autograd.check(function(x)
      local l = distribution.chain { length = 4, states = 3, temperature = 0.7, transitions = x[2] }
      return (l:marginals(x[1]) * weight):sum() + l:entropy(x[1]):sum() + l:log_prob(x[1], z):sum()
        + l:kl(x[1], other):sum() + l:log_partition(x[1]):sum()
    end, { theta, tensor.normal(3, 3) })
    assert(err < 1e-6, tostring(err))
    assert_fails("MG-SHAPE", "expected 3x3", distribution.chain, { length = 2, states = 3, transitions = { 1, 2 } })
  end)
end)

describe("expectation", function()
  it("by samples is near the exact one", function()
    -- n = 20,000; f in [0, 4]: 4.5 standard errors are at most 4.5 * 2 / sqrt(n): below 10^-5 false alarms
    random.seed(34)
    local law, x = distribution.knapsack { weights = { 1, 2, 3, 4 }, capacity = 5 }, tensor.normal(3, 4)
    local function f(z) return z:sum(3) end
    near(law:marginals(x):sum(2), law:expectation(x, f), SLACK)
    near(law:expectation(x, f), law:expectation(x, f, { samples = 20000 }), 4.5 * 2 / math.sqrt(20000))
    local draw = random.draw "noise"
    assert.is_true(law:expectation(x, f, { samples = 3, draw = draw }):equals(law:expectation(x, f,
      { samples = 3, draw = draw })))
    assert_fails("MG-SHAPE", "f answers shape", law.expectation, law, x, function(z) return z end)
  end)
end)

describe("the gradient of an expectation by samples", function()
  it("is near the exact one, and leaves the value alone", function()
    -- n = 20,000; |f - mean| <= 4 and |z - mu| <= 1: 4.5 standard errors are at most 4.5 * 4 / sqrt(n) = 0.13: below
    -- 10^-5 false alarms an entry
    random.seed(35)
    local law, values = distribution.knapsack { weights = { 1, 2, 3, 4 }, capacity = 5 }, tensor.normal(3, 4)
    local function f(z) return z:sum(3):square() * 0.5 end
    local exact, sampled, single = values:clone():watch(), values:clone():watch(), values:clone():watch()
    law:expectation(exact, f):sum():backward()
    local draw = random.draw "noise"
    local mean = law:expectation(sampled, f, { samples = 20000, draw = draw })
    mean:sum():backward()
    near(exact.grad, sampled.grad, 4.5 * 4 / math.sqrt(20000))
    assert.is_true(exact.grad:norm():item() > 0.4)
    near(f(law:sample(values, 20000, draw)):mean(1), mean, SLACK)
    local sum = tensor.zeros(3, 4)
    for _ = 1, 3000 do -- of one draw each, without a baseline: |f| <= 8
      single.grad = nil
      law:expectation(single, f, { samples = 1 }):sum():backward()
      sum = sum + single.grad
    end
    near(exact.grad, sum * (1 / 3000), 4.5 * 8 / math.sqrt(3000))
  end)
end)

describe("golden imle/enum_ksubset", function()
  for _, case in ipairs(support.golden_cases("imle/enum_ksubset", pending)) do
    it("equals " .. case.name, function()
      local exact = is_double and 1e-10 or 1e-5
      local made = {
        distribution.top_k { n = case.n, k = case.k, temperature = case.tau },
        case.pmf and distribution.enumerated { solver = solver.top_k { n = case.n, k = case.k },
          temperature = case.tau },
      }
      for _, law in ipairs(made) do
        local theta, b = tensor(case.theta), tensor(case.b)
        near({ case.log_partition }, law:log_partition(theta), exact)
        near({ case.entropy }, law:entropy(theta), exact)
        near(case.marginals, law:marginals(theta), exact)
        local x = theta:clone():watch()
        local loss = law:expectation(x, function(z) return (z - b):square():sum(-1) end)
        loss:backward()
        near({ case.expected_loss }, loss, exact)
        near(case.grad, x.grad, exact)
        for i = 1, case.n do
          local unit = tensor.zeros(case.n)
          unit:set(i, 1)
          x.grad = nil
          law:marginals(x):backward(unit)
          near(case.marginal_jacobian[i], x.grad, exact)
        end
        for _, step in ipairs(case.domke) do
          local dy = tensor(step.dy)
          near(step.marginals_target, law:marginals(theta - dy * step.lambda), exact)
          x.grad = nil
          law:marginals(x):backward(dy)
          near(step.exact_vjp, x.grad, exact)
        end
        if case.pmf then near(case.pmf, law:log_prob(theta, law:enumerate()):exp(), exact) end
      end
    end)
  end
end)

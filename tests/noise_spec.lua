-- Noises: their laws, and that their numbers are functions of their place alone.
local mg = require "mapgrad"
local core = require "mapgrad.real"
local support = require "tests.support"
local noise, random, tensor = mg.noise, mg.random, mg.tensor
local assert_fails = support.assert_fails

-- Settings to try for each kind.
local EXAMPLES = {
  gumbel = { {}, { location = -1, scale = 2 } },
  normal = { {}, { location = 3, scale = 0.5 } },
  logistic = { {}, { location = 1, scale = 3 } },
  laplace = { {}, { location = 1, scale = 3 } },
  uniform = { {}, { location = 1, scale = 3 } },
  exponential = { {}, { location = 1, scale = 3 } },
  frechet = { { shape = 20 }, { shape = 2.5, location = 1, scale = 3 } },
  multiplicative = { {} },
  sum_of_gamma = {
    { k = 1 }, { k = 5 }, { k = 2.5, tau = 3, terms = 4 }, { k = 0.5, terms = 20 }, { k = 10, tau = 10 },
    { k = 5, inverse_scale = true }, { k = 5, location = 1, scale = 2 }, { k = 10, tabled = true },
    { k = 20, terms = 500 }, { k = 6, terms = 100, inverse_scale = true },
    { k = 1.5, tau = 2, terms = 30, tabled = true }, { k = 4, inverse_scale = true, tabled = true, scale = 2 },
  },
}

local N = 200000

-- How many entries a Kolmogorov-Smirnov test has; MAPGRAD_NOISE_DRAWS=1e6 for the long ones.
local DRAWS = tonumber(os.getenv "MAPGRAD_NOISE_DRAWS" or "1e5")

-- Estimates of the four cumulants and their standard errors, from the sample's own moments.
local function estimates(x)
  local mean = x:mean():item()
  local centred, m = x - mean, {}
  local power = centred
  for p = 2, 8 do
    power = power * centred
    m[p] = power:mean():item()
  end
  local n = x:count()
  local values = { mean, m[2], m[3], m[4] - 3 * m[2] ^ 2 }
  local variances = {
    m[2], m[4] - m[2] ^ 2, m[6] - m[3] ^ 2 - 6 * m[4] * m[2] + 9 * m[2] ^ 3,
    -- of the fourth moment, and of 3 m2^2 that is taken from it, as if independent: an upper estimate
    2 * (m[8] - m[4] ^ 2) + 2 * 36 * m[2] ^ 2 * (m[4] - m[2] ^ 2),
  }
  local errors = {}
  for i, variance in ipairs(variances) do errors[i] = math.sqrt(math.max(variance, 0) / n) end
  return values, errors
end

-- Largest distance of the empirical law of a list from a distribution function.
local function distance(list, cdf)
  table.sort(list)
  local largest, n = 0, #list
  for i = 1, n do
    local p = cdf(list[i])
    largest = math.max(largest, p - (i - 1) / n, i / n - p)
  end
  return largest
end

-- Kolmogorov: P(sqrt(n) D > 2.23) < 1e-4.
local function assert_law(list, cdf)
  local d = distance(list, cdf) * math.sqrt(#list)
  assert(d < 2.23, ("sqrt(n) D = %.3f"):format(d))
end

-- The normal distribution function by its series (|x| < 6) around 0.
local function normal_cdf(x)
  if x < -6 then return 0 elseif x > 6 then return 1 end
  local term, sum, k = x, x, 1
  while math.abs(term) > 1e-17 * math.abs(sum) do
    term = term * x * x / (2 * k + 1)
    sum, k = sum + term, k + 1
  end
  return 0.5 + sum * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
end

local DRAW = { seed = 11, stream = "noise", index = 3 }

-- Kolmogorov, Smirnov: P(sqrt(n) D > 2.23) < 1e-4 for n = DRAWS, less where only 125 of the sorted entries are looked
-- at (each cdf of sum_of_gamma is an integral).
local function assert_cdf(law, settings)
  local n = DRAWS
  local x, step = law:sample({ 1, 1, n }, DRAW):reshape(n):sort(1), settings.k and n / 125 or 1
  local ranks = {}
  for i = 1, n / step do ranks[i] = i * step / n end
  local p = law:cdf(x:reshape(n / step, step):slice(2, step, step):reshape(n / step))
  local above, below = (tensor(ranks) - p):max():item(), (p - tensor(ranks)):max():item() + 1 / n
  local d = math.max(above, below) * math.sqrt(n)
  assert(d < 2.23, ("sqrt(n) D = %.3f"):format(d))
end

-- Simpson's rule for exp(log density) between neighbours of x.
local function assert_density(law, x, p)
  local parts = 40
  for i = 1, #x - 1 do
    local h, at = (x[i + 1] - x[i]) / parts, {}
    for j = 0, parts do at[j + 1] = x[i] + j * h end
    local density, sum = law:log_density(tensor(at)):exp():to_list(), 0
    for j = 0, parts do sum = sum + density[j + 1] * ((j == 0 or j == parts) and 1 or j % 2 == 1 and 4 or 2) end
    support.assert_near(p[i + 1] - p[i], sum * h / 3, support.is_double and 1e-6 or 1e-4)
  end
end

-- E[score] = 0 and E[x score] = 1 within 5 standard errors (n = 100,000: a false alarm in 2 million), and the score is
-- the slope of the log density.
local function assert_score(law, x)
  local eps = law:sample({ 1, 1, 100000 }, DRAW):reshape(100000)
  local score = law:score(eps)
  for expected, values in pairs { [0] = score, [1] = score * eps } do
    local mean = values:mean():item()
    local spread = math.sqrt((values - mean):square():mean():item() / 100000)
    assert(math.abs(mean - expected) < 5 * spread + 1e-6, ("mean %g, expected %g"):format(mean, expected))
  end
  if support.is_double then
    local slope = (law:log_density(x - 1e-5) - law:log_density(x + 1e-5)) / 2e-5
    support.near(slope, law:score(x), 1e-7)
  end
end

local NO_SCORE = { uniform = "its density jumps", exponential = "its density jumps", sum_of_gamma = "singular" }

local function assert_functions(law, name)
  local p = { 0.01, 0.1, 0.25, 0.4, 0.5, 0.7, 0.9, 0.99 } -- the middle: where the laplace density has a corner
  local x = law:quantile(tensor(p))
  support.near(p, law:cdf(x), support.is_double and 1e-11 or 1e-5)
  support.near(x, law:quantile(law:cdf(x)), support.is_double and 1e-9 or 1e-4)
  assert_density(law, x:to_list(), p)
  if NO_SCORE[name] then
    assert_fails("MG-ARGUMENT", NO_SCORE[name], function() law:score(x) end)
  else
    assert_score(law, x)
  end
  local wrong = law:quantile(tensor { -0.1, 1.1, 0 / 0 }):to_list()
  for i = 1, 3 do assert(wrong[i] ~= wrong[i]) end
end

local RECORDED = support.read_json("tests/golden/imle/sog_moments.json").cases

for _, kind in ipairs(noise.kinds) do
  describe("noise." .. kind.name, function()
    it("has an example", function() assert(EXAMPLES[kind.name], "no example for " .. kind.name) end)

    for i, settings in ipairs(EXAMPLES[kind.name] or {}) do
      it(("has the cumulants it states, example %d"):format(i), function()
        -- n = 200,000; each within 5 standard errors: a false alarm in 2 million
        local law = noise[kind.name](settings)
        local values, errors = estimates(law:sample({ 10, 20, N / 200 }, DRAW):reshape(N))
        local expected = { law:cumulants() }
        for c = 1, 4 do -- a standard error needs the moment of twice the order
          if 2 * c < (settings.shape or math.huge) then
            assert(math.abs(values[c] - expected[c]) < 5 * errors[c] + 1e-6,
              ("cumulant %d: %g, expected %g, standard error %g"):format(c, values[c], expected[c], errors[c]))
          end
        end
        local moments = law:moments()
        assert.same(expected, { moments.mean, moments.variance, moments.third, moments.fourth })
      end)

      it(("is drawn from the law of its cdf, example %d"):format(i), function()
        assert_cdf(noise[kind.name](settings), settings)
      end)

      it(("has quantiles, a density and a score that belong to its cdf, example %d"):format(i), function()
        assert_functions(noise[kind.name](settings), kind.name)
      end)

      it(("adds its location to its scaled numbers, example %d"):format(i), function()
        if not settings.location then return end
        local standard = {}
        for key, value in pairs(settings) do standard[key] = value end
        standard.location, standard.scale = nil, nil
        local x = noise[kind.name](standard):sample({ 2, 3, 40 }, DRAW) * settings.scale + settings.location
        support.near(x, noise[kind.name](settings):sample({ 2, 3, 40 }, DRAW), support.TOLERANCE)
      end)
    end

    it("has antithetic pairs of samples", function()
      local settings = { antithetic = true }
      for key, value in pairs(EXAMPLES[kind.name][1]) do settings[key] = value end
      if kind.name == "sum_of_gamma" then
        assert_fails("MG-ARGUMENT", "take tabled = true", function() noise.sum_of_gamma(settings) end)
        settings.tabled = true
      end
      local law, plain = noise[kind.name](settings), noise[kind.name](EXAMPLES[kind.name][1])
      local x = law:sample({ 5, 4, 250 }, DRAW)
      for _, first in ipairs { 1, 3 } do
        support.near(tensor.ones(4, 250), law:cdf(x[first]) + law:cdf(x[first + 1]), support.is_double and 1e-8 or 2e-5)
      end
      if not settings.tabled then
        local same = plain:sample({ 5, 4, 250 }, DRAW)
        for _, s in ipairs { 1, 3, 5 } do assert.is_true(x[s]:equals(same[s])) end
      end
      assert_cdf({ sample = function() return law:sample({ 2, 1, DRAWS }, DRAW)[2] end, cdf = function(_, v)
        return law:cdf(v)
      end }, { k = settings.k })
      local s, theta = mg.solver.top_k { n = 250, k = 2 }, tensor.normal(4, 250)
      if not law:is_factor() then
        support.near(x * 0.5 + theta, s:perturbed(theta, law, DRAW, 0.5, 5), support.TOLERANCE)
      end
    end)

    it("depends on the place of a number alone", function()
      local law = noise[kind.name](EXAMPLES[kind.name][1])
      local function draw(samples, batch, first, n, index)
        return tensor.wrap(core.noise_sample(law.law, DRAW.seed, DRAW.stream, index or DRAW.index, samples, batch,
          first, n, { samples, batch, n }))
      end
      local whole = draw(3, 14, 0, 9)
      for _, parts in ipairs { 1, 2, 7 } do
        local size, pieces = 14 / parts, {}
        for p = 1, parts do pieces[p] = draw(3, size, (p - 1) * size, 9) end
        assert.is_true(tensor.concat(pieces, 2):equals(whole))
      end
      assert.is_true(draw(2, 14, 0, 9):equals(whole:rows(1, 2)), "more samples change the first ones")
      assert.is_true(draw(3, 14, 0, 5):equals(whole:slice(3, 1, 5)), "more entries change the first ones")
      assert.is_false(draw(3, 14, 0, 9, 4):equals(whole), "another draw has the same numbers")
      assert.is_false(whole[1]:equals(whole[2]), "samples are equal")
      assert.is_false(whole[1][1]:equals(whole[1][2]), "instances are equal")
    end)

    it("differs from place to place, seed to seed and stream to stream", function()
      local law = noise[kind.name](EXAMPLES[kind.name][1])
      local function draw(seed, stream, index)
        return law:sample({ 3, 4, 50 }, { seed = seed, stream = stream, index = index })
      end
      local function assert_differ(a, b, what)
        assert(a:eq(b):mean():item() < 0.02, what .. " share numbers") -- floats coincide now and then
      end
      local whole = draw(11, "noise", 3)
      assert_differ(draw(12, "noise", 3), whole, "seeds")
      assert_differ(draw(11 + 2 ^ 32, "noise", 3), whole, "seeds that agree in 32 bits")
      assert_differ(draw(11, "data", 3), whole, "streams")
      assert_differ(draw(11, "qekrrkp", 3), draw(11, "zlfvswx", 3), "streams whose hashes agree in 32 bits")
      assert_differ(draw(11, "noise", 4), whole, "draws")
      assert_differ(draw(11, "noise", 3 + 2 ^ 32), whole, "draws that agree in 32 bits")
      for i = 1, 2 do
        assert_differ(whole[i], whole[i + 1], "samples")
        assert_differ(whole:slice(2, i, i), whole:slice(2, i + 1, i + 1), "instances")
      end
      local seen, repeated = {}, 0
      for _, v in ipairs(whole:to_list()) do
        repeated, seen[v] = repeated + (seen[v] and 1 or 0), true
      end
      assert(repeated <= 6, "entries repeat") -- of 600
    end)

    it("has the same bits for 1, 2 and 4 threads", function()
      local law, before = noise[kind.name](EXAMPLES[kind.name][1]), core.threads()
      local results = {}
      for i, threads in ipairs { 1, 2, 4 } do
        core.threads_set(threads)
        results[i] = law:sample({ 4, 50, 100 }, DRAW)
      end
      core.threads_set(before)
      assert.is_true(results[1]:equals(results[2]) and results[1]:equals(results[3]))
    end)
  end)
end

describe("the law", function()
  it("of gumbel is Gumbel's", function()
    assert_law(noise.gumbel():sample({ 1, 1, 50000 }, DRAW):to_list(), function(x) return math.exp(-math.exp(-x)) end)
  end)

  it("of normal is the normal one", function()
    assert_law(noise.normal():sample({ 1, 1, 50000 }, DRAW):to_list(), normal_cdf)
  end)

  it("of the sum of k copies of sum_of_gamma is that of the largest of s exponentials, less ln s", function()
    local cases = { { k = 1, tau = 1, terms = 10 }, { k = 4, tau = 2, terms = 3 }, { k = 7, tau = 1, terms = 10 } }
    for _, case in ipairs(cases) do
      local sums = noise.sum_of_gamma(case):sample({ 1, 20000, case.k }, DRAW):sum(3):to_list()
      assert_law(sums, function(x)
        local inner = 1 - math.exp(-x / case.tau) / case.terms
        return inner <= 0 and 0 or inner ^ case.terms
      end)
    end
  end)

  it("of sum_of_gamma has its mean and variance where variates are drawn one by one, and by parts", function()
    -- n = 100,000; 5 standard errors, that of the variance from the law's own cumulants: a false alarm in 2 million
    local n = 100000
    for _, case in ipairs {
      { k = 0.001, terms = 3 }, { k = 0.02, terms = 40 }, { k = 1, terms = 1000 }, { k = 30, terms = 5000 },
      { k = 3, terms = 65, inverse_scale = true }, { k = 100, terms = 1 },
    } do
      local law = noise.sum_of_gamma(case)
      local x = law:sample({ 1, 1, n }, DRAW):reshape(n)
      local mean, variance, _, fourth = law:cumulants()
      local off = x:mean():item() - mean
      assert(math.abs(off) < 5 * math.sqrt(variance / n), ("k = %g: mean off by %g"):format(case.k, off))
      off = (x - mean):square():mean():item() - variance
      assert(math.abs(off) < 5 * math.sqrt((fourth + 2 * variance ^ 2) / n),
        ("k = %g: variance off by %g"):format(case.k, off))
    end
  end)

  it("of sum_of_gamma has the recorded moments", function()
    for _, case in ipairs(support.read_json("tests/golden/identity/topk_sampler.json").sum_of_gamma_moments) do
      for _, inverse in ipairs { false, true } do
        local mean, variance = noise.sum_of_gamma({
          k = case.k, tau = case.tau, terms = case.s, inverse_scale = inverse,
        }):cumulants()
        local suffix = inverse and "_scale_inverted" or ""
        support.near({ case["mean" .. suffix], case["variance" .. suffix] }, { mean, variance }, 1e-10)
      end
    end
    for _, case in ipairs(RECORDED) do
      support.near({ case.exact_mean, case.exact_var, case.exact_third_cumulant, case.exact_fourth_cumulant },
        { noise.sum_of_gamma({ k = case.k, terms = case.iterations }):cumulants() }, 1e-10)
    end
  end)

  it("of sum_of_gamma has the recorded quantiles and distribution function", function()
    for _, case in ipairs(RECORDED) do
      local law = noise.sum_of_gamma { k = case.k, terms = case.iterations }
      support.near(case.exact_quantiles, law:quantile(tensor(case.probabilities)), support.is_double and 1e-9 or 1e-5)
    end
  end)

  it("of sum_of_gamma has quantiles that its distribution function inverts, all over 0..1", function()
    for _, case in ipairs { { 0.3, 10 }, { 0.5, 10 }, { 0.7, 10 }, { 1, 100 } } do
      local law, p = noise.sum_of_gamma { k = case[1], terms = case[2] }, {}
      for i = 1, 1000 do p[i] = i / 1001 end
      support.near(p, law:cdf(law:quantile(tensor(p))), support.is_double and 1e-9 or 1e-5)
    end
  end)

  -- {k, x, P(X <= x), P(X > x)} for 300 terms: Talbot's contour with 240 nodes in 120 digits (mpmath 1.3).
  local MANY_TERMS = {
    { 0.05, -11.342101609083993, 7.13951379136590766e-7, 0.999999286048620863 },
    { 0.05, 11.577628112866027, 0.516930033373875151, 0.483069966626124849 },
    { 0.05, 45.957222695791046, 0.999999511037078754, 4.88962921246480924e-7 },
    { 0.2156, -8.35250604265603, 1.72508199674301299e-10, 0.9999999998274918 },
    { 0.2156, 2.684978690367816, 0.534713604120408292, 0.465286395879591708 },
    { 0.2156, 19.241205789903592, 0.99998809201850165, 0.0000119079814983497361 },
  }

  it("of sum_of_gamma of many terms has the computed distribution function and quantiles", function()
    for _, row in ipairs(MANY_TERMS) do
      local law = noise.sum_of_gamma { k = row[1], terms = 300 }
      support.near({ row[3] }, law:cdf(tensor { row[2] }), support.is_double and 1e-11 or 1e-5)
      if support.is_double or row[3] < 0.9 then
        support.near({ row[2] }, law:quantile(tensor { row[3] }), support.is_double and 1e-8 or 1e-4)
      end
    end
  end)

  it("of sum_of_gamma with k = 1 is that of the largest of many exponentials, less ln terms, in both tails", function()
    for _, terms in ipairs { 30, 300, 4096 } do
      local p, wanted = { 1e-12, 1e-3, 0.3, 0.5, 0.6, 0.993, 0.9999 }, {}
      for i, v in ipairs(p) do wanted[i] = -math.log(1 - v ^ (1 / terms)) - math.log(terms) end
      support.near(wanted, noise.sum_of_gamma({ k = 1, terms = terms }):quantile(tensor(p)),
        support.is_double and 1e-9 or 1e-3)
    end
  end)

  it("of sum_of_gamma is NaN, and not tabled, where k is too small to invert its transform", function()
    local law = noise.sum_of_gamma { k = 0.01 }
    for _, name in ipairs { "cdf", "log_density", "quantile" } do
      local value = law[name](law, tensor { 0.5 }):item()
      assert(value ~= value, name)
    end
    support.assert_fails("MG-ARGUMENT", "k = 0.01, expected at least 0.05 of a tabled law", noise.sum_of_gamma,
      { k = 0.01, tabled = true })
  end)

  it("of tabled sum_of_gamma is the exact quantile function of its uniforms", function()
    for _, case in ipairs {
      { k = 1 }, { k = 10 }, { k = 50 }, { k = 3, terms = 40 }, { k = 200, terms = 4, tau = 50 },
      { k = 0.2156, terms = 300 },
    } do
      local exact = noise.sum_of_gamma(case)
      case.tabled = true
      local u = (noise.uniform():sample({ 1, 1, 500 }, DRAW) + 1) / 2
      local _, variance = exact:cumulants()
      local tolerance = (support.is_double and 1e-6 or 2e-4) * math.sqrt(variance)
      local off = (noise.sum_of_gamma(case):sample({ 1, 1, 500 }, DRAW) - exact:quantile(u)):abs():max():item()
      assert(off < tolerance, ("k = %g: off by %g of %g"):format(case.k, off, tolerance))
    end
  end)

  it("of sum_of_gamma is drawn with the recorded quantiles", function()
    -- n = 20,000; 11 quantiles of 9 laws within 5 standard errors: a false alarm below 2 in 10^5 for each (the
    -- worst is p = 0.001, a count of 20). For k > terms the lowest quantiles are the lower end but for 1e-6.
    local n = 20000
    for _, case in ipairs(RECORDED) do
      local list = noise.sum_of_gamma({ k = case.k, terms = case.iterations }):sample({ 1, 1, n }, DRAW):to_list()
      local least = math.huge
      for _, v in ipairs(list) do least = math.min(least, v) end
      assert(least >= case.support_min - 1e-6, "below the law's lower end")
      for i, q in ipairs(case.exact_quantiles) do
        local p, below, at_most = case.probabilities[i], 0, 0
        for _, v in ipairs(list) do
          if v <= q - 2e-6 then below = below + 1 end
          if v <= q + 2e-6 then at_most = at_most + 1 end
        end
        local slack = 5 * math.sqrt(p * (1 - p) / n)
        assert(below / n <= p + slack and at_most / n >= p - slack,
          ("k = %g, p = %g: shares %g to %g"):format(case.k, p, below / n, at_most / n))
      end
    end
  end)
end)

describe("noise.multiplicative", function()
  local law, T = noise.multiplicative(), 0.5
  local s = mg.solver.top_k { n = 5, k = 2 }

  it("has factors of mean 1", function()
    -- n = 200,000; 5 standard errors: a false alarm in 2 million
    local f = law:factors({ 1, 1, N }, DRAW, T)
    assert(math.abs(f:mean():item() - 1) < 5 * math.sqrt((math.exp(T * T) - 1) / N))
    assert_fails("MG-ARGUMENT", "has no factors", function() noise.normal():factors({ 1, 1, 1 }, DRAW, T) end)
  end)

  it("multiplies scores, keeps signs and zeros, and is the same forward and backward", function()
    random.seed(9)
    local theta = tensor.normal(3, 5)
    theta:set(2, 3, 0)
    local y = s:perturbed(theta, law, DRAW, T, 4)
    support.near(theta * law:factors({ 4, 3, 5 }, DRAW, T), y, support.TOLERANCE)
    assert.is_true(y:sign():equals(theta:sign() + tensor.zeros(4, 3, 5)))
    local z = s:perturbed_argmax(theta, nil, { noise = law, draw = DRAW, temperature = T, samples = 4 })
    assert.is_true(z:equals(s:argmax(y)))
    assert.is_true(s:perturbed(theta, law, DRAW, 0, 4):equals(theta + tensor.zeros(4, 3, 5)))
  end)

  it("is what estimators and losses have for multiplicative = true", function()
    for _, make in ipairs {
      function(o) return mg.estimator.perturbed(o) end,
      function(o)
        local loss = mg.loss.fenchel_young(o)
        return function(x) return loss(x, tensor { 1, 1, 0, 0, 0 }) end
      end,
    } do
      local grads = {}
      for i, option in ipairs { { multiplicative = true }, { noise = law } } do
        option.solver, option.samples, option.temperature = s, 3, T
        random.seed(3)
        local x = tensor({ 0.3, -0.2, 0.5, 0.1, 0 }):watch()
        local y = make(option)(x);
        (y * y):sum():backward()
        grads[i] = x.grad
      end
      assert.is_true(grads[1]:equals(grads[2]))
    end
    assert_fails("MG-OPTION", "take estimator.perturbed", function()
      mg.estimator.score_function { solver = s, noise = law }
    end)
  end)
end)

describe("noise.frechet", function()
  it("has moments where they are finite", function()
    for shape, count in pairs { [0.5] = 0, [1.5] = 1, [2.5] = 2, [3.5] = 3, [4.5] = 4 } do
      local c = { noise.frechet({ shape = shape }):cumulants() }
      for i = 1, 4 do assert.equal(i <= count, c[i] ~= nil) end
    end
    assert_fails("MG-ARGUMENT", "expected at least 0.3", function() noise.frechet { shape = 0.2 } end)
  end)
end)

describe("noises of different places", function()
  -- The correlation of n = 100,000 independent pairs has standard error 1 / sqrt(n): 5 of them, a false
  -- alarm in 2 million.
  local n = 100000
  local law = noise.normal()
  local function draw(changed)
    local d = { seed = 11, stream = "noise", index = 3 }
    for key, value in pairs(changed) do d[key] = value end
    return law:sample({ 1, 1, n }, d)
  end
  local function assert_unrelated(a, b)
    local correlation = (a * b):mean():item()
    assert(math.abs(correlation) < 5 / math.sqrt(n), ("correlation %g"):format(correlation))
    local squares = (a:square() * b:square()):mean():item() - 1 -- variance 9 - 1 of a product of squares
    assert(math.abs(squares) < 5 * math.sqrt(8 / n), ("of squares: %g"):format(squares))
  end

  for _, changed in ipairs { { seed = 12 }, { stream = "data" }, { index = 4 }, { seed = 2 ^ 32 + 11 } } do
    local key, value = next(changed)
    it(("are unrelated: another %s, %s"):format(key, tostring(value)), function()
      assert_unrelated(draw {}, draw(changed))
    end)
  end

  it("are unrelated: samples, instances, entries", function()
    local x = law:sample({ 2, 2, n }, DRAW):reshape(4, n)
    assert_unrelated(x[1], x[2]) -- instances of a sample
    assert_unrelated(x[1], x[3]) -- samples of an instance
    local columns = x:reshape(2 * n, 2):transpose()
    assert_unrelated(columns[1], columns[2]) -- neighbours
  end)
end)

describe("random numbers", function()
  it("are Philox4x32-10's, by its known answers", function()
    -- Salmon, Moraes, Dror, Shaw 2011: the file kat_vectors of their Random123
    local all = 2 ^ 32 - 1
    assert.same({ 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 }, { core.philox({ 0, 0, 0, 0 }, { 0, 0 }) })
    assert.same({ 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
      { core.philox({ all, all, all, all }, { all, all }) })
  end)

  it("start anew with the seed, and go on from a saved state", function()
    random.seed(5)
    local first, second = tensor.normal(3), tensor.normal(3)
    local state = random.state()
    local third = tensor.normal(3)
    random.seed(5)
    assert.is_true(tensor.normal(3):equals(first))
    random.restore(state)
    assert.is_true(tensor.normal(3):equals(third))
    assert.is_false(first:equals(second))
    random.seed(6)
    assert.is_false(tensor.normal(3):equals(first))
  end)

  it("of one stream do not change with the use of another", function()
    random.seed(5)
    local plain = tensor.uniform({ 4 }, "init")
    random.seed(5)
    tensor.normal(100)
    random.order(10)
    assert.is_true(tensor.uniform({ 4 }, "init"):equals(plain))
  end)

  it("of the noise do not change with the use of the data, and the other way round", function()
    random.seed(5)
    local plain, data = noise.gumbel():sample { 2, 3, 4 }, tensor.normal(6)
    random.seed(5)
    assert.is_true(tensor.normal(6):equals(data))
    tensor.uniform(9)
    random.order(5)
    assert.is_true(noise.gumbel():sample({ 2, 3, 4 }):equals(plain))
  end)

  it("are named by a state that does not move with them", function()
    random.seed(7)
    random.draw "spec"
    local state = random.state()
    for i = 1, 3 do assert.same({ seed = 7, stream = "spec", index = i }, random.draw "spec") end
    assert.equal(0, random.draw("other").index)
    for _ = 1, 2 do -- restoring does not tie the state to what comes after
      random.restore(state)
      assert.equal(1, random.draw("spec").index)
      assert.equal(0, random.draw("other").index)
    end
    for _, wrong in ipairs { -1, 0.5, "1", 2 ^ 53 } do
      assert_fails("noise_spec.lua:", "random.seed: expected an integer from 0", function() random.seed(wrong) end)
    end
  end)

  it("order any number of things", function()
    random.seed(3)
    assert.same({}, random.order(0))
    assert.same({ 1 }, random.order(1))
    for _, n in ipairs { 2, 5, 1000 } do
      local order, seen = random.order(n), {}
      assert.equal(n, #order)
      for _, i in ipairs(order) do
        assert(i >= 1 and i <= n and i == math.floor(i) and not seen[i])
        seen[i] = true
      end
    end
    random.seed(3)
    local first, second = random.order(20, "spec"), random.order(20, "spec")
    random.seed(3)
    assert.same(first, random.order(20, "spec"))
    assert.not_same(first, second)
  end)

  it("lie on the open interval, evenly", function()
    random.seed(2)
    local list = tensor.uniform(50000):to_list()
    for i = 1, #list do assert(list[i] > 0 and list[i] < 1) end
    assert_law(list, function(x) return x end)
    assert_law(tensor.normal(50000):to_list(), normal_cdf)
  end)

  it("order 3 things in all 6 ways alike", function()
    random.seed(2)
    local counts, n = {}, 6000
    for _ = 1, n do
      local key = table.concat(random.order(3, "spec"), " ")
      counts[key] = (counts[key] or 0) + 1
    end
    local ways = 0
    for _, count in pairs(counts) do
      ways = ways + 1
      assert(math.abs(count - n / 6) < 5 * math.sqrt(n * 5 / 36)) -- 5 standard errors
    end
    assert.equal(6, ways)
  end)
end)

describe("noise", function()
  it("suggests the right name of a setting, and refuses values out of range", function()
    assert.has_error_matching(function() noise.sum_of_gamma { k = 3, term = 5 } end,
      "noise_spec.*unknown option 'term', did you mean 'terms'")
    assert.has_error_matching(function() noise.sum_of_gamma { k = 0 } end, "k: expected a number above 0, got 0")
    assert.has_error_matching(function() noise.sum_of_gamma {} end, "option 'k' is missing")
    assert.has_error_matching(function() noise.sum_of_gamma { k = 3, terms = 2 ^ 24 } end,
      "noise_spec.*terms = 16777216, expected at most 1048576")
    assert.has_error_matching(function() return noise.gumbell end, "did you mean 'gumbel'")
  end)

  it("of given numbers has them, and says which extents it needs", function()
    local law = noise.given(tensor { { { 1, 2 } }, { { 3, 4 } } })
    assert.same({ { { 1, 2 } }, { { 3, 4 } } }, law:sample({ 2, 1, 2 }):to_table())
    assert.has_error_matching(function() law:sample { 1, 1, 2 } end, "needed are 1 samples of 1 instances of 2")
    assert.has_error_matching(function() law:cumulants() end, "given numbers have no law")
  end)

  it("of given numbers takes [samples, batch..., n], and no other order of them", function()
    local values = tensor.uniform(2, 3, 4, 5)
    local law, s = noise.given(values), mg.solver.top_k { n = 5, k = 2 }
    assert.is_true(law:sample({ 2, 12, 5 }, DRAW):equals(values:reshape(2, 12, 5)))
    local x = tensor.normal(3, 4, 5)
    support.near(values * 0.5 + x, s:perturbed(x, law, DRAW, 0.5, 2), support.TOLERANCE)
    for _, shape in ipairs { { 12, 2, 5 }, { 3, 8, 5 }, { 2, 12, 4 }, { 1, 12, 5 }, { 4, 12, 5 } } do
      assert_fails("noise_spec.lua:", ("needed are %d samples of %d instances of %d entries"):format(shape[1], shape[2],
        shape[3]), function() law:sample(shape, DRAW) end)
    end
    assert_fails("noise_spec.lua:", "needed are 3 samples of 12 instances of 5", function()
      s:perturbed(x, law, DRAW, 1, 3)
    end)
    assert_fails("noise_spec.lua:", "expected a shape of samples, batch, n, got", function() law:sample { 24, 5 } end)
    -- one sample may be given without its axis
    assert.same({ { { 1, 2 }, { 3, 4 } } }, noise.given({ { 1, 2 }, { 3, 4 } }):sample({ 1, 2, 2 }, DRAW):to_table())
  end)

  it("prints its settings", function()
    assert.matches("sum_of_gamma { .*k = 5.*, tau = 2", tostring(noise.sum_of_gamma { k = 5, tau = 2 }))
    assert.equal("gumbel {}", tostring(noise.gumbel()))
  end)

  it("is the same the next time only if its draw is", function()
    random.seed(4)
    local law = noise.normal()
    local first, second = law:sample { 1, 2, 3 }, law:sample { 1, 2, 3 }
    assert.is_false(first:equals(second))
    random.seed(4)
    assert.is_true(law:sample({ 1, 2, 3 }):equals(first))
  end)
end)

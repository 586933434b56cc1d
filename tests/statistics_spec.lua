-- Statistics against SciPy, NumPy and mpmath (tests/golden/statistics.json, made by statistics.py beside it),
-- enumeration and closed forms.
local mg = require "mapgrad"
local support = require "tests.support"
local statistics = mg.statistics

local golden = support.read_json "tests/golden/statistics.json"
local samples = golden.samples

-- Asserts |got - expected| <= tolerance |expected|; nil stands for a number that is not finite.
local function agree(expected, got, tolerance, what)
  if expected == nil then
    assert(got ~= got or math.abs(got) == math.huge, ("%s: expected none, got %.17g"):format(what, got))
    return
  end
  local close = math.abs(got - expected) <= (tolerance or 1e-12) * math.abs(expected)
  assert(close, ("%s: expected %.17g, got %.17g"):format(what, expected, got))
end

local function minus(x, y)
  local d = {}
  for i = 1, #x do d[i] = x[i] - y[i] end
  return d
end

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

describe("distribution functions", function()
  it("agree with mpmath to 1e-13", function()
    local count = 0
    for _, row in ipairs(golden.distributions) do
      local what = ("%s(%s)"):format(row.f, table.concat(row.x, ", "))
      local got = statistics[row.f]((table.unpack or unpack)(row.x))
      -- a logarithm near 0 and 1 - p of p near 1 have the rounding of their arguments
      if row.f:find "^log" then
        assert(math.abs(got - row.y) <= 1e-13 * (1 + math.abs(row.y)), what)
      elseif row.y > 1e-290 or row.y < 0 then
        agree(row.y, got, 1e-13, what)
      else
        assert(got >= 0 and got <= 1e-289, what)
      end
      count = count + 1
    end
    assert.equal(#golden.distributions, count)
    assert.is_true(count > 500)
  end)

  it("have their limits", function()
    assert.equal(math.huge, statistics.normal_quantile(1))
    assert.equal(-math.huge, statistics.t_quantile(0, 3))
    assert.equal(0, statistics.t_quantile(0.5, 3))
    assert.equal(1, statistics.t_two_sided(0, 3))
    assert.equal(0, statistics.t_two_sided(math.huge, 3))
    assert.equal(1, statistics.beta_cdf(1, 2, 3))
    for _, value in ipairs { statistics.normal_quantile(2), statistics.t_quantile(0.5, -1),
      statistics.beta_cdf(2, 1, 1),      statistics.normal_cdf(0 / 0), statistics.t_two_sided(0 / 0, 2) } do
      assert.is_true(value ~= value)
    end
    -- of integers, as of floats: 2^33 squared is more than an integer of Lua 5.4 holds
    agree(statistics.t_two_sided(8589934592.0, 1.0), statistics.t_two_sided(math.floor(8589934592), 1), 0, "integers")
  end)
end)

describe("samples", function()
  for _, name in ipairs(sorted_names(samples)) do
    it("describe: " .. name, function()
      local x, expected = samples[name], golden.describe[name]
      local s = statistics.summary(x)
      agree(expected.mean, s.mean, 1e-12, "mean")
      if name:find "equal$" then
        assert.equal(0, s.std) -- NumPy's has the rounding of its mean
      else
        agree(expected.std, s.std, 1e-12, "std")
      end
      agree(expected.median, s.median, 1e-12, "median")
      agree(expected.iqm, s.iqm, 1e-12, "iqm")
      for i, p in ipairs { 0, 0.1, 0.25, 0.9, 1 } do
        agree(expected.quantiles[i], statistics.quantile(x, p), 1e-12, "quantile")
      end
      local low, high = statistics.t_interval(x)
      if expected.half and not name:find "equal$" then
        agree(expected.mean - expected.half, low, 1e-12, "low")
        agree(expected.mean + expected.half, high, 1e-12, "high")
      elseif not expected.half then
        assert.is_true(low ~= low and high ~= high)
      end
    end)
  end

  it("of equal numbers have that mean and no spread", function()
    for n = 1, 30 do
      local x = {}
      for i = 1, n do x[i] = 0.1 end
      local s = statistics.summary(x)
      assert.equal(0.1, s.mean)
      assert.is_true(n == 1 and s.std ~= s.std or s.std == 0)
    end
  end)

  it("with NaN answer NaN", function()
    local x = { 1, 0 / 0, 2 }
    for _, name in ipairs { "mean", "std", "median", "iqm" } do
      local value = statistics[name](x)
      assert.is_true(value ~= value, name)
    end
    local b = statistics.bootstrap(x)
    assert.is_true(b.percentile[1] ~= b.percentile[1])
    assert.is_true((statistics.sign_flip(x)) ~= (statistics.sign_flip(x)))
  end)

  it("that are infinite are no proof of a difference", function()
    for _, x in ipairs { { 1, math.huge }, { 1, -math.huge, math.huge }, { 1e308, 1e308 } } do
      for _, exact in ipairs { 30, 0 } do
        local p = statistics.sign_flip(x, { exact = exact })
        assert.is_true(p ~= p)
      end
    end
  end)

  it("that are none, or no numbers, are refused with what was met", function()
    support.assert_fails("MG-ARGUMENT", "statistics.mean: expected at least 1 number, got 0", statistics.mean, {})
    support.assert_fails("MG-TYPE", "entry 2 is a string", statistics.median, { 1, "x" })
    support.assert_fails("MG-TYPE", "expected a list of numbers, got a number", statistics.std, 3)
    support.assert_fails("MG-SHAPE", "got 2 and 1 numbers", statistics.paired, { 1, 2 }, { 1 })
    support.assert_fails("MG-OPTION", "did you mean 'level'", statistics.bootstrap, { 1, 2 }, { levl = 0.9 })
    support.assert_fails("MG-ARGUMENT", "from 0 to 1", statistics.quantile, { 1 }, 2)
  end)
end)

describe("paired tests", function()
  for _, row in ipairs(golden.paired) do
    it(("of %s and %s agree with SciPy"):format(row.x, row.y), function()
      local result = statistics.paired(samples[row.x], samples[row.y])
      if row.wilcoxon then
        agree(row.wilcoxon.p, result.wilcoxon, 1e-12, "wilcoxon")
        local _, statistic = statistics.wilcoxon(minus(samples[row.x], samples[row.y]))
        agree(row.wilcoxon.statistic, statistic, 1e-12, "rank sum")
      else
        assert.equal(1, result.wilcoxon)
      end
      if row.sign_flip then agree(row.sign_flip, result.sign_flip, 1e-12, "sign flips") end
      if row.effect then agree(row.effect, result.effect, 1e-12, "effect") end
    end)
  end

  it("choose exact and normal ranks as SciPy does", function()
    for _, row in ipairs(golden.wilcoxon) do
      local p, _, method = statistics.wilcoxon(samples[row.x])
      agree(row.p, p, 1e-12, row.x)
      assert.equal(row.x == "fifty" and "exact" or "normal", method)
    end
  end)

  it("count all signs: against enumeration, ties and zeros included", function()
    local random = require "mapgrad.statistics.stream".new(7)
    for n = 1, 9 do
      for round = 1, 6 do
        local d = {}
        for i = 1, n do d[i] = round <= 3 and math.floor(random() * 5) - 2 or random() - 0.4 end
        local observed, count = 0, 0
        for i = 1, n do observed = observed + d[i] end
        for signs = 0, 2 ^ n - 1 do
          local sum, rest = 0, signs
          for i = 1, n do
            sum = sum + (rest % 2 == 1 and -d[i] or d[i])
            rest = math.floor(rest / 2)
          end
          if math.abs(sum) >= math.abs(observed) - 1e-12 then count = count + 1 end
        end
        assert.equal(count / 2 ^ n, (statistics.sign_flip(d)))
      end
    end
  end)

  it("count equal sums as equal in spite of rounding", function()
    assert.is_true(0.1 + 0.2 - 0.3 ~= 0)
    assert.equal(1, (statistics.sign_flip { 0.1, 0.2, -0.3 }))
    -- the sums are +-0.1, +-0.5 twice, +-0.7
    assert.equal(4 / 8, (statistics.sign_flip { 0.3, -0.1, 0.3 }))
    assert.equal(2 / 8, (statistics.sign_flip { 0.3, 0.1, 0.3 }))
  end)

  it("draw signs for many pairs, within three standard errors of all", function()
    local d = samples.thirty
    local exact, method = statistics.sign_flip(d)
    assert.equal("exact", method)
    local random
    random, method = statistics.sign_flip(d, { exact = 0 })
    assert.equal("random", method)
    -- it stops after 1000 hits: a standard error of p sqrt((1 - p) / 1000); false alarm 0.3 %, the seed is fixed
    assert(math.abs(random - exact) <= 3 * exact * math.sqrt((1 - exact) / 1000))
    assert.equal(random, (statistics.sign_flip(d, { exact = 0 })))
    assert.not_equal(random, (statistics.sign_flip(d, { exact = 0, seed = 2 })))
  end)
end)

describe("random signs", function()
  it("go to the end for small p-values, within three standard errors of all signs", function()
    local d = {}
    for i = 1, 30 do d[i] = samples.thirty[i] + 0.6 end
    local exact, random = statistics.sign_flip(d), statistics.sign_flip(d, { exact = 0 })
    assert.is_true(exact < 0.009 and exact > 1e-4)
    assert(math.abs(random - exact) <= 3 * math.sqrt(exact * (1 - exact) / 1e5) + 1e-5)
    assert.is_true(math.abs(random * 100001 - math.floor(random * 100001 + 0.5)) < 1e-6) -- of all 100,000
  end)

  it("are not drawn where none can be expected to reach so far", function()
    local d = {}
    for i = 1, 100 do d[i] = 1 + i / 100 end
    assert.equal(1 / 100001, (statistics.sign_flip(d))) -- all signs: 2 / 2^100
  end)
end)

describe("unpaired tests", function()
  for _, row in ipairs(golden.unpaired) do
    it(("of %s and %s agree with SciPy"):format(row.x, row.y), function()
      local x, y = samples[row.x], samples[row.y]
      local p, u = statistics.mann_whitney(x, y)
      agree(row.mann_whitney.p, p, 1e-12, "Mann-Whitney")
      agree(row.mann_whitney.statistic, u, 1e-12, "U")
      agree(row.improvement, statistics.improvement(x, y), 1e-12, "improvement")
      agree(1 - row.improvement, statistics.improvement(x, y, { sense = "max" }), 1e-9, "improvement, max")
      local w = statistics.welch(x, y)
      if row.welch and row.welch.p then
        agree(row.welch.p, w.p, 1e-12, "Welch")
        agree(row.welch.t, w.t, 1e-12, "t")
        agree(row.welch.freedom, w.freedom, 1e-12, "freedom")
        agree(row.cohen_d, statistics.cohen_d(x, y), 1e-12, "Cohen's d")
        -- the interval ends where the test's p is 5 %
        local half = (w.high - w.low) / 2
        agree(0.05, statistics.t_two_sided(half / ((w.high + w.low) / 2 / w.t), w.freedom), 1e-8, "interval")
      elseif not row.welch then
        assert.is_true(w.p ~= w.p)
      end
    end)
  end

  it("of samples without spread say whether the means are equal", function()
    for _, unit in ipairs { 2 ^ -400, 2 ^ 400 } do -- numbers whose fourth powers are no doubles
      local scaled, plain = statistics.welch({ unit, 2 * unit, 4 * unit }, { 3 * unit, 5 * unit }),
        statistics.welch({ 1, 2, 4 }, { 3, 5 })
      assert.equal(plain.p, scaled.p)
      assert.equal(plain.freedom, scaled.freedom)
    end
    support.assert_fails("MG-ARGUMENT", "statistics.welch: level: expected a number between 0 and 1", statistics.welch,
      { 1, 2 }, { 3, 5 }, 95)
    assert.equal(1, statistics.welch({ 2, 2 }, { 2, 2, 2 }).p)
    assert.equal(0, statistics.welch({ 2, 2 }, { 3, 3, 3 }).p)
    assert.equal(0, statistics.cohen_d({ 2, 2 }, { 2, 2, 2 }))
    assert.equal(-math.huge, statistics.cohen_d({ 2, 2 }, { 3, 3, 3 }))
    assert.equal(1, (statistics.mann_whitney({ 2, 2 }, { 2, 2, 2 })))
  end)
end)

describe("Holm's correction", function()
  it("is that of R's p.adjust", function()
    -- p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") of R 4.2
    for i, p in ipairs { 0.03, 0.06, 0.06, 0.02 } do
      agree(p, statistics.holm({ 0.01, 0.04, 0.03, 0.005 })[i], 1e-12, "p")
    end
    assert.same({ 1, 1 }, statistics.holm { 0.6, 0.7 })
    assert.same({}, statistics.holm {})
  end)

  it("does not count tests that were not made", function()
    local list = statistics.holm { 0.02, 0 / 0, 0.03 }
    agree(0.04, list[1], 1e-12, "first")
    assert.is_true(list[2] ~= list[2])
    agree(0.04, list[3], 1e-12, "third")
  end)
end)

describe("the bootstrap", function()
  for _, row in ipairs(golden.bootstrap) do
    it(("of the %s of %s has SciPy's intervals for the same resamples"):format(row.statistic, row.x), function()
      local b = statistics.bootstrap(samples[row.x], { statistic = row.statistic, resamples = 999 })
      agree(row.error, b.error, 1e-12, "error")
      for i = 1, 2 do
        agree(row.percentile[i], b.percentile[i], 1e-12, "percentile")
        if row.bca[i] then agree(row.bca[i], b.bca[i], 1e-11, "bca") end
      end
    end)

    if row.statistic == "mean" then
      it(("of the mean of %s is within three standard errors of SciPy's own"):format(row.x), function()
        local b = statistics.bootstrap(samples[row.x])
        for i = 1, 2 do
          -- a deviation of one run, and of the mean of 40; 2 ends of 4 samples: false alarm 2 %, seeds are fixed
          local most = 3 * row.scipy.deviations[i] * math.sqrt(1 + 1 / 40)
          assert(math.abs(b.bca[i] - row.scipy.ends[i]) <= most,
            ("end %d: %g, SciPy %g +- %g"):format(i, b.bca[i], row.scipy.ends[i], most))
        end
      end)
    end
  end

  it("of a difference of means has SciPy's intervals for the same resamples", function()
    for _, row in ipairs(golden.difference) do
      local b = statistics.difference(samples[row.x], samples[row.y], { resamples = 999 })
      for i = 1, 2 do
        agree(row.percentile[i], b.percentile[i], 1e-11, "percentile")
        agree(row.bca[i], b.bca[i], 1e-11, "bca")
      end
    end
  end)

  it("takes a function, and gives what the name of the same gives", function()
    local x = samples.twelve
    local named = statistics.bootstrap(x, { statistic = "median", resamples = 100 })
    local own = statistics.bootstrap(x, { statistic = statistics.median, resamples = 100 })
    for i = 1, 2 do
      agree(named.percentile[i], own.percentile[i], 1e-12, "percentile")
      agree(named.bca[i], own.bca[i], 1e-12, "bca")
    end
  end)

  it("of equal numbers is a point, of one number unknown", function()
    assert.same({ 0.1, 0.1 }, statistics.bootstrap({ 0.1, 0.1, 0.1 }, { statistic = "median" }).bca)
    local one = statistics.bootstrap { 3 }
    assert.equal(3, one.estimate)
    assert.is_true(one.bca[1] ~= one.bca[1] and one.percentile[2] ~= one.percentile[2])
  end)

  it("gives the same numbers again, whatever the training draws, and others for another seed", function()
    local x = samples.twenty
    local before = statistics.bootstrap(x).percentile
    mg.random.seed(77)
    mg.random.uniform()
    assert.same(before, statistics.bootstrap(x).percentile)
    assert.not_same(before, statistics.bootstrap(x, { seed = 2 }).percentile)
  end)

  it("gives the same bits in every build and on both interpreters", function()
    -- sums and means of these four are exact: NumPy's very numbers
    local b = statistics.bootstrap(golden.exact.x, { resamples = 1001 })
    assert.same(golden.exact.percentile, b.percentile)
    -- through exp, log and sqrt: the bits of one run, so that others are seen to differ if they do
    assert.equal("0.1875 0.27245208615073346", ("%.17g %.17g"):format(b.bca[1], statistics.t_interval(samples.five)))
  end)

  it("does not depend on the order of the numbers", function()
    local x, turned = samples.twelve, {}
    for i = 1, 12 do turned[i] = x[13 - i] end
    assert.same(statistics.bootstrap(x).bca, statistics.bootstrap(turned).bca)
    assert.same(statistics.difference(x, samples.six), statistics.difference(turned, samples.six))
  end)

  it("resamples within each problem", function()
    local row, groups = golden.aggregate, {}
    for i, name in ipairs(row.groups) do groups[i] = samples[name] end
    local a = statistics.aggregate(groups, { resamples = 5000 })
    agree(row.estimate, a.estimate, 1e-12, "interquartile mean")
    for i = 1, 2 do
      assert(math.abs(a.percentile[i] - row.ends[i]) <= 3 * row.deviations[i] * math.sqrt(1 + 1 / 20))
    end
    -- problems of one score each have nothing to resample
    local fixed = statistics.aggregate({ { 1 }, { 2 }, { 3 } }, { statistic = "mean", resamples = 10 })
    assert.same({ 2, 2 }, fixed.percentile)
  end)

  it("of the chance to be better is within three standard errors of NumPy's", function()
    local row = golden.chance
    local c = statistics.improvement_interval(samples[row.x], samples[row.y])
    for i = 1, 2 do
      assert(math.abs(c.percentile[i] - row.ends[i]) <= 3 * row.deviations[i] * math.sqrt(1 + 1 / 20) + 1e-12)
    end
  end)
end)

describe("the generator of resamples", function()
  it("has L'Ecuyer's numbers, and its indices are uniform", function()
    local stream = require "mapgrad.statistics.stream"
    local counts, n, count = {}, 7, 3000
    for i = 1, n do counts[i] = 0 end
    stream.resamples(5, n, count, function(row)
      for i = 1, n do counts[row[i]] = counts[row[i]] + 1 end
    end)
    local chi = 0
    for i = 1, n do chi = chi + (counts[i] - count) ^ 2 / count end
    assert(chi < 27.9) -- 6 degrees of freedom: false alarm 1e-4, seed fixed
  end)

  it("gives rows that are too many to keep as it gives kept ones", function()
    local stream = require "mapgrad.statistics.stream"
    local kept, fresh = {}, {}
    stream.resamples(3, 600, 20, function(row, r) kept[r] = table.concat(row, " ") end)
    stream.resamples(3, 600, 2000, function(row, r)
      if r <= 20 then fresh[r] = table.concat(row, " ") end
    end)
    assert.same(kept, fresh)
  end)
end)

describe("scores over problems", function()
  it("have profiles: the share of runs within a score, averaged over problems", function()
    assert.same({ 0, 0.75, 1 }, statistics.profile({ { 1, 3 }, { 2 } }, { 0.5, 2, 3 }))
    assert.same({ 1, 0.75, 0.25 }, statistics.profile({ { 1, 3 }, { 2 } }, { 0.5, 2, 2.5 }, { sense = "max" }))
  end)

  it("have an optimality gap: what misses the target", function()
    -- max: 1 - (0.5 + 1 + 0.8) / 3; min: (2 + 1 + 1) / 3 - 1
    agree(1 - (0.5 + 1 + 0.8) / 3, statistics.optimality_gap({ 0.5, 1.5, 0.8 }, 1, { sense = "max" }), 1e-12, "max")
    agree(1 / 3, statistics.optimality_gap({ 2, 1, 0.5 }, 1), 1e-12, "min")
  end)
end)

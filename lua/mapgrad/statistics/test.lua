--- Tests of two samples, all two-sided: paired (sign flips, Wilcoxon), unpaired (Welch, Mann and Whitney), Holm's
-- correction for many.
--
-- A small p-value says that chance alone seldom makes such a difference; effect sizes and intervals say how
-- large it is.
-- @module mapgrad.statistics.test
local check = require "mapgrad.check"
local interval = require "mapgrad.statistics.interval"
local sample = require "mapgrad.statistics.sample"
local special = require "mapgrad.statistics.special"
local stream = require "mapgrad.statistics.stream"

local test = {}

local nan = 0 / 0
local EXACT_FLIPS = 30 -- pairs up to which all signs are counted

-- ------------------------------------------------------------------ sign flips

-- Two ascending lists in one.
local function merge(a, b)
  local list, i, j, n, m = {}, 1, 1, #a, #b
  for k = 1, n + m do
    if j > m or (i <= n and a[i] <= b[j]) then
      list[k], i = a[i], i + 1
    else
      list[k], j = b[j], j + 1
    end
  end
  return list
end

-- All sums of +-d[first] .. +-d[last], ascending.
local function signed_sums(d, first, last)
  local sums = { 0.0 }
  for i = first, last do
    local v, plus, minus = math.abs(d[i]), {}, {}
    for k = 1, #sums do plus[k], minus[k] = sums[k] + v, sums[k] - v end
    sums = merge(plus, minus)
  end
  return sums
end

-- The share of all 2^n signs whose sum is bound or more: two halves, each in order.
local function share_of_signs(d, bound)
  local n = #d
  local a, b = signed_sums(d, 1, math.floor(n / 2)), signed_sums(d, math.floor(n / 2) + 1, n)
  local count, j = 0.0, #b + 1 -- b[j..] reach the bound with a[i]; j falls as a[i] rises
  for i = 1, #a do
    local v = a[i]
    while j > 1 and v + b[j - 1] >= bound do j = j - 1 end
    count = count + (#b + 1 - j)
  end
  return count / (#a * 1.0 * #b)
end

-- The sums of each ten differences under all their signs: table[k][bits + 1].
local function tables_of(d)
  local tables = {}
  for first = 1, #d, 10 do
    local sums = { 0.0 }
    for i = first, first + 9 do
      local v, more = d[i] or 0, {}
      for k = 1, #sums do more[k], more[#sums + k] = sums[k] + v, sums[k] - v end
      sums = more
    end
    tables[#tables + 1] = sums
  end
  return tables
end

-- The share of random signs whose sum reaches the bound in absolute value: (hits + 1) / (draws + 1), or hits / draws
-- made once there are enough hits (Besag and Clifford 1991). Where Hoeffding's inequality makes a single hit less
-- likely than one in a hundred, none is looked for.
local function share_of_draws(d, bound, draws, seed)
  local squares = 0.0
  for i = 1, #d do squares = squares + d[i] * d[i] end
  if 2 * math.exp(-bound * bound / (2 * squares)) * draws < 0.01 then return 1 / (draws + 1) end
  local next_sum, hits = stream.signed_sum(seed, tables_of(d)), 0
  local enough = math.max(100, draws / 100)
  for made = 1, draws do
    local sum = next_sum()
    if sum >= bound or -sum >= bound then
      hits = hits + 1
      if hits >= enough then return hits / made end
    end
  end
  return (hits + 1) / (draws + 1)
end

--- Permutation test of paired differences: how often does the mean get as far from 0 if each sign is a coin's?
--
-- All 2^n signs count for up to 30 pairs, in 2^(n/2) steps; beyond, random ones, p = (hits + 1) / (draws + 1), or
-- hits / draws made once a hundredth of the draws are hits.
-- Source: Fisher, The design of experiments, 1935; the halves: Horowitz and Sahni 1974; stopping: Besag and Clifford
-- 1991; scipy.stats.permutation_test with permutation_type = "samples".
-- @tparam table d  differences
-- @tparam ?table options  draws (100000 at most) beyond 30 pairs, seed (1), exact = pairs up to which all count (30)
-- @treturn number p-value; NaN where a difference or their sum is not finite
-- @treturn string "exact" or "random"
-- @usage local p = statistics.sign_flip { 0.3, 0.1, 0.4, 0.2, -0.1, 0.5 }
function test.sign_flip(d, options)
  local name = "statistics.sign_flip"
  local o = check.options(name, options, { draws = check.count(100000), seed = check.whole(1),
    exact = check.whole(EXACT_FLIPS) })
  local copy, has_nan = sample.read(name, d)
  if has_nan then return nan, "exact" end
  local sum, size = 0.0, 0.0
  for i = 1, #copy do sum, size = sum + copy[i], size + math.abs(copy[i]) end
  local bound = math.abs(sum) - 1e-13 * size -- sums that are equal but for rounding are equal
  local method = #copy <= math.min(o.exact, 40) and "exact" or "random"
  if bound ~= bound then return nan, method end -- an infinite difference, or sum
  if bound <= 0 then return 1, method end
  if method == "exact" then return math.min(1, 2 * share_of_signs(copy, bound)), method end
  return share_of_draws(copy, bound, o.draws, math.floor(o.seed)), method
end

-- ------------------------------------------------------------------ ranks

-- Ranks of numbers, ties sharing their mean; and the sum of t^3 - t over groups of t ties.
local function ranks_of(x)
  local order, ranks, ties = {}, {}, 0.0
  for i = 1, #x do order[i] = i end
  table.sort(order, function(i, j)
    if x[i] ~= x[j] then return x[i] < x[j] end
    return i < j
  end)
  local i = 1
  while i <= #x do
    local j = i
    while j < #x and x[order[j + 1]] == x[order[i]] do j = j + 1 end
    for k = i, j do ranks[order[k]] = (i + j) / 2 end
    local t = (j - i + 1) * 1.0
    ties = ties + (t * t * t - t)
    i = j + 1
  end
  return ranks, ties
end

local wilcoxon_tails = {} -- n -> list: [k + 1] = P(rank sum <= k)

-- P(W <= k) of the signed rank sum of n, by counting subsets of 1..n; exact up to n = 50.
local function wilcoxon_tail(n, k)
  if not wilcoxon_tails[n] then
    local counts, total = { [0] = 1.0 }, 0
    for rank = 1, n do
      for sum = total, 0, -1 do counts[sum + rank] = (counts[sum + rank] or 0) + counts[sum] end
      total = total + rank
    end
    local tails, below, all = {}, 0.0, 1.0
    for _ = 1, n do all = all * 2 end
    for sum = 0, total do
      below = below + counts[sum]
      tails[sum + 1] = below / all
    end
    wilcoxon_tails[n] = tails
  end
  return wilcoxon_tails[n][k + 1]
end

--- Wilcoxon's signed-rank test of paired differences; differences of 0 are left out.
--
-- As scipy.stats.wilcoxon 1.10 chooses: exact up to 50 differences if none is 0, else the normal approximation with a
-- correction for ties. With ties the "exact" p-value is SciPy's, which takes the law without ties.
-- Source: Wilcoxon 1945.
-- @tparam table d  differences
-- @treturn number p-value; 1 where all differences are 0
-- @treturn number smaller rank sum
-- @treturn string "exact" or "normal"
function test.wilcoxon(d)
  local copy, has_nan = sample.read("statistics.wilcoxon", d)
  if has_nan then return nan, nan, "exact" end
  local kept, sizes = {}, {}
  for _, v in ipairs(copy) do
    if v ~= 0 then kept[#kept + 1], sizes[#sizes + 1] = v, math.abs(v) end
  end
  local n = #kept
  if n == 0 then return 1, 0, "exact" end
  local ranks, ties = ranks_of(sizes)
  local plus, minus = 0.0, 0.0
  for i = 1, n do
    if kept[i] > 0 then plus = plus + ranks[i] else minus = minus + ranks[i] end
  end
  local least = math.min(plus, minus)
  if #copy <= 50 and n == #copy then
    local total, k = n * (n + 1) / 2, math.floor(plus)
    if k == math.floor(total / 2) then return 1, least, "exact" end
    local above = total - k -- P(W >= k) = P(W <= total - k)
    local p = 2 * math.min(wilcoxon_tail(n, k), wilcoxon_tail(n, math.floor(above)))
    return math.min(1, p), least, "exact"
  end
  local variance = (n * (n + 1.0) * (2.0 * n + 1) - 0.5 * ties) / 24
  local z = (least - n * (n + 1.0) / 4) / math.sqrt(variance)
  return 2 * special.normal_sf(math.abs(z)), least, "normal"
end

-- ------------------------------------------------------------------ unpaired

--- Welch's t test: do two means differ, variances unequal?
-- Source: Welch 1947; scipy.stats.ttest_ind with equal_var = False.
-- @tparam table x  numbers
-- @tparam table y  numbers
-- @tparam ?number level  coverage of the interval (default 0.95)
-- @treturn table {p, t, freedom, low, high}: the interval of mean x - mean y; NaN for fewer than two numbers in a
--   sample. Samples without variance: p = 1 if the means are equal, else 0.
function test.welch(x, y, level)
  local name = "statistics.welch"
  local a, b = sample.read(name .. ": x", x), sample.read(name .. ": y", y)
  level = interval.level(name, level)
  local n, m = #a, #b
  if n < 2 or m < 2 then return { p = nan, t = nan, freedom = nan, low = nan, high = nan } end
  local mean_a, mean_b = sample.mean_of(a), sample.mean_of(b)
  local s, r = sample.moments_of(a, mean_a) / (n - 1) / n, sample.moments_of(b, mean_b) / (m - 1) / m
  local difference = mean_a - mean_b
  if s + r == 0 then
    local t = difference == 0 and 0 or difference / 0
    return { p = difference == 0 and 1 or 0, t = t, freedom = n + m - 2, low = difference, high = difference }
  end
  local t = difference / math.sqrt(s + r)
  local share = s / (s + r) -- as a share: squares of s and r may overflow
  local freedom = 1 / (share * share / (n - 1) + (1 - share) * (1 - share) / (m - 1))
  local half = special.t_quantile(0.5 + level / 2, freedom) * math.sqrt(s + r)
  return { p = special.t_two_sided(t, freedom), t = t, freedom = freedom, low = difference - half,
    high = difference + half }
end

-- P(U <= k) for samples of n and m without ties: the coefficients of the Gaussian binomial up to k.
local function mann_whitney_tail(n, m, k)
  local least, most = math.min(n, m), math.max(n, m)
  local counts = { [0] = 1.0 }
  for u = 1, k do counts[u] = 0.0 end
  for i = 1, least do -- times (1 - q^(most + i)), over (1 - q^i)
    for u = k, most + i, -1 do counts[u] = counts[u] - counts[u - most - i] end
    for u = i, k do counts[u] = counts[u] + counts[u - i] end
  end
  local below, all = 0.0, 1.0
  for u = 0, k do below = below + counts[u] end
  for i = 1, least do all = all * (most + i) / i end
  return below / all
end

--- The test of Mann and Whitney: does one of two samples tend to be larger?
--
-- As scipy.stats.mannwhitneyu chooses: exact if a sample has 8 numbers or fewer and nothing ties, else the normal
-- approximation with corrections for ties and continuity.
-- Source: Mann and Whitney 1947.
-- @tparam table x  numbers
-- @tparam table y  numbers
-- @treturn number p-value
-- @treturn number U of x: pairs with x > y, ties one half
-- @treturn string "exact" or "normal"
function test.mann_whitney(x, y)
  local name = "statistics.mann_whitney"
  local a, bad = sample.read(name .. ": x", x)
  local b, worse = sample.read(name .. ": y", y)
  if bad or worse then return nan, nan, "exact" end
  local n, m, all = #a, #b, {}
  for i = 1, n do all[i] = a[i] end
  for i = 1, m do all[n + i] = b[i] end
  local ranks, ties = ranks_of(all)
  local u = -n * (n + 1) / 2
  for i = 1, n do u = u + ranks[i] end
  local larger = math.max(u, n * m - u)
  if ties == 0 and (n <= 8 or m <= 8) then
    return math.min(1, 2 * mann_whitney_tail(n, m, math.floor(n * m - larger))), u, "exact"
  end
  local total = n + m
  local variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
  if variance <= 0 then return 1, u, "normal" end
  local z = (larger - n * m / 2 - 0.5) / math.sqrt(variance)
  return math.min(1, 2 * special.normal_sf(z)), u, "normal"
end

-- ------------------------------------------------------------------ many tests

--- Holm's correction: p-values that keep the chance of any false alarm among them.
-- Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
-- @tparam table list  p-values; NaN stays NaN and does not count as a test
-- @treturn table corrected ones, in the same order
-- @usage print(statistics.holm({ 0.01, 0.04, 0.03 })[1])  --> 0.03
function test.holm(list)
  local values, order, result = sample.read("statistics.holm", list, 0), {}, {}
  for i, p in ipairs(values) do
    result[i] = p
    if p == p then order[#order + 1] = i end
  end
  table.sort(order, function(i, j)
    if values[i] ~= values[j] then return values[i] < values[j] end
    return i < j
  end)
  local largest = 0
  for k, i in ipairs(order) do
    largest = math.max(largest, math.min(1, (#order + 1 - k) * values[i]))
    result[i] = largest
  end
  return result
end

--- What there is to say about pairs: tests, effect and intervals of the mean difference x - y.
-- @tparam table x  numbers
-- @tparam table y  as many
-- @tparam ?table options  level (0.95), resamples (2000), seed (1) of the intervals; draws (100000) of the sign flips
-- @treturn table {n, difference, std, effect, sign_flip = p, sign_flip_method, wilcoxon = p, wilcoxon_method,
--   interval = {t = {low, high}, percentile = {low, high}, bca = {low, high}}}
function test.paired(x, y, options)
  local a, b = sample.read_pairs("statistics.paired", x, y)
  local o = interval.options("statistics.paired", options, 2000, { draws = check.count(100000) })
  local d = {}
  for i = 1, #a do d[i] = a[i] - b[i] end
  local result = { n = #d, difference = sample.mean_of(d), std = sample.std_of(d), effect = test.paired_d(d) }
  local largest = 0.0
  for i = 1, #d do largest = math.max(largest, math.abs(a[i]), math.abs(b[i])) end
  if result.std <= 2 ^ -51 * largest then -- differences that are equal but for the rounding of x - y
    result.std, result.effect = 0, result.difference == 0 and 0 or result.difference / 0
  end
  result.sign_flip, result.sign_flip_method = test.sign_flip(d, { draws = o.draws })
  local _
  result.wilcoxon, _, result.wilcoxon_method = test.wilcoxon(d)
  local boot = interval.bootstrap(d, { level = o.level, resamples = o.resamples, seed = o.seed })
  result.interval = { t = { interval.t_interval(d, o.level) }, percentile = boot.percentile,
    bca = boot.bca }
  return result
end

-- ------------------------------------------------------------------ effect sizes

local function ratio(difference, deviation)
  if difference == 0 then return 0 end
  return difference / deviation
end

--- Cohen's d of two samples: the difference of the means in pooled standard deviations.
-- Source: Cohen, Statistical power analysis, 1988.
-- @tparam table x  numbers
-- @tparam table y  numbers
-- @treturn number NaN for fewer than three numbers; infinite where both are constant
function test.cohen_d(x, y)
  local a, b = sample.read("statistics.cohen_d: x", x), sample.read("statistics.cohen_d: y", y)
  local n, m = #a, #b
  if n + m < 3 then return nan end
  local mean_a, mean_b = sample.mean_of(a), sample.mean_of(b)
  local squares = sample.moments_of(a, mean_a) + sample.moments_of(b, mean_b)
  return ratio(mean_a - mean_b, math.sqrt(squares / (n + m - 2)))
end

--- Cohen's d of pairs: the mean difference in standard deviations of the differences.
-- @tparam table d  differences
-- @treturn number NaN for one; infinite where they are equal and not 0
function test.paired_d(d)
  local copy = sample.read("statistics.paired_d", d)
  if #copy < 2 then return nan end
  return ratio(sample.mean_of(copy), sample.std_of(copy))
end

return test

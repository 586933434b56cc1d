--- Intervals: Student's for a mean; the bootstrap's, percentile and BCa, for means, medians, interquartile means,
-- differences and chances; over groups by resampling within each.
--
-- Resamples come from streams of this part with fixed seeds: the same numbers give the same intervals, in each build
-- and each interpreter.
-- @module mapgrad.statistics.interval
local check = require "mapgrad.check"
local sample = require "mapgrad.statistics.sample"
local special = require "mapgrad.statistics.special"
local stream = require "mapgrad.statistics.stream"

local interval = {}

local nan = 0 / 0

local level_rule = { preset = 0.95, required = false, expected = "a number between 0 and 1", test = function(v)
  if type(v) == "number" and v > 0 and v < 1 then return v end
end }
local seed_rule = { preset = 1, required = false, expected = "an integer from 0 below 2^31", test = function(v)
  if type(v) == "number" and v >= 0 and v < 2 ^ 31 and v == math.floor(v) then return math.floor(v) end
end }

--- Options of bootstraps, checked.
-- @tparam string name    of the function
-- @tparam table options  of the caller
-- @tparam number resamples  default
-- @tparam ?table more    further rules
function interval.options(name, options, resamples, more)
  local rules = { level = level_rule, seed = seed_rule, resamples = check.count(resamples) }
  for key, rule in pairs(more or {}) do rules[key] = rule end
  return check.options(name, options, rules)
end

--- A coverage, checked; 0.95 where there is none.
-- @tparam string name  of the function
-- @tparam ?number level
function interval.level(name, level) return check.value(name .. ": level", level or 0.95, level_rule) end

--- Student's interval for a mean: mean +- t s / sqrt n.
-- @tparam table x numbers
-- @tparam ?number level coverage (default 0.95)
-- @treturn number low
-- @treturn number high; both NaN for one number
function interval.t_interval(x, level)
  local copy = sample.read("statistics.t_interval", x)
  level = interval.level("statistics.t_interval", level)
  if #copy < 2 then return nan, nan end
  local mean = sample.mean_of(copy)
  local half = special.t_quantile(0.5 + level / 2, #copy - 1) * sample.std_of(copy) / math.sqrt(#copy)
  return mean - half, mean + half
end

-- ------------------------------------------------------------------ from resampled values to intervals

local function percentile(sorted, level)
  return { sample.quantile_of(sorted, (1 - level) / 2), sample.quantile_of(sorted, (1 + level) / 2) }
end

-- How many entries of a sorted list are below v, and not above it.
local function ranks(sorted, v)
  local low, high = 1, #sorted + 1
  while low < high do
    local mid = math.floor((low + high) / 2)
    if sorted[mid] < v then low = mid + 1 else high = mid end
  end
  local below = low - 1
  high = #sorted + 1
  while low < high do
    local mid = math.floor((low + high) / 2)
    if sorted[mid] <= v then low = mid + 1 else high = mid end
  end
  return below, low - 1
end
interval.ranks = ranks

-- Bias-corrected and accelerated: the percentiles at Phi(z0 + (z0 + z) / (1 - a (z0 + z))).
local function bca(sorted, estimate, acceleration, level)
  if sorted[1] == sorted[#sorted] and sorted[1] == estimate then return { estimate, estimate } end
  -- what differs from the estimate by rounding alone equals it
  local rounding = 1e-12 * math.max(math.abs(sorted[1]), math.abs(sorted[#sorted]))
  local below = ranks(sorted, estimate - rounding)
  local _, not_above = ranks(sorted, estimate + rounding)
  local z0 = special.normal_quantile((below + not_above) / (2 * #sorted))
  local ends = {}
  for i = 1, 2 do
    local z = z0 + special.normal_quantile(i == 1 and (1 - level) / 2 or (1 + level) / 2)
    local p = special.normal_cdf(z0 + z / (1 - acceleration * z))
    ends[i] = p == p and sample.quantile_of(sorted, p) or nan
  end
  return ends
end

--- Both intervals of a statistic from its resampled values.
-- @tparam table values         resampled, sorted in place
-- @tparam number estimate      of the sample itself
-- @tparam number acceleration  of BCa: sum of cubed influences / (6 (sum of squared ones)^1.5)
-- @tparam number level         coverage
-- @treturn table {estimate, percentile = {low, high}, bca = {low, high}, error = standard deviation of the values}
function interval.of_values(values, estimate, acceleration, level)
  local finite = estimate == estimate
  for i = 1, #values do finite = finite and values[i] == values[i] end
  if not finite then return { estimate = estimate, percentile = { nan, nan }, bca = { nan, nan }, error = nan } end
  local deviation = sample.std_of(values)
  table.sort(values)
  return { estimate = estimate, percentile = percentile(values, level), error = deviation,
    bca = bca(values, estimate, acceleration, level) }
end

-- Sums of cubes and squares of influences -> BCa's acceleration; 0 where all are equal.
local function acceleration_of(cubes, squares)
  if squares == 0 then return 0 end
  return cubes / (6 * squares * math.sqrt(squares))
end

-- ------------------------------------------------------------------ statistics of a resample

-- Maker(x) -> function (row) -> the statistic of the entries that row names. x is sorted: the order in which runs are
-- listed changes no interval.
local makers = {}

function makers.mean(x)
  local n = #x
  return function(row)
    local sum = 0.0
    for i = 1, n do sum = sum + x[row[i]] end
    return sum / n
  end
end

-- Mean of the ranks first..last of a resample of sorted numbers, by counting.
local function by_ranks(x, first, last)
  local n, counts = #x, {}
  for i = 1, n do counts[i] = 0 end
  return function(row)
    for i = 1, n do
      local k = row[i]
      counts[k] = counts[k] + 1
    end
    local sum, rank = 0.0, 0
    for i = 1, n do
      local count = counts[i]
      if count > 0 then
        local from, to = rank + 1, rank + count
        if from < first then from = first end
        if to > last then to = last end
        if to >= from then sum = sum + (to - from + 1) * x[i] end
        rank = rank + count
        counts[i] = 0
      end
    end
    return sum / (last - first + 1)
  end
end

function makers.iqm(x)
  local cut = sample.trimmed(#x)
  return by_ranks(x, cut + 1, #x - cut)
end

function makers.median(x)
  return by_ranks(x, math.floor((#x + 1) / 2), math.floor(#x / 2) + 1)
end

-- For a function (list) -> number of the caller.
local function maker_of(f)
  return function(x)
    local n = #x
    return function(row)
      local list = {} -- its own: f may keep or sort it
      for i = 1, n do list[i] = x[row[i]] end
      return f(list)
    end
  end
end

local exact = { mean = sample.mean, median = sample.median, iqm = sample.iqm }

local statistic_rule = {
  preset = "mean", required = false, expected = "mean, median, iqm or a function (list) -> number",
  test = function(v)
    if exact[v] or type(v) == "function" then return v end
  end,
}

-- The acceleration by leaving out one entry at a time.
local function jackknife(x, f)
  local without, values = {}, {}
  for i = 2, #x do without[i - 1] = x[i] end
  for i = 1, #x do
    local list = {}
    for j = 1, #without do list[j] = without[j] end
    values[i] = f(list)
    without[i] = x[i] -- now x[i] stands in for x[i + 1]
  end
  local mean = sample.mean_of(values)
  local squares, cubes = sample.moments_of(values, mean)
  return acceleration_of(-cubes, squares)
end

--- Bootstrap intervals for a statistic of one sample.
-- Source: Efron, Better bootstrap confidence intervals, 1987; Efron and Tibshirani 1993, 14.3. As
-- scipy.stats.bootstrap, but that a sample of equal numbers has the interval from that number to itself.
-- @tparam table x  numbers
-- @tparam ?table options
--   statistic: "mean" (default), "median", "iqm" or a function (list) -> number;
--   resamples (2000), level (0.95), seed (1)
-- @treturn table {estimate, percentile = {low, high}, bca = {low, high}, error}; NaN for one number
-- @usage print(statistics.bootstrap({ 3, 1, 2, 5, 4 }, { statistic = "median" }).bca[1])
function interval.bootstrap(x, options)
  local name = "statistics.bootstrap"
  local o = interval.options(name, options, 2000, { statistic = statistic_rule })
  local copy, has_nan = sample.read(name, x)
  local f = exact[o.statistic] or o.statistic
  local estimate = f(copy)
  if #copy < 2 or has_nan then
    return { estimate = estimate, percentile = { nan, nan }, bca = { nan, nan }, error = nan }
  end
  local acceleration
  if o.statistic == "mean" then
    local squares, cubes = sample.moments_of(copy, estimate)
    acceleration = acceleration_of(cubes, squares)
  else
    acceleration = jackknife(copy, f)
  end
  table.sort(copy)
  local value = (makers[o.statistic] or maker_of(f))(copy)
  local values = {}
  stream.resamples(o.seed, #copy, o.resamples, function(row, r) values[r] = value(row) end)
  return interval.of_values(values, estimate, acceleration, o.level)
end

--- Bootstrap intervals for the difference of two means of independent samples, each resampled by itself.
-- @tparam table x  numbers, at least two
-- @tparam table y  numbers, at least two
-- @tparam ?table options  resamples (2000), level (0.95), seed (1)
-- @treturn table as of bootstrap: estimate = mean x - mean y
function interval.difference(x, y, options)
  local name = "statistics.difference"
  local o = interval.options(name, options, 2000)
  local a, bad = sample.read(name .. ": x", x)
  local b, worse = sample.read(name .. ": y", y)
  local mean_a, mean_b = sample.mean_of(a), sample.mean_of(b)
  if #a < 2 or #b < 2 or bad or worse then
    return { estimate = mean_a - mean_b, percentile = { nan, nan }, bca = { nan, nan }, error = nan }
  end
  table.sort(a)
  table.sort(b)
  local values, value_a, value_b = {}, makers.mean(a), makers.mean(b)
  stream.resamples(o.seed, #a, o.resamples, function(row, r) values[r] = value_a(row) end)
  stream.resamples(o.seed + 1, #b, o.resamples, function(row, r) values[r] = values[r] - value_b(row) end)
  local squares_a, cubes_a = sample.moments_of(a, mean_a)
  local squares_b, cubes_b = sample.moments_of(b, mean_b)
  local n, m = #a, #b
  local acceleration = acceleration_of(cubes_a / (n * n * n) - cubes_b / (m * m * m),
    squares_a / (n * n) + squares_b / (m * m))
  return interval.of_values(values, mean_a - mean_b, acceleration, o.level)
end

--- An aggregate over problems: all scores in one sample, resampled within each problem (stratified); percentile
-- interval.
-- Source: Agarwal, Schwarzer, Castro, Courville, Bellemare 2021 (rliable).
-- @tparam table groups  a list of lists: the scores of each problem over its seeds
-- @tparam ?table options
--   statistic: "iqm" (default), "mean" or "median"; resamples (50000), level (0.95), seed (1)
-- @treturn table {estimate, percentile = {low, high}, error}
function interval.aggregate(groups, options)
  local name = "statistics.aggregate"
  local o = interval.options(name, options, 50000, { statistic = check.choice({ "iqm", "mean", "median" }, "iqm") })
  sample.expect_lists(name, groups)
  local entries = {} -- {value, group}, to be sorted together
  local sizes, has_nan = {}, false
  for g, group in ipairs(groups) do
    local copy, bad = sample.read(("%s: groups[%d]"):format(name, g), group)
    sizes[g], has_nan = #copy, has_nan or bad
    for i, v in ipairs(copy) do entries[#entries + 1] = { v, g, i } end
  end
  if has_nan then return { estimate = nan, percentile = { nan, nan }, error = nan } end
  table.sort(entries, function(p, q)
    if p[1] ~= q[1] then return p[1] < q[1] end
    if p[2] ~= q[2] then return p[2] < q[2] end
    return p[3] < q[3]
  end)
  local all, place = {}, {} -- place[g][i]: rank of entry i of group g among all
  for g = 1, #groups do place[g] = {} end
  for rank, entry in ipairs(entries) do all[rank], place[entry[2]][entry[3]] = entry[1], rank end
  local estimate = exact[o.statistic](all)
  local value, uniform, row, values = makers[o.statistic](all), stream.new(o.seed), {}, {}
  for r = 1, o.resamples do
    local k = 0
    for g = 1, #groups do
      local own, size = place[g], sizes[g]
      for _ = 1, size do
        k = k + 1
        row[k] = own[math.floor(uniform() * size) + 1]
      end
    end
    values[r] = value(row)
  end
  local result = interval.of_values(values, estimate, 0, o.level)
  result.bca = nil
  return result
end

return interval

--- How good one set of runs is beside another, or beside a target: probability of improvement, performance profiles,
-- optimality gap.
-- Source: Agarwal, Schwarzer, Castro, Courville, Bellemare, Deep reinforcement learning at the edge of the statistical
-- precipice, 2021 (rliable).
-- @module mapgrad.statistics.effect
local check = require "mapgrad.check"
local interval = require "mapgrad.statistics.interval"
local sample = require "mapgrad.statistics.sample"
local stream = require "mapgrad.statistics.stream"

local effect = {}

local nan = 0 / 0
local sense_rule = check.choice({ "min", "max" }, "min")

-- For each x: how many of sorted y are below, and not above it.
local function places(x, sorted)
  local low, high = {}, {}
  for i = 1, #x do low[i], high[i] = interval.ranks(sorted, x[i]) end
  return low, high
end

-- Both samples, negated for the sense "max" so that less is better, y sorted; nil if there is a NaN.
local function oriented(name, x, y, sense)
  local a, bad = sample.read(name .. ": x", x)
  local b, worse = sample.read(name .. ": y", y)
  if bad or worse then return nil end
  if sense == "max" then
    for i = 1, #a do a[i] = -a[i] end
    for i = 1, #b do b[i] = -b[i] end
  end
  table.sort(a)
  table.sort(b)
  return a, b
end

-- Chance that an entry of x is below one of y, ties one half, from the places.
local function chance(low, high, n, m)
  local sum = 0.0
  for i = 1, n do sum = sum + (low[i] + high[i]) end
  return 1 - sum / (2 * n * m)
end

--- Probability of improvement: that a run of x is better than one of y, ties one half.
-- For the sense "min", P(X < Y) + P(X = Y) / 2.
-- @tparam table x  numbers
-- @tparam table y  numbers
-- @tparam ?table options  sense: "min" (default), less is better, or "max"
-- @treturn number
-- @usage print(statistics.improvement({ 1, 2, 3 }, { 2, 4 }))  --> 0.75
function effect.improvement(x, y, options)
  local o = check.options("statistics.improvement", options, { sense = sense_rule })
  local a, b = oriented("statistics.improvement", x, y, o.sense)
  if not a then return nan end
  local low, high = places(a, b)
  return chance(low, high, #a, #b)
end

--- Its bootstrap interval, each sample resampled by itself.
-- @tparam table x  numbers
-- @tparam table y  numbers
-- @tparam ?table options  sense ("min"), resamples (2000), level (0.95), seed (1)
-- @treturn table {estimate, percentile = {low, high}, error}; NaN for fewer than two numbers in a sample
function effect.improvement_interval(x, y, options)
  local name = "statistics.improvement_interval"
  local o = interval.options(name, options, 2000, { sense = sense_rule })
  local a, b = oriented(name, x, y, o.sense)
  if not a then return { estimate = nan, percentile = { nan, nan }, error = nan } end
  local n, m = #a, #b
  local low, high = places(a, b)
  local estimate = chance(low, high, n, m)
  if n < 2 or m < 2 then return { estimate = estimate, percentile = { nan, nan }, error = nan } end
  local below = effect.resampled_ranks(m, o.resamples, o.seed + 1)
  local values = {}
  stream.resamples(o.seed, n, o.resamples, function(row, r)
    local sums, sum = below[r], 0
    for i = 1, n do
      local k = row[i]
      sum = sum + (sums[low[k]] + sums[high[k]])
    end
    values[r] = 1 - sum / (2 * n * m)
  end)
  local result = interval.of_values(values, estimate, 0, o.level)
  result.bca = nil
  return result
end

local last = {} -- the table made last: a baseline meets many groups

--- For each resample, how many of its entries are among the first k of n, k = 0..n.
-- @treturn table list of tables
function effect.resampled_ranks(n, resamples, seed)
  if last.n == n and last.resamples == resamples and last.seed == seed then return last.ranks end
  local list = {}
  stream.resamples(seed, n, resamples, function(row, r)
    local counts = { [0] = 0 }
    for k = 1, n do counts[k] = 0 end
    for i = 1, n do
      local k = row[i]
      counts[k] = counts[k] + 1
    end
    for k = 1, n do counts[k] = counts[k] + counts[k - 1] end
    list[r] = counts
  end)
  last = { n = n, resamples = resamples, seed = seed, ranks = list }
  return list
end

--- Performance profile: for each tau the share of runs as good as tau or better, averaged over problems.
-- @tparam table groups  a list of lists: the scores of each problem over its seeds
-- @tparam table taus    numbers
-- @tparam ?table options  sense: "min" (default), score <= tau, or "max", score >= tau
-- @treturn table list of shares, one a tau
function effect.profile(groups, taus, options)
  local name = "statistics.profile"
  local o = check.options(name, options, { sense = sense_rule })
  sample.expect_lists(name, groups)
  local copies, shares = {}, {}
  for g, group in ipairs(groups) do copies[g] = sample.read(("%s: groups[%d]"):format(name, g), group) end
  for t, tau in ipairs((sample.read(name .. ": taus", taus))) do
    local sum = 0.0
    for _, group in ipairs(copies) do
      local count = 0
      for _, v in ipairs(group) do
        if (o.sense == "min" and v <= tau) or (o.sense == "max" and v >= tau) then count = count + 1 end
      end
      sum = sum + count / #group
    end
    shares[t] = sum / #copies
  end
  return shares
end

--- Optimality gap: by how much runs miss a target on average; runs beyond it count as 0.
-- For the sense "max", target - mean(min(x, target)), as rliable's; for "min", mean(max(x, target)) - target.
-- @tparam table x        numbers
-- @tparam number target
-- @tparam ?table options  sense: "min" (default) or "max"
-- @treturn number
function effect.optimality_gap(x, target, options)
  local name = "statistics.optimality_gap"
  local o = check.options(name, options, { sense = sense_rule })
  local copy, has_nan = sample.read(name, x)
  check.value(name .. ": target", target, check.real())
  if has_nan then return nan end
  for i, v in ipairs(copy) do copy[i] = math.max(0, o.sense == "max" and target - v or v - target) end
  return sample.mean_of(copy)
end

return effect

--- Numbers that describe one sample, and what the other files need to read samples.
-- A NaN in a sample makes every answer NaN.
-- @module mapgrad.statistics.sample
local check = require "mapgrad.check"

local sample = {}

local nan = 0 / 0

--- A list of numbers as doubles, checked.
-- @tparam string name  the function's and the argument's name, for messages
-- @tparam table list   numbers
-- @tparam ?number least  how many there must be (default 1)
-- @treturn table a copy
-- @treturn boolean whether one of them is NaN
function sample.read(name, list, least)
  local kind = check.type_of(list)
  if type(list) ~= "table" or kind:find "^mapgrad%." then
    check.fail("MG-TYPE", "%s: expected a list of numbers, got a %s%s", name, kind,
      kind == "mapgrad.tensor" and ": t:to_list() makes one of it" or "")
  end
  local copy, has_nan = {}, false
  for i = 1, #list do
    local v = list[i]
    if type(v) ~= "number" then
      check.fail("MG-TYPE", "%s: expected numbers, entry %d is a %s", name, i, check.type_of(v))
    end
    copy[i] = v + 0.0
    has_nan = has_nan or v ~= v
  end
  if #copy < (least or 1) then
    check.fail("MG-ARGUMENT", "%s: expected at least %d number%s, got %d", name, least or 1,
      (least or 1) == 1 and "" or "s", #copy)
  end
  return copy, has_nan
end

--- Raises an error unless it is a list of at least one list.
function sample.expect_lists(name, groups)
  if type(groups) ~= "table" or type(groups[1]) ~= "table" then
    check.fail("MG-TYPE", "%s: expected a list of lists of numbers, one a problem, got %s", name,
      type(groups) == "table" and #groups == 0 and "an empty one" or "a " .. check.type_of(groups))
  end
end

--- Two lists of the same length.
-- @return both as doubles, and whether either has a NaN
function sample.read_pairs(name, x, y)
  local a, bad = sample.read(name .. ": x", x)
  local b, worse = sample.read(name .. ": y", y)
  if #a ~= #b then
    check.fail("MG-SHAPE", "%s: pairs need samples of one length, got %d and %d numbers", name, #a, #b)
  end
  return a, b, bad or worse
end

--- Mean of doubles, the sum compensated; equal entries give exactly that value.
-- Source: Neumaier 1974.
function sample.mean_of(x)
  local sum, lost, first, n, equal = 0.0, 0.0, x[1], #x, true
  for i = 1, n do
    local v = x[i]
    local new = sum + v
    if math.abs(sum) >= math.abs(v) then lost = lost + ((sum - new) + v) else lost = lost + ((v - new) + sum) end
    sum = new
    if v ~= first then equal = false end
  end
  if equal then return first end
  if lost ~= lost then return sum / n end -- an infinite entry
  return (sum + lost) / n
end

--- Sums of the second and third powers of the deviations from the mean.
function sample.moments_of(x, mean)
  local second, third = 0.0, 0.0
  for i = 1, #x do
    local d = x[i] - mean
    second, third = second + d * d, third + d * d * d
  end
  return second, third
end

--- Standard deviation of doubles, divisor n - 1; NaN for fewer than two.
function sample.std_of(x)
  if #x < 2 then return nan end
  return math.sqrt((sample.moments_of(x, sample.mean_of(x))) / (#x - 1))
end

--- Mean of sorted doubles from the rank `first` to `last`.
local function mean_between(sorted, first, last)
  local part = {}
  for i = first, last do part[#part + 1] = sorted[i] end
  return sample.mean_of(part)
end

--- How many entries the interquartile mean leaves out at each end.
function sample.trimmed(n) return math.floor(n / 4) end

--- Interquartile mean of sorted doubles.
function sample.iqm_of(sorted)
  local cut = sample.trimmed(#sorted)
  return mean_between(sorted, cut + 1, #sorted - cut)
end

--- Quantile of sorted doubles, linear between the order statistics.
function sample.quantile_of(sorted, p)
  local place = p * (#sorted - 1) + 1
  local i = math.floor(place)
  if i >= #sorted then return sorted[#sorted] end
  local a, b = sorted[i], sorted[i + 1]
  if a == b then return a end
  return a + (b - a) * (place - i)
end

-- A copy in ascending order; nil if there is a NaN.
local function ordered(name, x)
  local copy, has_nan = sample.read(name, x)
  if has_nan then return nil end
  table.sort(copy)
  return copy
end

--- Mean.
-- @tparam table x numbers, at least one
-- @treturn number
function sample.mean(x) return sample.mean_of((sample.read("statistics.mean", x))) end

--- Standard deviation of a sample, divisor n - 1; NaN for one number.
-- @tparam table x numbers, at least one
-- @treturn number
function sample.std(x) return sample.std_of((sample.read("statistics.std", x))) end

--- Median; the mean of the middle two where their number is even.
-- @tparam table x numbers, at least one
-- @treturn number
function sample.median(x)
  local sorted = ordered("statistics.median", x)
  return sorted and sample.quantile_of(sorted, 0.5) or nan
end

--- Interquartile mean: the mean without the lowest and the highest floor(n / 4) numbers.
-- Source: Agarwal, Schwarzer, Castro, Courville, Bellemare 2021 (rliable); scipy.stats.trim_mean(x, 0.25).
-- @tparam table x numbers, at least one
-- @treturn number
function sample.iqm(x)
  local sorted = ordered("statistics.iqm", x)
  return sorted and sample.iqm_of(sorted) or nan
end

--- Quantile, linear between the order statistics (type 7 of Hyndman and Fan 1996, NumPy's default).
-- @tparam table x numbers, at least one
-- @tparam number p from 0 to 1
-- @treturn number
function sample.quantile(x, p)
  local sorted = ordered("statistics.quantile", x)
  if type(p) ~= "number" or not (p >= 0 and p <= 1) then
    check.fail("MG-ARGUMENT", "statistics.quantile: p: expected a number from 0 to 1, got %s", tostring(p))
  end
  return sorted and sample.quantile_of(sorted, p) or nan
end

--- What there is to say about one sample.
-- @tparam table x numbers, at least one
-- @treturn table {n, mean, std, median, iqm, least, most}
-- @usage print(statistics.summary { 3, 1, 2 }.median)
function sample.summary(x)
  local copy, has_nan = sample.read("statistics.summary", x)
  local result = { n = #copy, mean = sample.mean_of(copy), std = sample.std_of(copy) }
  if has_nan then
    result.median, result.iqm, result.least, result.most = nan, nan, nan, nan
    return result
  end
  table.sort(copy)
  result.median, result.iqm = sample.quantile_of(copy, 0.5), sample.iqm_of(copy)
  result.least, result.most = copy[1], copy[#copy]
  return result
end

return sample

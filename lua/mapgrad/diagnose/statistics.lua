--- Statistics of gradients against a true one. A gradient is a list of n numbers.
--
-- Intervals are 95 %. Those of bias, error, variance, norm_ratio, squared_error and call_error are a jackknife that
-- leaves out one of 20 groups of the gradients (as many groups as gradients if there are fewer), and one of the rounds
-- of the truth if it was sampled, with Student's quantile. Those of shares are Wilson's.
local statistics = {}

local GROUPS, NORMAL = 20, 1.959964

local function dot(a, b)
  local sum = 0
  for i = 1, #a do sum = sum + a[i] * b[i] end
  return sum
end

function statistics.norm(a) return math.sqrt(dot(a, a)) end

--- Cosine of two lists; 0 where one is 0.
function statistics.cosine(a, b)
  local scale = math.sqrt(dot(a, a)) * math.sqrt(dot(b, b))
  return scale > 0 and dot(a, b) / scale or 0
end

--- Mean of lists; with group and groups, without those whose number is group modulo groups.
function statistics.mean(rows, group, groups)
  local mean, count = {}, 0
  for i = 1, #rows[1] do mean[i] = 0 end
  for r, row in ipairs(rows) do
    if not group or r % groups ~= group then
      count = count + 1
      for i = 1, #row do mean[i] = mean[i] + row[i] end
    end
  end
  for i = 1, #mean do mean[i] = mean[i] / count end
  return mean
end

--- Entries' variances of the mean of rows.
function statistics.error_squares(rows)
  local mean, squares, count = statistics.mean(rows), {}, #rows
  for i = 1, #mean do
    local sum = 0
    for _, row in ipairs(rows) do sum = sum + (row[i] - mean[i]) ^ 2 end
    squares[i] = count > 1 and sum / (count - 1) / count or 0
  end
  return squares
end

--- The two-sided 95 % quantile of Student's law: 12.7 for 1 degree of freedom, towards 1.96.
function statistics.student(freedom)
  if freedom == 1 then return 12.7062 end
  if freedom == 2 then return 4.3027 end
  local z, v = NORMAL, freedom
  return z + (z ^ 3 + z) / (4 * v) + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * v ^ 2)
    + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * v ^ 3)
end

--- Wilson's interval of a share: {low, high}.
function statistics.share(hits, count)
  local p, z2 = hits / count, NORMAL ^ 2
  local center = (p + z2 / (2 * count)) / (1 + z2 / count)
  local width = NORMAL / (1 + z2 / count) * math.sqrt(p * (1 - p) / count + z2 / (4 * count ^ 2))
  return { hits == 0 and 0 or center - width, hits == count and 1 or center + width }
end

-- ------------------------------------------------------------------ numbers of many gradients

-- The numbers of the rows that are not of the group, against a truth.
local function numbers(rows, truth, group, groups)
  local mean, length = statistics.mean(rows, group, groups), statistics.norm(truth)
  local error, square, cos, cos2, count = 0, 0, 0, 0, 0
  for r, row in ipairs(rows) do
    if not group or r % groups ~= group then
      local along, size, own = dot(row, truth), dot(row, row), statistics.cosine(row, mean)
      count = count + 1
      error = error + 1 - (size > 0 and length > 0 and along / math.sqrt(size) / length or 0)
      square = square + size - 2 * along + length ^ 2
      cos, cos2 = cos + own, cos2 + own * own
    end
  end
  local scale = length > 0 and 1 / length or 0
  return {
    bias = 1 - statistics.cosine(mean, truth), error = error / count, norm_ratio = statistics.norm(mean) * scale,
    squared_error = square / count * scale ^ 2,
    variance = count > 1 and math.max(cos2 - cos * cos / count, 0) / (count - 1) or 0,
  }
end

-- Adds to sums the jackknife variance of each number, of value(g) for g = 0 .. groups - 1.
local function add_jackknife(sums, groups, value)
  local left, means = {}, {}
  for g = 0, groups - 1 do
    left[g] = value(g)
    for key, v in pairs(left[g]) do means[key] = (means[key] or 0) + v / groups end
  end
  for key, mean in pairs(means) do
    local square = 0
    for g = 0, groups - 1 do square = square + (left[g][key] - mean) ^ 2 end
    sums[key] = (sums[key] or 0) + square * (groups - 1) / groups
  end
end

-- The largest |mean - truth| of an entry in standard errors of both.
local function deviation(rows, truth, truth_rows)
  local mean, own = statistics.mean(rows), statistics.error_squares(rows)
  local other, largest = truth_rows and statistics.error_squares(truth_rows), 0
  local rounding = 1e-5 * statistics.norm(truth) -- also of entries whose truth is 0, and found by a sum
  for i = 1, #mean do
    local off, error = math.abs(mean[i] - truth[i]), math.sqrt(own[i] + (other and other[i] or 0))
    if error < 1e-9 * off then error = 0 end -- rounding of gradients that are all the same
    if off > rounding then largest = math.max(largest, off / error) end
  end
  return largest
end

--- The numbers of gradients against a truth.
-- @param rows   2 gradients and more
-- @param truth  {gradient = list, rows = the rounds whose mean it is, or nil}
-- @param calls  solver calls of a gradient
-- @return {bias, error, variance, norm_ratio, squared_error, call_error, deviation, interval = {bias = {low, high},
--   ...}}
function statistics.against(rows, truth, calls)
  local report, squares, groups = numbers(rows, truth.gradient), {}, math.min(GROUPS, #rows)
  add_jackknife(squares, groups, function(g) return numbers(rows, truth.gradient, g, groups) end)
  if truth.rows then
    add_jackknife(squares, #truth.rows, function(g)
      return numbers(rows, statistics.mean(truth.rows, g, #truth.rows))
    end)
  end
  local quantile = statistics.student(groups - 1)
  report.interval = {}
  for key, square in pairs(squares) do
    local width = quantile * math.sqrt(square)
    report.interval[key] = { math.max(report[key] - width, 0), report[key] + width }
  end
  report.call_error = report.squared_error * calls
  local i = report.interval.squared_error
  report.interval.call_error = { i[1] * calls, i[2] * calls }
  report.deviation = deviation(rows, truth.gradient, truth.rows)
  return report
end

--- How many gradients are 0, and how many entries: zero_rate, zero_entries, and the first's interval.
function statistics.zeros(rows)
  local zeros, entries = 0, 0
  for _, row in ipairs(rows) do
    local own = 0
    for i = 1, #row do own = own + (row[i] == 0 and 1 or 0) end
    zeros, entries = zeros + (own == #row and 1 or 0), entries + own
  end
  return zeros / #rows, entries / (#rows * #rows[1]), statistics.share(zeros, #rows)
end

return statistics

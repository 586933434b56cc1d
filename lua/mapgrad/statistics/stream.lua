--- Random numbers of the statistics: a stream of its own for each question, apart from the streams of training, so that
-- comparing changes no run and the same runs give the same intervals.
-- @module mapgrad.statistics.stream
local stream = {}

-- Integers where Lua has them: the products below stay under 2^53, so doubles give the same numbers.
local function whole(x) return math.floor(x) end

-- The two states of a generator: neighbouring seeds are spread by two steps of another one (Park and Miller).
local function start(seed)
  local s = whole(seed % 2147483646 + 1)
  local a = 48271 * s % 2147483647
  local b = 48271 * a % 2147483647
  a, b = whole(a % 2147483562 + 1), whole(b % 2147483398 + 1)
  for _ = 1, 10 do a, b = 40014 * a % 2147483563, 40692 * b % 2147483399 end
  return a, b
end

--- A generator of uniform numbers.
-- Source: L'Ecuyer, Efficient and portable combined random number generators, 1988; period 2.3e18.
-- @tparam number seed integer from 0 below 2^31
-- @treturn function () -> number in (0, 1), a multiple of 1 / 2147483563
function stream.new(seed)
  local a, b = start(seed)
  return function()
    a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
    local difference = a - b
    if difference < 1 then difference = difference + 2147483562 end
    return difference / 2147483563
  end
end

local KEPT = 2 ^ 20 -- numbers of the tables that are kept for the next sample of the same size
local kept, held = {}, 0

--- Gives the memory of the kept tables back; later answers are the same.
function stream.forget() kept, held = {}, 0 end

-- The rows of a table made by fill(uniform, row); kept under a name where they are not too many.
local function rows(name, seed, width, count, fill)
  if kept[name] then return kept[name] end
  if width * count > KEPT then return nil end
  if held + width * count > 2 * KEPT then kept, held = {}, 0 end
  local uniform, list = stream.new(seed), {}
  for r = 1, count do
    list[r] = {}
    fill(uniform, list[r])
  end
  kept[name], held = list, held + width * count
  return list
end

-- Calls f(row, r) for r = 1..count; the rows belong to this file.
local function each(name, seed, width, count, fill, f)
  local list = rows(name, seed, width, count, fill)
  if list then
    for r = 1, count do f(list[r], r) end
    return
  end
  local uniform, row = stream.new(seed), {}
  for r = 1, count do
    fill(uniform, row)
    f(row, r)
  end
end

--- Resamples with replacement: f(row, r) for r = 1..count, row a list of n integers from 1 to n, to be read only.
-- @tparam number seed   of the stream
-- @tparam number n      entries of a sample
-- @tparam number count  number of resamples
-- @tparam function f
function stream.resamples(seed, n, count, f)
  local floor = math.floor
  each(("resample %d %d %d"):format(seed, n, count), seed, n, count, function(uniform, row)
    for i = 1, n do row[i] = floor(uniform() * n) + 1 end
  end, f)
end

--- Sums under random signs: entry k of a table holds the sum of ten numbers under the signs of the bits of k - 1.
-- @tparam number seed   of the stream
-- @tparam table tables  lists of 1024 sums each
-- @treturn function () -> the sum of one entry of each table, picked at random
function stream.signed_sum(seed, tables)
  local a, b = start(seed)
  local width = #tables
  for k = width + 1, math.ceil(width / 3) * 3 do -- three tables a number: fill up with zeros
    tables[k] = {}
    for i = 1, 1024 do tables[k][i] = 0.0 end
  end
  width = #tables
  return function()
    local sum = 0.0
    for k = 1, width, 3 do
      a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
      local bits = a - b -- uniform() without its division
      if bits < 1 then bits = bits + 2147483562 end
      local low = bits % 1024
      bits = (bits - low) / 1024
      local middle = bits % 1024
      sum = sum + tables[k][low + 1] + tables[k + 1][middle + 1]
        + tables[k + 2][(bits - middle) / 1024 % 1024 + 1]
    end
    return sum
  end
end

return stream

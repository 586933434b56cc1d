--- Random numbers of the statistics: a stream of its own for each question, apart from the streams of training, so that
-- comparing changes no run and the same runs give the same intervals.
-- @module mapgrad.statistics.stream
local stream = {}

-- Integers where Lua has them: the products below stay under 2^53, so doubles give the same numbers.
local function whole(x) return math.floor(x) end

--- A generator of uniform numbers.
-- Source: L'Ecuyer, Efficient and portable combined random number generators, 1988; period 2.3e18.
-- @tparam number seed integer from 0 below 2^31
-- @treturn function () -> number in (0, 1), a multiple of 1 / 2147483563
function stream.new(seed)
  -- spread neighbouring seeds: two steps of another generator (Park and Miller), then some of its own
  local s = whole(seed % 2147483646 + 1)
  local a = 48271 * s % 2147483647
  local b = 48271 * a % 2147483647
  a, b = whole(a % 2147483562 + 1), whole(b % 2147483398 + 1)
  local function uniform()
    a, b = 40014 * a % 2147483563, 40692 * b % 2147483399
    local difference = a - b
    if difference < 1 then difference = difference + 2147483562 end
    return difference / 2147483563
  end
  for _ = 1, 10 do uniform() end
  return uniform
end

local KEPT = 2 ^ 20 -- numbers of the tables that are kept for the next sample of the same size
local kept, held = {}, 0

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

--- Random signs, ten to a number: f(row, r), row a list of ceil(n / 10) integers from 0 to 1023.
-- @tparam number seed   of the stream
-- @tparam number n      how many signs
-- @tparam number count  number of rows
-- @tparam function f
function stream.signs(seed, n, count, f)
  local floor, width = math.floor, math.ceil(n / 10)
  each(("signs %d %d %d"):format(seed, width, count), seed, width, count, function(uniform, row)
    for i = 1, width, 3 do
      local bits = floor(uniform() * 1073741824) -- 2^30
      local high = floor(bits / 1048576)
      local middle = floor((bits - high * 1048576) / 1024)
      row[i], row[i + 1], row[i + 2] = high, middle, bits - high * 1048576 - middle * 1024
    end
  end, f)
end

return stream

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

--- Resamples with replacement: rows of indices, one after the other.
-- @tparam number seed      of the stream
-- @tparam number n         entries of a sample
-- @tparam number resamples number of rows
-- @treturn table list of resamples * n integers from 1 to n
function stream.resample(seed, n, resamples)
  local uniform, list = stream.new(seed), {}
  local floor = math.floor
  for i = 1, n * resamples do list[i] = floor(uniform() * n) + 1 end
  return list
end

return stream

-- Inputs, timing and the JSON line of the benchmarks, as the peers' programs have them.
local mg = require "mapgrad"
local core = require "mapgrad.real"

local common = {}

-- u of element i (from 0) of a stream, exact in float: splitmix64 as a counter, in the 64-bit integers of
-- either interpreter, neither of which reads the other's.
common.uniform = load(rawget(_G, "jit") and [[
  local bit = require "bit"
  local xor, shift = bit.bxor, bit.rshift
  return function(seed, i)
    local x = (i + 1) * 0x9E3779B97F4A7C15ULL + seed
    x = xor(x, shift(x, 30)) * 0xBF58476D1CE4E5B9ULL
    x = xor(x, shift(x, 27)) * 0x94D049BB133111EBULL
    return tonumber(shift(xor(x, shift(x, 31)), 40)) * 2 ^ -24
  end]] or [[
  return function(seed, i)
    local x = (i + 1) * 0x9E3779B97F4A7C15 + seed
    x = (x ~ x >> 30) * 0xBF58476D1CE4E5B9
    x = (x ~ x >> 27) * 0x94D049BB133111EB
    return ((x ~ x >> 31) >> 40) * 2.0 ^ -24
  end]])()

--- A tensor of f(u) for the elements of a stream; without a list of them all, which would count as the
-- process's peak memory.
function common.input(seed, shape, f)
  local t, block = mg.tensor.new(shape), 4096
  local count = t:count()
  for first = 0, count - 1, block do
    local list = {}
    for i = 1, math.min(block, count - first) do list[i] = f(common.uniform(seed, first + i - 1)) end
    core.write(t.handle, first, list)
    collectgarbage()
  end
  return t
end

local function status_mb(field)
  for line in io.lines "/proc/self/status" do
    local kb = line:match("^" .. field .. ":%s*(%d+)")
    if kb then return tonumber(kb) / 1024 end
  end
  return -1
end

-- Seconds that all processors were busy.
local function machine_busy()
  local busy, i = 0, 0
  local file = io.open "/proc/stat"
  for number in file:read("*l"):gmatch "%d+" do
    i = i + 1
    if i ~= 4 and i ~= 5 and i <= 8 then busy = busy + tonumber(number) end
  end
  file:close()
  return busy / 100
end

--- Times f() and prints the line.
-- @param row    {workload=, n=, batch=, variant=, k=}; for several processes agree = function (value) -> that of the
--   first one, silent = true for the others
-- @param f      the work
-- @param check  a number that any right implementation reproduces
function common.run(row, f, check)
  local min_time = tonumber(os.getenv "MIN_TIME" or "1")
  f()
  local started = core.clock()
  f()
  local estimate = core.clock() - started
  local agree = row.agree or function(value) return value end
  estimate = agree(estimate)
  local inner = estimate < 200e-6 and math.max(1, math.floor(300e-6 / math.max(estimate, 1e-8))) or 1
  local times, busy, own, wall = {}, machine_busy(), core.processor_time(), core.clock()
  while agree(#times < 5 or (core.clock() - wall < min_time and #times < 2000)) do
    started = core.clock()
    for _ = 1, inner do f() end
    times[#times + 1] = (core.clock() - started) / inner
  end
  wall = core.clock() - wall
  own = core.processor_time() - own
  local other = math.max(0, machine_busy() - busy - own) / wall
  if row.silent then return end
  table.sort(times)
  local median = times[math.floor(#times / 2) + 1]
  local fields = {
    ('"workload": "%s", "impl": "%s", "n": %d, "batch": %d, "threads": %d'):format(row.workload,
      os.getenv "MAPGRAD_IMPL" or "mapgrad", row.n, row.batch, mg.threads()),
    ('"median_s": %.6g, "min_s": %.6g, "max_s": %.6g, "reps": %d'):format(median, times[1], times[#times], #times),
    ('"own_cores": %.3g, "other_cores": %.3g, "per_instance_us": %.6g'):format(own / wall, other,
      median / row.batch * 1e6),
    ('"peak_rss_mb": %.1f'):format(status_mb "VmHWM"),
  }
  if row.k then fields[#fields + 1] = ('"k": %d'):format(row.k) end
  if row.variant then fields[#fields + 1] = ('"variant": "%s"'):format(row.variant) end
  if check then fields[#fields + 1] = ('"check": %.8g'):format(check) end
  print("{" .. table.concat(fields, ", ") .. "}")
end

return common

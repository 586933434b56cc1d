-- Inputs, timing and the JSON line of the benchmarks, as the peers' programs have them.
local mg = require "mapgrad"
local core = require "mapgrad.real"

local common = {}

-- 64-bit numbers as four limbs of 16 bits, lowest first.
local function multiply(a, b)
  local r, carry = {}, 0
  for i = 1, 4 do
    local sum = carry
    for j = 1, i do sum = sum + a[j] * b[i - j + 1] end
    r[i] = sum % 65536
    carry = (sum - r[i]) / 65536
  end
  return r
end

-- x ~ (x >> bits)
local function xor_shifted(x, bits)
  local whole, part = math.floor(bits / 16), bits % 16
  local r, scale = {}, 2 ^ part
  for i = 1, 4 do
    local low, high = x[i + whole] or 0, x[i + whole + 1] or 0
    local shifted = (math.floor(low / scale) + high * (65536 / scale)) % 65536
    local a, b, bit, result = x[i], shifted, 1, 0
    for _ = 1, 16 do
      local p, q = a % 2, b % 2
      if p ~= q then result = result + bit end
      a, b, bit = (a - p) / 2, (b - q) / 2, bit * 2
    end
    r[i] = result
  end
  return r
end

local function limbs(d3, d2, d1, d0) return { d0, d1, d2, d3 } end
local GOLDEN = limbs(0x9E37, 0x79B9, 0x7F4A, 0x7C15)
local FIRST = limbs(0xBF58, 0x476D, 0x1CE4, 0xE5B9)
local SECOND = limbs(0x94D0, 0x49BB, 0x1331, 0x11EB)

local function add(a, n)
  local r, carry = {}, n
  for i = 1, 4 do
    local sum = a[i] + carry
    r[i] = sum % 65536
    carry = (sum - r[i]) / 65536
  end
  return r
end

-- u of element i (from 0) of a stream, exact in float.
local function uniform(seed, i)
  local x = add(multiply(add({ 0, 0, 0, 0 }, i + 1), GOLDEN), seed)
  x = multiply(xor_shifted(x, 30), FIRST)
  x = multiply(xor_shifted(x, 27), SECOND)
  x = xor_shifted(x, 31)
  return (x[4] * 256 + math.floor(x[3] / 256)) * 2 ^ -24
end

--- A tensor of f(u) for the elements of a stream.
function common.input(seed, shape, f)
  local count, list = 1, {}
  for _, extent in ipairs(shape) do count = count * extent end
  for i = 1, count do list[i] = f(uniform(seed, i - 1)) end
  return mg.tensor(list):reshape(shape)
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
-- @param row    {workload=, n=, batch=, variant=, k=}
-- @param f      the work
-- @param check  a number that any right implementation reproduces
function common.run(row, f, check)
  local min_time = tonumber(os.getenv "MIN_TIME" or "1")
  f()
  local started = core.clock()
  f()
  local estimate = core.clock() - started
  local inner = estimate < 200e-6 and math.max(1, math.floor(300e-6 / math.max(estimate, 1e-8))) or 1
  local times, busy, own, wall = {}, machine_busy(), core.processor_time(), core.clock()
  while #times < 5 or (core.clock() - wall < min_time and #times < 2000) do
    started = core.clock()
    for _ = 1, inner do f() end
    times[#times + 1] = (core.clock() - started) / inner
  end
  wall = core.clock() - wall
  own = core.processor_time() - own
  local other = math.max(0, machine_busy() - busy - own) / wall
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

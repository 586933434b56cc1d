-- entry.lua WORKLOAD N BATCH THREADS [VARIANT]: one benchmark, one JSON line. Workloads are those that the
-- peers' README defines.
local mg = require "mapgrad"
local common = require "tests.bench.common"
local tensor = mg.tensor

local workload, n, batch, threads, variant = arg[1], tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4]), arg[5]
mg.threads(threads)

-- sum of a * b in double
local function product(a, b)
  local x, y, sum = a:to_list(), b:to_list(), 0
  for i = 1, #x do sum = sum + x[i] * y[i] end
  return sum
end

local run = {}

function run.grid_sp()
  variant = variant or "uniform"
  local terrain = { 0.8, 1.2, 5.3, 7.7, 9.2 }
  local costs = common.input(1, { batch, n, n }, function(u)
    if variant == "warcraft" then return terrain[math.floor(5 * u) + 1] end
    return 0.5 + 9.5 * u
  end)
  local path = mg.solver.grid_path { rows = n, cols = n }
  local check = product(path(costs), costs)
  common.run({ workload = "grid_sp", n = n, batch = batch, variant = variant }, function()
    path(costs):free()
  end, check)
end

function run.topk()
  local k = math.max(1, math.floor(n / 10))
  local scores = common.input(2, { batch, n }, function(u) return u end)
  local top = mg.solver.top_k { n = n, k = k }
  local check = product(top(scores), scores)
  common.run({ workload = "topk", n = n, batch = batch, k = k, variant = "uniform" }, function()
    top(scores):free()
  end, check)
end

function run.chain()
  variant = variant or "fwdbwd"
  local x = common.input(14, { n }, function(u) return u end)
  local c, d = tensor(0.999), common.input(15, { n }, function(u) return u end)
  if variant ~= "nograd" then x:watch() end
  local function forward()
    local y = x
    for _ = 1, 50 do
      y = y * c
      y = y + d
    end
    return y:sum()
  end
  local check = forward():item()
  common.run({ workload = "chain", n = n, batch = 1, variant = variant }, function()
    local s = forward()
    if variant == "fwdbwd" then
      x.grad = nil
      s:backward()
    end
  end, check)
end

-- One function of n numbers into a given result.
function run.ew()
  variant = variant or "exp"
  local x, y = common.input(14, { n }, function(u) return 0.1 + 0.9 * u end), tensor.new(n)
  local f = y[variant .. "_"]
  local check = x[variant](x):sum():item()
  common.run({ workload = "ew", n = n, batch = 1, variant = variant }, function() f(y, x) end, check)
end

-- n random numbers into a given tensor.
function run.rng()
  variant = variant or "normal"
  local x = tensor.new(n)
  local fill = x[variant .. "_"]
  common.run({ workload = "rng", n = n, batch = 1, variant = variant }, function() fill(x) end)
end

-- Sums of 10 gamma variates, k = 10: [batch, k, n].
function run.sog()
  local law, shape = mg.noise.sum_of_gamma { k = 10, terms = 10 }, { batch, 10, n }
  common.run({ workload = "sog", n = n, batch = batch, k = 10, variant = "sog" }, function()
    law:sample(shape):free()
  end)
end

run[workload]()

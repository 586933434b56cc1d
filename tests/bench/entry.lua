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

-- n vertices; variant: grid4, complete.
function run.matching()
  variant = variant or "grid4"
  local edges, side = {}, math.floor(math.sqrt(n) + 0.5)
  for i = 1, n do
    if variant == "complete" then
      for j = i + 1, n do edges[#edges + 1] = { i, j } end
    else
      if i % side ~= 0 then edges[#edges + 1] = { i, i + 1 } end
      if i + side <= n then edges[#edges + 1] = { i, i + side } end
    end
  end
  local costs = common.input(42, { batch, #edges }, function(u) return math.floor(2 ^ 20 * u) end)
  local matching = mg.solver.perfect_matching { nodes = n, edges = edges }
  local check = product(matching(costs), costs)
  common.run({ workload = "matching", n = n, batch = batch, variant = variant }, function()
    matching(costs):free()
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

-- One training step of a network whose outputs are weighed by g, as the peers' cnn and smallcnn.
local function network(net, x, g, name)
  local adam = mg.optim.adam(net:parameters(), { rate = 1e-3 })
  common.run({ workload = name, n = n, batch = batch, variant = "step" }, function()
    adam:step(function() return (net(x) * g):sum() end)
  end)
end

local function images()
  return common.input(12, { batch, 3, 8 * n, 8 * n }, function(u) return u end),
    common.input(13, { batch, n, n }, function(u) return 2 * u - 1 end)
end

function run.cnn()
  local x, g = images()
  network(mg.nn.combresnet18 { rows = n, cols = n }, x, g, "cnn")
end

local function small_network(side)
  local nn = mg.nn
  local function convolution(from, to, kernel)
    return nn.conv2d { from, to, kernel = kernel, pad = (kernel - 1) / 2 }
  end
  return nn.sequential {
    convolution(3, 16, 3), nn.relu(), nn.max_pool2d(2), convolution(16, 32, 3), nn.relu(), nn.max_pool2d(2),
    convolution(32, 32, 3), nn.relu(), nn.adaptive_mean_pool2d(side, side), convolution(32, 1, 1), nn.softplus(),
    nn.reshape(side, side),
  }
end

function run.smallcnn()
  local x, g = images()
  network(small_network(n), x, g, "smallcnn")
end

-- An epoch: n maps of 12x12 in batches, a network, the estimator through the shortest path, Hamming loss, Adam.
-- variant: small-imle, small-bb, comb-imle, comb-bb; one sample.
function run.train_grid()
  variant = variant or "small-imle"
  local side, terrain = 12, { 0.8, 1.2, 5.3, 7.7, 9.2 }
  local colour = { { 0.9, 0.8, 0.5 }, { 0.3, 0.7, 0.2 }, { 0.1, 0.4, 0.1 }, { 0.5, 0.5, 0.5 }, { 0.1, 0.2, 0.8 } }
  local kinds = common.input(51, { n, side, side }, function(u) return math.floor(5 * u) + 1 end)
  local costs = tensor.new(n, side, side)
  local list, plain = kinds:to_list(), {}
  for i, kind in ipairs(list) do plain[i] = terrain[kind] end
  costs:copy_(tensor(plain):reshape(n, side, side))
  local noise = common.input(52, { n, 3, 8 * side, 8 * side }, function(u) return 0.1 * (u - 0.5) end)
  local picture = mg.autograd.pause(function()
    local channels = {}
    for c = 1, 3 do
      local shades = {}
      for i, kind in ipairs(list) do shades[i] = colour[kind][c] end
      local cells = tensor(shades):reshape(n, side, 1, side, 1)
      channels[c] = cells:expand(n, side, 8, side, 8):reshape(n, 8 * side, 8 * side)
    end
    return tensor.stack(channels, 2) + noise
  end)
  local grid = mg.solver.grid_path { rows = side, cols = side }
  local set = mg.data.set { image = picture, path = grid(costs) }
  local net = variant:match "^small" and small_network(side) or mg.nn.combresnet18 { rows = side, cols = side }
  local layer = variant:match "bb$" and mg.estimator.blackbox { solver = grid, lambda = 20 } or mg.estimator.imle {
    solver = grid, noise = mg.noise.sum_of_gamma { k = 24, terms = 10 }, target = mg.target.fixed { lambda = 10 },
  }
  local adam = mg.optim.adam(net:parameters(), { rate = 1e-3 })
  common.run({ workload = "train_grid", n = n, batch = batch, variant = variant }, function()
    for part in set:batches { size = batch } do
      adam:step(function() return mg.loss.hamming(layer(net(part.image)), part.path) end)
    end
  end)
end

-- The discrete VAE without its sampler: loss sum over pixels, mean over the batch.
function run.mlp()
  local nn = mg.nn
  local x = common.input(11, { batch, 784 }, function(u) return u end)
  local encoder = nn.sequential {
    nn.linear(784, 512), nn.relu(), nn.linear(512, 256), nn.relu(), nn.linear(256, 400), nn.reshape(20, 20),
  }
  local decoder = nn.sequential {
    nn.linear(400, 256), nn.relu(), nn.linear(256, 512), nn.relu(), nn.linear(512, 784),
  }
  local adam = mg.optim.adam(nn.sequential { encoder, decoder }:parameters(), { rate = 1e-3 })
  common.run({ workload = "mlp", n = n, batch = batch, variant = "step" }, function()
    adam:step(function()
      return mg.loss.bernoulli(decoder(encoder(x):softmax(-1):reshape(batch, 400)), x)
    end)
  end)
end

-- A 3x3 convolution of 64 channels, as in the residual blocks.
function run.conv3()
  variant = variant or "fwdbwd"
  local x = common.input(16, { batch, 64, n, n }, function(u) return u end)
  local dy = common.input(17, { batch, 64, n, n }, function(u) return u - 0.5 end)
  local w = common.input(18, { 64, 64, 3, 3 }, function(u) return u - 0.5 end)
  if variant == "fwdbwd" then x:watch(); w:watch() end
  common.run({ workload = "conv3", n = n, batch = batch, variant = variant }, function()
    tensor.scope(function()
      local y = x:conv2d(w, nil, 1, 1)
      if variant == "fwd" then return end
      y:backward(dy)
      x.grad:free()
      w.grad:free()
      x.grad, w.grad = nil, nil
    end)
  end)
end

function run.softmax()
  local x = common.input(14, { batch, n }, function(u) return u end)
  local y = x:softmax()
  common.run({ workload = "softmax", n = n, batch = batch, variant = variant or "rows" }, function()
    x:softmax():free()
  end, product(y, x))
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

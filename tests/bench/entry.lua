-- entry.lua WORKLOAD N BATCH THREADS [VARIANT]: one benchmark, one JSON line. Workloads are those that the
-- peers' README defines.
local mg = require "mapgrad"
local common = require "tests.bench.common"
local core = require "mapgrad.real"
local tensor = mg.tensor

local workload, n, batch, threads, variant = arg[1], tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4]), arg[5]
mg.threads(threads)

-- sum of a * b in double, by parts: lists of all numbers would count as the process's peak memory
local function product(a, b)
  local sum, count, part = 0, a:count(), 4096
  for first = 0, count - 1, part do
    local size = math.min(part, count - first)
    local x, y = core.read(a.handle, first, size), core.read(b.handle, first, size)
    for i = 1, size do sum = sum + x[i] * y[i] end
  end
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
  local z = path(costs)
  local check = product(z, costs)
  z:free()
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

-- x > 0 rounded as the peers' float.
local function float(x)
  local unit = 2 ^ (math.floor(math.log(x) / math.log(2)) - 23)
  return math.floor(x / unit + 0.5) * unit
end

-- Streams of numbers as lists.
local function stream(seed, count, f)
  local list = {}
  for t = 1, count do list[t] = f(common.uniform(seed, t - 1), t - 1) end
  return list
end

function run.mcf()
  local m, k = 10 * n, math.max(1, math.floor(n / 10))
  local edges = stream(45, m, function(u, t)
    return { t % n + 1, (t % n + 1 + math.floor(float(u * (n - 1) + 1e-30))) % n + 1 }
  end)
  local capacities = stream(46, m, function(u) return 1 + math.floor(20 * u) end)
  for t = 1, n - 1 do edges[m + t], capacities[m + t] = { t, t + 1 }, 10 * k end
  local supplies = {}
  for v = 1, n do supplies[v] = 0 end
  for i = 1, k do supplies[i], supplies[n + 1 - i] = supplies[i] + 10, supplies[n + 1 - i] - 10 end
  local costs = tensor.full({ batch, m + n - 1 }, 2000)
  for i = 1, batch do
    core.write(costs.handle, (i - 1) * (m + n - 1), stream(47, m, function(_, t)
      return math.floor(1000 * common.uniform(47, (i - 1) * m + t))
    end))
  end
  local flow = mg.solver.min_cost_flow { nodes = n, edges = edges, capacities = capacities, supplies = supplies }
  local check = product(flow(costs), costs)
  common.run({ workload = "mcf", n = n, batch = batch, variant = "random" }, function()
    flow(costs):free()
  end, check)
end

-- Ranks from 0, as the peers count.
function run.rank()
  local scores = common.input(3, { batch, n }, function(u) return u end)
  local rank = mg.solver.ranking { n = n }
  local check = product(rank(scores) - 1, scores)
  common.run({ workload = "rank", n = n, batch = batch, variant = "uniform" }, function()
    rank(scores):free()
  end, check)
end

-- grid4: the n * n cells, each joined to the next right and below; complete: n nodes.
local function edges_of(name)
  local edges = {}
  if name == "complete" then
    for i = 1, n do
      for j = i + 1, n do edges[#edges + 1] = { i, j } end
    end
    return edges, n
  end
  for i = 1, n * n do
    if i % n ~= 0 then edges[#edges + 1] = { i, i + 1 } end
    if i + n <= n * n then edges[#edges + 1] = { i, i + n } end
  end
  return edges, n * n
end

function run.mst()
  variant = variant or "grid4"
  local edges, nodes = edges_of(variant)
  local costs = common.input(43, { batch, #edges }, function(u) return 1 - u end)
  local tree = mg.solver.spanning_tree { nodes = nodes, edges = edges }
  local check = product(tree(costs), costs)
  common.run({ workload = "mst", n = n, batch = batch, variant = variant }, function()
    tree(costs):free()
  end, check)
end

-- n nodes, edges both ways between all, weights as mst; no peer.
function run.arborescence()
  local edges = {}
  for i = 1, n do
    for j = 1, n do
      if i ~= j then edges[#edges + 1] = { i, j } end
    end
  end
  local costs = common.input(43, { batch, #edges }, function(u) return 1 - u end)
  local tree = mg.solver.arborescence { nodes = n, edges = edges }
  local check = product(tree(costs), costs)
  common.run({ workload = "arborescence", n = n, batch = batch, variant = "complete" }, function()
    tree(costs):free()
  end, check)
end

function run.knapsack()
  local weights, sum = common.input(44, { n }, function(u) return 1 + math.floor(100 * u) end):to_list(), 0
  for _, w in ipairs(weights) do sum = sum + w end
  local values = common.input(144, { batch, n }, function(u)
    return variant == "equal" and 1 or u -- equal: the search gives up, the table decides
  end)
  local pack = mg.solver.knapsack { weights = weights, capacity = math.floor(sum / 2) }
  local check = product(pack(values), values)
  common.run({ workload = "knapsack", n = n, batch = batch, variant = variant or "uniform" }, function()
    pack(values):free()
  end, check)
end

-- Chains of n positions; variant: the number of states, 10 if none.
function run.viterbi()
  variant = variant or "10"
  local states = tonumber(variant)
  local scores = common.input(61, { batch, n, states }, function(u) return u end)
  local moves = common.input(62, { states, states }, function(u) return u end)
  local chain = mg.solver.chain { length = n, states = states }
  local context, sum = { transitions = moves }, 0
  for _, value in ipairs(chain:solve(scores, context).objective) do sum = sum + value end
  common.run({ workload = "viterbi", n = n, batch = batch, variant = variant }, function()
    chain(scores, context):free()
  end, sum)
end

-- n intervals of which about ten overlap at any moment.
function run.schedule()
  local starts = common.input(63, { n }, function(u) return math.floor(n * u) end):to_list()
  local ends = common.input(64, { n }, function(u) return 1 + math.floor(20 * u) end):to_list()
  for i = 1, n do ends[i] = ends[i] + starts[i] end
  local values = common.input(163, { batch, n }, function(u) return u end)
  local schedule = mg.solver.scheduling { starts = starts, ends = ends }
  local check = product(schedule(values), values)
  common.run({ workload = "schedule", n = n, batch = batch, variant = "uniform" }, function()
    schedule(values):free()
  end, check)
end

-- Matching of two complete graphs of n nodes, every pair of edges with a cost of its own.
function run.graph_matching()
  local edges = {}
  for i = 1, n do
    for j = 1, n do
      if i ~= j then edges[#edges + 1] = { i, j } end
    end
  end
  local match = mg.solver.quadratic_assignment { nodes_a = n, nodes_b = n, edges_a = edges, edges_b = edges }
  local costs = common.input(65, { batch, match.n }, function(u) return u end)
  local check = product(match(costs), costs)
  common.run({ workload = "graph_matching", n = n, batch = batch, variant = "uniform" }, function()
    match(costs):free()
  end, check)
end

-- The knapsack of the peers' programs as an integer program.
function run.knapsack_ilp()
  local weights = common.input(44, { n }, function(u) return 1 + math.floor(100 * u) end)
  local values = common.input(144, { batch, n }, function(u) return u end)
  local s = mg.solver.multidimensional_knapsack {
    weights = { weights:to_list() }, capacities = { math.floor(weights:sum():item() / 2) },
  }
  local check = product(s(values), values)
  common.run({ workload = "knapsack_ilp", n = n, batch = batch, variant = "cbc" }, function()
    s(values):free()
  end, check)
end

function run.tsp()
  local points = common.input(41, { batch, n, 2 }, function(u) return u end):to_table()
  local costs = {}
  for b, row in ipairs(points) do
    local list = {}
    for i = 1, n do
      for j = i + 1, n do
        list[#list + 1] = math.sqrt((row[i][1] - row[j][1]) ^ 2 + (row[i][2] - row[j][2]) ^ 2)
      end
    end
    costs[b] = list
  end
  costs = tensor(costs)
  local tour = mg.solver.tour { cities = n, method = variant }
  local check = product(tour(costs), costs)
  common.run({ workload = "tsp", n = n, batch = batch, variant = variant or "unit-square" }, function()
    tour(costs):free()
  end, check)
end

function run.lap()
  variant = variant or "uniform"
  local costs
  if variant == "geom" then
    local a = common.input(5, { batch, n, 1, 2 }, function(u) return u end)
    local b = common.input(6, { batch, 1, n, 2 }, function(u) return u end)
    local difference = a - b
    costs = (difference * difference):sum(4):sqrt()
  else
    costs = common.input(4, { batch, n, n }, function(u) return variant == "int" and math.floor(100 * u) or u end)
  end
  local assign = mg.solver.assignment { rows = n, cols = n }
  local check = product(assign(costs), costs)
  common.run({ workload = "lap", n = n, batch = batch, variant = variant }, function()
    assign(costs):free()
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

-- A layer's forward and backward pass alone, as the peers' imle_grid, imle_topk and bb_grid. variant: the number of
-- samples, with "t" behind it for tabled noise.
local function layer_entry(name, layer, x, samples)
  local shape = x:shape()
  table.insert(shape, 1, samples)
  local dy = common.input(31, shape, function(u) return 2 * u - 1 end)
  x:watch()
  common.run({ workload = name, n = n, batch = batch, variant = variant or "1" }, function()
    tensor.scope(function()
      x.grad = nil
      layer(x):backward(dy)
    end)
  end)
end

local function imle(solver, k, samples, is_tabled)
  return mg.estimator.imle { solver = solver, samples = samples, target = mg.target.fixed { lambda = 10 },
    noise = mg.noise.sum_of_gamma { k = k, terms = 10, tabled = is_tabled } }
end

function run.imle_grid()
  local samples, is_tabled = tonumber((variant or "1"):match "%d+"), (variant or ""):match "t" ~= nil
  local x = common.input(1, { batch, n, n }, function(u) return 0.5 + 9.5 * u end)
  local s = mg.solver.grid_path { rows = n, cols = n }
  layer_entry("imle_grid", imle(s, 2 * n, samples, is_tabled), x, samples)
end

function run.imle_topk()
  local samples, is_tabled = tonumber((variant or "1"):match "%d+"), (variant or ""):match "t" ~= nil
  local x = common.input(2, { batch, n }, function(u) return 2 * u - 1 end)
  layer_entry("imle_topk", imle(mg.solver.top_k { n = n, k = 10 }, 10, samples, is_tabled), x, samples)
end

function run.bb_grid()
  local x = common.input(1, { batch, n, n }, function(u) return 0.5 + 9.5 * u end)
  layer_entry("bb_grid", mg.estimator.blackbox { solver = mg.solver.grid_path { rows = n, cols = n }, lambda = 20 }, x,
    1)
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

-- On the ranks that mpirun started, threads each: one training step of 111 n^2 parameters over grid paths, I-MLE of 10
-- samples; variant ordered: in 4 shards; message: the sum of as many gradients alone.
function run.mpi_step()
  local nn, mpi = mg.nn, mg.mpi
  local net = nn.sequential { nn.linear(110, n * n), nn.softplus(), nn.reshape(n, n) }
  local grid = mg.solver.grid_path { rows = n, cols = n }
  local layer = mg.estimator.imle {
    solver = grid, noise = mg.noise.gumbel(), target = mg.target.fixed { lambda = 10 }, samples = 10,
  }
  local set = mg.data.set {
    x = common.input(61, { batch, 110 }, function(u) return u - 0.5 end),
    y = grid(common.input(62, { batch, n, n }, function(u) return 0.5 + u end)),
  }
  local trainer = mpi.trainer(mg.optim.adam(net:parameters(), { rate = 1e-4 }),
    { shards = variant == "ordered" and 4 or nil })
  local sums = tensor.zeros(net:count())
  mg.threads(threads)
  common.run({
    workload = "mpi_step", n = n, batch = batch, variant = ("%d ranks, %s"):format(mpi.size(), variant or "step"),
    agree = function(value) return mpi.broadcast(value) end, silent = mpi.rank() > 0,
  }, function()
    if variant == "message" then return mpi.all_reduce(sums) end
    trainer:step(set, function(part) return mg.loss.hamming(layer(net(part.x)), part.y) end)
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

-- Sums of 10 gamma variates, k = 10: [batch, k, n]; variant tabled: by a table.
function run.sog()
  variant = variant or "sog"
  local law, shape = mg.noise.sum_of_gamma { k = 10, terms = 10, tabled = variant == "tabled" }, { batch, 10, n }
  common.run({ workload = "sog", n = n, batch = batch, k = 10, variant = variant }, function()
    law:sample(shape):free()
  end)
end

-- n runs of 20 options in `variant` groups: the table and its text; no peer. Batch is the number of runs.
function run.compare()
  variant = variant or "2"
  local compare, output = require "mapgrad.experiment.compare", require "mapgrad.experiment.compare.output"
  local groups, runs = tonumber(variant), {}
  for i = 1, n do
    local g, options = (i - 1) % groups, {}
    for k = 1, 18 do options["option" .. k] = k end
    options.rate, options.width = 1 / (1 + g % 8), math.floor(g / 8)
    local u = common.uniform(70, i)
    runs[i] = { title = "bench", variant = "imle", seed = math.floor((i - 1) / groups) + 1, state = "finished",
      options = options, config = { metric = "loss", sense = "min" }, meta = {}, seconds = { 1 },
      rows = { { epoch = 1, loss = u + g / 100 } } }
  end
  common.run({ workload = "compare", n = n, batch = n, variant = variant }, function()
    require "mapgrad.statistics.stream".forget() -- each command starts without tables
    output.text(compare.runs(runs))
  end, compare.runs(runs).groups[1].mean)
end

run[workload]()

-- Learn the costs of terrain from pictures of maps; the only supervision is the cheapest path.
--
-- A network turns the picture of a map into a cost for each cell, a shortest-path solver turns costs into a
-- path, an estimator brings the gradient of the path's Hamming loss back through the solver.
-- Protocol: Vlastelica et al. 2020 (section 4.1), Niepert et al. 2021 (section 5.3).
local mg = require "mapgrad"
local data, estimator, loss, metric, nn, noise = mg.data, mg.estimator, mg.loss, mg.metric, mg.nn, mg.noise
local optim, plot, solver, target, tensor = mg.optim, mg.plot, mg.solver, mg.target, mg.tensor

-- ------------------------------------------------------------------ data: train, validation, test

local load = {}

function load.terrain(o)
  local all = data.make.terrain { size = o.size, count = o.train + 2 * o.held_out }
  return all:rows(1, o.train), all:rows(o.train + 1, o.train + o.held_out), all:rows(-o.held_out, -1)
end

function load.freeciv(o)
  return data.freeciv { size = o.size, train = o.train, validation = o.held_out, test = o.held_out }
end

function load.folder(o)
  if not o.folder then return nil, "data=folder needs the folder: --set folder=PATH" end
  return data.folder(o.folder)
end

-- ------------------------------------------------------------------ network: image -> costs, positive

local network = {}

function network.small(train, size)
  return nn.sequential {
    nn.normalise { data = train.image },
    nn.conv2d { 3, 32, kernel = 5, stride = 2, pad = 2 }, nn.batch_norm(32), nn.relu(),
    nn.adaptive_mean_pool2d(size, size),
    nn.conv2d { 32, 32, kernel = 1 }, nn.batch_norm(32), nn.relu(),
    nn.conv2d { 32, 1, kernel = 1 }, nn.softplus(), nn.reshape(size, size),
  }
end

function network.combresnet18(train, size)
  return nn.combresnet18 { rows = size, cols = size, normalise = nn.normalise { data = train.image } }
end

-- ------------------------------------------------------------------ layer: costs -> paths

local layers = {}

-- Path lengths vary; the published choice for the number of ones is 1.3 times the side.
local function path_noise(o, size)
  if o.temperature == 0 then return "none" end
  return noise.sum_of_gamma { k = math.floor(1.3 * size) }
end

function layers.imle(o, grid, size)
  return estimator.imle {
    solver = grid, noise = path_noise(o, size), target = target.fixed { lambda = o.lambda },
    temperature = o.temperature, samples = o.samples,
  }
end

function layers.identity(o, grid)
  return estimator.identity { solver = grid, projection = o.projection }
end

function layers.blackbox(o, grid)
  return estimator.blackbox { solver = grid, lambda = o.lambda }
end

function layers.straight_through(o, grid, size)
  return estimator.straight_through {
    solver = grid, noise = path_noise(o, size), temperature = o.temperature, samples = o.samples,
  }
end

-- ------------------------------------------------------------------ measuring

local function measure(costs, layer, set)
  return tensor.scope(function()
    local z = layer:map(costs:evaluate(set.image, { block = 100 }))
    return {
      optimal_rate = metric.optimal_rate(z, set, { is_feasible = metric.is_grid_path }),
      optimal_rate_1e4 = metric.optimal_rate(z, set, { tolerance = 1e-4, is_feasible = metric.is_grid_path }),
      match_rate = metric.match_rate(z, set),
      regret = metric.regret(z, set),
      cost_ratio = metric.cost_ratio(z, set),
    }
  end)
end

local function picture(costs, layer, set, file)
  local shown = set:rows(1, math.min(4, set:count()))
  local learned = costs:evaluate(shown.image)
  local z, rows = layer:map(learned)[1], {}
  for i = 1, shown:count() do
    rows[i] = { image = shown.image[i], truth = shown.path[i], predicted = z[i], costs = learned[i] }
  end
  return plot.paths { file = file, rows = rows }
end

-- A picture that cannot be made is no reason to lose the numbers.
local function say(ok, message, file)
  io.stderr:write(ok and ("wrote %s\n"):format(file) or ("warning: %s\n"):format(message))
end

-- ------------------------------------------------------------------ the run

-- Identity and straight-through would go on raising the costs of cells that are right already: they need a
-- loss without a gradient there.
local function loss_of(o)
  local smooth = o.variant == "imle" or o.variant == "blackbox"
  return loss[o.loss or (smooth and "hamming" or "absolute")]
end

-- The epochs after which the rate falls: at 60 % and 80 %, as in the published runs.
local function slower_after(epochs)
  local first, second = math.floor(0.6 * epochs), math.floor(0.8 * epochs)
  if first < 1 then return { epochs } end
  return second > first and { first, second } or { first }
end

local function run(make_layer, record, o)
  local train, validation, test = load[o.data](o)
  if not train then error(validation) end
  local size = train.path:size(2)
  local costs, error_of = network[o.network](train, size), loss_of(o)
  local layer = make_layer(o, solver.grid_path { rows = size, cols = size }, size)
  local adam = optim.adam(costs:parameters(), { rate = o.rate })
  local schedule = optim.schedule.steps(adam, { epochs = slower_after(o.epochs), factor = 0.1 })
  local batches = train:loader { size = o.batch, shuffle = true }
  local rates = {}
  print(("%s, %s, %s: %d maps of %d x %d to learn from, %d to choose by, %d unseen"):format(o.data, o.network,
    o.variant, train:count(), size, size, validation:count(), test:count()))

  for epoch in record:epochs(o.epochs, { model = costs, optimizer = adam, loader = batches, values = rates }) do
    schedule:epoch(epoch)
    for batch in batches:batches() do
      local value = adam:step(function() return error_of(layer(costs(batch.image)), batch.path) end)
      if record:step(value) then break end
    end
    local m = measure(costs, layer, validation)
    print(("epoch %2d  loss %7.3f  validation: optimal %5.1f %%  match %5.1f %%  regret %.3f"):format(epoch,
      record:mean(), 100 * m.optimal_rate, 100 * m.match_rate, m.regret))
    m.epoch, m.loss, m.split = epoch, record:mean(), "validation"
    record(m)
    rates[epoch] = 100 * m.optimal_rate
  end

  local m = measure(costs, layer, test)
  print(("\nunseen maps (%d)"):format(test:count()))
  print(("  optimal rate, tolerance 1e-6  %6.2f %%"):format(100 * m.optimal_rate))
  print(("  optimal rate, tolerance 1e-4  %6.2f %%"):format(100 * m.optimal_rate_1e4))
  print(("  match rate                    %6.2f %%"):format(100 * m.match_rate))
  print(("  regret                        %8.4f"):format(m.regret))
  print(("  cost ratio                    %8.4f"):format(m.cost_ratio))
  print(("  solver calls                  %8d"):format(record:solves()))
  print(("  zero gradients                %6.2f %%"):format(100 * layer:zero_rate()))
  m.split = "test"
  record(m)

  local epochs, maps, curve = {}, record:file "maps.png", record:file "curve.svg"
  for epoch in ipairs(rates) do epochs[epoch] = epoch end
  local ok, message = picture(costs, layer, test, maps)
  say(ok, message, maps)
  ok, message = plot.curves {
    file = curve, title = "optimal paths on validation maps", x_label = "epoch", y_label = "optimal rate, %",
    series = { { name = o.variant, x = epochs, y = rates } },
  }
  say(ok, message, curve)
end

return mg.experiment {
  title = "warcraft path", metric = "optimal_rate", sense = "max",
  variants = {
    { "imle", function() return layers.imle end }, { "identity", function() return layers.identity end },
    { "blackbox", function() return layers.blackbox end },
    { "straight_through", function() return layers.straight_through end },
  },
  options = {
    { name = "data", choices = { "terrain", "freeciv", "folder" }, default = "terrain",
      help = "maps made from the seed, Freeciv's, or the original files" },
    { name = "folder", form = "text", help = "folder of the original files, for data=folder" },
    { name = "size", form = "count", default = 12, help = "cells on a side (terrain, freeciv)", smoke = 6 },
    { name = "train", form = "count", default = 2000, help = "maps to learn from (terrain, freeciv)", smoke = 64 },
    { name = "held_out", form = "count", default = 300, help = "maps to validate, and to test (terrain, freeciv)",
      smoke = 16 },
    { name = "network", choices = { "small", "combresnet18" }, default = "small", help = "image to costs" },
    { name = "loss", choices = { "hamming", "absolute" },
      help = "unless given, hamming for imle and blackbox, else absolute" },
    { name = "lambda", form = "positive", default = 10, help = "step of imle and blackbox" },
    { name = "temperature", form = "not_negative", default = 0.3, help = "of the noise of imle, straight_through" },
    { name = "samples", form = "count", default = 1, help = "noise draws for each map" },
    { name = "projection", choices = { "none", "norm" }, default = "none", help = "of identity" },
    { name = "epochs", form = "count", default = 20, help = "passes over the training maps" },
    { name = "batch", form = "count", default = 32, help = "maps in a step; lambda goes with it" },
    { name = "rate", form = "positive", default = 5e-3, help = "of Adam; divided by 10 at 60 % and 80 %" },
  },
  run = run,
}

-- Which way through the same argmax finds hidden costs best, from pictures and cheapest paths, for equal work?
local mg = require "mapgrad"
local estimator, nn, grid = mg.estimator, mg.nn, mg.solver.grid_path { rows = 8, cols = 8 }
local noise, target = mg.noise.sum_of_gamma { k = 10 }, mg.target.fixed { lambda = 20 }
return mg.experiment {
  title = "five estimators on 8x8 paths", seeds = 5, metric = "regret", sense = "min",
  options = { { name = "epochs", default = 20, help = "passes over the maps; better --budget solver_calls=10000" },
    { name = "maps", form = "count", default = 1000, help = "half of them unseen", smoke = 40 } },
  variants = {
    { "identity", function() return estimator.identity { solver = grid } end },
    { "straight_through", function() return estimator.straight_through { solver = grid, noise = noise } end },
    { "blackbox", function() return estimator.blackbox { solver = grid, lambda = 20 } end },
    { "imle", function() return estimator.imle { solver = grid, noise = noise, target = target } end },
    { "aimle", function() return estimator.aimle { solver = grid, noise = noise } end },
  },
  run = function(path, record, o)
    local train, test = mg.data.make.terrain { size = 8, count = o.maps }:split(0.5)
    local costs = nn.sequential { nn.conv2d { 3, 16, kernel = 8, stride = 8 }, nn.batch_norm(16, { relu = true }),
      nn.conv2d { 16, 1, kernel = 1 }, nn.softplus(), nn.reshape(8, 8) }
    local adam = mg.optim.adam(costs:parameters(), { rate = 2e-3 })
    for epoch in record:epochs(o.epochs, { model = costs, optimizer = adam }) do
      for batch in train:batches { size = 20, shuffle = true } do
        local value = adam:step(function() return mg.loss.absolute(path(costs(batch.image)), batch.path) end)
        if record:step(value) then break end
      end
      record { epoch = epoch, regret = mg.metric.regret(grid(costs:evaluate(test.image)), test) }
    end
  end,
}

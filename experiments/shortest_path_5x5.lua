-- Predict, then optimise: which training makes a linear model choose the cheapest paths of a 5 x 5 grid?
--
-- Five features determine the costs of 40 edges, by polynomials of degree 4 and factors of noise; a linear model of
-- the costs is wrong, but may lead to good paths. What counts is the regret of these paths on unseen instances, as a
-- share of the cost of the best ones. Protocol: Tang, Khalil 2022 (PyEPO), with a validation set of its own; rates and
-- settings below are those with the least regret on validation sets of other seeds, the test set is read once.
local mg = require "mapgrad"
local data, estimator, loss, metric, nn, noise = mg.data, mg.estimator, mg.loss, mg.metric, mg.nn, mg.noise
local optim, target, tensor = mg.optim, mg.target, mg.tensor

-- ------------------------------------------------------------------ what is learned from

-- Each turns a loss into one of (predicted costs, batch).
local function costs(f) return function(c, batch) return f(c, batch.costs) end end
local function path(f) return function(c, batch) return f(c, batch.path) end end
local function both(f) return function(c, batch) return f(c, batch.costs, { solution = batch.path }) end end

-- A loss between a layer's paths and the cheapest ones.
local function through(layer, f) return function(c, batch) return f(layer(c), batch.path) end end

-- ------------------------------------------------------------------ methods

-- A variant: the rate of Adam, a function (solver of paths) -> loss, and what maps the linear model's scores to costs.
local function method(rate, make, link)
  return function() return { rate = rate, make = make, link = link or "none" } end
end

local methods = {
  { "two_stage", method(0.01, function() return costs(loss.squared) end) },
  { "two_stage_softplus", method(0.01, function() return costs(loss.squared) end, "softplus") },
  { "spo_plus", method(0.003, function(s) return both(loss.spo_plus { solver = s }) end) },
  { "spo_plus_softplus", method(0.003, function(s) return both(loss.spo_plus { solver = s }) end, "softplus") },
  { "perturbation_gradient", method(0.01, function(s)
    return costs(loss.perturbation_gradient { solver = s, step = 1 })
  end) },
  { "fenchel_young", method(0.01, function(s) return path(loss.fenchel_young { solver = s, samples = 3 }) end) },
  { "fenchel_young_factors", method(0.01, function(s)
    return path(loss.fenchel_young { solver = s, samples = 3, multiplicative = true, temperature = 0.3 })
  end) },
  { "fenchel_young_sparsemap", method(0.01, function(s) return path(loss.sparsemap { solver = s }) end) },
  { "pool_pointwise", method(0.01, function(s) return both(loss.pool_pointwise { solver = s, solve_ratio = 0.05 }) end) },
  { "pool_pairwise", method(0.01, function(s) return both(loss.pool_pairwise { solver = s, solve_ratio = 0.05 }) end) },
  { "pool_listwise", method(0.01, function(s) return both(loss.pool_listwise { solver = s, solve_ratio = 0.05 }) end) },
  { "contrastive_nce", method(0.01, function(s) return both(loss.contrastive_nce { solver = s, solve_ratio = 0.05 }) end) },
  { "contrastive_map", method(0.01, function(s) return both(loss.contrastive_map { solver = s, solve_ratio = 0.05 }) end) },
  { "imle", method(0.01, function(s)
    return through(estimator.imle { solver = s, noise = noise.sum_of_gamma { k = 8 },
      target = target.fixed { lambda = 10 } }, loss.hamming)
  end) },
}

-- ------------------------------------------------------------------ the run

local function run(chosen, record, o)
  local set, paths = data.make.shortest_path { count = o.train + 2 * o.held_out, degree = o.degree, noise = o.noise }
  local train, validation = set:rows(1, o.train), set:rows(o.train + 1, o.train + o.held_out)
  local test = set:rows(-o.held_out, -1)
  local net = nn.sequential { nn.linear(train.x:size(2), train.costs:size(2)), chosen.link == "softplus" and nn.softplus() or nil }
end

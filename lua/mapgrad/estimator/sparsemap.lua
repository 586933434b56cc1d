--- SparseMAP: the sparse mean of solutions that maximises <theta, m> - temperature / 2 |m|^2 over the convex hull of
-- the solver's solutions, which is the projection of theta / temperature onto it. Answers [1, batch..., shape].
-- Found by active sets (the minimum-norm-point method) over any solver: a solver call an instance and iteration until
-- the duality gap is at most the tolerance. Backward: Q Q^T u / temperature, Q a basis of the face found, without
-- solver calls.
-- layer.open counts instances that iterations ended; layer.atoms solutions that had weight in the last call.
-- Source: Niculae, Martins, Blondel, Cardie 2018; Wolfe 1976.
-- @param options.solver       the solver; costs of obstacles (inf) cannot be projected
-- @param options.temperature  tau, above 0 (default 1)
-- @param options.tolerance    of the duality gap (default 1e-4; 1e-9 in double)
-- @param options.iterations   at most (default 1000)
-- @param options.output       "samples" (default) or "mean": the same
-- @param options.evaluation   "map" (default), "mean", "samples": the mean of solutions
-- @usage estimator.sparsemap { solver = solver.top_k { n = 10, k = 3 } }(tensor.normal(4, 10))
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local layer = require "mapgrad.estimator.layer"
local project = require "mapgrad.solver.project"
local tensor = require "mapgrad.tensor"

return function(options)
  local o = layer.options("estimator.sparsemap", options, {
    solver = check.solver, temperature = check.positive(1), iterations = check.count(1000),
    tolerance = check.positive(core.info().real_bytes == 8 and 1e-9 or 1e-4),
  })
  local self

  local function forward(saved, theta, context)
    local m, open
    m, saved.set, open, self.atoms = project(o.solver, theta, context, o)
    self.open, saved.shape = self.open + open, theta:shape()
    return m:unsqueeze(1)
  end

  local function backward(saved, u)
    return tensor.wrap(core.sparsemap_vjp(saved.set, u.handle, saved.shape))
  end

  self = layer.new("estimator.sparsemap", o, forward, backward)
  self.open, self.atoms = 0, 0
  return self
end

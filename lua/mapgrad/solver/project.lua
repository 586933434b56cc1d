--- Projections onto the convex hull of a solver's solutions, for estimators and losses; not recorded.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- The m of the hull that maximises <theta, m> - temperature / 2 |m|^2, by the minimum-norm-point method: a solver call
-- an instance and iteration until the duality gap is at most the tolerance.
-- @param solver   any
-- @param theta    scores [batch..., shape], finite
-- @param context  of the solver
-- @param o        {temperature =, tolerance =, iterations =}
-- @return m [batch..., shape]; the active sets, for core.sparsemap_vjp; instances that iterations ended; solutions that
-- have weight
-- Source: Niculae, Martins, Blondel, Cardie 2018; Wolfe 1976.
return function(solver, theta, context, o)
  local shape = theta:shape()
  local set = core.sparsemap_new(theta.handle, solver.n, o.temperature, o.tolerance)
  local open, iterations = theta:count() / solver.n, 0
  while open > 0 and iterations < o.iterations do
    local z = solver:argmax(tensor.wrap(core.sparsemap_query(set, shape)), context)
    open, iterations = core.sparsemap_step(set, z.handle), iterations + 1
  end
  local m, atoms = core.sparsemap_answer(set, shape)
  return tensor.wrap(m), set, open, atoms
end

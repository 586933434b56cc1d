--- Independent blocks of another solver.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_solver = require "mapgrad.solver.base"

--- Blocks that the same solver answers one by one, such as 20 groups of one_hot.
-- theta [batch..., blocks, shape of the solver]; contexts have a row for each block
-- (the named constraints of a program are none here).
-- @param options.solver  solver of the core
-- @param options.blocks  how many
-- @usage local groups = solver.factored { solver = solver.one_hot { n = 20 }, blocks = 20 }
-- print(groups(tensor.normal(5, 20, 20)):sum(3)) -- ones
return function(options)
  local o = check.options("solver.factored", options, { solver = check.solver, blocks = check.count() })
  local inner = o.solver
  inner:expect_plan "solver.factored"
  local shape = { o.blocks }
  for _, extent in ipairs(inner.shape) do shape[#shape + 1] = extent end
  return new_solver {
    name = "factored", sense = inner.sense, shape = shape, exact = inner.exact, inner = inner,
    settings = { { "solver", inner.name }, { "blocks", o.blocks } },
    context_rows = inner.core_contexts and {} or inner.context_rows,
    plan = core.solver_blocks(inner.plan, o.blocks), layer_plan = core.solver_blocks(inner.layer_plan, o.blocks),
  }
end

--- The law over all solutions of a solver that can enumerate them, up to 1,000,000: every quantity is a sum over
-- them, samples are found by the inverse distribution function in their order. O(solutions n) an instance.
-- @function enumerated
-- @param options.solver       the solver
-- @param options.context      of the solver, the same for all instances (default: none)
-- @param options.most         more solutions than this are an error (default 1,000,000)
-- @param options.temperature  above 0 (default 1)
-- @usage distribution.enumerated { solver = solver.grid_path { rows = 3, cols = 3 } }:marginals(-costs)
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local law = require "mapgrad.distribution.law"
local tensor = require "mapgrad.tensor"

return function(options)
  local o = check.options("distribution.enumerated", options, {
    solver = check.solver, temperature = check.positive(1), context = check.optional(check.any()),
    most = check.count(1e6),
  })
  local states = tensor.keep(o.solver:enumerate(o.context, o.most))
  return law.new {
    name = "enumerated", solver = o.solver, temperature = o.temperature, context = o.context,
    make_plan = function() return core.law_enumerated(states.handle, o.solver.n) end,
    own = { enumerate = function() return states end },
  }
end

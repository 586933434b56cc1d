--- Solvers written in C, in a shared object of one's own.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_solver = require "mapgrad.solver.base"
local own = require "mapgrad.solver.own"

--- A C function as a solver; it runs on all threads, an instance a call.
-- The file, with its two exported names:
--
--     #include "mapgrad.h"
--     const int mg_solver_reals = sizeof(mg_real);
--     int nearest(const mg_instance *x, mg_real *z, void *state) { ... z[i] = 1 ... return MG_OK; }
--
-- and its Makefile line (-DMG_DOUBLE for the double build):
--
--     nearest.so: nearest.c; cc -std=c11 -O2 -fPIC -shared -I$(MAPGRAD)/core -o $@ $<
--
-- The function fills z, which starts as zeros, and returns MG_OK; or it writes why not to x->message and
-- returns MG_NO_SOLUTION, or anything else for a failure. Answers that are not finite are refused.
-- @param options.path          the shared object; with a slash, else the system's folders are searched
-- @param options.symbol        the function (default: the solver's name)
-- @param options.name          for messages
-- @param options.n             entries of one theta; or shape, a list of extents
-- @param options.sense         "max" (default) or "min": then the function sees costs
-- @param options.exact         whether answers are optimal (default true)
-- @param options.constant_sum  whether all solutions have the same sum
-- @param options.contexts      a table: name -> numbers an instance has; x->contexts has them by name order
-- @usage local s = solver.load { path = "./nearest.so", name = "nearest", n = 10 }
return function(options)
  local o = own.options("solver.load", options, {
    path = check.text(), symbol = check.optional(check.text()),
    contexts = { required = false, expected = "a table { name = width }", test = own.widths },
  })
  local names, widths, rows = {}, {}, {}
  for name in pairs(o.contexts or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    widths[i], rows[i] = o.contexts[name], { name = name, form = tostring(o.contexts[name]), doc = "" }
  end
  local plan = core.solver_load(o.path, o.symbol or o.name, {
    name = o.name, n = o.n, minimum = o.sense == "min", exact = o.exact, names = names, widths = widths,
  })
  return new_solver {
    name = o.name, sense = o.sense, shape = o.shape, exact = o.exact, context_rows = rows,
    settings = { { "path", o.path } }, plan = plan, layer_plan = plan, declared_constant_sum = o.constant_sum,
  }
end

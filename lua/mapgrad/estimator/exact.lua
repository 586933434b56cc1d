--- What estimators over an exact law ask of it.
local check = require "mapgrad.check"

local exact = {}

--- Raises unless the law's theta has the shape of the solver's.
function exact.expect(name, law, solver)
  local expected, got = table.concat(solver.shape, "x"), table.concat(law.shape, "x")
  if expected ~= got then
    check.fail("MG-SHAPE", "%s: law: %s has shape %s, the solver %s", name, law.name, got, expected)
  end
end

--- Raises if there is a context: the set of a law is the same for all instances.
function exact.expect_no_context(name, context)
  local key = context and next(context)
  if key ~= nil then
    check.fail("MG-OPTION", "%s: context '%s': a law takes none, its set is the same for all instances", name,
      tostring(key))
  end
end

return exact

--- The true parameters: theta' = theta_true, scale = weight / batch; the upstream gradient is ignored.
-- Explicit maximum likelihood: supervision by costs, to be said beside any number. The layer takes the
-- truth as context: layer(x, { truth = costs }), in the solver's own sense.
-- Source: I-MLE, section 3 (the published Warcraft runs named mu-mu are this).
-- @param options.weight  factor of the difference (default 1)
-- @usage target.given()
local check = require "mapgrad.check"
local target = require "mapgrad.target.target"

return function(options)
  local o = check.options("target.given", options, { weight = check.positive(1) })
  return target.new(("given { weight = %g }"):format(o.weight), function(_, g, truth)
    if not truth then
      check.fail("MG-OPTION", "target.given: the layer needs the true parameters: layer(x, { truth = ... })")
    end
    local batch = g:count() / g:size(1) / truth.n
    return truth.theta + g * 0, o.weight / batch
  end)
end

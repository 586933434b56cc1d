--- Combinatorial: theta'_i = theta_i where g_i = 0, else -weight g_i; scale 1.
-- Source: I-MLE, eq. 14. The zero test is exact. As -g competes with theta where some g_i are 0, and
-- with the noise, give g the scale of one instance by weight (the batch size for a mean over the batch).
-- @param options.weight  factor of g (default 1)
-- @usage target.combinatorial { weight = 70 }
local check = require "mapgrad.check"
local new_target = require "mapgrad.target.target"

return function(options)
  local o = check.options("target.combinatorial", options, { weight = check.positive(1) })
  return new_target(("combinatorial { weight = %g }"):format(o.weight), function(theta, g)
    return theta * g:eq(0) - g * o.weight, 1
  end)
end

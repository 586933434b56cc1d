--- Combinatorial: theta'_i = theta_i where g_i = 0, else -weight g_i; scale 1.
-- Source: I-MLE, eq. 14. The zero test is exact. As -g competes with theta where some g_i are 0, and
-- with the noise, give g the scale of one instance by weight (the batch size for a mean over the batch).
-- @param options.weight  factor of g (default 1)
-- @usage target.combinatorial { weight = 70 }
local check = require "mapgrad.check"
local target = require "mapgrad.target.target"

local LOWEST = -3e38 -- a finite real: 0 times it is 0, forbidden entries become so again

return function(options)
  local o = check.options("target.combinatorial", options, { weight = check.positive(1) })
  return target.new(("combinatorial { weight = %g }"):format(o.weight), function(theta, g)
    local finite = theta:maximum(LOWEST)
    return finite * g:eq(0) - g * o.weight + target.forbidden(theta), 1
  end)
end

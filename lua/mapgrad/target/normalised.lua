--- A step relative to the norms: theta' = theta - lambda g, lambda = ratio |theta| / |g|, scale 1 / lambda.
-- The same ratio means the same for losses and scores of any scale; lambda = 0 (no gradient, or theta = 0) gives
-- scale 1. The adaptive target without its adaptation: Minervini, Franceschi, Niepert 2023.
-- @param options.ratio  length of the step as a share of the norm of theta (default 1)
-- @param options.norms  "instance" (default): of each instance; "batch": of the whole batch
-- @usage target.normalised { ratio = 0.1 }
local check = require "mapgrad.check"
local target = require "mapgrad.target.target"

return function(options)
  local o = check.options("target.normalised", options, {
    ratio = check.positive(1), norms = check.choice({ "instance", "batch" }, "instance"),
  })
  local text = ("normalised { ratio = %g, norms = %s }"):format(o.ratio, o.norms)
  return target.new(text, function(theta, g, _, axes)
    local step, scale = target.step(o.ratio, theta, g, o.norms == "instance" and axes or nil)
    return theta - step, scale
  end, { is_step = true })
end

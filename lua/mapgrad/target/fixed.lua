--- Fixed step: theta' = alpha theta - lambda g, scale 1 / lambda.
-- Source: I-MLE, eq. 10 (perturbation-based implicit differentiation; lambda is beta in its code).
-- lambda acts on the gradient of a batch mean: it moves one instance by lambda / batch times its own
-- gradient. Same order as mean |theta| / mean |g| is a start.
-- @param options.lambda  the step, above 0
-- @param options.alpha   weight of theta (default 1; 0 drops theta)
-- @param options.scale   false: the raw difference of solutions, as torch-imle returns it (default true)
-- @usage target.fixed { lambda = 20 }
local check = require "mapgrad.check"
local target = require "mapgrad.target.target"

return function(options)
  local o = check.options("target.fixed", options, {
    lambda = check.not_negative(), alpha = check.real(1), scale = check.flag(true),
  })
  if o.lambda == 0 and o.scale then
    check.fail("MG-ARGUMENT", "target.fixed: lambda = 0 has no scale 1 / lambda; give a step above 0")
  end
  local text = ("fixed { lambda = %g, alpha = %g%s }"):format(o.lambda, o.alpha, o.scale and "" or ", scale = false")
  local scale = o.scale and 1 / o.lambda or 1
  return target.new(text, function(theta, g)
    return target.scaled(theta, o.alpha) - g * o.lambda, scale
  end, { alpha = o.alpha, is_step = true })
end

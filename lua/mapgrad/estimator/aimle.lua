--- Adaptive implicit maximum likelihood estimation (AIMLE).
-- I-MLE with a step that adapts to how sparse the gradients are (target.adaptive, the default), and a left solution
-- argmax(alpha theta + temperature_target * noise) that is solved anew where it differs from the forward pass's.
-- Solver calls an instance: samples forward; backward samples, or twice that if symmetric, or if alpha is not 1 or
-- the temperatures differ.
-- Source: Minervini, Franceschi, Niepert 2023.
-- Options as of estimator.imle; target defaults to target.adaptive {}.
-- @usage estimator.aimle { solver = solver.top_k { n = 10, k = 3 }, noise = noise.sum_of_gamma { k = 3 },
--   samples = 10, symmetric = true }
local check = require "mapgrad.check"
local difference = require "mapgrad.estimator.difference"
local layer = require "mapgrad.estimator.layer"

return function(options)
  local rules = difference.rules()
  rules.target = check.optional(check.target)
  local o = layer.options("estimator.aimle", options, rules)
  o.target = o.target or require "mapgrad.target".adaptive {}
  difference.check("estimator.aimle", o)
  local is_left_new = o.target.alpha ~= 1 or (o.temperature_target or o.temperature) ~= o.temperature
  return difference.layer("estimator.aimle", o, is_left_new)
end

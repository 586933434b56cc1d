--- Structured hinge: max_z [margin Hamming(z, y) + <theta, z>] - <theta, y>; the mean over instances.
-- Subgradient z' - y, z' = argmax <theta + margin (1 - 2 y), z>: one solver call an instance. Never below the
-- perceptron, which it is for margin 0.
-- Source: Taskar, Guestrin, Koller 2003; Tsochantaridis et al. 2005 (margin rescaling).
-- @function hinge
-- @param options.solver  the solver
-- @param options.margin  weight of the Hamming loss (default 1)
-- @usage loss.hinge { solver = paths, margin = 0.1 }(costs(image), path):backward()
local check = require "mapgrad.check"

local rules = { margin = check.not_negative(1) }

return require("mapgrad.loss.structured").loss("hinge", rules, function(self, theta, y, context)
  y = self:label(y, theta)
  local margin = self.options.margin
  local z = self:argmax(theta + (1 - y * 2) * margin, context)
  local hamming = (z * (1 - y * 2) + y):sum() * (margin * self.solver.n / y:count())
  return self:mean_inner(theta, z - y) + hamming
end)

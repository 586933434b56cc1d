--- Regularised Fenchel-Young loss: max_m [<theta, m> - temperature / 2 |m|^2] + temperature / 2 |y|^2 - <theta, y> over
-- the convex hull of the solver's solutions; the mean over instances. Gradient m(theta) - y, m the SparseMAP solution.
-- Never negative, and 0 exactly where m(theta) = y. y may be any point of the hull. A solver call an instance and
-- iteration.
-- Source: Niculae, Martins, Blondel, Cardie 2018; Blondel, Martins, Niculae 2020.
-- @function sparsemap
-- @param options.solver       the solver; its scores must be finite
-- @param options.temperature  above 0 (default 1)
-- @param options.tolerance    of the duality gap (default 1e-4; 1e-9 in double)
-- @param options.iterations   at most (default 1000)
-- @usage loss.sparsemap { solver = paths }(costs(image), path):backward()
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local project = require "mapgrad.solver.project"

local rules = {
  temperature = check.positive(1), iterations = check.count(1000),
  tolerance = check.positive(core.info().real_bytes == 8 and 1e-9 or 1e-4),
}

return require("mapgrad.loss.structured").loss("sparsemap", rules, function(self, theta, y, context)
  y = self:label(y, theta)
  local o = self.options
  local m = autograd.pause(function() return (project(self.solver, theta:detach(), context, o)) end)
  local norms = (y:square():sum() - m:square():sum()) * (o.temperature / 2 * self.solver.n / y:count())
  return self:mean_inner(theta, m - y) + norms
end)

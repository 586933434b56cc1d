--- Maximum likelihood under an exact law, as of a conditional random field: temperature A(theta) - <theta, y>, the
-- mean over instances; temperature times the negative log-likelihood of y if y is a solution. Never negative; convex
-- in theta; gradient E[z] - y, exactly. y may be any point of the convex hull, such as a mean of labels. It is the
-- Fenchel-Young loss of the law's entropy. No solver calls.
-- Source: Lafferty, McCallum, Pereira 2001; Blondel, Martins, Niculae 2020.
-- @function maximum_likelihood
-- @param options.law  a law of mapgrad.distribution; x is scores, or costs if its solver's sense is "min"
-- @usage loss.maximum_likelihood { law = distribution.top_k { n = 10, k = 3 } }(scores(x), label):backward()
local check = require "mapgrad.check"

local rules = { law = check.instance "law" }

return require("mapgrad.loss.structured").loss("maximum_likelihood", rules, function(self, theta, y, context)
  y = self:label(y, theta)
  if context and next(context) ~= nil then
    check.fail("MG-OPTION", "loss.maximum_likelihood: context '%s': a law takes none", tostring((next(context))))
  end
  local inner = self:mean_inner(theta, y)
  return self.options.law:log_partition(theta):mean() * self.options.law.temperature - inner
end)

--- Structured perceptron: <theta, z(theta) - y>, subgradient z(theta) - y; the mean over instances.
-- One solver call an instance. It is 0 as soon as z(theta) = y, however narrowly.
-- Source: Collins 2002.
-- @function perceptron
-- @param options.solver  the solver
-- @usage loss.perceptron { solver = paths }(costs(image), path):backward()
return require("mapgrad.loss.structured").loss("perceptron", {}, function(self, theta, y, context)
  y = self:label(y, theta)
  return self:mean_inner(theta, self:argmax(theta, context) - y)
end)

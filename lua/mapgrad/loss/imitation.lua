--- Imitation: another loss against the solutions of the true parameters, for which labels are not given.
-- f(x, true_costs, context) is loss(layer(x), z*). Solver calls: the layer's, and one an instance for z* unless it is
-- given as context solution.
-- @function imitation
-- @param options.layer  a layer of an estimator
-- @param options.loss   function (z, label, options), such as loss.hamming or loss.squared
-- @usage loss.imitation { layer = layer, loss = loss.hamming }(costs(x), true_costs):backward()
local check = require "mapgrad.check"
local structured = require "mapgrad.loss.structured"

local rules = { layer = check.instance "layer", loss = check.callable() }

local construct = structured.loss("imitation", rules, function(self, theta, truth, context)
  local _, best, own = self:solved_truth(truth, theta, context)
  local z = self.options.layer(self:scores(theta), own)
  return self.options.loss(z, best, { instance_axes = #self.solver.shape })
end)

return function(options)
  local o = check.options("loss.imitation", options, rules)
  return construct { layer = o.layer, solver = o.layer.solver, loss = o.loss }
end

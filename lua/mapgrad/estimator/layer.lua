--- Layers: an estimator and a solver, callable, that count what they do.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local margin = require "mapgrad.estimator.margin"
local tensor = require "mapgrad.tensor"

local methods = {}
local Layer = { __name = "mapgrad.layer" }

-- layer.solves and layer.seconds are the solver's own since the layer was made.
Layer.__index = function(self, key)
  if key == "solves" or key == "seconds" or key == "repaired" or key == "entries" then
    return self.solver[key] - self.before[key]
  end
  return methods[key]
end

-- The user's x as scores.
local function scores(self, x)
  return self.solver.sense == "min" and -x or x
end

-- Splits truth and label off the context: {theta = scores, n = entries of an instance}, label.
local function split_context(self, context)
  self.solver:expect_context(context)
  if not context or (context.truth == nil and context.label == nil) then return context, nil, nil end
  local own = {}
  for name, value in pairs(context) do
    if name ~= "truth" and name ~= "label" then own[name] = value end
  end
  if context.truth == nil then return own, nil, context.label end
  local truth = tensor.of(context.truth, self.name .. ": truth"):detach()
  self.solver:batch_of(truth, self.name .. ": truth")
  return own, { theta = scores(self, truth), n = self.solver.n }, context.label
end

-- What an operation takes of x and context: scores, the solver's context, truth, and a margin that is to be added
-- after a projection, or nil; other margins are in the scores.
local function inputs(self, x, context, is_training)
  x = tensor.of(x, self.name)
  self.solver:batch_of(x, self.name)
  local own, truth, label = split_context(self, context)
  local theta = scores(self, x)
  local term = is_training and margin.term(self, theta, label) or nil
  if term and self.options.margin_order ~= "after" then
    theta, term = theta + term, nil
  end
  return theta, own, truth, term
end

local function mean(z)
  return z:mean(1):unsqueeze(1)
end

Layer.__call = function(self, x, context)
  local z = self.operation(inputs(self, x, context, true))
  return self.output == "mean" and mean(z) or z
end

--- x as scores, recorded.
methods.scores = scores

--- x as scores with the margin, recorded, and the solver's own context: what layers train on that have more than one
-- operation.
function methods.inputs(self, x, context)
  return inputs(self, x, context, true)
end

--- The MAP state, without noise and without recording: [1, batch..., shape].
function methods.map(self, x, context)
  x = tensor.of(x, self.name)
  local own = split_context(self, context)
  local function solve()
    return (self.solver:perturbed_argmax(scores(self, x), own, { samples = 1, temperature = 0,
      is_evaluation = true, draw = { seed = 0, stream = "noise", index = 0 } }))
  end
  return autograd.pause(solve)
end

--- What the layer answers at evaluation, not recorded: by its option evaluation the MAP state ("map",
-- default), the mean of its samples ("mean"), or the samples ("samples").
function methods.evaluate(self, x, context)
  if self.evaluation == "map" then return self:map(x, context) end
  return autograd.pause(function()
    local z = self.operation(inputs(self, x, context, false))
    return self.evaluation == "mean" and mean(z) or z
  end)
end

-- Counts instances whose gradient is exactly zero.
local function count_zeros(self, gradient)
  local _, batch = self.solver:batch_of(gradient)
  local largest = gradient:abs():reshape(batch, self.solver.n):max(2)
  self.gradients = self.gradients + batch
  self.zero_gradients = self.zero_gradients + largest:eq(0):sum():item()
  return gradient
end

--- Share of instances whose gradient was exactly zero so far.
function methods.zero_rate(self)
  return self.gradients > 0 and self.zero_gradients / self.gradients or 0
end

Layer.__tostring = function(self)
  local parts = { ("%s over %s"):format(self.name, tostring(self.solver)) }
  for _, key in ipairs { "noise", "target" } do
    if self.options[key] then parts[#parts + 1] = ("  %s %s"):format(key, tostring(self.options[key])) end
  end
  for _, key in ipairs { "lambda", "projection", "temperature", "samples" } do
    if self.options[key] then parts[#parts + 1] = ("  %s %s"):format(key, tostring(self.options[key])) end
  end
  parts[#parts + 1] = ("  %d solves in %.3f s, zero rate %.3f"):format(self.solves, self.seconds, self:zero_rate())
  return table.concat(parts, "\n")
end

--- Options that all layers share, beside margin and margin_kind.
local shared = {
  output = function() return check.choice({ "samples", "mean" }, "samples") end,
  evaluation = function() return check.choice({ "map", "mean", "samples" }, "map") end,
}

local layer = {}

--- Checks an estimator's options together with the shared ones.
function layer.options(name, options, rules)
  for key, make in pairs(shared) do rules[key] = rules[key] or make() end
  margin.rules(rules)
  return check.options(name, options, rules)
end

--- Makes a layer.
-- @param name      the estimator's, such as "estimator.imle"
-- @param o         its checked options, with solver, output, evaluation
-- @param forward   function (saved, theta, context, truth, margin) -> z [samples, batch..., shape]; margin: what is
--   to be added to projected scores, or nil
-- @param backward  function (saved, dz) -> dtheta [batch..., shape]
function layer.new(name, o, forward, backward)
  local self = setmetatable({
    name = name, solver = o.solver, options = o, output = o.output, evaluation = o.evaluation,
    gradients = 0, zero_gradients = 0,
    before = { solves = o.solver.solves, seconds = o.solver.seconds, repaired = o.solver.repaired,
      entries = o.solver.entries },
  }, Layer)
  self.operation = autograd.operation {
    name = name,
    forward = forward,
    backward = function(saved, dz) return count_zeros(self, backward(saved, dz)) end,
  }
  return self
end

return layer

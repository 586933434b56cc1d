--- The frame of losses that call a solver: loss.NAME { solver = s, ... } makes one, called as f(x, target, context)
-- with scores x [batch..., shape], or costs for sense "min". Solutions are constants in them, so each is written in
-- tensor operations and its gradient is autograd's.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local tensor = require "mapgrad.tensor"

local structured = {}

local methods = {}
local Loss = { __name = "mapgrad.loss", __index = methods }

Loss.__call = function(self, x, target, context)
  x = tensor.of(x, self.name)
  self.solver:batch_of(x, self.name)
  return self.value(self, self:scores(x), target, context)
end

Loss.__tostring = function(self)
  return ("%s over %s"):format(self.name, tostring(self.solver))
end

--- x as scores, recorded.
function methods.scores(self, x)
  return self.solver.sense == "min" and -x or x
end

--- A label, 0/1 solutions of x's shape, as a constant.
function methods.label(self, y, theta)
  if y == nil then check.fail("MG-OPTION", "%s: expected a label after x", self.name) end
  y = tensor.of(y, self.name .. ": label"):detach()
  self:expect_shape(y, theta, "label")
  return y
end

--- True parameters in the user's sense, as constant scores.
function methods.truth(self, truth, theta)
  if truth == nil then check.fail("MG-OPTION", "%s: expected the true scores or costs after x", self.name) end
  truth = tensor.of(truth, self.name .. ": truth"):detach()
  self:expect_shape(truth, theta, "truth")
  return self:scores(truth)
end

function methods.expect_shape(self, t, theta, what)
  if table.concat(t:shape(), "x") ~= table.concat(theta:shape(), "x") then
    check.fail("MG-SHAPE", "%s: %s has shape %s, x has %s", self.name, what, table.concat(t:shape(), "x"),
      table.concat(theta:shape(), "x"))
  end
end

--- argmax <theta, z> as a constant; one solver call an instance.
function methods.argmax(self, theta, context)
  return autograd.pause(function() return self.solver:argmax(theta:detach(), context) end)
end

--- theta with 0 for forbidden entries, where solutions are 0.
function methods.finite(_, theta)
  return theta:eq(-math.huge):where(0, theta)
end

--- The mean over instances, and samples if z has them, of <theta, z>. Where theta forbids an entry z is 0, or it is
-- an error: the value would be infinite.
function methods.mean_inner(self, theta, z)
  self:expect_allowed(theta, z)
  local product = self:finite(theta) * z
  local count = product:count() / self.solver.n
  self:expect_instances(theta)
  return product:sum() * (1 / count)
end

--- Raises if there is nothing to take the mean of.
function methods.expect_instances(self, theta)
  if theta:count() == 0 then
    check.fail("MG-SHAPE", "%s: no instances: x has shape %s", self.name, table.concat(theta:shape(), "x"))
  end
end

--- Raises if an entry of z is not 0 where theta forbids it.
function methods.expect_allowed(self, theta, z)
  local forbidden = theta:detach():eq(-math.huge)
  if (forbidden * z:detach()):ne(0):any():item() == 1 then
    check.fail("MG-ARGUMENT",
      "%s: a solution or label has an entry that is forbidden: its score is -inf (its cost inf)", self.name)
  end
end

--- theta with theta_true times `step` added; forbidden entries stay so.
function methods.shift(_, theta, theta_true, step)
  return theta + theta:detach():eq(-math.huge):where(0, theta_true * step)
end

--- theta as rows [batch, n].
function methods.rows(self, theta)
  return theta:reshape(-1, self.solver.n)
end

--- The context without `solution`, which losses of true parameters take though not all need it.
-- @return the context, and context.solution or nil
function methods.split_solution(self, context)
  self.solver:expect_context(context)
  local own, solution
  for name, value in pairs(context or {}) do
    if name == "solution" then
      solution = value
    else
      own = own or {}
      own[name] = value
    end
  end
  return own, solution
end

--- The true parameters, and their solutions: context.solution if it is given, else one solver call an instance.
-- @return theta_true, z_true, the context without solution
function methods.solved_truth(self, truth, theta, context)
  local theta_true, own, solution = self:truth(truth, theta), self:split_solution(context)
  local z = solution ~= nil and self:label(solution, theta)
  return theta_true, z or self:argmax(theta_true, own), own
end

--- Makes the constructor of a loss.
-- @param name   for messages, without "loss."
-- @param rules  of the options beside solver, or with law, which has its own
-- @param value  function (self, theta, target, context) -> tensor of one entry
-- @param start  function (self), or nil: completes a new loss
function structured.loss(name, rules, value, start)
  name = "loss." .. name
  return function(options)
    local all = { solver = not rules.law and check.solver or nil }
    for key, rule in pairs(rules) do all[key] = rule end
    local o = check.options(name, options, all)
    local self = setmetatable({ name = name, options = o, value = value,
      solver = o.solver or o.law.solver }, Loss)
    if start then start(self) end
    return self
  end
end

return structured

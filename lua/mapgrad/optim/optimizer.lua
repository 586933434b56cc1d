--- The base of all optimizers: a list of parameters, a rate, and the training step.
--
-- `optimizer.rate` may be set at any time. State is made when the optimizer is, so that the scope
-- of a step does not free it.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Optimizer = { __name = "mapgrad.optimizer", __index = methods }

--- Forgets the gradients of all parameters.
-- @return the optimizer
function methods:clear()
  for _, parameter in ipairs(self.parameters) do parameter.grad = nil end
  return self
end

--- Updates the parameters with the gradients they have (those without one stay), then forgets
-- these. For loops that call backward themselves, e.g. to add up gradients of several batches.
-- @return the optimizer
function methods:update()
  check.value(self.name .. ": rate", self.rate, check.not_negative())
  autograd.pause(function()
    for i, parameter in ipairs(self.parameters) do
      if rawget(parameter, "grad") then self.rule(self, i, parameter, parameter.grad) end
    end
  end)
  self.steps = self.steps + 1
  return self:clear()
end

-- The loss as a number; raises if it is none.
local function loss_value(self, loss)
  if not tensor.is(loss) or loss:count() ~= 1 then
    check.fail("MG-TYPE", "%s: step: expected the loss, a tensor of one entry, got %s", self.name,
      tensor.is(loss) and "shape " .. show.shape(loss:shape()) or "a " .. check.type_of(loss))
  end
  local value = loss:item()
  if value ~= value or value == math.huge or value == -math.huge then
    check.fail("MG-NUMBER", "%s: the loss of step %d is %s; weights are as before it", self.name,
      self.steps + 1, show.number(value))
  end
  return value
end

-- The handles of what f returned beside the loss, as a set.
local function returned(results)
  local spare = {}
  for i = 2, results.n do
    for _, handle in ipairs(tensor.handles_in(results[i])) do spare[handle] = true end
  end
  return spare
end

local function step(self, f)
  local mark = core.scope_begin()
  self:clear()
  local results = compat.pack(f())
  local value = loss_value(self, results[1])
  autograd.backward(results[1], nil, returned(results), mark)
  local gradients = {}
  for _, parameter in ipairs(self.parameters) do gradients[#gradients + 1] = rawget(parameter, "grad") end
  self:update()
  for _, gradient in ipairs(gradients) do gradient:free() end -- they outlive the scope otherwise
  return value, compat.unpack(results, 2, results.n)
end

--- One training step: computes the loss, its gradients, and updates the parameters. All tensors
-- made on the way are freed but those that f returns after the loss. Gradients from before are
-- forgotten. If the loss is not finite, or anything fails before the update, the parameters stay as
-- they are.
-- @param f  function () -> loss (a tensor of one entry), more results...
-- @return the loss as a number, more results...
function methods:step(f)
  check.value(self.name .. ": step", f, check.callable())
  return tensor.scope(step, self, f)
end

function Optimizer.__newindex(self, key)
  local hint = check.hint(key, { "rate" })
  check.fail("MG-NAME", "%s: there is no field '%s' to set%s", self.name, tostring(key), hint)
end

function Optimizer.__tostring(self)
  local count = 0
  for _, parameter in ipairs(self.parameters) do count = count + parameter:count() end
  return ("%s, rate %g, %d parameters, %d steps"):format(self.name, self.rate, count, self.steps)
end

-- The list without repetitions, so that a shared tensor is updated once.
local function distinct(name, parameters)
  if type(parameters) ~= "table" or getmetatable(parameters) then
    check.fail("MG-TYPE", "%s: expected a list of tensors, such as net:parameters(), got a %s",
      name, check.type_of(parameters))
  end
  local list, seen = {}, {}
  for i, parameter in ipairs(parameters) do
    check.value(("%s: parameter %d"):format(name, i), parameter, check.tensor)
    if not parameter.leaf then
      check.fail("MG-AUTOGRAD", "%s: parameter %d is not watched; call t:watch() on it", name, i)
    end
    if not seen[parameter] then
      seen[parameter] = true
      list[#list + 1] = parameter
    end
  end
  if #list == 0 then check.fail("MG-ARGUMENT", "%s: the list of parameters is empty", name) end
  return list
end

local optimizer = {}

--- An optimizer.
-- @param name        for messages
-- @param parameters  list of watched tensors
-- @param rate        learning rate
-- @param rule        function (self, i, parameter, gradient): updates the i-th parameter in place
-- @param state       further fields of the optimizer
-- @return the optimizer
function optimizer.new(name, parameters, rate, rule, state)
  local self = {
    name = name, parameters = distinct(name, parameters), rate = rate, rule = rule, steps = 0,
  }
  for key, value in pairs(state or {}) do self[key] = value end
  return setmetatable(self, Optimizer)
end

--- A tensor of zeros of a parameter's shape that outlives all scopes.
function optimizer.zeros(parameter)
  return tensor.keep(tensor.zeros(parameter:shape()))
end

return optimizer

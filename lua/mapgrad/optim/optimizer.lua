--- The base of all optimizers: a list of parameters, a rate, and the training step.
--
-- `optimizer.rate` may be set at any time. State is made when the optimizer is, so that the scope
-- of a step does not free it.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
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

local function step(self, f)
  self:clear()
  local results = compat.pack(f())
  local value = loss_value(self, results[1])
  results[1]:backward()
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

--- All that changes while the optimizer works, to go on later with the same bits.
-- @return table of numbers and copies of tensors
function methods:state()
  local state = { rate = self.rate, steps = self.steps }
  for name, list in pairs(self.memory) do
    state[name] = {}
    for i, value in ipairs(list) do
      state[name][i] = tensor.is(value) and tensor.keep(value:clone()) or value
    end
  end
  return state
end

local function check_state(self, state)
  check.value(self.name .. ": load_state: rate", state.rate, check.not_negative())
  check.value(self.name .. ": load_state: steps", state.steps, check.whole())
  for name, list in pairs(self.memory) do
    for i, value in ipairs(list) do
      local title = ("%s: load_state: %s[%d]"):format(self.name, name, i)
      local given = check.value(title, (state[name] or {})[i],
        tensor.is(value) and check.tensor or check.whole())
      if tensor.is(value) and show.shape(given:shape()) ~= show.shape(value:shape()) then
        check.fail("MG-SHAPE", "%s has shape %s, the optimizer's %s", title, show.shape(given:shape()),
          show.shape(value:shape()))
      end
    end
  end
end

--- Takes over a state; nothing changes if it does not fit.
-- @param state  as `state` returns it
-- @return the optimizer
function methods:load_state(state)
  check_state(self, state)
  self.rate, self.steps = state.rate, state.steps
  for name, list in pairs(self.memory) do
    for i, value in ipairs(list) do
      if tensor.is(value) then value:copy_(state[name][i]) else list[i] = state[name][i] end
    end
  end
  return self
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
-- @param memory      name -> list of what is kept for each parameter, tensors or numbers (default none)
-- @return the optimizer
function optimizer.new(name, parameters, rate, rule, memory)
  local self = {
    name = name, parameters = distinct(name, parameters), rate = rate, rule = rule, steps = 0,
    memory = memory or {},
  }
  return setmetatable(self, Optimizer)
end

--- A tensor of zeros of a parameter's shape that outlives all scopes.
function optimizer.zeros(parameter)
  return tensor.keep(tensor.zeros(parameter:shape()))
end

return optimizer

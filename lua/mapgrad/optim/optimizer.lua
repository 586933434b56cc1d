--- The base of all optimizers: groups of parameters, their options, the training step, a state to save.
--
-- An optimizer is of a kind, a table
--   name                           for messages
--   rules                          key -> rule of check.options, `rate` among them
--   check(o)                       raises where options do not go together
--   tensors(o)                     list of the names of the tensors kept for each parameter
--   update(o, w, gradient, own, t) one update of a parameter, w and gradient being handles, own its
--                                  tensors by name, t the number of this update, from 1
-- State is made when the optimizer is, so that the scope of a step does not free it.
--
-- `optimizer.groups[i]` has the options of a group as fields (`rate`, `decay`, ...), which may be set at
-- any time. `optimizer.rate` is the rate of the first group; setting it keeps the proportions of the
-- groups' rates (those at the start, where it was 0). `optimizer.gradient_norm` is the norm of all
-- gradients in the last update, before clipping.
require "mapgrad.autograd"
local check = require "mapgrad.check"
local clip = require "mapgrad.optim.clip"
local compat = require "mapgrad.compat"
local parameters = require "mapgrad.optim.parameters"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local RATE = check.not_negative()

-- ------------------------------------------------------------------ groups

local Group = { __name = "mapgrad.parameter_group" }

Group.__index = function(self, key)
  return self.options[key]
end

local function copy(t)
  local result = {}
  for key, value in pairs(t) do result[key] = value end
  return result
end

local function rule_of(kind, key)
  return key == "rate" and RATE or kind.rules[key]
end

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

function Group.__newindex(self, key, value)
  local kind = self.kind
  if not kind.rules[key] then
    check.fail("MG-NAME", "%s: a group has no option '%s'%s", kind.name, tostring(key),
      check.hint(key, sorted_names(kind.rules)))
  end
  local changed = copy(self.options)
  changed[key] = check.value(kind.name .. ": " .. key, value, rule_of(kind, key))
  kind.check(changed)
  if table.concat(kind.tensors(changed), " ") ~= table.concat(kind.tensors(self.options), " ") then
    check.fail("MG-ARGUMENT", "%s: %s = %s needs another state; make a new optimizer", kind.name, key,
      tostring(value))
  end
  self.options[key] = changed[key]
end

function Group.__tostring(self)
  return ("%d tensors, rate %g"):format(#self.parameters, self.options.rate)
end

-- ------------------------------------------------------------------ updates

local methods = {}
local Optimizer = { __name = "mapgrad.optimizer" }

Optimizer.__index = function(self, key)
  if key == "rate" then return self.groups[1].options.rate end
  return methods[key]
end

function Optimizer.__newindex(self, key, value)
  if key ~= "rate" then
    check.fail("MG-NAME", "%s: there is no field '%s' to set%s", self.name, tostring(key),
      check.hint(key, { "rate" }))
  end
  value = check.value(self.name .. ": rate", value, RATE)
  local before, was_zero = self.rate, self.rate == 0
  if was_zero then before = self.groups[1].start end
  for i, group in ipairs(self.groups) do
    local rate = was_zero and group.start or group.options.rate
    group.options.rate = i == 1 and value or value * (rate / before)
  end
end

--- Forgets the gradients of all parameters.
-- @return the optimizer
function methods:clear()
  for _, parameter in ipairs(self.parameters) do parameter.grad = nil end
  return self
end

local function clip_gradients(self)
  local note = ("; step %d, weights are as before it"):format(self.steps + 1)
  local norm = clip.measure(self.name, self.entries, note)
  rawset(self, "gradient_norm", norm)
  if self.clip_value then
    clip.limit(self.entries, self.clip_value)
    if self.clip_norm then norm = clip.measure(self.name, self.entries, note) end
  end
  if self.clip_norm then clip.scale(self.entries, norm, self.clip_norm) end
end

--- Updates the parameters with the gradients they have (those without one stay), clipped if the
-- options say so, then forgets these. For loops that call backward themselves, e.g. to add up
-- gradients of several batches. A gradient that is not finite is an error; the parameters stay.
-- @return the optimizer
function methods:update()
  clip_gradients(self)
  for _, entry in ipairs(self.entries) do
    local gradient = parameters.gradient(entry)
    if gradient then
      entry.updates = entry.updates + 1
      self.kind.update(entry.options, entry.tensor.handle, gradient.handle, entry.own, entry.updates)
    end
  end
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
-- forgotten. If the loss or a gradient is not finite, or anything fails before the update, the
-- parameters stay as they are.
-- @param f  function () -> loss (a tensor of one entry), more results...
-- @return the loss as a number, more results...
function methods:step(f)
  check.value(self.name .. ": step", f, check.callable())
  return tensor.scope(step, self, f)
end

function Optimizer.__tostring(self)
  local count, rates = 0, {}
  for _, parameter in ipairs(self.parameters) do count = count + parameter:count() end
  for i, group in ipairs(self.groups) do rates[i] = ("%g"):format(group.options.rate) end
  return ("%s, rate %s, %d parameters, %d steps"):format(self.name, table.concat(rates, " and "), count,
    self.steps)
end

-- ------------------------------------------------------------------ state

-- Flags are kept as 0 and 1.
local function to_number(value)
  if type(value) == "boolean" then return value and 1 or 0 end
  return value
end

-- The options of group i in a state; raises where one is missing or out of range.
local function load_options(self, i, state, name)
  local group, loaded = self.groups[i], {}
  for _, key in ipairs(sorted_names(self.kind.rules)) do
    local title = ("group.%d.%s"):format(i, key)
    local value = state[title]
    if value == nil then check.fail("MG-NAME", "%s: '%s' is missing", name, title) end
    if type(group.options[key]) == "boolean" then value = value == 1 end
    loaded[key] = check.value(("%s: %s"):format(name, title), value, rule_of(self.kind, key))
  end
  self.kind.check(loaded)
  return loaded
end

-- Raises unless the parts of a state that belong to a parameter fit.
local function check_entry(entry, state, name)
  local title = entry.key .. ".updates"
  if state[title] == nil then check.fail("MG-NAME", "%s: '%s' is missing", name, title) end
  check.value(("%s: %s"):format(name, title), state[title], check.whole())
  for _, part in ipairs(entry.parts) do
    title = entry.key .. "." .. part
    if state[title] == nil then check.fail("MG-NAME", "%s: '%s' is missing", name, title) end
    local given = show.shape(check.value(("%s: %s"):format(name, title), state[title], check.tensor):shape())
    local own = show.shape(entry.own[part]:shape())
    if given ~= own then
      check.fail("MG-SHAPE", "%s: '%s' has shape %s, the optimizer's %s", name, title, given, own)
    end
  end
end

-- Calls visit(key, value) for all that makes up the state; tensors are the optimizer's own.
local function each(self, visit)
  visit("kind", self.name)
  visit("steps", self.steps)
  for i, group in ipairs(self.groups) do
    for key, value in pairs(group.options) do visit(("group.%d.%s"):format(i, key), to_number(value)) end
  end
  for _, entry in ipairs(self.entries) do
    visit(entry.key .. ".updates", entry.updates)
    for _, part in ipairs(entry.parts) do visit(entry.key .. "." .. part, entry.own[part]) end
  end
end

-- Raises if a state holds what the optimizer does not.
local function check_names(self, state, name)
  local known = {}
  each(self, function(key) known[key] = true end)
  for _, key in ipairs(sorted_names(state)) do
    if not known[key] then check.fail("MG-NAME", "%s: the optimizer has no '%s'", name, tostring(key)) end
  end
end

--- All that changes while the optimizer works, to go on later with the same bits.
-- @return a flat table with text keys: `kind`, `steps`, `group.<i>.<option>` (flags as 0 and 1), and for
--   each parameter `parameter.<name or number>.updates` and its tensors, copies, such as
--   `parameter.1.moment`. Limits of clipping are not in it.
function methods:state()
  local state = {}
  each(self, function(key, value) state[key] = tensor.is(value) and tensor.keep(value:clone()) or value end)
  return state
end

--- Takes over a state: options of the groups, rates among them, and what is kept for each parameter.
-- The optimizer is of the state's kind, with the same groups of parameters. Nothing changes if a name,
-- a shape or a value does not fit. Weights are not in it: they are the network's.
-- @param state  as `state` returns it
-- @return the optimizer
function methods:load_state(state)
  local name = self.name .. ": load_state"
  if type(state) ~= "table" or getmetatable(state) then
    check.fail("MG-TYPE", "%s: expected a table, got a %s", name, check.type_of(state))
  end
  if state.kind ~= self.name then
    check.fail("MG-ARGUMENT", "%s: the state is of %s", name, tostring(state.kind))
  end
  local steps = check.value(name .. ": steps", state.steps, check.whole())
  local loaded = {}
  for i in ipairs(self.groups) do loaded[i] = load_options(self, i, state, name) end
  for _, entry in ipairs(self.entries) do check_entry(entry, state, name) end
  check_names(self, state, name)
  self.steps = steps
  for i, group in ipairs(self.groups) do
    for key, value in pairs(loaded[i]) do group.options[key] = value end
  end
  for _, entry in ipairs(self.entries) do
    entry.updates = state[entry.key .. ".updates"]
    for _, part in ipairs(entry.parts) do entry.own[part]:copy_(state[entry.key .. "." .. part]) end
  end
  return self
end

-- ------------------------------------------------------------------ making

local optimizer = {}

--- Raises unless some options are below 1.
-- @param names  list of keys of o
function optimizer.check_memory(name, o, names)
  for _, key in ipairs(names) do
    if o[key] >= 1 then check.fail("MG-ARGUMENT", "%s: %s must be below 1, got %g", name, key, o[key]) end
  end
end

local function is_group(value)
  return type(value) == "table" and not getmetatable(value) and value.parameters ~= nil
end

-- The groups of an argument, each {parameters = list, options = its own, title = for messages}.
local function split(name, argument)
  if type(argument) ~= "table" or getmetatable(argument) or not is_group(argument[1]) then
    return { { parameters = argument, options = {}, title = name } }
  end
  local groups = {}
  for i, given in ipairs(argument) do
    local title = ("%s: group %d"):format(name, i)
    if not is_group(given) then
      check.fail("MG-TYPE", "%s: expected a table with a list `parameters`, got a %s", title,
        check.type_of(given))
    end
    local options = copy(given)
    options.parameters = nil
    groups[i] = { parameters = given.parameters, options = options, title = title }
  end
  return groups
end

local function optional(rules, more)
  local result = more or {}
  for key, rule in pairs(rules) do result[key] = check.optional(rule) end
  return result
end

-- The options of one group: its own before those of all.
local function group_options(kind, given, options)
  local merged = copy(options)
  merged.clip_norm, merged.clip_value = nil, nil
  check.options(given.title, given.options, optional(kind.rules))
  for key, value in pairs(given.options) do merged[key] = value end
  local o = check.options(given.title, merged, kind.rules)
  kind.check(o)
  return o
end

-- Entries of a group, with their state.
local function add_entries(self, kind, list, o, taken)
  for _, entry in ipairs(list) do
    local i = #self.entries + 1
    local key = "parameter." .. (entry.name or i)
    if taken[key] then key = ("%s#%d"):format(key, i) end
    taken[key] = true
    entry.key, entry.options, entry.own, entry.updates = key, o, {}, 0
    entry.parts = kind.tensors(o)
    for _, part in ipairs(entry.parts) do entry.own[part] = parameters.zeros(entry) end
    self.entries[i], self.parameters[i] = entry, entry.tensor
  end
end

--- An optimizer.
-- @param kind      see above
-- @param argument  list of watched tensors or {name, tensor} pairs, or list of groups: tables with such
--   a list `parameters` and options that replace those of all. A tensor counts where it stands first.
-- @param options   those of the kind, and clip_norm, clip_value
-- @return the optimizer
function optimizer.new(kind, argument, options)
  local o = check.options(kind.name, options, optional(kind.rules, {
    clip_norm = check.optional(check.positive()), clip_value = check.optional(check.positive()),
  }))
  local self = {
    name = kind.name, kind = kind, steps = 0, groups = {}, entries = {}, parameters = {},
    clip_norm = o.clip_norm or false, clip_value = o.clip_value or false, gradient_norm = false,
  }
  local seen, taken = {}, {}
  for i, given in ipairs(split(kind.name, argument)) do
    local own = group_options(kind, given, o)
    local list = parameters.read(given.title, given.parameters, seen)
    add_entries(self, kind, list, own, taken)
    local group = { kind = kind, options = own, start = own.rate, parameters = {} }
    for k, entry in ipairs(list) do group.parameters[k] = entry.tensor end
    self.groups[i] = setmetatable(group, Group)
  end
  return setmetatable(self, Optimizer)
end

return optimizer

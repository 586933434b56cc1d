--- The base of all layers: named parameters, buffers and children, a mode, and a state to save.
--
-- A module is called like a function: `y = layer(x)`. Its tensors and children are also fields
-- under their names (`layer.weight`, `net[1]`). A tensor or module that occurs twice counts once,
-- under its first name.
-- @usage local scale = nn.module {
--   title = "scale", parameters = { { "factor", tensor.ones(1) } },
--   forward = function(self, x) return x * self.factor end,
-- }
-- @module mapgrad.nn.module
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local show = require "mapgrad.show"
local summary = require "mapgrad.nn.summary"
local tensor = require "mapgrad.tensor"

local methods = {}
local Module = { __name = "mapgrad.module", __index = methods }

local observe = nil -- function (module, results...) -> results..., while a summary is made

function Module.__call(self, ...)
  if observe then return observe(self, self:forward(...)) end
  return self:forward(...)
end

-- Calls visit(module, prefix) for a module and all below it, parents first, each once.
local function walk(self, visit, prefix, seen)
  if seen[self] then return end
  seen[self] = true
  visit(self, prefix)
  for _, child in ipairs(self.children) do
    walk(child[2], visit, prefix .. child[1] .. ".", seen)
  end
end

local function each(self, visit)
  walk(self, visit, "", {})
end

-- Ordered {dotted name, tensor} from the lists named by fields ("weights", "buffers") of all
-- modules.
local function collect(self, fields)
  local list, seen = {}, {}
  each(self, function(module, prefix)
    for _, field in ipairs(fields) do
      for _, entry in ipairs(module[field]) do
        if not seen[entry[2]] then
          seen[entry[2]] = true
          list[#list + 1] = { prefix .. entry[1], entry[2] }
        end
      end
    end
  end)
  return list
end

--- The trainable tensors with their dotted names, in the order of `parameters`: without frozen ones.
-- @return list of {name, tensor}, such as {"1.weight", t}
function methods:named_parameters()
  local list = {}
  for _, entry in ipairs(collect(self, { "weights" })) do
    if entry[2].leaf then list[#list + 1] = entry end
  end
  return list
end

--- The tensors that belong to the state but are not trained, such as running statistics.
-- @return list of {name, tensor}
function methods:named_buffers()
  return collect(self, { "buffers" })
end

--- All tensors of the state: parameters, frozen or not, and buffers.
-- @return list of {name, tensor}
function methods:named_tensors()
  return collect(self, { "weights", "buffers" })
end

--- The trainable tensors, in a fixed order: what optimizers take. Frozen ones are not among them.
-- @return list of tensors
function methods:parameters()
  local list = {}
  for i, entry in ipairs(self:named_parameters()) do list[i] = entry[2] end
  return list
end

--- Number of trainable entries: without frozen ones.
function methods:count()
  local count = 0
  for _, parameter in ipairs(self:parameters()) do count = count + parameter:count() end
  return count
end

--- Freezes all parameters: they get no gradients, what was computed from them alone is not recorded,
-- and `parameters` leaves them out. They stay part of the state. Modes are not touched: a frozen batch
-- norm in training mode still moves its running statistics.
-- @return the module
-- @usage net[1]:freeze()
function methods:freeze()
  for _, entry in ipairs(collect(self, { "weights" })) do
    local t = entry[2]
    t.id, t.leaf, t.grad = false, nil, nil
  end
  return self
end

--- Takes `freeze` back, for all parameters. Optimizers made while they were frozen do not know them.
-- @return the module
function methods:unfreeze()
  for _, entry in ipairs(collect(self, { "weights" })) do autograd.watch(entry[2]) end
  return self
end

-- A copy of a module's field: tensors, modules and plain tables are copied, each once.
local function copy(value, copies)
  local kind = check.type_of(value)
  if kind ~= "mapgrad.tensor" and kind ~= "mapgrad.module" and kind ~= "table" then return value end
  if copies[value] then return copies[value] end
  if kind == "mapgrad.tensor" then
    copies[value] = tensor.keep(value:clone())
    if value.leaf then autograd.watch(copies[value]) end
    return copies[value]
  end
  local result = {}
  copies[value] = result
  for key, field in pairs(value) do rawset(result, copy(key, copies), copy(field, copies)) end
  return setmetatable(result, getmetatable(value))
end

--- A module of the same structure with tensors of its own: same values, modes and frozen parameters,
-- no gradients. What is shared inside stays shared. Forward functions are the same ones, so they must
-- reach tensors and children through `self`; what functions given as layers hold on to is not copied.
-- @return a module
function methods:clone()
  return copy(self, {})
end

local function set_mode(self, training)
  each(self, function(module) module.training = training end)
  return self
end

--- Training mode, which new modules are in: batch norm uses and gathers the batch's statistics.
-- @return the module
function methods:train()
  return set_mode(self, true)
end

--- Evaluation mode: batch norm uses the statistics it has gathered.
-- @return the module
function methods:evaluation()
  return set_mode(self, false)
end

local function forward_blocks(self, x, block)
  local rows = x:size(1)
  if not block or rows <= block then return self(x) end
  local parts = {}
  for first = 1, rows, block do
    local part = x:rows(first, math.min(first + block - 1, rows))
    parts[#parts + 1] = tensor.scope(self.forward, self, part)
  end
  return tensor.concat(parts, 1)
end

-- Calls f(...) in evaluation mode without recording, in a scope; modes are as before afterwards.
local function in_evaluation(self, f, ...)
  local before = {}
  each(self, function(module)
    before[module] = module.training
    module.training = false
  end)
  local ok, result = pcall(tensor.scope, autograd.pause, f, ...)
  for module, training in pairs(before) do module.training = training end
  if not ok then error(result, 0) end
  return result
end

--- The output in evaluation mode, without recording. Modes are as before afterwards, also after an
-- error; what is computed on the way is freed.
-- @param x        input, batch first
-- @param options  {block = rows of x computed at a time, to save memory (default all)}
-- @return the output
function methods:evaluate(x, options)
  local o = check.options("evaluate", options, { block = check.optional(check.count()) })
  check.value("evaluate: input", x, check.tensor)
  return in_evaluation(self, forward_blocks, self, x, o.block)
end

-- Zeros for an input that is given as its shape.
local function sample(input)
  if type(input) == "table" and not getmetatable(input) then return tensor.zeros(input) end
  return input
end

-- Calls the module; returns a table from modules to the shapes of their first results.
local function observed(self, ...)
  local shapes, inputs = {}, compat.pack(...)
  for i = 1, inputs.n do inputs[i] = sample(inputs[i]) end
  observe = function(module, ...)
    shapes[module] = shapes[module] or summary.shapes(...)
    return ...
  end
  self(compat.unpack(inputs, 1, inputs.n))
  return shapes
end

--- The layers with the shapes of their outputs and numbers of parameters, from a forward pass in
-- evaluation mode that is not recorded. Children that are not called show "-".
-- @param ...  inputs: tensors, or shapes (lists with the batch first) that stand for zeros
-- @return list of {name=, title=, depth=, output=, parameters=, frozen=} with the fields trained and
--   frozen; it prints as a table
-- @usage print(net:summary { 1, 3, 96, 96 })
function methods:summary(...)
  local before = observe
  local ok, shapes = pcall(in_evaluation, self, observed, self, ...)
  observe = before
  if not ok then error(shapes, 0) end
  return summary.new(self, shapes)
end

--- A snapshot of all parameters and buffers (such as running statistics).
-- @return table from dotted names to copies of the tensors
function methods:state()
  local state = {}
  for _, entry in ipairs(self:named_tensors()) do
    state[entry[1]] = tensor.keep(entry[2]:clone())
  end
  return state
end

-- Names and shapes of a state against the module's; raises at the first difference.
local function check_state(entries, state)
  if type(state) ~= "table" then
    check.fail("MG-TYPE", "load_state: expected a table of tensors, got a %s", check.type_of(state))
  end
  local known, names = {}, {}
  for i, entry in ipairs(entries) do
    known[entry[1]], names[i] = true, entry[1]
  end
  for _, entry in ipairs(entries) do
    local name, own = entry[1], show.shape(entry[2]:shape())
    if not state[name] then check.fail("MG-NAME", "load_state: '%s' is missing", name) end
    local given = show.shape(check.value("load_state: " .. name, state[name], check.tensor):shape())
    if given ~= own then
      check.fail("MG-SHAPE", "load_state: '%s' has shape %s, the module's %s", name, given, own)
    end
  end
  local unknown = {}
  for name in pairs(state) do
    if not known[name] then unknown[#unknown + 1] = tostring(name) end
  end
  table.sort(unknown)
  if unknown[1] then
    check.fail("MG-NAME", "load_state: the module has no '%s'%s", unknown[1],
      check.hint(unknown[1], names))
  end
end

--- Copies a state into the module. Names and shapes must fit; nothing changes if one does not.
-- @param state  as `state` returns it
-- @return the module
function methods:load_state(state)
  local entries = self:named_tensors()
  check_state(entries, state)
  for _, entry in ipairs(entries) do entry[2]:copy_(state[entry[1]]) end
  return self
end

local function describe(self, label, indent, lines)
  local count, frozen = 0, false
  for _, entry in ipairs(self.weights) do
    count, frozen = count + entry[2]:count(), frozen or not entry[2].leaf
  end
  local note = count > 0 and (" (%d parameters%s)"):format(count, frozen and ", frozen" or "") or ""
  lines[#lines + 1] = indent .. label .. self.title .. note
  for _, child in ipairs(self.children) do
    describe(child[2], child[1] .. ": ", indent .. "  ", lines)
  end
  return lines
end

function Module.__tostring(self)
  local lines = describe(self, "", "", {})
  local count = 0
  for _, entry in ipairs(collect(self, { "weights" })) do count = count + entry[2]:count() end
  if #lines > 1 then lines[#lines + 1] = ("%d parameters in all"):format(count) end
  return table.concat(lines, "\n")
end

-- The layer's own fields and methods, which no tensor or child may hide.
local FIELDS = {
  title = true, forward = true, training = true, weights = true, buffers = true, children = true,
}

local function expose(self, name, value)
  local key = tonumber(name) or name
  if FIELDS[key] or methods[key] or rawget(self, key) ~= nil then
    check.fail("MG-NAME", "nn.module: the name '%s' is taken", name)
  end
  rawset(self, key, value)
end

--- A module.
-- @param options.title       how it prints (default "module")
-- @param options.forward     function (self, x...) -> y
-- @param options.parameters  list of {name, tensor} that are trained
-- @param options.buffers     list of {name, tensor} that belong to the state but are not trained
-- @param options.children    list of {name, module}
-- @return a callable module in training mode
return function(options)
  local o = check.options("nn.module", options, {
    title = check.text("module"), forward = check.callable(),
    parameters = check.any({}), buffers = check.any({}), children = check.any({}),
  })
  local self = {
    title = o.title, forward = o.forward, training = true,
    weights = o.parameters, buffers = o.buffers, children = o.children,
  }
  setmetatable(self, Module)
  for _, entry in ipairs(o.parameters) do
    expose(self, entry[1], autograd.watch(tensor.keep(entry[2])))
  end
  for _, entry in ipairs(o.buffers) do expose(self, entry[1], tensor.keep(entry[2])) end
  local is_module = check.instance("module")
  for _, entry in ipairs(o.children) do
    expose(self, entry[1], check.value("nn.module: " .. entry[1], entry[2], is_module))
  end
  return self
end

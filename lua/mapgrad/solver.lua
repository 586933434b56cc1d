--- Solvers: z = argmax <theta, z> over a fixed feasible set, for batches.
--
-- solver.top_k { n = 10, k = 3 } makes one; the kinds come from the C core. Called by a person it takes
-- what the person has, scores or (sense "min") costs, [batch..., shape], and returns solutions of the
-- same shape. Inside a layer it only ever maximises.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Solver = { __name = "mapgrad.solver", __index = methods }

-- What a setting is inside layers when the user does not say: noise and lambda steps make costs
-- negative there, while a person's own negative cost is a mistake.
local IN_LAYERS = { negative = "clip" }

-- Rules for the options of a kind's C settings.
local function option_rule(setting)
  local form, preset = setting.form, setting.preset
  local choices = form:match "^choice (.*)$"
  local r
  if choices then
    local list = {}
    for word in choices:gmatch "[^|]+" do list[#list + 1] = word end
    r = check.choice(list, preset)
  elseif form == "flag" then
    r = check.flag(preset and preset ~= "0")
  else
    local make = ({ count = check.count, positive = check.positive, real = check.real })[form]
    r = make(preset and tonumber(preset))
  end
  return r
end

local function option_rules(kind)
  local rules = {}
  for _, setting in ipairs(kind.settings) do rules[setting.name] = option_rule(setting) end
  return rules
end

-- ------------------------------------------------------------------ context

-- One piece of context as a tensor and its number of rows.
local function context_rows(self, row, value, batch)
  local width = row.form == "n" and self.n or tonumber(row.form)
  local t = tensor.of(value, ("%s: context %s"):format(self.name, row.name))
  local count, shape = t:count(), t:shape()
  local ends_well = width == 1 or shape[#shape] == width
  if not ends_well or (count ~= width and count ~= width * batch) then
    check.fail("MG-SHAPE", "%s: context %s has shape %s, expected %d entries for each of %d instances, or once "
      .. "for all", self.name, row.name, show.shape(t:shape()), width, batch)
  end
  if row.is_index then t = tensor.wrap(core.affine(t.handle, 1, -1)) end
  return t, count / width
end

--- Checks that a context is a plain table, name -> value, or nil.
function methods.expect_context(self, context)
  if context ~= nil and (type(context) ~= "table" or getmetatable(context)) then
    check.fail("MG-TYPE", "%s: expected the context as a table { name = value }, got a %s", self.name,
      check.type_of(context))
  end
end

--- The list {name, handle, rows} that the C module takes.
-- @param context  table name -> tensor [batch..., width] or numbers for all instances; nil: none
-- @param batch    number of instances
function methods.contexts(self, context, batch)
  self:expect_context(context)
  local list, known = {}, {}
  if batch == 0 then return list end
  for i, row in ipairs(self.context_rows) do known[i] = row.name end
  for name in pairs(context or {}) do
    if not self.context_names[name] then
      check.fail("MG-OPTION", "%s: unknown context '%s'%s", self.name, tostring(name),
        #known > 0 and check.hint(name, known) or "; it takes none")
    end
  end
  for _, row in ipairs(self.context_rows) do
    local value = context and context[row.name]
    if value ~= nil then
      local t, rows = context_rows(self, row, value, batch)
      list[#list + 1] = { row.name, t.handle, rows, t } -- t is kept alive with the list
    end
  end
  return list
end

--- Checks that theta ends in the solver's shape.
-- @return the leading extents, and their product
function methods.batch_of(self, theta, name)
  local shape, own = theta:shape(), self.shape
  local lead, batch = #shape - #own, 1
  for i = 1, #own do
    if lead < 0 or shape[lead + i] ~= own[i] then
      check.fail("MG-SHAPE", "%s: expected shape [batch..., %s], got %s", name or self.name,
        table.concat(own, ", "), show.shape(shape))
    end
  end
  local leading = {}
  for i = 1, lead do
    leading[i] = shape[i]
    batch = batch * shape[i]
  end
  return leading, batch
end

-- ------------------------------------------------------------------ solvers written in Lua

local function bad_answer(self, instance, message, ...)
  check.fail("MG-SOLVER", "%s: instance %d: " .. message, self.name, instance, ...)
end

-- The context of an instance: a tensor has a row for each of `period` instances, everything else is for
-- all.
local function instance_context(self, context, period, instance)
  if not context then return nil end
  local own = {}
  for name, value in pairs(context) do
    if tensor.is(value) then
      if value:axes() == 0 or value:size(1) ~= period then
        check.fail("MG-SHAPE", "%s: context %s has shape %s, expected a row for each of %d instances (give what is "
          .. "for all as a number or a table)", self.name, tostring(name), show.shape(value:shape()), period)
      end
      local width = value:count() / period
      local row = core.read(value.handle, (instance - 1) * width, width)
      own[name] = value:axes() == 1 and row[1] or row
    else
      own[name] = value
    end
  end
  return own
end

-- Calls the user's function for one instance; errors name the instance.
local function call_user(self, instance, ...)
  local ok, message = core.call(self.solve, ...) -- a yield would leave the batch half solved
  if not ok then error(("%s: instance %d: %s"):format(self.name, instance, tostring(message)), 0) end
end

local function check_entry(self, instance, v, j)
  if v ~= v then bad_answer(self, instance, "entry %d is NaN", j) end
end

local function check_answer(self, instance, v, j)
  if v ~= v or v == math.huge or v == -math.huge then
    bad_answer(self, instance, "z[%d] is %s", j, v ~= v and "NaN" or "infinite")
  end
end

local function solve_rows(self, theta, z, context, batch, period)
  local n = self.n
  for i = 1, batch do
    local row, answer, instance = core.read(theta.handle, (i - 1) * n, n), {}, (i - 1) % period + 1
    for j = 1, n do
      check_entry(self, instance, row[j], j)
      answer[j] = 0
    end
    call_user(self, instance, row, answer, n, instance_context(self, context, period, instance))
    for j = 1, n do
      local v = answer[j]
      if type(v) ~= "number" then bad_answer(self, instance, "z[%d] is a %s, expected a number", j, type(v)) end
      check_answer(self, instance, v, j)
    end
    if #answer ~= n then bad_answer(self, instance, "z has %d entries, expected %d", #answer, n) end
    core.write(z.handle, (i - 1) * n, answer)
  end
end

local function solve_pointers(self, theta, z, context, batch, period)
  local ffi = require "mapgrad.ffi"
  local n, source, target = self.n, ffi.pointer(theta), ffi.pointer(z)
  for i = 1, batch do
    local row, answer, instance = source + (i - 1) * n, target + (i - 1) * n, (i - 1) % period + 1
    for j = 0, n - 1 do check_entry(self, instance, row[j], j + 1) end
    call_user(self, instance, row, answer, n, instance_context(self, context, period, instance))
    for j = 0, n - 1 do check_answer(self, instance, answer[j], j) end
  end
end

-- argmax by the user's function, which sees its own sense. period: instances of one sample.
local function solve_in_lua(self, theta, context, period)
  self:expect_context(context)
  local _, batch = self:batch_of(theta)
  local given = self.sense == "min" and tensor.wrap(core.affine(theta.handle, -1, 0)) or theta
  local z = tensor.full(theta:shape(), 0);
  (self.pointers and solve_pointers or solve_rows)(self, given, z, context, batch, period or batch)
  return z, batch, 0
end

-- ------------------------------------------------------------------ methods

local function count(self, seconds, solves, repaired, entries)
  self.solves, self.seconds = self.solves + solves, self.seconds + seconds
  self.repaired, self.entries = self.repaired + repaired, self.entries + entries
end

-- The batch's extents and size, and the shape [samples, batch..., shape] of what comes of it.
local function sampled_shape(self, theta, samples, per_sample)
  local leading, batch = self:batch_of(theta)
  local shape = { samples }
  for i = per_sample and 2 or 1, #leading do shape[#shape + 1] = leading[i] end
  for _, extent in ipairs(self.shape) do shape[#shape + 1] = extent end
  return shape, per_sample and batch / samples or batch
end

--- theta + temperature * noise_s, [samples, batch..., shape], not recorded.
-- @param theta  scores [batch..., shape]
function methods.perturbed(self, theta, noise, draw, temperature, samples, per_sample)
  local shape, batch = sampled_shape(self, theta, samples, per_sample)
  local law = noise and temperature ~= 0 and noise:bound(samples, batch, self.n) or nil
  return tensor.wrap(core.perturb(law, draw.seed, draw.stream, draw.index, temperature, theta.handle,
    per_sample and samples or 1, samples, batch, 0, self.n, shape))
end

--- z = argmax <theta + temperature * noise_s, z> for scores theta, whatever the solver's sense.
-- @param theta    [batch..., shape], or [samples, batch..., shape] with options.per_sample
-- @param context  see the solver's help
-- @param options  {noise=, draw=, temperature=, samples=, per_sample=}
-- @return z [samples, batch..., shape], not recorded
function methods.perturbed_argmax(self, theta, context, options)
  local started, o = core.clock(), options
  local samples = o.samples
  local shape, batch = sampled_shape(self, theta, samples, o.per_sample)
  local z, solves, repaired
  if self.layer_plan then
    local law = o.noise and o.temperature ~= 0 and o.noise:bound(samples, batch, self.n) or nil
    local draw, list = o.draw, self:contexts(context, batch)
    z, solves, repaired = core.perturb_solve(self.layer_plan, law, draw.seed, draw.stream, draw.index,
      o.temperature, theta.handle, o.per_sample and samples or 1, samples, batch, 0, list, shape)
    z = tensor.wrap(z)
  else
    local y = self:perturbed(theta, o.noise, o.draw, o.temperature, samples, o.per_sample)
    z, solves, repaired = solve_in_lua(self, y, context, batch)
  end
  count(self, core.clock() - started, solves, repaired, samples * batch * self.n)
  return z
end

--- Solutions for scores, whatever the sense.
-- @param theta  [batch..., shape]
-- @return z of the same shape, not recorded
function methods.argmax(self, theta, context)
  local started = core.clock()
  theta = tensor.of(theta, self.name)
  local _, batch = self:batch_of(theta)
  local z, repaired
  if self.plan then
    z, _, repaired = core.solver_solve(self.plan, theta.handle, self:contexts(context, batch))
    z = tensor.wrap(z)
  else
    z, _, repaired = solve_in_lua(self, theta, context)
  end
  count(self, core.clock() - started, batch, repaired, batch * self.n)
  return z
end

--- <theta, z> of each instance, a list of numbers.
function methods.objective(self, theta, z)
  local _, batch = self:batch_of(theta)
  local list, n = {}, self.n
  for i = 1, batch do
    local a, b = core.read(theta.handle, (i - 1) * n, n), core.read(z.handle, (i - 1) * n, n)
    local sum = 0
    for j = 1, n do
      if b[j] ~= 0 then sum = sum + a[j] * b[j] end
    end
    list[i] = sum
  end
  return list
end

Solver.__call = function(self, x, context)
  x = tensor.of(x, self.name)
  if self.sense == "min" then x = tensor.wrap(core.affine(x.handle, -1, 0)) end
  return self:argmax(x, context)
end

Solver.__tostring = function(self)
  local parts = {}
  for _, setting in ipairs(self.settings) do
    parts[#parts + 1] = ("%s = %s"):format(setting[1], tostring(setting[2]))
  end
  return ("%s { %s }  sense %s, %s"):format(self.name, table.concat(parts, ", "), self.sense,
    self.exact and "exact" or "not proved optimal")
end

-- ------------------------------------------------------------------ making

local function new_solver(fields)
  fields.solves, fields.seconds, fields.repaired, fields.entries = 0, 0, 0, 0
  fields.context_names = {}
  for _, row in ipairs(fields.context_rows) do fields.context_names[row.name] = true end
  fields.n = 1
  for _, extent in ipairs(fields.shape) do fields.n = fields.n * extent end
  return setmetatable(fields, Solver)
end

-- A copy of options with the settings of IN_LAYERS replaced by `value(name)`.
local function with_rules(options, kind, value)
  local copy = {}
  for key, v in pairs(options) do copy[key] = v end
  for _, setting in ipairs(kind.settings) do
    if IN_LAYERS[setting.name] then copy[setting.name] = value(setting) end
  end
  return copy
end

local function constructor(kind)
  local rules = option_rules(kind)
  for name in pairs(IN_LAYERS) do
    if rules[name] then rules[name] = check.optional(rules[name]) end
  end
  return function(options)
    local o = check.options("solver." .. kind.name, options, rules)
    local strict = with_rules(o, kind, function(setting) return setting.preset end)
    local layer = with_rules(o, kind, function(setting) return o[setting.name] or IN_LAYERS[setting.name] end)
    local shape, settings = {}, {}
    for name in kind.shape:gmatch "%S+" do shape[#shape + 1] = o[name] end
    for _, setting in ipairs(kind.settings) do
      if o[setting.name] ~= nil then settings[#settings + 1] = { setting.name, o[setting.name] } end
    end
    return new_solver {
      name = kind.name, sense = kind.sense, shape = shape, settings = settings, exact = kind.exact,
      constant_sum = kind.constant_sum, context_rows = kind.contexts,
      plan = core.solver_new(kind.name, strict), layer_plan = core.solver_new(kind.name, layer),
    }
  end
end

-- The rule of the option shape; what the list holds is checked entry by entry.
local extents = {
  required = false, expected = "a list of extents",
  test = function(v)
    if type(v) == "table" and not getmetatable(v) and #v > 0 then return v end
  end,
}

--- A solver of one's own, in Lua.
-- @param options.name         for messages
-- @param options.n            entries of one theta; or shape, a list of extents
-- @param options.sense        "max" (default) or "min": then solve sees costs
-- @param options.solve        function (theta, z, n, context): 1-based lists, z starts at 0
-- @param options.pointers     true, on LuaJIT: solve gets 0-based pointers into the tensors, no copies
-- @param options.constant_sum whether all solutions have the same sum
-- @param options.exact        whether answers are optimal (default true)
-- @usage local largest = solver.define { name = "largest", n = 3, solve = function(theta, z, n)
--   local best = 1
--   for i = 2, n do if theta[i] > theta[best] then best = i end end
--   z[best] = 1
-- end }
local function define(options)
  local o = check.options("solver.define", options, {
    name = check.text(), n = check.optional(check.count()), shape = extents,
    sense = check.choice({ "max", "min" }, "max"), solve = check.callable(), pointers = check.flag(false),
    constant_sum = check.flag(false), exact = check.flag(true),
  })
  if (o.n == nil) == (o.shape == nil) then
    check.fail("MG-OPTION", "solver.define: expected one of n and shape")
  end
  for i, extent in ipairs(o.shape or {}) do
    check.value(("solver.define: shape[%d]"):format(i), extent, check.count())
  end
  if o.pointers and not compat.is_luajit then
    check.fail("MG-OPTION", "solver.define: pointers = true needs LuaJIT; leave it out to get lists")
  end
  return new_solver {
    name = o.name, sense = o.sense, shape = o.shape or { o.n }, settings = { { "n", o.n or show.shape(o.shape) } },
    exact = o.exact, constant_sum = o.constant_sum, context_rows = {}, solve = o.solve, pointers = o.pointers,
  }
end

-- ------------------------------------------------------------------ verifying

-- All 0/1 lists of length n that the predicate accepts.
local function feasible_set(n, is_feasible)
  local found, z = {}, {}
  local function extend(i)
    if i > n then
      local copy = { compat.unpack(z, 1, n) }
      if is_feasible(copy) then found[#found + 1] = { compat.unpack(z, 1, n) } end
      return
    end
    for bit = 0, 1 do
      z[i] = bit
      extend(i + 1)
    end
  end
  extend(1)
  return found
end

local function value_of(theta, z)
  local sum = 0
  for i = 1, #theta do
    if z[i] ~= 0 then sum = sum + theta[i] * z[i] end
  end
  return sum
end

local function list_text(list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = show.number(v) end
  return table.concat(parts, ", ")
end

-- Thetas to try: random ones, ones with ties, extreme ones.
local function trial(n, i)
  local t = tensor.normal({ n }, "verify")
  if i % 4 == 0 then t = tensor.wrap(core.affine(t.handle, 0, 1)) end -- all equal
  local list = t:to_list()
  for j = 1, n do
    if i % 4 == 1 then list[j] = math.floor(list[j] * 2) end
    if i % 4 == 2 then list[j] = list[j] * 1e6 end
  end
  return list
end

--- Compares a solver of at most 20 entries with enumeration of its feasible 0/1 vectors.
-- @param s            solver
-- @param is_feasible  function (list of 0 and 1) -> boolean: the feasible set
-- @param options      {trials = 200, costs = false}: costs: try non-negative numbers only
-- @return the number of trials; an error says what differed
local function verify(s, is_feasible, options)
  if check.type_of(s) ~= "mapgrad.solver" then
    check.fail("MG-TYPE", "solver.verify: expected a solver, got a %s", check.type_of(s))
  end
  check.value("solver.verify: is_feasible", is_feasible, check.callable())
  local o = check.options("solver.verify", options, {
    trials = check.count(200), costs = check.flag(s.plan ~= nil and s.sense == "min"),
  })
  if s.n > 20 then check.fail("MG-ARGUMENT", "solver.verify: n = %d, enumeration goes to 20", s.n) end
  local set = feasible_set(s.n, is_feasible)
  if #set == 0 then check.fail("MG-ARGUMENT", "solver.verify: is_feasible accepts nothing") end
  local sign = s.sense == "min" and -1 or 1
  for i = 1, o.trials do
    local x = trial(s.n, i)
    if o.costs then
      for j = 1, s.n do x[j] = math.abs(x[j]) end
    end
    local z = s(tensor(x):reshape(s.shape)):to_list()
    if not is_feasible({ compat.unpack(z, 1, s.n) }) then
      check.fail("MG-SOLVER", "%s: trial %d: the answer {%s} is not feasible for {%s}", s.name, i,
        list_text(z), list_text(x))
    end
    local best = -math.huge
    for _, candidate in ipairs(set) do best = math.max(best, sign * value_of(x, candidate)) end
    local got = sign * value_of(x, z)
    if got < best - 1e-5 * (1 + math.abs(best)) then
      check.fail("MG-SOLVER", "%s: trial %d: the answer {%s} has objective %s, the best is %s, for {%s}", s.name,
        i, list_text(z), show.number(sign * got), show.number(sign * best), list_text(x))
    end
  end
  return o.trials
end

local kinds, names = {}, { "define", "verify", "kinds" }
for _, kind in ipairs(core.solver_kinds()) do
  kinds[kind.name] = kind
  names[#names + 1] = kind.name
end

return check.registry("solver", names, function(name)
  if name == "define" then return define end
  if name == "verify" then return verify end
  if name == "kinds" then return core.solver_kinds() end
  return constructor(kinds[name])
end)

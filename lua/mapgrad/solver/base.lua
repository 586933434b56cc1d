--- What every solver is and does: batches, contexts, answers, counters.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local random = require "mapgrad.random"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"
local work = require "mapgrad.solver.work"

local methods = {}
local Solver = { __name = "mapgrad.solver", __index = methods }

-- ------------------------------------------------------------------ context

-- Whether the last extents of a shape make up width entries.
local function ends_with(shape, width)
  local product = 1
  for i = #shape, 1, -1 do
    if product == width then return true end
    product = product * shape[i]
  end
  return product == width
end

-- One piece of context as a tensor and its number of rows.
local function context_rows(self, row, place, value, batch)
  local width = self.widths[place] or 0
  local t = tensor.of(value, ("%s: context %s"):format(self.name, row.name))
  local count, shape = t:count(), t:shape()
  if not ends_with(shape, width) or (count ~= width and count ~= width * batch) then
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
  for place, row in ipairs(self.context_rows) do
    local value = context and context[row.name]
    if value ~= nil then
      local t, rows = context_rows(self, row, place, value, batch)
      list[#list + 1] = { row.name, t.handle, rows, t } -- t is kept alive with the list
    end
  end
  return self.core_contexts and self:core_contexts(list, batch) or list
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

-- ------------------------------------------------------------------ methods

local function count(self, seconds, solves, repaired, entries, is_evaluation)
  if not is_evaluation then work.solves, work.seconds = work.solves + solves, work.seconds + seconds end
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
    per_sample and samples or 1, samples, batch, random.first(draw, batch), self.n, shape))
end

--- z = argmax <theta + temperature * noise_s, z> for scores theta, whatever the solver's sense.
-- @param theta    [batch..., shape], or [samples, batch..., shape] with options.per_sample
-- @param context  see the solver's help
-- @param options  {noise=, draw=, temperature=, samples=, per_sample=, is_warm=, is_evaluation=}; is_warm: solves with
--   the same draw start from each other, by draw.warm; is_evaluation: not counted as work of a training
-- @return z [samples, batch..., shape], not recorded
function methods.perturbed_argmax(self, theta, context, options)
  local started, o = core.clock(), options
  local samples = o.samples
  local shape, batch = sampled_shape(self, theta, samples, o.per_sample)
  local z, solves, repaired
  if self.layer_plan then
    local law = o.noise and o.temperature ~= 0 and o.noise:bound(samples, batch, self.n) or nil
    local draw, list = o.draw, self:contexts(context, batch)
    if o.is_warm and not draw.warm then draw.warm = core.solver_warm(self.layer_plan, samples * batch) end
    z, solves, repaired = core.perturb_solve(self.layer_plan, law, draw.seed, draw.stream, draw.index,
      o.temperature, theta.handle, o.per_sample and samples or 1, samples, batch, random.first(draw, batch), list,
      shape, draw.warm)
    z = tensor.wrap(z)
  else
    local y = self:perturbed(theta, o.noise, o.draw, o.temperature, samples, o.per_sample)
    z, solves, repaired = self:own_argmax(y, context, batch)
  end
  count(self, core.clock() - started, solves, repaired, samples * batch * self.n, o.is_evaluation)
  return z
end

--- Solutions for scores, whatever the sense.
-- @param theta          [batch..., shape]
-- @param context        see the solver's help
-- @param is_evaluation  true: not counted as work of a training
-- @return z of the same shape, not recorded
function methods.argmax(self, theta, context, is_evaluation)
  local started = core.clock()
  theta = tensor.of(theta, self.name)
  local _, batch = self:batch_of(theta)
  local z, solves, repaired
  if self.plan then
    z, solves, repaired = core.solver_solve(self.plan, theta.handle, self:contexts(context, batch))
    z = tensor.wrap(z)
  else
    z, solves, repaired = self:own_argmax(theta, context)
  end
  count(self, core.clock() - started, solves, repaired, batch * self.n, is_evaluation)
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

--- Compares the solver with enumeration: see solver.verify.
function methods.verify(self, is_feasible, options)
  return require "mapgrad.solver.verify"(self, is_feasible, options)
end

-- x in the sense of scores.
local function as_scores(self, x)
  x = tensor.of(x, self.name)
  return self.sense == "min" and tensor.wrap(core.affine(x.handle, -1, 0)) or x
end

--- Solutions and what is known of them. An instance without a solution is no error here.
-- @param x        scores, or costs if the sense is "min", [batch..., shape]
-- @param context  see the solver's help
-- @return {z = [batch..., shape], objective =, bound =, proved =, solved =}: lists, an entry an
-- instance: the total score or cost, a number that no solution betters, whether z is proved optimal,
-- and whether there is a solution (if not, z is 0 and the numbers are NaN)
function methods.solve(self, x, context)
  local started = core.clock()
  local theta = as_scores(self, x)
  local _, batch = self:batch_of(theta)
  self:expect_plan "solve"
  local z, solves, repaired, answers =
    core.solver_solve(self.plan, theta.handle, self:contexts(context, batch), true)
  count(self, core.clock() - started, solves, repaired, batch * self.n, true)
  if self.sense == "min" then
    for i = 1, batch do
      answers.objective[i], answers.bound[i] = -answers.objective[i], -answers.bound[i]
    end
  end
  answers.z = tensor.wrap(z)
  return answers
end

-- Refuses what solvers written in Lua do not offer.
function methods.expect_plan(self, method)
  if not self.plan then
    check.fail("MG-ARGUMENT", "%s: %s needs a solver of the core", self.name, method)
  end
end

--- Whether each z is a solution.
-- @param z        [batch..., shape]
-- @param context  see the solver's help
-- @return a boolean, or for a batch a list of them
function methods.is_feasible(self, z, context)
  z = tensor.of(z, self.name)
  local leading, batch = self:batch_of(z)
  local list
  if self.plan then
    list = core.solver_is_feasible(self.plan, z.handle, self:contexts(context, batch))
  elseif self.own_is_feasible then
    list = self:own_is_feasible(z, context, batch)
  else
    self:expect_plan "is_feasible"
  end
  if #leading == 0 then return list[1] end
  return list
end

--- All solutions of one instance.
-- @param context  see the solver's help
-- @param most     more solutions than this are an error (default 1,000,000)
-- @return z [solutions, shape], in a fixed order
function methods.enumerate(self, context, most)
  most = check.value(self.name .. ": enumerate: most", most or 1e6, check.count())
  if self.own_enumerate and self.predicate then
    local found = self:own_enumerate(context, most)
    return tensor.from(found):reshape(#found, compat.unpack(self.shape))
  end
  self:expect_plan "enumerate"
  local list, shape = self:contexts(context, 1), {}
  shape[1] = core.solver_count(self.plan, list, most)
  for _, extent in ipairs(self.shape) do shape[#shape + 1] = extent end
  return tensor.wrap(core.solver_enumerate(self.plan, list, shape))
end

Solver.__call = function(self, x, context)
  if self.sense ~= "min" then return self:argmax(x, context, true) end
  local scores = as_scores(self, x)
  local z = self:argmax(scores, context, true)
  scores:free() -- as large as z: not left to the collector
  return z
end

Solver.__tostring = function(self)
  local parts = {}
  for _, setting in ipairs(self.settings) do
    local value = setting[2]
    local text = type(value) == "table" and #value .. " numbers" or tostring(value)
    parts[#parts + 1] = ("%s = %s"):format(setting[1], text)
  end
  return ("%s { %s }  sense %s, %s"):format(self.name, table.concat(parts, ", "), self.sense,
    self.exact and "exact" or "not always proved optimal")
end

--- A solver of fields name, sense, shape, settings, exact, constant_sum, context_rows, and plan and
-- layer_plan (of the C core) or own_argmax (self, theta, context, period) -> z, solves, repaired.
return function(fields)
  fields.solves, fields.seconds, fields.repaired, fields.entries = 0, 0, 0, 0
  fields.context_names = {}
  for _, row in ipairs(fields.context_rows) do fields.context_names[row.name] = true end
  if fields.plan then
    fields.n, fields.constant_sum, fields.widths = core.solver_traits(fields.plan)
    fields.constant_sum = fields.constant_sum or fields.declared_constant_sum or false
  else
    fields.n = 1
    for _, extent in ipairs(fields.shape) do fields.n = fields.n * extent end
  end
  return setmetatable(fields, Solver)
end

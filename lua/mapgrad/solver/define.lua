--- Solvers whose function is written in Lua.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local new_solver = require "mapgrad.solver.base"
local own = require "mapgrad.solver.own"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local MOST_TRIED = 20 -- entries of vectors that are tried one by one

-- The context of an instance: a tensor has a row for each of `period` instances, everything else is for
-- all.
local function instance_context(self, context, period, instance)
  if not context then return nil end
  local values = {}
  for name, value in pairs(context) do
    if tensor.is(value) then
      if value:axes() == 0 or value:size(1) ~= period then
        check.fail("MG-SHAPE", "%s: context %s has shape %s, expected a row for each of %d instances (give what is "
          .. "for all as a number or a table)", self.name, tostring(name), show.shape(value:shape()), period)
      end
      local width = value:count() / period
      local row = core.read(value.handle, (instance - 1) * width, width)
      values[name] = value:axes() == 1 and row[1] or row
    else
      values[name] = value
    end
  end
  return values
end

-- Calls the user's function for one instance; errors name the instance.
local function call_user(self, instance, ...)
  local ok, message = core.call(self.solve_one, ...) -- a yield would leave the batch half solved
  if not ok then error(("%s: instance %d: %s"):format(self.name, instance, tostring(message)), 0) end
end

local function solve_rows(self, theta, z, context, batch, period)
  local n = self.n
  for i = 1, batch do
    local row, answer, instance = core.read(theta.handle, (i - 1) * n, n), {}, (i - 1) % period + 1
    for j = 1, n do
      own.check_entry(self, instance, row[j], j)
      answer[j] = 0
    end
    call_user(self, instance, row, answer, n, instance_context(self, context, period, instance))
    for j = 1, n do
      local v = answer[j]
      if type(v) ~= "number" then own.bad_answer(self, instance, "z[%d] is a %s, expected a number", j, type(v)) end
      own.check_answer(self, instance, v, j)
    end
    if #answer ~= n then own.bad_answer(self, instance, "z has %d entries, expected %d", #answer, n) end
    core.write(z.handle, (i - 1) * n, answer)
  end
end

local function solve_pointers(self, theta, z, context, batch, period)
  local ffi = require "mapgrad.ffi"
  local n, source, target = self.n, ffi.pointer(theta), ffi.pointer(z)
  for i = 1, batch do
    local row, answer, instance = source + (i - 1) * n, target + (i - 1) * n, (i - 1) % period + 1
    for j = 0, n - 1 do own.check_entry(self, instance, row[j], j + 1) end
    call_user(self, instance, row, answer, n, instance_context(self, context, period, instance))
    for j = 0, n - 1 do own.check_answer(self, instance, answer[j], j) end
  end
end

-- argmax by the user's function, which sees its own sense. period: instances of one sample.
local function own_argmax(self, theta, context, period)
  self:expect_context(context)
  local _, batch = self:batch_of(theta)
  local given = self.sense == "min" and tensor.wrap(core.affine(theta.handle, -1, 0)) or theta
  local z = tensor.full(theta:shape(), 0);
  (self.pointers and solve_pointers or solve_rows)(self, given, z, context, batch, period or batch)
  return z, batch, 0
end

-- Whether each z is a solution, by the user's predicate.
local function own_is_feasible(self, z, context, batch)
  local list = {}
  if not self.predicate then
    check.fail("MG-ARGUMENT", "%s: is_feasible: give solver.define the option is_feasible = function (z, context)",
      self.name)
  end
  for i = 1, batch do
    local row = core.read(z.handle, (i - 1) * self.n, self.n)
    list[i] = self.predicate(row, instance_context(self, context, batch, i)) and true or false
  end
  return list
end

-- The 0/1 vectors that the predicate accepts, those with ones in front first.
local function own_enumerate(self, context, most)
  if self.n > MOST_TRIED then
    check.fail("MG-ARGUMENT", "%s: enumerate: %d entries are too many, at most %d", self.name, self.n, MOST_TRIED)
  end
  local found, z = {}, {}
  local function extend(i)
    if i <= self.n then
      for bit = 1, 0, -1 do
        z[i] = bit
        extend(i + 1)
      end
    elseif self.predicate({ compat.unpack(z, 1, self.n) }, context) then
      if #found == most then
        check.fail("MG-ARGUMENT", "%s: enumerate: there are more than %d solutions", self.name, most)
      end
      found[#found + 1] = { compat.unpack(z, 1, self.n) }
    end
  end
  extend(1)
  return found
end

--- A solver of one's own, in Lua.
-- @param options.name         for messages
-- @param options.n            entries of one theta; or shape, a list of extents
-- @param options.sense        "max" (default) or "min": then solve sees costs
-- @param options.solve        function (theta, z, n, context): 1-based lists, z starts at 0
-- @param options.pointers     true, on LuaJIT: solve gets 0-based pointers into the tensors, no copies
-- @param options.is_feasible  function (z, context): whether a list is a solution; for is_feasible,
--   enumerate and verify
-- @param options.constant_sum whether all solutions have the same sum
-- @param options.exact        whether answers are optimal (default true)
-- @usage local largest = solver.define { name = "largest", n = 3, solve = function(theta, z, n)
--   local best = 1
--   for i = 2, n do if theta[i] > theta[best] then best = i end end
--   z[best] = 1
-- end }
return function(options)
  local o = own.options("solver.define", options, {
    solve = check.callable(), pointers = check.flag(false), is_feasible = check.optional(check.callable()),
  })
  if o.pointers and not compat.is_luajit then
    check.fail("MG-OPTION", "solver.define: pointers = true needs LuaJIT; leave it out to get lists")
  end
  return new_solver {
    name = o.name, sense = o.sense, shape = o.shape, settings = { { "n", own.shape_text(o) } },
    exact = o.exact, constant_sum = o.constant_sum, context_rows = {}, solve_one = o.solve, pointers = o.pointers,
    predicate = o.is_feasible, own_argmax = own_argmax, own_is_feasible = own_is_feasible,
    own_enumerate = own_enumerate,
  }
end

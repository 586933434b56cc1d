--- Solvers that remember their answers.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_solver = require "mapgrad.solver.base"
local tensor = require "mapgrad.tensor"

-- Rows 1..count of a handle [rows, width] that is read in turn.
local function cycle(handle, rows, count)
  if rows == count then return handle end
  local list = {}
  for i = 1, count do list[i] = (i - 1) % rows + 1 end
  return core.take(handle, 0, list)
end

-- The pieces of context {name, handle, rows, tensor} with a row for each of batch instances.
local function spread(contexts, period, batch)
  local list = {}
  for i, c in ipairs(contexts) do
    local width = c[4]:count() / c[3]
    local handle = cycle(cycle(core.reshape(c[2], { c[3], width }), c[3], period), period, batch)
    list[i] = { name = c[1], handle = handle, width = width }
  end
  return list
end

-- The memo of answers under these pieces of context, which may come and go.
local function memo_of(self, contexts)
  local names, width = {}, self.n
  for i, c in ipairs(contexts) do
    names[i], width = c.name, width + c.width
  end
  local key = table.concat(names, " ")
  self.memos[key] = self.memos[key] or core.memo_new(width, self.n, self.most)
  return self.memos[key]
end

-- Answers of the rows in a list.
local function solve_rows(self, theta, contexts, list)
  local some = {}
  for i, c in ipairs(contexts) do some[i] = { c.name, core.take(c.handle, 0, list), #list } end
  return core.solver_solve(self.inner.layer_plan, core.take(theta, 0, list), some)
end

-- Answers by the best of what is known for each row, without solving; nil if nothing is known.
local function best_known(memo, theta, batch)
  local known = core.memo_values(memo)
  if tensor.wrap(known):size(1) == 0 then return nil end
  local scores = core.matmul(theta, known, 0, 1)
  local best = core.reduce(core.reduce_kinds.argmax, scores, 1, 1)
  return core.take(known, 0, core.affine(core.reshape(best, { batch }), 1, 1)) -- rows count from 1
end

local function own_argmax(self, theta, context, period)
  local _, batch = self:batch_of(theta)
  local shape = theta:shape()
  if batch == 0 then return tensor.full(shape, 0), 0, 0 end
  local contexts = spread(self.inner:contexts(context, period or batch), period or batch, batch)
  local memo, rows = memo_of(self, contexts), core.reshape(theta.handle, { batch, self.n })
  if self.ratio < 1 and #contexts > 0 then
    check.fail("MG-ARGUMENT", "%s: with a ratio below 1 no context can be given: known answers may not fit it",
      self.name)
  end
  if self.ratio < 1 and tensor.uniform({ 1 }, "pool"):item() >= self.ratio then
    local z = best_known(memo, rows, batch)
    if z then return tensor.wrap(core.reshape(z, shape)), 0, 0 end
  end
  local keys = rows
  if #contexts > 0 then
    local parts = { rows }
    for i, c in ipairs(contexts) do parts[i + 1] = c.handle end
    keys = core.concat(parts, 1)
  end
  local z, repaired = tensor.full({ batch, self.n }, 0), 0
  local missing = core.memo_find(memo, keys, z.handle)
  if #missing > 0 then
    local answers
    answers, _, repaired = solve_rows(self, rows, contexts, missing)
    core.memo_add(memo, keys, missing, answers, z.handle)
  end
  self.hits = self.hits + batch - #missing
  return tensor.wrap(core.reshape(z.handle, shape)), #missing, repaired
end

--- A solver that remembers: the same scores and context again are not solved again. Answers never change.
-- With ratio < 1 a call is solved with that probability only (from the stream "pool"), and else answered by the
-- best of the known solutions, which is not exact: the solution caching of Mulamba et al. 2021. The solver counts
-- its solves, and in `hits` what it knew.
-- @param options.solver  solver of the core
-- @param options.most    answers kept; then the oldest goes (default 10,000)
-- @param options.ratio   share of calls that are solved (default 1)
-- @usage local s = solver.cached { solver = solver.grid_path { rows = 12, cols = 12 }, most = 2000 }
return function(options)
  local o = check.options("solver.cached", options, {
    solver = check.solver, most = check.count(10000), ratio = check.not_negative(1),
  })
  if o.ratio > 1 then check.fail("MG-OPTION", "solver.cached: ratio = %g, expected a number from 0 to 1", o.ratio) end
  o.solver:expect_plan "solver.cached"
  return new_solver {
    name = "cached", sense = o.solver.sense, shape = o.solver.shape, exact = o.solver.exact and o.ratio == 1,
    constant_sum = o.solver.constant_sum, context_rows = o.solver.context_rows, inner = o.solver,
    settings = { { "solver", o.solver.name }, { "most", o.most }, { "ratio", o.ratio } },
    most = o.most, ratio = o.ratio, memos = {}, hits = 0, own_argmax = own_argmax,
    own_is_feasible = function(_, z, context, batch)
      return core.solver_is_feasible(o.solver.plan, z.handle, o.solver:contexts(context, batch))
    end,
  }
end

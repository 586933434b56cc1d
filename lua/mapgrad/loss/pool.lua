--- Pools of known solutions for losses that compare with many of them. All instances share one feasible set, which is
-- checked of calls with a context: one solver:is_feasible for each known solution.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local structured = require "mapgrad.loss.structured"
local tensor = require "mapgrad.tensor"

local pool = {}

--- Options of all of them.
function pool.rules(more)
  local rules = { solve_ratio = check.not_negative(1), most = check.count(1000) }
  for key, rule in pairs(more or {}) do rules[key] = rule end
  return rules
end

-- The pool [known, n] after the true solutions, and with probability solve_ratio those of theta, joined it.
local function grow(self, theta, best, context)
  local n = self.solver.n
  self.memo = self.memo or core.memo_new(n, n, self.options.most)
  local function add(z)
    local rows, list = z:reshape(-1, n), {}
    for i = 1, rows:size(1) do list[i] = i end
    core.memo_add(self.memo, rows.handle, list, rows.handle, tensor.full(rows:shape(), 0).handle)
  end
  add(best)
  local ratio = self.options.solve_ratio
  if ratio >= 1 or (ratio > 0 and tensor.uniform({ 1 }, "pool"):item() < ratio) then
    add(self:argmax(theta, context))
  end
  return tensor.wrap(core.memo_values(self.memo))
end

-- A pool is of one feasible set: raises if an instance forbids an entry of a known solution.
local function expect_all_allowed(self, theta, known)
  local used = known:ne(0):sum(1):ne(0) -- [n]
  if (self:rows(theta:detach()):eq(-math.huge) * used):any():item() == 1 then
    check.fail("MG-ARGUMENT", "%s: an entry of known solutions is forbidden for an instance, its score is -inf (its "
      .. "cost inf): all instances share one feasible set", self.name)
  end
end

-- A context may make a known solution infeasible for an instance, also one of an earlier call: raises then.
local function expect_all_feasible(self, theta, known, context)
  if not context or next(context) == nil then return end
  local shape, batch = theta:shape(), theta:count() / self.solver.n
  for i = 1, known:size(1) do
    local z = known[i]:unsqueeze(1):expand(batch, -1):reshape(shape)
    local answer = self.solver:is_feasible(z, context)
    for r, is_feasible in ipairs(type(answer) == "table" and answer or { answer }) do
      if not is_feasible then
        check.fail("MG-ARGUMENT", "%s: instance %d: known solution %d is none under its context: all instances of all "
          .. "calls share one feasible set; make a loss for each context, or take loss.spo_plus", self.name, r, i)
      end
    end
  end
end

--- Makes the constructor of a loss over a pool.
-- @param name   for messages
-- @param rules  of more options
-- @param value  function (q, best, r, o) -> loss [batch] or a tensor whose mean counts: q = <theta, z> [batch, known],
--   recorded; best = <theta, z*> [batch, 1], recorded; r = <theta_true, z> [batch, known]; is_best [batch, known]
function pool.loss(name, rules, value)
  return structured.loss(name, pool.rules(rules), function(self, theta, truth, context)
    self:expect_instances(theta)
    local theta_true, best, own = self:solved_truth(truth, theta, context)
    local known = autograd.pause(grow, self, theta, best, own)
    local rows, true_rows = self:finite(self:rows(theta)), self:finite(self:rows(theta_true))
    expect_all_allowed(self, theta, known)
    autograd.pause(expect_all_feasible, self, theta, known, own)
    local columns, flat = known:transpose(), best:reshape(-1, self.solver.n)
    local r = true_rows:matmul(columns)
    -- solutions of integers: |z - z*|^2 is exact
    local is_best = (flat:square():sum(2):unsqueeze(2) + known:square():sum(2) - flat:matmul(columns) * 2):eq(0)
    return value(rows:matmul(columns), (rows * flat):sum(2):unsqueeze(2), r, is_best, self.options)
  end)
end

return pool

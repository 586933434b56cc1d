--- Schedules: the rate of an optimizer as a function of the epoch.
-- @usage local schedule = optim.schedule.steps(adam, { epochs = { 30, 40 }, factor = 0.1 })
-- for epoch = 1, 50 do schedule:epoch(epoch) ... end
local check = require "mapgrad.check"

local schedule = {}

local methods = {}
local Schedule = { __name = "mapgrad.schedule", __index = methods }

--- Sets the rate for an epoch; call it where the epoch starts. Epochs may be set in any order.
-- @param n  the epoch, from 1
-- @return the rate
function methods:epoch(n)
  n = check.value("schedule:epoch", n, check.count())
  self.optimizer.rate = self.rate_at(n)
  return self.optimizer.rate
end

--- Multiplies the rate by a factor after each of some epochs: with epochs = {30, 40} the epochs 1
-- to 30 have the optimizer's rate, 31 to 40 factor times it, the later ones factor^2 times it.
-- @param optimizer       its rate now is that of the first epoch
-- @param options.epochs  ascending list of integers from 1
-- @param options.factor  (default 0.1)
-- @return a schedule
function schedule.steps(optimizer, options)
  check.value("optim.schedule.steps: optimizer", optimizer, check.instance("optimizer"))
  local o = check.options("optim.schedule.steps", options, {
    epochs = check.any(), factor = check.positive(0.1),
  })
  if type(o.epochs) ~= "table" then
    check.fail("MG-TYPE", "optim.schedule.steps: epochs: expected a list of integers, got a %s", type(o.epochs))
  end
  local before = 0
  for _, epoch in ipairs(o.epochs) do
    check.value("optim.schedule.steps: epochs", epoch, check.count())
    if epoch <= before then
      check.fail("MG-ARGUMENT", "optim.schedule.steps: epochs must ascend, got %d after %d", epoch,
        before)
    end
    before = epoch
  end
  local first = optimizer.rate
  local function rate_at(n)
    local passed = 0
    for _, epoch in ipairs(o.epochs) do
      if n > epoch then passed = passed + 1 end
    end
    return first * o.factor ^ passed
  end
  return setmetatable({ optimizer = optimizer, rate_at = rate_at }, Schedule)
end

return schedule

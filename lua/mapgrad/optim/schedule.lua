--- Schedules: the rates of an optimizer as functions of the epoch, or of the step.
--
-- schedule:at(n) sets the rates for the n-th unit, from 1; the unit is the caller's: epochs (there
-- schedule:epoch(n) says the same), steps, or anything that counts. Each group of the optimizer has its
-- own rate at the start: that of the time when the schedule was made. One schedule an optimizer; one
-- after another by warm_up.
-- @usage local schedule = optim.schedule.steps(adam, { epochs = { 30, 40 }, factor = 0.1 })
-- for epoch = 1, 50 do schedule:epoch(epoch) ... end
local check = require "mapgrad.check"

local schedule = {}

local methods = {}
local Schedule = { __name = "mapgrad.schedule", __index = methods }

-- A schedule of a kind: rate_at(self, n, start) -> the rate of a group whose rate is `start` at first;
-- observe(self, value) and keys (of further numbers of the state, as fields) are optional.
local function new(kind, optimizer, fields)
  local self = fields or {}
  self.name, self.kind, self.optimizer, self.position, self.start = kind.name, kind, optimizer, 0, {}
  for i, group in ipairs(optimizer.groups) do self.start[i] = group.rate end
  return setmetatable(self, Schedule)
end

-- The kind "optim.schedule.<name>".
local function kind_of(name, rate_at)
  return { name = "optim.schedule." .. name, rate_at = rate_at, keys = {} }
end

-- Checks the arguments of a constructor.
local function read(kind, optimizer, options, rules)
  check.value(kind.name .. ": optimizer", optimizer, check.instance("optimizer"))
  return check.options(kind.name, options, rules)
end

--- Sets the rates of the n-th unit; call it where that starts. Units may be set in any order.
-- @param n  from 1
-- @return the rate of the first group
function methods:at(n)
  self.position = check.value("schedule:at", n, check.count())
  for i, group in ipairs(self.optimizer.groups) do group.rate = self.kind.rate_at(self, n, self.start[i]) end
  return self.optimizer.rate
end

--- The same for epochs.
-- @param n  the epoch, from 1
-- @return the rate of the first group
function methods:epoch(n)
  return self:at(check.value("schedule:epoch", n, check.count()))
end

--- Tells the schedule a metric, such as the validation loss of the epoch that ends; call it once an
-- epoch. Only plateau uses it; from then on it counts, and the rates are set anew.
-- @param value  a number; what is not finite counts as no improvement
-- @return the rate of the first group
function methods:observe(value)
  if type(value) ~= "number" then
    check.fail("MG-TYPE", "schedule:observe: expected a number, got a %s", check.type_of(value))
  end
  if self.kind.observe then
    self.kind.observe(self, value)
    if self.position > 0 then return self:at(self.position) end
  end
  return self.optimizer.rate
end

--- What a schedule has come to, to go on later. The rates themselves are in the optimizer's state.
-- @return a flat table with text keys: `kind`, `position`, `start.<group>`, what plateau has seen, and
--   under `after.` what follows a warm-up
function methods:state()
  local state = { kind = self.name, position = self.position }
  for i, rate in ipairs(self.start) do state["start." .. i] = rate end
  for _, key in ipairs(self.kind.keys) do state[key] = self[key] or nil end
  for key, value in pairs(self.after and self.after:state() or {}) do state["after." .. key] = value end
  return state
end

-- The numbers of a state under their keys; raises where they do not fit the schedule. after is that of
-- the schedule that follows.
local function read_state(self, state, name)
  local loaded, after, known = { start = {} }, {}, { kind = true, position = true }
  if type(state) ~= "table" or state.kind ~= self.name then
    check.fail("MG-ARGUMENT", "%s: the state is of %s", name,
      type(state) == "table" and tostring(state.kind) or "a " .. check.type_of(state))
  end
  loaded.position = check.value(name .. ": position", state.position, check.whole())
  for i in ipairs(self.start) do
    local key = "start." .. i
    known[key] = true
    loaded.start[i] = check.value(name .. ": " .. key, state[key], check.not_negative())
  end
  for _, key in ipairs(self.kind.keys) do
    known[key] = true
    if key == "best" then
      loaded.best = state.best ~= nil and check.value(name .. ": best", state.best, check.real())
    else
      loaded[key] = check.value(name .. ": " .. key, state[key], check.whole())
    end
  end
  for key, value in pairs(state) do
    local inner = self.after and tostring(key):match("^after%.(.*)$")
    if inner then
      after[inner] = value
    elseif not known[key] then
      check.fail("MG-NAME", "%s: the schedule has no '%s'", name, tostring(key))
    end
  end
  return loaded, after
end

--- Takes over a state. Nothing changes if it does not fit: the schedule is of the same kind, for as
-- many groups.
-- @param state  as `state` returns it
-- @return the schedule
function methods:load_state(state)
  local loaded, after = read_state(self, state, self.name .. ": load_state")
  if self.after then self.after:load_state(after) end
  for key, value in pairs(loaded) do self[key] = value end
  return self
end

function Schedule.__tostring(self)
  return ("%s, position %d, rate %g"):format(self.name, self.position, self.optimizer.rate)
end

-- ------------------------------------------------------------------ steps

local STEPS = kind_of("steps", function(self, n, start)
  local passed = 0
  for _, epoch in ipairs(self.epochs) do
    if n > epoch then passed = passed + 1 end
  end
  return start * self.factor ^ passed
end)

local function check_ascending(name, list)
  if type(list) ~= "table" then
    check.fail("MG-TYPE", "%s: epochs: expected a list of integers, got a %s", name, type(list))
  end
  local before = 0
  for _, epoch in ipairs(list) do
    check.value(name .. ": epochs", epoch, check.count())
    if epoch <= before then
      check.fail("MG-ARGUMENT", "%s: epochs must ascend, got %d after %d", name, epoch, before)
    end
    before = epoch
  end
end

--- Multiplies the rate by a factor after each of some epochs: with epochs = {30, 40} the epochs 1
-- to 30 have the optimizer's rate, 31 to 40 factor times it, the later ones factor^2 times it.
-- @param optimizer       its rate now is that of the first epoch
-- @param options.epochs  ascending list of integers from 1
-- @param options.factor  (default 0.1)
-- @return a schedule
function schedule.steps(optimizer, options)
  local o = read(STEPS, optimizer, options, { epochs = check.any(), factor = check.positive(0.1) })
  check_ascending(STEPS.name, o.epochs)
  return new(STEPS, optimizer, { epochs = o.epochs, factor = o.factor })
end

-- ------------------------------------------------------------------ exponential

local EXPONENTIAL = kind_of("exponential", function(self, n, start)
  return start * self.factor ^ (n - 1)
end)

--- Multiplies the rate by a factor after each unit: rate * factor^(n - 1).
-- @param optimizer       its rate now is that of the first unit
-- @param options.factor  above 0
-- @return a schedule
function schedule.exponential(optimizer, options)
  local o = read(EXPONENTIAL, optimizer, options, { factor = check.positive() })
  return new(EXPONENTIAL, optimizer, { factor = o.factor })
end

-- ------------------------------------------------------------------ cosine

-- t units into a period, of how many.
local function place_in_period(self, t)
  local length = self.count
  if not self.growth then return math.min(t, length), length end
  if self.growth == 1 then return t % length, length end
  while t >= length do
    t = t - length
    length = length * self.growth
  end
  return t, length
end

local COSINE = kind_of("cosine", function(self, n, start)
  local t, length = place_in_period(self, n - 1)
  return self.floor + (start - self.floor) * (1 + math.cos(math.pi * t / length)) / 2
end)

--- Lowers the rate along half a cosine: floor + (rate - floor) (1 + cos(pi t / count)) / 2, t = n - 1,
-- and stays at the floor from t = count on; or begins anew there, if `growth` is given.
-- @param optimizer       its rates now are those of the first unit
-- @param options.count   number of units from the rate to the floor
-- @param options.floor   lowest rate, at most the rates (default 0)
-- @param options.growth  begin anew after each period, the next one being that many times as long, an
--   integer from 1 (default: no restarts)
-- @return a schedule
-- Source: Loshchilov, Hutter 2017.
function schedule.cosine(optimizer, options)
  local o = read(COSINE, optimizer, options, {
    count = check.count(), floor = check.not_negative(0), growth = check.optional(check.count()),
  })
  for i, group in ipairs(optimizer.groups) do
    if group.rate < o.floor then
      check.fail("MG-ARGUMENT", "%s: floor = %g is above the rate %g of group %d", COSINE.name, o.floor,
        group.rate, i)
    end
  end
  return new(COSINE, optimizer, { count = o.count, floor = o.floor, growth = o.growth })
end

-- ------------------------------------------------------------------ plateau

local PLATEAU = kind_of("plateau", function(self, _, start)
  return math.max(start * self.factor ^ self.reductions, math.min(start, self.floor))
end)
-- best is false until a metric was seen; waited: metrics since it; rest: those that do not count yet.
PLATEAU.keys = { "best", "reductions", "rest", "waited" }

local function improves(self, value)
  if value ~= value or math.abs(value) == math.huge then return false end
  if not self.best then return true end
  local gap = self.sense == "min" and self.best - value or value - self.best
  return gap > self.threshold * math.abs(self.best)
end

function PLATEAU.observe(self, value)
  if improves(self, value) then
    self.best, self.waited = value, 0
  else
    self.waited = self.waited + 1
  end
  if self.rest > 0 then
    self.rest, self.waited = self.rest - 1, 0
  end
  if self.waited > self.patience then
    self.reductions, self.rest, self.waited = self.reductions + 1, self.cooldown, 0
  end
end

--- Multiplies the rate by a factor where a metric has stopped to improve: after more than `patience`
-- metrics in a row, as told by schedule:observe(value), none of which was better than the best one by
-- more than threshold |best|. As PyTorch's ReduceLROnPlateau with relative thresholds.
-- @param optimizer          its rates now are those at the start
-- @param options.factor     above 0 (default 0.1)
-- @param options.patience   metrics without improvement that are borne (default 10)
-- @param options.threshold  relative (default 1e-4)
-- @param options.cooldown   metrics after a change that do not count (default 0)
-- @param options.floor      lowest rate (default 0)
-- @param options.sense      "min" (default) or "max": what is better
-- @return a schedule
-- @usage for epoch = 1, 100 do
--   plateau:epoch(epoch)
--   ...
--   plateau:observe(validation_loss)
-- end
function schedule.plateau(optimizer, options)
  local o = read(PLATEAU, optimizer, options, {
    factor = check.positive(0.1), patience = check.whole(10), threshold = check.not_negative(1e-4),
    cooldown = check.whole(0), floor = check.not_negative(0), sense = check.choice({ "min", "max" }, "min"),
  })
  o.best, o.reductions, o.rest, o.waited = false, 0, 0, 0
  return new(PLATEAU, optimizer, o)
end

-- ------------------------------------------------------------------ warm-up

local WARM_UP = kind_of("warm_up", function(self, n, start)
  if n <= self.count then return start * (self.from + (1 - self.from) * n / self.count) end
  if not self.after then return start end
  return self.after.kind.rate_at(self.after, n - self.count, start)
end)

function WARM_UP.observe(self, value)
  if self.after and self.position > self.count then self.after:observe(value) end
end

--- Raises the rate on a line, then follows another schedule: unit n <= count has
-- rate * (from + (1 - from) n / count), unit count + n what `after` has at n.
-- @param optimizer      its rates now are those that are reached at n = count
-- @param options.count  number of units
-- @param options.from   share of the rate to start from, 0 to 1 (default 0)
-- @param options.after  a schedule of the same optimizer, whose rates at the start are taken to be those
--   of the warm-up (default: the rate stays)
-- @return a schedule
-- @usage optim.schedule.warm_up(adam, { count = 500, after = optim.schedule.cosine(adam, { count = 9500 }) })
function schedule.warm_up(optimizer, options)
  local o = read(WARM_UP, optimizer, options, {
    count = check.count(), from = check.not_negative(0), after = check.optional(check.instance("schedule")),
  })
  if o.from > 1 then check.fail("MG-ARGUMENT", "%s: from must be at most 1, got %g", WARM_UP.name, o.from) end
  if o.after and o.after.optimizer ~= optimizer then
    check.fail("MG-ARGUMENT", "%s: after is the schedule of another optimizer", WARM_UP.name)
  end
  return new(WARM_UP, optimizer, { count = o.count, from = o.from, after = o.after })
end

-- ------------------------------------------------------------------ a function

local LAMBDA = kind_of("lambda", function(self, n, start)
  return start * check.value(self.name .. ": the factor", self.factor_at(n), check.not_negative())
end)

--- The rate times a function of the unit: rate * f(n).
-- @param optimizer  its rates now are those where f is 1
-- @param f          function (n) -> a number from 0
-- @return a schedule
-- @usage optim.schedule.lambda(adam, function(n) return 1 / math.sqrt(n) end)
function schedule.lambda(optimizer, f)
  check.value("optim.schedule.lambda: optimizer", optimizer, check.instance("optimizer"))
  check.value("optim.schedule.lambda: f", f, check.callable())
  return new(LAMBDA, optimizer, { factor_at = f })
end

return setmetatable(schedule, {
  __index = function(_, key)
    local names = {}
    for name in pairs(schedule) do names[#names + 1] = name end
    table.sort(names)
    return check.fail("MG-NAME", "optim.schedule.%s does not exist%s", tostring(key), check.hint(key, names))
  end,
})

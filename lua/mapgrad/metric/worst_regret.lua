--- metric.worst_regret: the regret where optima tie.
-- @module mapgrad.metric
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local real = require "mapgrad.real"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local NAME = "metric.worst_regret"

-- <theta, z> of each row, in double, nothing for what z leaves out.
local function values(theta, z)
  local t, y, sums = theta:to_list(), z:to_list(), {}
  local n = #t / theta:size(1)
  for i = 1, theta:size(1) do
    local sum = 0
    for j = (i - 1) * n + 1, i * n do
      if y[j] ~= 0 then sum = sum + t[j] * y[j] end
    end
    sums[i] = sum
  end
  return sums
end

-- The largest finite |entry|, 1 for zeros.
local function size_of(t)
  local largest = 0
  for _, v in ipairs(t:to_list()) do
    v = math.abs(v)
    if v < math.huge and v > largest then largest = v end
  end
  return largest > 0 and largest or 1
end

-- Regrets of rows of scores: z(theta - step truth) among the optima of theta is the worst of them, as it has the least
-- <truth, z> there; the step is made smaller until it is.
local function worst(s, theta, truth, o)
  local batch = theta:size(1)
  local function solve(scores) return s:argmax(scores:reshape(o.shape), o.context, true):reshape(batch, -1) end
  local z = solve(theta)
  local bounded = truth:abs():eq(math.huge):where(0, truth)
  local optima, best = values(theta, z), values(truth, solve(truth))
  local regrets, open, left = values(truth, z), {}, batch
  for i = 1, batch do
    regrets[i], open[i] = best[i] - regrets[i], true
  end
  local step = size_of(theta) / size_of(truth)
  for _ = 1, o.steps do
    if left == 0 then break end
    local shifted = solve(theta - bounded * step)
    local reached, gained = values(theta, shifted), values(truth, shifted)
    for i = 1, batch do
      if open[i] and reached[i] >= optima[i] - o.tolerance * (1 + math.abs(optima[i])) then
        open[i], left, regrets[i] = false, left - 1, best[i] - gained[i]
      end
    end
    step = step / 8
  end
  local sum = 0
  for i = 1, batch do sum = sum + regrets[i] end
  return sum / batch, left
end

--- Worst regret: the largest regret under the true costs among the optimal solutions of the predicted ones, so that
-- equal predictions do not pass for right ones; the mean over instances. 3 solver calls an instance, some more where
-- optima nearly tie.
-- Source: Tang, Khalil 2022 ("unambiguous regret").
-- @function worst_regret
-- @param x                  predicted costs, or scores for a solver of sense "max": [batch, shape]
-- @param truth              true ones, of the same shape
-- @param options.solver     the solver
-- @param options.context    of the solver
-- @param options.tolerance  what counts as a tie, relative to 1 + |optimum| (default 1e-9; 1e-5 in float)
-- @return number from 0; the number of instances whose ties could not be told apart, which count with the regret of
--   the solver's answer
local function measure(x, truth, options)
  local is_double = real.info().real_bytes == 8
  local o = check.options(NAME, options, {
    solver = check.solver, context = check.optional(check.any()),
    tolerance = check.positive(is_double and 1e-9 or 1e-5),
  })
  x, truth = tensor.of(x, NAME):detach(), tensor.of(truth, NAME):detach()
  local s, shape = o.solver, x:shape()
  local _, batch = s:batch_of(x, NAME)
  if show.shape(shape) ~= show.shape(truth:shape()) then
    check.fail("MG-SHAPE", "%s: x has shape %s, the truth %s", NAME, show.shape(shape), show.shape(truth:shape()))
  end
  if batch == 0 then check.fail("MG-SHAPE", "%s: no instances: x has shape %s", NAME, show.shape(shape)) end
  local sign = s.sense == "min" and -1 or 1
  return autograd.pause(tensor.scope, worst, s, (x * sign):reshape(batch, -1), (truth * sign):reshape(batch, -1),
    { shape = shape, context = o.context, tolerance = o.tolerance, steps = is_double and 10 or 5 })
end

return { worst_regret = measure }

--- True gradients on problems small enough, under two laws of z: the exponential family p(z) ~ exp(<z, theta> /
-- temperature), by enumeration; and the perturb-and-MAP law z(theta + temperature noise), by a long run.
--
-- Of what: of E[loss(z)], for a loss of solutions; or, for a label y, of the Fenchel-Young loss of the law, which is
-- E[z] - y (for the family the negative log-likelihood times the temperature).
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local estimator = require "mapgrad.estimator"
local random = require "mapgrad.random"
local statistics = require "mapgrad.diagnose.statistics"
local tensor = require "mapgrad.tensor"

local truth = {}

--- theta of one instance as [1, shape].
function truth.one_instance(name, solver, theta)
  theta = tensor.of(theta, name .. ": theta"):detach()
  if #solver:batch_of(theta, name .. ": theta") > 0 then
    check.fail("MG-SHAPE", "%s: theta is of one instance, without a batch", name)
  end
  return theta:unsqueeze(1)
end

--- +1, or -1 for a solver of costs: d scores / d x.
function truth.sign(solver) return solver.sense == "min" and -1 or 1 end

-- Losses of z [samples, 1, shape], one each.
local function losses(name, f, z)
  local l = check.value(name .. ": what loss answers", f(z), check.tensor)
  if l:count() ~= z:size(1) then
    check.fail("MG-SHAPE", "%s: loss answers %d losses, expected one for each of %d samples of 1 instance", name,
      l:count(), z:size(1))
  end
  return l:detach():reshape(-1)
end

-- A label as [n].
local function label_of(name, solver, y)
  y = tensor.of(y, name .. ": label"):detach()
  if y:count() ~= solver.n then
    check.fail("MG-SHAPE", "%s: label has %d entries, expected %d", name, y:count(), solver.n)
  end
  return y:reshape(solver.n)
end

--- The gradient under the family.
-- @param what  {loss = f} or {label = y}; context = of the solver
-- @return gradient [n] for x in the solver's sense; E[loss], if there is one
function truth.family(name, solver, x, what, temperature)
  local sign, z = truth.sign(solver), solver:enumerate(what.context)
  local rows = z:reshape(-1, solver.n)
  local theta = x:reshape(1, solver.n) * (sign / temperature)
  local p = (rows * theta:eq(-math.huge):where(0, theta)):sum(2) -- solutions have 0 at forbidden entries
  p = p:softmax(1)
  local mean_z = (rows * p:unsqueeze(2)):sum(1)
  if not what.loss then return (mean_z - label_of(name, solver, what.label)) * sign end
  local l = losses(name, what.loss, z:unsqueeze(2))
  local mean = (p * l):sum()
  return (rows * ((p * (l - mean)):unsqueeze(2))):sum(1) * (sign / temperature), mean:item()
end

-- ------------------------------------------------------------------ the perturbed law, a round at a time

-- E[z] - y.
local function label_round(name, o, x, what, samples)
  local theta = x * truth.sign(o.solver)
  local z = o.solver:perturbed_argmax(theta, what.context, { noise = o.noise, draw = random.draw "noise",
    temperature = o.temperature, samples = samples })
  if o.noise:is_factor() then check.fail("MG-OPTION", "%s: a label's truth needs noise that is added", name) end
  return ((z:reshape(samples, o.solver.n):mean(1) - label_of(name, o.solver, what.label))
    * truth.sign(o.solver)):to_list()
end

-- The score function with the baseline "loo": unbiased.
local function score_round(_, o, x, what, samples)
  o.layer = o.layer or estimator.score_function { solver = o.solver, noise = o.noise, temperature = o.temperature,
    samples = samples }
  local leaf = x:clone():watch()
  o.layer:loss(leaf, what.loss, what.context):backward()
  return leaf.grad:reshape(-1):to_list()
end

-- Central differences of width 0.2 temperature with common noise.
local function difference_round(name, o, x, what, samples)
  local n, sign, draw, h = o.solver.n, truth.sign(o.solver), random.draw "noise", 0.1 * o.temperature
  samples = math.max(20, math.floor(samples / (2 * n)))
  local theta, gradient = (x * sign):to_list(), {}
  local function mean(i, step)
    local kept = theta[i]
    theta[i] = kept + step
    local z = o.solver:perturbed_argmax(tensor.from(theta):reshape(x:shape()), what.context, {
      noise = o.noise, draw = draw, temperature = o.temperature, samples = samples })
    theta[i] = kept
    return losses(name, what.loss, z):mean():item()
  end
  for i = 1, n do gradient[i] = sign * (mean(i, h) - mean(i, -h)) / (2 * h) end
  return gradient
end

--- The gradient under the perturbed law: the mean of rounds. For a loss by the score function, unbiased; for noises
-- without a score, and factors, by central differences of width 0.2 temperature with common noise.
-- @param o     {solver =, noise =, temperature =, samples = of a round, rounds =}
-- @param what  as above
-- @param tick  called after each round, or nil
-- @return {gradient = list, rows = rounds' lists, method = text}
function truth.perturbed(name, o, x, what, tick)
  local has_score = not o.noise:is_factor() and pcall(o.noise.score, o.noise, tensor.zeros(1))
  local round = not what.loss and label_round or has_score and score_round or difference_round
  local own, rows = { solver = o.solver, noise = o.noise, temperature = o.temperature }, {}
  for r = 1, o.rounds do
    rows[r] = tensor.scope(function()
      if round == score_round then return round(name, own, x, what, o.samples) end
      return autograd.pause(round, name, own, x, what, o.samples)
    end)
    if tick then tick() end
  end
  local method = { [label_round] = "mean solution", [score_round] = "score function",
    [difference_round] = "central differences of width 0.2 temperature" }
  return { gradient = statistics.mean(rows), rows = rows, method = method[round] }
end

return truth

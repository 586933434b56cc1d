--- The truth about gradients: the exact answer beside the estimate on small problems, signs of trouble on real ones.
--
-- A small problem is a solver that enumerates, scores theta of one instance, and a loss f(z) of solutions [samples, 1,
-- shape...] -> [samples, 1], or a label y. Two laws of z give two truths: the exponential family p(z) ~ exp(<z, theta>
-- / temperature), by enumeration, and the perturb-and-MAP law z(theta + temperature noise) that is sampled, by a long
-- run. With a loss the truth is the gradient of E[loss(z)]; with a label alone it is that of the Fenchel-Young loss,
-- E[z] - y. Definitions of what is reported:
--
--   bias           1 - cosine of the mean gradient and the truth
--   error          mean of 1 - cosine of a gradient and the truth; 1 for a gradient of 0
--   variance       variance of the cosine of a gradient and the mean gradient
--   norm_ratio     |mean gradient| / |truth|: a wrong scale, which cosines hide
--   squared_error  mean of |gradient - truth|^2 / |truth|^2
--   call_error     squared_error times the solver calls of a gradient: of unbiased estimators it does not depend on the
--     samples, so it says what a solver call is worth; the lower the better
--   deviation      largest |mean gradient - truth| of an entry in standard errors of both; above 4.5 there is a bias
--   zero_rate, zero_entries  shares of gradients, and of entries of gradients, that are exactly 0
--
-- with 95 % intervals: see diagnose/statistics.lua for the method.
-- @module mapgrad.diagnose
local check = require "mapgrad.check"
require "mapgrad.autograd"

local diagnose = {}

local function truth() return require "mapgrad.diagnose.truth" end

--- The exact gradient of E[loss(z)] for theta under p(z) ~ exp(<z, theta> / temperature), by enumeration:
-- Cov(z, loss(z)) / temperature. Theta is in the user's sense (scores, or costs for "min"); so is the gradient.
-- @param solver   one that enumerates its solutions
-- @param theta    [shape]
-- @param f        the loss
-- @param options  {temperature = 1, context = of the solver}
-- @return gradient [shape], E[loss]
function diagnose.exact(solver, theta, f, options)
  local name = "diagnose.exact"
  local o = check.options(name, options, { temperature = check.positive(1), context = check.optional(check.any()) })
  check.value(name .. ": solver", solver, check.solver)
  check.value(name .. ": loss", f, check.callable())
  local x = truth().one_instance(name, solver, theta)
  local gradient, mean = truth().family(name, solver, x, { loss = f, context = o.context }, o.temperature)
  return gradient:reshape(solver.shape), mean
end

--- The gradient of E[loss(z(theta + temperature noise))]: by the score function with many samples, unbiased; for a
-- noise without a score by central differences of width 0.2 temperature with common noise.
-- @param solver   any
-- @param theta    [shape], in the user's sense
-- @param f        the loss
-- @param options  {noise =, temperature = 1, samples = 20000, rounds = 20, context =}: samples in each round
-- @return gradient [shape]; the standard error of its norm
function diagnose.perturbed(solver, theta, f, options)
  local name, statistics = "diagnose.perturbed", require "mapgrad.diagnose.statistics"
  local o = check.options(name, options, {
    noise = check.noise, temperature = check.positive(1), samples = check.count(20000), rounds = check.count(20),
    context = check.optional(check.any()),
  })
  o.solver = check.value(name .. ": solver", solver, check.solver)
  check.value(name .. ": loss", f, check.callable())
  local found = truth().perturbed(name, o, truth().one_instance(name, solver, theta),
    { loss = f, context = o.context })
  local sum = 0
  for _, square in ipairs(statistics.error_squares(found.rows)) do sum = sum + square end
  return require("mapgrad.tensor").from(found.gradient):reshape(solver.shape), math.sqrt(sum)
end

--- Compares estimators with both truths at equal numbers of solver calls.
-- @param options.solver       one that enumerates
-- @param options.theta        [shape], in the user's sense
-- @param options.loss         f(z) [samples, 1, shape...] -> [samples, 1]; layers need it
-- @param options.label        a solution [shape], the target of losses over a solver
-- @param options.context      of the solver
-- @param options.estimators   a list of {name, function () -> layer or loss, target of a loss (default: label)};
--   layers without solver calls count their samples
-- @param options.calls        solver calls for each estimator (default 2000); at least 20 gradients are drawn
-- @param options.truth        "both" (default), "family" or "perturbed"
-- @param options.temperature  of the laws (default 1); of the perturbed law that of the layer, if the noise is its own
-- @param options.noise        of the perturbed law (default: each layer's own; layers without one have no such truth)
-- @param options.samples, options.rounds  of the perturbed truth (default 20000 in each of 20 rounds)
-- @param options.progress     false: no bar; it is shown on terminals only (default true)
-- @param options.plot         name of a picture, "x.svg" or "x.png"
-- @return a list of {name, family = {numbers, interval = {bias = {low, high}, ...}}, perturbed = the same, zero_rate,
--   zero_entries, calls of a gradient, gradients, microseconds of one}; the numbers of family (of perturbed, if truth
--   is that) also beside the name. It prints as a table, without times; report:plot { file = } draws variance over
--   bias. A message, if there was no picture.
-- @usage print(diagnose.compare { solver = s, theta = theta, loss = f, estimators = {
--   { "imle", function() return estimator.imle { ... } end } } })
function diagnose.compare(options)
  return require "mapgrad.diagnose.compare"(options, "diagnose.compare")
end

--- The same for one family of layers over values of a setting, such as lambda, temperature or samples: a curve.
-- @param options  as of diagnose.compare, with make = function (value) -> layer and values = a list in place of
--   estimators, and name = the setting's
-- @return the reports, each with its value; report:plot { file =, keys = } draws the numbers over the values
-- @usage diagnose.curve { name = "lambda", values = { 0.1, 1, 10 }, plot = "lambda.svg", make = function(lambda) ... }
function diagnose.curve(options)
  local o, name = {}, "diagnose.curve"
  for key, value in pairs(options or {}) do o[key] = value end
  local make = check.value(name .. ": make", o.make, check.callable())
  local values = check.value(name .. ": values", o.values, check.list())
  local label = check.value(name .. ": name", o.name or "value", check.text())
  o.make, o.values, o.name, o.estimators = nil, nil, nil, {}
  for i, v in ipairs(values) do
    check.value(("%s: values[%d]"):format(name, i), v, check.real())
    o.estimators[i] = { ("%s = %g"):format(label, v), function() return make(v) end }
  end
  return require "mapgrad.diagnose.compare"(o, name, label, values)
end

--- Looks at a layer, or at a loss over a solver, on a real problem, without enumeration: some draws of its gradient
-- with new noise, and some with the loss times 1/2 and 2. Where a layer has a fixed step lambda that is the gradient at
-- lambda / 2 and 2 lambda, because the step is lambda times the gradient of the loss. Adaptive targets and moving
-- averages go on by the draws made: pass a layer of its own.
-- @param layer    a layer of an estimator, or a loss over a solver
-- @param x        [batch..., shape]
-- @param f        function (z) -> losses, one entry or one each, whose mean is taken, z = layer(x, context); the target
--   of a loss over a solver
-- @param options  {context =, rounds = 8 draws of the gradient}
-- @return {zero_rate = share of instances whose gradient is exactly 0, agreement = mean cosine over instances of the
--   means of the even and of the odd draws, sensitivity = {{factor, zero_rate, cosine with the gradient at lambda}} or
--   nil, repaired = share of entries clipped, score_size, upstream_size = mean absolute values, calls and seconds of a
--   draw, hint = in words}; prints so
-- @usage print(diagnose.layer(layer, costs, function(z) return (z - label):abs():sum(-1):sum(-1) end))
function diagnose.layer(layer, x, f, options)
  return require "mapgrad.diagnose.layer"(layer, x, f, options)
end

return diagnose

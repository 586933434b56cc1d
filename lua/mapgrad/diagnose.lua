--- The truth about gradients: the exact answer beside the estimate.
--
-- A problem is a solver small enough to enumerate, scores theta of one instance, and a loss f(z) of solutions
-- [samples, batch, shape...] -> [samples, batch]. Two laws give two truths: the exponential family
-- p(z) ~ exp(<z, theta> / temperature), by enumeration; and the perturb-and-MAP law that is sampled, by a long run of
-- the score-function estimator. Every report says which one it compares with.
local check = require "mapgrad.check"
local estimator = require "mapgrad.estimator"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"
require "mapgrad.autograd"

local diagnose = {}

local function expect_loss(name, f) return check.value(name .. ": loss", f, check.callable()) end

-- Scores of one instance as [1, shape].
local function one_instance(name, solver, theta)
  theta = tensor.of(theta, name .. ": theta"):detach()
  local leading = solver:batch_of(theta, name .. ": theta")
  if #leading > 0 then check.fail("MG-SHAPE", "%s: theta is of one instance, without a batch", name) end
  return theta:unsqueeze(1)
end

-- A list of numbers <-> its statistics.
local function norm(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v * v end
  return math.sqrt(sum)
end

local function cosine(a, b)
  local sum, length = 0, norm(a) * norm(b)
  for i = 1, #a do sum = sum + a[i] * b[i] end
  return length > 0 and sum / length or 0
end

local function mean_and_error(values)
  local sum, squares, n = 0, 0, #values
  for _, v in ipairs(values) do sum = sum + v end
  for _, v in ipairs(values) do squares = squares + (v - sum / n) ^ 2 end
  return sum / n, n > 1 and math.sqrt(squares / (n - 1) / n) or 0
end

--- The exact gradient of E[loss(z)] for theta under p(z) ~ exp(<z, theta> / temperature), by enumeration:
-- Cov(z, loss(z)) / temperature. Theta is in the user's sense (scores, or costs for "min"); so is the gradient.
-- @param solver   one that enumerates its solutions
-- @param theta    [shape]
-- @param f        the loss
-- @param options  {temperature = 1}
-- @return gradient [shape], E[loss]
function diagnose.exact(solver, theta, f, options)
  local o = check.options("diagnose.exact", options, { temperature = check.positive(1) })
  local x = one_instance("diagnose.exact", solver, theta):reshape(1, solver.n)
  expect_loss("diagnose.exact", f)
  local sign = solver.sense == "min" and -1 or 1
  local z = solver:enumerate()
  local rows, l = z:reshape(-1, solver.n), f(z:unsqueeze(2)):detach():reshape(-1)
  local p = (rows * (x * (sign / o.temperature))):sum(2):softmax(1)
  local mean = (p * l):sum()
  local gradient = (rows * ((p * (l - mean)):unsqueeze(2))):sum(1) * (sign / o.temperature)
  return gradient:reshape(solver.shape), mean:item()
end

--- The gradient of E[loss(z(theta + temperature noise))], by the score function with leave-one-out and many
-- samples: unbiased, with a standard error.
-- @param solver   any
-- @param theta    [shape], in the user's sense
-- @param f        the loss
-- @param options  {noise =, temperature = 1, samples = 20000, rounds = 20}: samples in each round
-- @return gradient [shape]; the standard error of its norm
function diagnose.perturbed(solver, theta, f, options)
  local o = check.options("diagnose.perturbed", options, {
    noise = check.noise, temperature = check.positive(1), samples = check.count(20000), rounds = check.count(20),
  })
  local x = one_instance("diagnose.perturbed", solver, theta)
  local layer = estimator.score_function { solver = solver, noise = o.noise, temperature = o.temperature,
    samples = o.samples }
  local sum, squares
  for _ = 1, o.rounds do
    local leaf = x:clone():watch()
    layer:loss(leaf, f):backward()
    sum = sum and sum + leaf.grad or leaf.grad
    squares = squares and squares + leaf.grad:square() or leaf.grad:square()
  end
  local mean = sum * (1 / o.rounds)
  local variance = (squares * (1 / o.rounds) - mean:square()):maximum(0):sum():item() / math.max(o.rounds - 1, 1)
  return mean:reshape(solver.shape), math.sqrt(variance)
end

-- ------------------------------------------------------------------ estimates against a truth

-- One gradient of a layer, as a list.
local function draw(layer, x, f)
  local leaf = x:clone():watch()
  if layer.loss then layer:loss(leaf, f):backward() else f(layer(leaf)):mean():backward() end
  return leaf.grad:to_list()
end

local function draws(layer, x, f, count)
  local list, started, calls = {}, core.clock(), layer.solves or 0
  for r = 1, count do list[r] = draw(layer, x, f) end
  return list, ((layer.solves or 0) - calls) / count, (core.clock() - started) / count
end

local function mean_of(list, first, last)
  local mean = {}
  for i = 1, #list[1] do
    local sum = 0
    for r = first or 1, last or #list do sum = sum + list[r][i] end
    mean[i] = sum / ((last or #list) - (first or 1) + 1)
  end
  return mean
end

-- 1 - cosine of the truth and the mean, with a standard error by ten groups of gradients (jackknife).
local function bias_of(truth, list)
  local all, groups = 1 - cosine(truth, mean_of(list)), math.min(10, #list)
  local values = {}
  for g = 1, groups do
    local kept = {}
    for r, gradient in ipairs(list) do
      if r % groups ~= g - 1 then kept[#kept + 1] = gradient end
    end
    values[g] = 1 - cosine(truth, mean_of(#kept > 0 and kept or list))
  end
  local mean, squares = mean_and_error(values), 0
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  return all, math.sqrt((groups - 1) / groups * squares)
end

-- The numbers of a report.
local function measure(truth, list)
  local mean, report = mean_of(list), {}
  local errors, spread, zeros, entries = {}, {}, 0, 0
  for r, g in ipairs(list) do
    errors[r], spread[r] = 1 - cosine(truth, g), 1 - cosine(mean, g)
    local length = norm(g)
    if length == 0 then zeros = zeros + 1 end
    for _, v in ipairs(g) do entries = entries + (v == 0 and 1 or 0) end
  end
  report.bias, report.bias_error = bias_of(truth, list)
  report.error, report.error_error = mean_and_error(errors)
  report.variance = mean_and_error(spread)
  report.norm_ratio = norm(truth) > 0 and norm(mean) / norm(truth) or 0
  report.zero_rate, report.zero_entries = zeros / #list, entries / (#list * #truth)
  report.gradients = #list
  return report
end

local COLUMNS = {
  { "bias", "%.4f" }, { "bias_error", "+-%.4f" }, { "error", "%.4f" }, { "error_error", "+-%.4f" },
  { "variance", "%.4f" }, { "norm_ratio", "%.3f" }, { "zero_rate", "%.3f" }, { "calls", "%.0f" },
  { "gradients", "%d" },
}
local TITLES = { "bias", "", "error", "", "variance", "norm ratio", "zero rate", "calls", "gradients" }

local Report = {}

Report.__tostring = function(self)
  local lines, width = {}, 10
  for _, row in ipairs(self) do width = math.max(width, #row.name) end
  local parts = { ("%-" .. width .. "s"):format("estimator") }
  for _, title in ipairs(TITLES) do parts[#parts + 1] = ("%10s"):format(title) end
  lines[1] = ("truth: %s"):format(self.truth)
  lines[2] = table.concat(parts, " ")
  for _, row in ipairs(self) do
    parts = { ("%-" .. width .. "s"):format(row.name) }
    for _, column in ipairs(COLUMNS) do parts[#parts + 1] = ("%10s"):format(column[2]:format(row[column[1]])) end
    lines[#lines + 1] = table.concat(parts, " ")
  end
  return table.concat(lines, "\n")
end

-- The truth that options ask for, as a list, and its name.
local function truth_of(name, o)
  if o.truth == "family" then
    local gradient = diagnose.exact(o.solver, o.theta, o.loss, { temperature = o.temperature })
    return gradient:to_list(), ("exponential family at temperature %g, by enumeration"):format(o.temperature)
  end
  if not o.noise then check.fail("MG-OPTION", "%s: the truth of the perturbed law needs noise", name) end
  local gradient, deviation = diagnose.perturbed(o.solver, o.theta, o.loss, { noise = o.noise,
    temperature = o.temperature })
  return gradient:to_list(), ("perturb-and-MAP law of %s at temperature %g, standard error %.2g of its norm %.3g")
    :format(o.noise.name, o.temperature, deviation, norm(gradient:to_list()))
end

--- Compares estimators with the truth at equal numbers of solver calls.
-- @param options.solver       one that enumerates
-- @param options.theta        [shape], in the user's sense
-- @param options.loss         f(z) [samples, 1, shape...] -> [samples, 1]
-- @param options.estimators   a list of {name, function () -> layer}; layers without solver calls count their samples
-- @param options.calls        solver calls for each estimator (default 2000); at least 10 gradients are drawn
-- @param options.truth        "family" (default) or "perturbed"
-- @param options.temperature  of the truth's law (default 1)
-- @param options.noise        of the perturbed law
-- @return a list of reports {name, bias = 1 - cosine of the truth and the mean gradient, bias_error, error = mean of
--   1 - cosine of each gradient, error_error, variance = mean of 1 - cosine with their own mean, norm_ratio, zero_rate,
--   zero_entries, calls of a gradient, gradients, microseconds of one}; it prints as a table, without times. _error:
--   standard errors.
-- @usage print(diagnose.compare { solver = s, theta = theta, loss = f, estimators = {
--   { "imle", function() return estimator.imle { ... } end } } })
function diagnose.compare(options)
  local name = "diagnose.compare"
  local o = check.options(name, options, {
    solver = check.solver, theta = check.any(), loss = check.callable(), estimators = check.list(),
    calls = check.count(2000), truth = check.choice({ "family", "perturbed" }, "family"),
    temperature = check.positive(1), noise = check.optional(check.noise),
  })
  local x = one_instance(name, o.solver, o.theta)
  local truth, text = truth_of(name, o)
  local reports = setmetatable({ truth = text }, Report)
  for i, row in ipairs(o.estimators) do
    if type(row) ~= "table" or type(row[1]) ~= "string" or type(row[2]) ~= "function" then
      check.fail("MG-TYPE", "%s: estimators[%d]: expected { name, function () -> layer }", name, i)
    end
    local layer = row[2]()
    local _, calls = draws(layer, x, o.loss, 3) -- how many calls one takes
    calls = calls > 0 and calls or layer.options.samples or 1
    local list, _, seconds = draws(layer, x, o.loss, math.max(10, math.floor(o.calls / calls)))
    local report = measure(truth, list)
    report.name, report.calls, report.microseconds = row[1], calls, seconds * 1e6
    reports[i] = report
  end
  return reports
end

--- The same for one family of layers over values of a setting: a curve.
-- @param options  as of diagnose.compare, with make = function (value) -> layer and values = a list in place of
--   estimators, and name = the setting's
-- @return the reports, each with its value
function diagnose.curve(options)
  local o = {}
  for key, value in pairs(options or {}) do o[key] = value end
  local make = check.value("diagnose.curve: make", o.make, check.callable())
  local values = check.value("diagnose.curve: values", o.values, check.list())
  local label = check.value("diagnose.curve: name", o.name or "value", check.text())
  o.make, o.values, o.name, o.estimators = nil, nil, nil, {}
  for i, v in ipairs(values) do
    o.estimators[i] = { ("%s = %g"):format(label, v), function() return make(v) end }
  end
  local reports = diagnose.compare(o)
  for i, v in ipairs(values) do reports[i].value = v end
  return reports
end

-- ------------------------------------------------------------------ without a truth

local function advice(report, layer)
  local hints = {}
  if report.zero_rate > 0.9 then
    local what = layer.options and layer.options.target and "the target's lambda"
      or layer.options and layer.options.lambda and "lambda" or "the step or the temperature"
    hints[1] = ("%.0f %% of gradients are zero: %s is too small for scores of this scale (mean |score| %.3g, mean "
      .. "|upstream gradient| %.3g)"):format(100 * report.zero_rate, what, report.score_size, report.upstream_size)
  elseif report.agreement < 0.2 then
    hints[1] = ("two draws of the gradient hardly agree (cosine %.2f): take more samples or a lower temperature")
      :format(report.agreement)
  end
  if report.repaired > 0.1 then
    hints[#hints + 1] = ("%.0f %% of costs were clipped to the solver's domain: lambda or the noise is large beside "
      .. "them"):format(100 * report.repaired)
  end
  return #hints > 0 and table.concat(hints, "; ") or "nothing strikes"
end

local Hint = { __tostring = function(self)
  return ("zero rate %.3f, agreement of two draws %.3f, clipped %.3f: %s"):format(self.zero_rate, self.agreement,
    self.repaired, self.hint)
end }

--- Looks at a layer on a real problem, without enumeration.
-- @param layer    a layer of an estimator
-- @param x        [batch..., shape]
-- @param f        function (z) -> loss of one entry, z = layer(x, context)
-- @param context  of the layer
-- @return {zero_rate = share of instances without a gradient, agreement = mean cosine of two draws of the gradient,
--   repaired = share of entries clipped, score_size, upstream_size = mean absolute values, hint = in words}; prints so
function diagnose.layer(layer, x, f, context)
  check.value("diagnose.layer: layer", layer, check.instance "layer")
  check.value("diagnose.layer: f", f, check.callable())
  x = tensor.of(x, "diagnose.layer: x"):detach()
  local _, batch = layer.solver:batch_of(x, "diagnose.layer: x")
  local repaired, entries = layer.repaired, layer.entries
  local rows, upstream = {}, 0
  for round = 1, 2 do
    local leaf = x:clone():watch()
    local z = layer(leaf, context)
    local probe = z:detach():watch()
    f(probe):backward()
    upstream = probe.grad and probe.grad:abs():mean():item() or 0
    z:backward(probe.grad or z:detach() * 0)
    rows[round] = leaf.grad:reshape(batch, layer.solver.n):to_table()
  end
  local zeros, agreement = 0, 0
  for i = 1, batch do
    for round = 1, 2 do zeros = zeros + (norm(rows[round][i]) == 0 and 1 or 0) end
    agreement = agreement + cosine(rows[1][i], rows[2][i]) / batch
  end
  local seen = layer.entries - entries
  local report = { zero_rate = zeros / (2 * batch), agreement = agreement,
    repaired = seen > 0 and (layer.repaired - repaired) / seen or 0, score_size = x:abs():mean():item(),
    upstream_size = upstream }
  report.hint = advice(report, layer)
  return setmetatable(report, Hint)
end

return diagnose

--- Estimators against the truth at equal numbers of solver calls; see diagnose/init.lua.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local measure = require "mapgrad.diagnose.measure"
local new_report = require "mapgrad.diagnose.report"
local progress = require "mapgrad.progress"
local statistics = require "mapgrad.diagnose.statistics"
local truth = require "mapgrad.diagnose.truth"

local WARM, LEAST = 3, 20 -- gradients that say how many calls one takes; gradients of an estimator at least

local function rules()
  return {
    solver = check.solver, theta = check.any(), loss = check.optional(check.callable()),
    label = check.optional(check.any()), context = check.optional(check.any()), estimators = check.list(),
    calls = check.count(2000), truth = check.choice({ "both", "family", "perturbed" }, "both"),
    temperature = check.positive(1), noise = check.optional(check.noise), samples = check.count(20000),
    rounds = check.count(20), progress = check.flag(true), plot = check.optional(check.text()),
  }
end

local function make_layers(name, o)
  local list = {}
  for i, row in ipairs(o.estimators) do
    local made = type(row) == "table" and type(row[1]) == "string" and check.type_of(row[2]) == "function"
    if not made then
      check.fail("MG-TYPE", "%s: estimators[%d]: expected { name, function () -> layer or loss, target }", name, i)
    end
    local it = row[2]()
    local target = row[3] or o.label
    if measure.is_loss(it) and target == nil then
      check.fail("MG-OPTION", "%s: %s is a loss of a target: give label, or the third of estimators[%d]", name,
        row[1], i)
    elseif not measure.is_loss(it) and not o.loss then
      check.fail("MG-OPTION", "%s: %s is a layer: option 'loss' is missing", name, row[1])
    end
    list[i] = { name = row[1], it = it, what = { loss = o.loss, target = target, context = o.context } }
  end
  return list
end

-- The truth under the perturbed law that a layer samples; that of noise and temperature is found once.
local function perturbed_law(o, it)
  local own = measure.options_of(it)
  local noise = o.noise or not own.law and check.type_of(own.noise) == "mapgrad.noise" and own.noise or nil
  local temperature = not o.noise and (own.temperature or 0) > 0 and own.temperature or o.temperature
  if noise then return noise, temperature, ("%s at temperature %g"):format(tostring(noise), temperature) end
end

-- The perturbed truths by the text of their law, and their order.
local function find_laws(name, o, list)
  local laws = {}
  if o.truth == "family" then return laws end
  for _, entry in ipairs(list) do
    local noise, temperature, key = perturbed_law(o, entry.it)
    if noise and not laws[key] then
      laws[key] = { key = key, noise = noise, temperature = temperature }
      laws[#laws + 1] = laws[key]
    end
    entry.law = key
  end
  if o.truth == "perturbed" and #laws == 0 then
    check.fail("MG-OPTION", "%s: the truth of the perturbed law needs noise", name)
  end
  return laws
end

local function add_dimensions(target, x)
  if target == nil or type(target) == "number" then return target end
  local t = require("mapgrad.tensor").of(target, "diagnose.compare: target")
  return #t:shape() < #x:shape() and t:unsqueeze(1) or t
end

-- How many calls a gradient takes, and how many gradients there shall be.
local function plan(o, entry, x)
  entry.what.target = add_dimensions(entry.what.target, x)
  local before = measure.solves(entry.it)
  measure.gradients(entry.it, x, entry.what, WARM)
  local calls = (measure.solves(entry.it) - before) / WARM
  entry.calls = calls > 0 and calls or measure.options_of(entry.it).samples or 1
  entry.count = math.max(LEAST, math.floor(o.calls / entry.calls))
end

local function describe_laws(o, laws, family)
  local text, names = {}, {}
  if family then text.family = ("exponential family at temperature %g, by enumeration"):format(o.temperature) end
  for i, law in ipairs(laws) do
    local found, sum = law.found, 0
    for _, square in ipairs(statistics.error_squares(found.rows)) do sum = sum + square end
    names[i] = ("%s (%s, standard error %.2g of its norm %.3g)"):format(law.key, found.method, math.sqrt(sum),
      statistics.norm(found.gradient))
  end
  if #laws > 0 then text.perturbed = "perturb-and-MAP law of " .. table.concat(names, "; ") end
  return text
end

local function row_of(entry, x, family, laws, tick)
  local before, started = measure.solves(entry.it), core.clock()
  local rows = measure.gradients(entry.it, x, entry.what, entry.count, tick)
  local calls = (measure.solves(entry.it) - before) / entry.count
  local row = { name = entry.name, calls = calls > 0 and calls or entry.calls, gradients = entry.count, interval = {},
    microseconds = (core.clock() - started) / entry.count * 1e6 }
  row.zero_rate, row.zero_entries, row.interval.zero_rate = statistics.zeros(rows)
  if family then row.family = statistics.against(rows, family, row.calls) end
  if entry.law then row.perturbed = statistics.against(rows, laws[entry.law].found, row.calls) end
  local first = row.family or row.perturbed or {}
  for key, value in pairs(first) do
    if key ~= "interval" then row[key] = value end
  end
  for key, value in pairs(first.interval or {}) do row.interval[key] = value end
  return row
end

return function(options, name, label, values)
  local o = check.options(name, options, rules())
  if not o.loss and not o.label then check.fail("MG-OPTION", "%s: option 'loss' or 'label' is missing", name) end
  local x = truth.one_instance(name, o.solver, o.theta)
  local what = { loss = o.loss, label = o.label, context = o.context }
  local list = make_layers(name, o)
  local laws = find_laws(name, o, list)
  local family = o.truth ~= "perturbed"
    and { gradient = (truth.family(name, o.solver, x, what, o.temperature)):to_list() } or nil
  local total = #laws * o.rounds
  for _, entry in ipairs(list) do
    plan(o, entry, x)
    total = total + entry.count
  end
  local bar = progress.new { total = total, label = name, quiet = not o.progress or not core.is_terminal(2) }
  local current
  local function tick() bar:tick(1, current) end
  for _, law in ipairs(laws) do
    current = law.noise.name
    law.found = truth.perturbed(name, { solver = o.solver, noise = law.noise, temperature = law.temperature,
      samples = o.samples, rounds = o.rounds }, x, what, tick)
  end
  local report = { laws = describe_laws(o, laws, family), label = label }
  for i, entry in ipairs(list) do
    current = entry.name
    report[i] = row_of(entry, x, family, laws, tick)
    report[i].value = values and values[i]
  end
  bar:finish()
  report = new_report(report)
  if not o.plot then return report end
  local ok, message = report:plot { file = o.plot }
  return report, not ok and message or nil
end

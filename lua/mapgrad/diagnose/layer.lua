--- Draws of a layer's gradient on a real problem, and hints in words; see diagnose.layer in diagnose/init.lua.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local measure = require "mapgrad.diagnose.measure"
local random = require "mapgrad.random"
local statistics = require "mapgrad.diagnose.statistics"
local tensor = require "mapgrad.tensor"

local FACTORS = { 0.5, 2 }
local FURTHER = { 10, 100, 1000, 1e4, 1e6, 1e9 } -- times lambda, tried until there are gradients

-- The mean gradients of even and of odd draws, and of all, as rows of instances; the share of zeros.
local function draw(o, factor, rounds)
  local sums, zeros, what = {}, 0, { loss = o.f, target = o.target, context = o.context, factor = factor }
  for r = 1, rounds do
    local rows = measure.gradient(o.layer, o.x, what):reshape(o.batch, o.n)
    zeros = zeros + rows:abs():max(2):eq(0):sum():item()
    local half = r % 2 + 1
    sums[half] = sums[half] and sums[half] + rows or rows
  end
  return { sums[1], sums[2] or sums[1], sums[1] and sums[2] and sums[1] + sums[2] or sums[1] or sums[2] },
    zeros / (rounds * o.batch)
end

-- The mean over instances of the cosine of rows.
local function agreement(a, b)
  local p, q, sum = a:to_table(), b:to_table(), 0
  for i = 1, #p do sum = sum + statistics.cosine(p[i], q[i]) end
  return sum / #p
end

-- Whether there is one fixed step.
local function has_step(layer)
  local own = measure.options_of(layer)
  return own.lambda ~= nil or own.target ~= nil and tostring(own.target):match "^fixed" ~= nil
end

-- Gradients at other steps, with the noise of the first.
local function sensitivity(o, mean, zero_rate, state)
  local list = {}
  local function add(factor)
    random.restore(state)
    local means, zeros = draw(o, factor, o.rounds)
    list[#list + 1] = { factor = factor, zero_rate = zeros, cosine = agreement(mean, means[3]) }
    return zeros
  end
  local last = zero_rate
  for _, factor in ipairs(FACTORS) do last = add(factor) end
  for _, factor in ipairs(FURTHER) do
    if last <= 0.5 then break end
    last = add(factor)
  end
  return list
end

-- Mean |dL/dz| of a layer whose answer has a gradient of its own.
local function upstream(o)
  if measure.is_loss(o.layer) or type(o.layer) == "table" and o.layer.loss then return nil end
  local probe = o.layer(o.x, o.context):detach():watch()
  o.f(probe):mean():backward()
  return probe.grad and probe.grad:abs():mean():item() or 0
end

-- ------------------------------------------------------------------ in words

local function zero_hint(r, layer)
  if r.upstream_size == 0 then return "the loss has no gradient for solutions: it does not reach the layer" end
  local own = measure.options_of(layer)
  local what = own.target and "the target's lambda" or own.lambda and "lambda" or "the temperature"
  local text = ("%.0f %% of gradients are zero: %s is too small for scores of this scale (mean |score| %.3g")
    :format(100 * r.zero_rate, what, r.score_size)
  if measure.is_loss(layer) then
    return ("%.0f %% of gradients are zero: these instances are solved as their targets say"):format(100 * r.zero_rate)
  end
  text = text .. (r.upstream_size and (", mean |upstream gradient| %.3g)"):format(r.upstream_size) or ")")
  for _, s in ipairs(r.sensitivity or {}) do
    if s.factor > 1 and s.zero_rate <= 0.5 then
      return text .. ("; at %g times as much %.0f %% are"):format(s.factor, 100 * s.zero_rate)
    end
  end
  return text
end

local function noise_hint(r)
  if r.zero_rate < 1 and r.agreement < 0.5 then
    return ("halves of the draws hardly agree (cosine %.2f): take more samples or a lower temperature"):format(
      r.agreement)
  end
end

local function step_hint(r)
  local worst
  for _, s in ipairs(r.sensitivity or {}) do
    if s.factor <= 2 and (not worst or s.cosine < worst.cosine) then worst = s end
  end
  if worst and r.zero_rate <= 0.5 and r.agreement >= 0.5 and worst.cosine < 0.5 then
    return ("the direction hangs on lambda: %g times as much has a cosine of %.2f"):format(worst.factor, worst.cosine)
  end
end

local function clip_hint(r)
  if r.repaired > 0.1 then
    return ("%.0f %% of costs were clipped to the solver's domain: lambda or the noise is large beside them"):format(
      100 * r.repaired)
  end
end

local function advice(r, layer)
  if r.agreement ~= r.agreement then return "a gradient is not a number: look at the loss and the scores" end
  local hints = {}
  for _, hint in ipairs { r.zero_rate > 0.5 and zero_hint or noise_hint, step_hint, clip_hint } do
    hints[#hints + 1] = hint(r, layer)
  end
  return #hints > 0 and table.concat(hints, "; ") or "nothing strikes"
end

local Reading = { __name = "mapgrad.reading", __tostring = function(self)
  local text = "zero rate %.3f, agreement of halves %.3f, clipped %.3f, %.4g solver calls and %.3g ms a draw"
  local lines = { text:format(self.zero_rate, self.agreement, self.repaired, self.calls, self.seconds * 1e3) }
  for _, s in ipairs(self.sensitivity or {}) do
    lines[#lines + 1] = ("lambda times %-5g zero rate %.3f, cosine %.3f"):format(s.factor, s.zero_rate, s.cosine)
  end
  lines[#lines + 1] = self.hint
  return table.concat(lines, "\n")
end }

-- ------------------------------------------------------------------ the look

local function prepare(layer, x, f, options)
  local name = "diagnose.layer"
  local o = check.options(name, options, { context = check.optional(check.any()), rounds = check.count(8) })
  if o.rounds < 2 then check.fail("MG-OPTION", "%s: rounds: 2 and more have halves", name) end
  o.layer = check.value(name .. ": layer", layer, check.callable())
  if measure.is_loss(layer) then
    o.target = check.value(name .. ": target", f, check.any())
  elseif check.type_of(layer) ~= "mapgrad.layer" then
    check.fail("MG-TYPE", "%s: layer: expected a layer or a loss over a solver, got %s", name, check.type_of(layer))
  else
    check.value(name .. ": f", f, check.callable())
    o.f = function(z) return f(z) end
  end
  o.x = tensor.of(x, name .. ": x"):detach()
  o.n, o.solver = layer.solver.n, layer.solver
  local _
  _, o.batch = o.solver:batch_of(o.x, name .. ": x")
  if o.batch == 0 then check.fail("MG-SHAPE", "%s: x has no instances", name) end
  return o
end

return function(layer, x, f, options)
  local o = prepare(layer, x, f, options)
  local r = { upstream_size = upstream(o), score_size = o.x:abs():mean():item() }
  local solver, state, started = o.solver, random.state(), core.clock()
  local solves, repaired, entries = solver.solves, solver.repaired, solver.entries
  local means
  means, r.zero_rate = draw(o, 1, o.rounds)
  r.agreement = agreement(means[1], means[2])
  r.calls, r.seconds = (solver.solves - solves) / o.rounds, (core.clock() - started) / o.rounds
  local seen = solver.entries - entries
  r.repaired = seen > 0 and (solver.repaired - repaired) / seen or 0
  if has_step(layer) then r.sensitivity = sensitivity(o, means[3], r.zero_rate, state) end
  r.hint = advice(r, layer)
  return setmetatable(r, Reading)
end

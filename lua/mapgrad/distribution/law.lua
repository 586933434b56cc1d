--- What every law is and does. theta [batch..., shape] throughout, scores; -inf forbids an entry. What is answered is
-- recorded by autograd with exact gradients; an instance without a solution is the error MG-NO-SOLUTION. Fields:
-- solver, shape, n, temperature.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local random = require "mapgrad.random"
local tensor = require "mapgrad.tensor"

local methods = {}
local Law = { __name = "mapgrad.law", __index = methods }

-- theta as a tensor of this law, and its leading extents.
local function read(self, theta, what)
  theta = tensor.of(theta, self.name)
  return theta, (self.solver:batch_of(theta, self.name .. ": " .. (what or "theta")))
end

-- [1, 1, ...] after leading extents, for broadcasting over an instance.
local function widen(self, t)
  local shape = t:shape()
  for _ = 1, #self.shape do shape[#shape + 1] = 1 end
  return t:reshape(shape)
end

-- theta with 0 where it is -inf.
local function finite(theta)
  return theta:eq(-math.huge):where(0, theta)
end

local function moment(self, theta, which, shape)
  return tensor.wrap(core.law_moments(self.plan, self.temperature, theta.handle, which, shape))
end

local function marginals(self, theta)
  return moment(self, theta, "mu", theta:shape())
end

-- J u, J the Jacobian of the marginals.
local function tangent(self, theta, u)
  return tensor.wrap(core.law_tangent(self.plan, self.temperature, theta.handle, u.handle, theta:shape()))
end

-- The operations of a law of the core.
local function operations(self)
  local tau = self.temperature
  local function leading(theta) return (self.solver:batch_of(theta)) end
  local function operation(name, forward, backward)
    return autograd.operation { name = self.name .. ": " .. name, forward = forward, backward = backward }
  end
  return {
    log_partition = operation("log_partition", function(saved, theta)
      saved.theta = theta
      return moment(self, theta, "A", leading(theta))
    end, function(saved, dy) return marginals(self, saved.theta) * widen(self, dy) * (1 / tau) end),

    marginals = operation("marginals", function(saved, theta)
      saved.theta = theta
      return marginals(self, theta)
    end, function(saved, dy) return tangent(self, saved.theta, dy) end),

    entropy = operation("entropy", function(saved, theta)
      saved.theta = theta
      return moment(self, theta, "H", leading(theta))
    end, function(saved, dy)
      return tangent(self, saved.theta, finite(saved.theta)) * widen(self, dy) * (-1 / tau)
    end),

    kl = operation("kl", function(saved, theta, other)
      saved.theta, saved.other = theta, other
      return tensor.wrap(core.law_divergence(self.plan, tau, theta.handle, other.handle, leading(theta)))
    end, function(saved, dy)
      local theta, other = saved.theta, saved.other
      dy = widen(self, dy) * (1 / tau)
      return tangent(self, theta, finite(theta) - finite(other)) * dy,
        (marginals(self, other) - marginals(self, theta)) * dy
    end),

    -- z [samples, batch..., shape], a constant
    log_prob = operation("log_prob", function(saved, theta, z)
      saved.theta, saved.z = theta, z
      return tensor.wrap(core.law_log_prob(self.plan, tau, theta.handle, z.handle, leading(z)))
    end, function(saved, dy)
      local mu = marginals(self, saved.theta)
      return ((saved.z - mu) * widen(self, dy)):sum(1) * (1 / tau)
    end),
  }
end

--- A(theta) = log sum_z exp(<z, theta> / temperature), [batch...].
function methods.log_partition(self, theta)
  return self.operations.log_partition((read(self, theta)))
end

--- E[z], [batch..., shape]. Its gradient is J u with J = Cov(z) / temperature.
function methods.marginals(self, theta)
  return self.operations.marginals((read(self, theta)))
end

--- In nats, [batch...].
function methods.entropy(self, theta)
  return self.operations.entropy((read(self, theta)))
end

--- KL(p_theta || p_other) [batch...], of equal shapes; inf if other forbids what theta allows.
function methods.kl(self, theta, other)
  theta, other = (read(self, theta)), (read(self, other, "other"))
  self:expect_shape(theta, other, "other")
  return self.operations.kl(theta, other)
end

function methods.expect_shape(self, theta, t, what)
  local got, expected = table.concat(t:shape(), "x"), table.concat(theta:shape(), "x")
  if got ~= expected then
    check.fail("MG-SHAPE", "%s: %s has shape %s, theta has %s", self.name, what, got, expected)
  end
end

-- 0 where z [samples, batch..., shape] is a solution, else -inf; [samples, batch...].
local function outside(self, z)
  local leading, batch = self.solver:batch_of(z)
  local list = self.solver:is_feasible(z:reshape(batch, compat.unpack(self.shape)), self.context)
  for i = 1, batch do list[i] = list[i] and 0 or -math.huge end
  return batch > 0 and tensor(list):reshape(leading) or tensor.zeros(leading)
end

--- log p(z): [batch...] for z of theta's shape, [samples, batch...] for z [samples, batch..., shape]. -inf where z is
-- no solution. Gradient for theta (z - E[z]) / temperature; none for z.
function methods.log_prob(self, theta, z)
  local leading
  theta, leading = read(self, theta)
  z = (read(self, z, "z")):detach()
  local is_one = z:axes() == theta:axes()
  local samples = is_one and z:unsqueeze(1) or z
  if samples:axes() ~= theta:axes() + 1 then self:expect_shape(theta, z, "z") end
  if samples:size(1) > 0 then self:expect_shape(theta, samples[1], "a sample of z") end
  local logs = self.operations.log_prob(theta, samples) + autograd.pause(outside, self, samples)
  return is_one and logs:reshape(leading) or logs
end

--- Exact samples, [samples, batch..., shape], not recorded.
-- @param theta       [batch..., shape], or with per_sample [samples, batch..., shape]
-- @param samples     how many of each instance (default 1)
-- @param draw        of random.draw (default: the next of the stream "noise"): a sample is a function of it, of its
--   number, the instance's, and theta
-- @param per_sample  true: theta has a row for each sample
function methods.sample(self, theta, samples, draw, per_sample)
  local leading
  theta, leading = read(self, theta)
  samples = check.value(self.name .. ": samples", samples or 1, check.whole())
  draw = draw or random.draw "noise"
  local shape = { samples }
  if per_sample and leading[1] ~= samples then
    check.fail("MG-SHAPE", "%s: theta has %s rows, expected one for each of %d samples", self.name,
      tostring(leading[1]), samples)
  end
  for i = per_sample and 2 or 1, #leading do shape[#shape + 1] = leading[i] end
  for _, extent in ipairs(self.shape) do shape[#shape + 1] = extent end
  local theta_samples = per_sample and samples or 1
  local rows = theta_samples > 0 and theta:count() / (theta_samples * core.law_size(self.plan)) or 0
  return tensor.wrap(core.law_sample(self.plan, self.temperature, theta.handle, draw.seed, draw.stream, draw.index,
    theta_samples, samples, random.first(draw, rows), shape))
end

--- J u, [batch..., shape], J = Cov(z) / temperature the Jacobian of the marginals, which is symmetric; not recorded.
function methods.tangent(self, theta, u)
  theta, u = (read(self, theta)), (read(self, u, "u"))
  self:expect_shape(theta, u, "u")
  return tangent(self, theta, u)
end

--- All solutions [states, shape]; up to 1,000,000.
function methods.enumerate(self)
  return self.solver:enumerate(self.context)
end

--- The most probable solution, the solver's argmax, of theta's shape; not recorded.
function methods.mode(self, theta)
  return self.solver:argmax((read(self, theta)):detach(), self.context)
end

--- E[f(z)], [batch...].
-- @param f                 function (z) -> values [samples, batch...] for z [samples, batch..., shape]
-- @param options.samples   draws; without it the sum over all solutions, whose gradient goes to theta and through f.
--   With it the gradient goes through f alone: for theta's see estimator.score_function
-- @param options.draw      of the samples
function methods.expectation(self, theta, f, options)
  local leading
  theta, leading = read(self, theta)
  check.value(self.name .. ": expectation: f", f, check.callable())
  local o = check.options(self.name .. ": expectation", options, {
    samples = check.optional(check.count()), draw = check.optional(check.any()),
  })
  if o.samples then return f(self:sample(theta:detach(), o.samples, o.draw)):mean(1) end
  local states = self:enumerate()
  local narrow, wide = { states:size(1) }, { states:size(1) }
  for i, extent in ipairs(leading) do narrow[i + 1], wide[i + 1] = 1, extent end
  for _, extent in ipairs(self.shape) do
    narrow[#narrow + 1], wide[#wide + 1] = extent, extent
  end
  local z = (tensor.zeros(wide) + states:reshape(narrow)):detach()
  local p = self:log_prob(theta, z):exp()
  local values = check.value(self.name .. ": what f answers", f(z), check.tensor)
  if table.concat(values:shape(), "x") ~= table.concat(p:shape(), "x") then
    check.fail("MG-SHAPE", "%s: f answers shape %s, expected %s", self.name, table.concat(values:shape(), "x"),
      table.concat(p:shape(), "x"))
  end
  return (p * values):sum(1)
end

--- The same law for theta [..., blocks, shape], whose messages name blocks.
function methods.with_blocks(self, blocks)
  local copy = {}
  for key, value in pairs(self) do copy[key] = value end
  copy.plan = self.make_plan(blocks)
  copy = setmetatable(copy, Law)
  copy.operations = operations(copy)
  return copy
end

Law.__tostring = function(self)
  return ("%s over %s, temperature %g"):format(self.name, tostring(self.solver), self.temperature)
end

local law = {}

--- A law of fields name (without "distribution."), solver, temperature, make_plan (function (blocks) -> plan of the
-- core), and context of the solver, or nil; own: methods of its own, or nil.
function law.new(fields)
  local self = setmetatable({
    name = "distribution." .. fields.name, solver = fields.solver, shape = fields.solver.shape, n = fields.solver.n,
    temperature = fields.temperature, context = fields.context, make_plan = fields.make_plan,
  }, Law)
  for name, method in pairs(fields.own or {}) do self[name] = method end
  if self.make_plan then
    self.plan = self.make_plan(1)
    self.operations = operations(self)
  end
  return self
end

--- The constructor of a law that the core has, of the solver of that name.
-- @param name   of both
-- @param names  of the settings that they share; settings that may be left out end in "?"
-- @param adapt  function (settings) -> settings of the solver, further ones of the plan, the solver's context; or nil
function law.of_solver(name, names, adapt)
  local rules = { temperature = check.positive(1) }
  for _, setting in ipairs(names) do
    local plain = setting:gsub("%?$", "")
    rules[plain] = plain == setting and check.any() or check.optional(check.any())
  end
  return function(options)
    local o = check.options("distribution." .. name, options, rules)
    local temperature, context, further = o.temperature, nil, nil
    o.temperature = nil
    if adapt then o, further, context = adapt(o) end
    local s = require("mapgrad.solver")[name](o)
    local settings = {}
    for _, setting in ipairs(s.settings) do
      if rules[setting[1]] then settings[setting[1]] = setting[2] end
    end
    for key, value in pairs(further or {}) do settings[key] = value end
    return law.new { name = name, solver = s, temperature = temperature, context = context,
      make_plan = function(blocks) return core.law_new(name, settings, blocks) end }
  end
end

return law

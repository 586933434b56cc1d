--- Noises: noise.gumbel(), normal, logistic, laplace, uniform, exponential, frechet { shape = 3 },
-- sum_of_gamma { k = 10 }, multiplicative, noise.given(tensor).
--
-- Options of all laws: location (default 0), scale (default 1; multiplicative has neither: the temperature is its
-- scale), antithetic (default false): samples 2i - 1 and 2i of an instance are the quantiles of the same uniforms u
-- and of 1 - u. The law of each sample stays, the variance of means over samples falls where they are monotone.
-- sum_of_gamma { k = 10 } draws its sum as one gamma variate, two or more for many terms, of a random shape
-- (Moschopoulos 1985): the law is exact. With tabled = true it draws by a table of the quantile function: other numbers
-- of the same law, a few times as fast, and antithetic if wanted; a law is tabulated once, in 0.1 s for 10 terms, 1 s
-- for 300, 10 s for 4096. These are the most of a table, of cdf, quantile and log_density, and 0.05 is the least k.
--
-- The numbers of a noise are a function of (seed, stream, draw, instance, sample, entry) and of nothing
-- else, so a backward pass has the noise of its forward pass without keeping it.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local random = require "mapgrad.random"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Noise = { __name = "mapgrad.noise", __index = methods }

local FORMS = { count = check.count, positive = check.positive, real = check.real }

-- Settings that are only printed if they are others.
local COMMON = { location = 0, scale = 1, antithetic = false, tabled = false }

-- Tabled laws by their settings, as long as one is in use: a table is made once.
local tabled = setmetatable({}, { __mode = "v" })

local function new_law(name, settings)
  if not settings.tabled then return core.noise_new(name, settings) end
  local keys = {}
  for key, value in pairs(settings) do
    keys[#keys + 1] = ("%s=%s"):format(key, type(value) == "number" and ("%.17g"):format(value) or tostring(value))
  end
  table.sort(keys)
  local key = name .. " " .. table.concat(keys, " ")
  local law = tabled[key] or core.noise_new(name, settings)
  tabled[key] = law
  return law
end

local function constructor(kind)
  local rules = {}
  for _, setting in ipairs(kind.settings) do
    local preset = setting.preset
    if setting.form == "flag" then
      rules[setting.name] = check.flag(preset ~= "0")
    else
      rules[setting.name] = FORMS[setting.form](preset and tonumber(preset))
    end
  end
  return function(options)
    local o = check.options("noise." .. kind.name, options, rules)
    return setmetatable({ name = kind.name, settings = o, kind = kind, law = new_law(kind.name, o) }, Noise)
  end
end

--- Numbers of the caller's instead of random ones: for golden files and specs.
-- @param values  tensor [samples, batch..., n...]; every use has these numbers
local function given(values)
  values = tensor.of(values, "noise.given")
  return setmetatable({ name = "given", values = values, settings = {} }, Noise)
end

--- The C noise for so many numbers.
function methods.bound(self, samples, batch, n)
  if self.law then return self.law end
  if self.values:count() ~= samples * batch * n or (samples > 1 and self.values:size(1) ~= samples) then
    check.fail("MG-SHAPE", "noise.given: numbers of shape %s, needed are %d samples of %d instances of %d entries",
      show.shape(self.values:shape()), samples, batch, n)
  end
  return core.noise_given(self.values.handle, samples, batch, n)
end

--- Draws a tensor [samples, batch, n].
-- @param shape  {samples, batch, n}
-- @param draw   of random.draw (default: the next of the stream "noise")
function methods.sample(self, shape, draw)
  draw = draw or random.draw "noise"
  local samples, batch, n = shape[1], shape[2], shape[3]
  if #shape ~= 3 then
    check.fail("MG-SHAPE", "noise: expected a shape of samples, batch, n, got %s", show.shape(shape))
  end
  return tensor.wrap(core.noise_sample(self:bound(samples, batch, n), draw.seed, draw.stream, draw.index,
    samples, batch, random.first(draw, batch), n, shape))
end

local function expect_law(self)
  if not self.law then check.fail("MG-ARGUMENT", "noise.given: given numbers have no law") end
end

-- A function of the law of an entry, of tensors or numbers.
local function of_law(name)
  local which = core.noise_functions[name]
  return function(self, values)
    expect_law(self)
    return tensor.wrap(core.noise_map(self.law, which, tensor.of(values, "noise." .. self.name).handle))
  end
end

--- log rho(x) of each entry of a tensor, rho the density of the law; not recorded, like what follows.
methods.log_density = of_law "log_density"

--- nu'(x) = -d log rho / dx of each entry, which score-function and perturbed estimators need; an error for laws
-- that have none. NaN where rho is 0.
methods.score = of_law "score"

--- P(X <= x) of each entry.
methods.cdf = of_law "cdf"

--- The x with P(X <= x) = p of each entry p; NaN for p outside of 0..1.
methods.quantile = of_law "quantile"

--- Mean, variance, third and fourth cumulant; nil for those that are not finite.
function methods.cumulants(self)
  expect_law(self)
  return core.noise_cumulants(self.law)
end

--- The same as a table {mean =, variance =, third =, fourth =}.
function methods.moments(self)
  local mean, variance, third, fourth = self:cumulants()
  return { mean = mean, variance = variance, third = third, fourth = fourth }
end

--- Whether theta is multiplied by factors: noise.multiplicative.
function methods.is_factor(self)
  return self.name == "multiplicative"
end

--- The factors exp(T e - T^2 / 2) that noise.multiplicative has for a draw, [samples, batch, n].
function methods.factors(self, shape, draw, temperature)
  if not self:is_factor() then
    check.fail("MG-ARGUMENT", "noise.%s: is added, has no factors; take noise.multiplicative", self.name)
  end
  return (self:sample(shape, draw) * temperature - temperature ^ 2 / 2):exp()
end

Noise.__tostring = function(self)
  local keys, parts = {}, {}
  for key, value in pairs(self.settings) do
    if value ~= COMMON[key] then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = ("%s = %s"):format(key, tostring(self.settings[key])) end
  return ("%s {%s}"):format(self.name, #parts > 0 and " " .. table.concat(parts, ", ") .. " " or "")
end

local kinds, names = {}, { "given", "kinds" }
for _, kind in ipairs(core.noise_kinds()) do
  kinds[kind.name] = kind
  names[#names + 1] = kind.name
end

return check.registry("noise", names, function(name)
  if name == "given" then return given end
  if name == "kinds" then return core.noise_kinds() end
  return constructor(kinds[name])
end)

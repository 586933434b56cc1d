--- Initial weights, drawn from the random stream "init".
--
-- Each law is a function (shape, options) -> tensor. Layers take one as their option `initial`: its
-- name, a function of a shape, or a number for all entries. A weight has the shape
-- [outputs, inputs, window...]: fan_in = inputs * window counts what one output sums over,
-- fan_out = outputs * window where one input goes to.
-- @usage nn.linear(784, 512, { initial = "kaiming_normal" })
-- nn.linear(784, 512, { initial = function(shape) return nn.initial.orthogonal(shape, { gain = 2 }) end })
-- @module mapgrad.nn.initial
require "mapgrad.autograd"
local check = require "mapgrad.check"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local initial = {}

local STREAM = "init"

local GAINS = {
  linear = function() return 1 end,
  sigmoid = function() return 1 end,
  tanh = function() return 5 / 3 end,
  relu = function() return math.sqrt(2) end,
  leaky_relu = function(slope) return math.sqrt(2 / (1 + slope * slope)) end,
  selu = function() return 3 / 4 end,
}
local NONLINEARITIES = { "leaky_relu", "linear", "relu", "selu", "sigmoid", "tanh" }

--- The factor that keeps the variance through a nonlinearity, as PyTorch has it: linear and sigmoid
-- 1, tanh 5/3, relu sqrt 2, leaky_relu sqrt(2 / (1 + slope^2)), selu 3/4.
-- @param nonlinearity  one of these names
-- @param slope         of leaky_relu (default 0.01)
-- @return number
function initial.gain(nonlinearity, slope)
  nonlinearity = check.value("nn.initial.gain: nonlinearity", nonlinearity, check.choice(NONLINEARITIES))
  return GAINS[nonlinearity](slope or 0.01)
end

--- fan_in and fan_out of a weight's shape.
-- @param shape  list [outputs, inputs, window...]
-- @return fan_in, fan_out; raises for fewer than two axes
function initial.fans(shape)
  if type(shape) ~= "table" or #shape < 2 then
    check.fail("MG-SHAPE", "nn.initial: expected a shape [outputs, inputs, window...], got %s",
      type(shape) == "table" and show.shape(shape) or "a " .. type(shape))
  end
  local window = 1
  for axis = 3, #shape do window = window * shape[axis] end
  return shape[2] * window, shape[1] * window
end

-- Entries uniform on (-bound, bound).
local function symmetric(shape, bound)
  return (tensor.uniform(shape, STREAM) - 0.5) * (2 * bound)
end

-- The deviation gain / sqrt(fan) of the Kaiming laws.
local function kaiming_deviation(name, shape, options)
  local o = check.options("nn.initial." .. name, options, {
    fan = check.choice({ "in", "out" }, "in"), slope = check.real(0),
    nonlinearity = check.choice(NONLINEARITIES, "leaky_relu"),
  })
  local fan_in, fan_out = initial.fans(shape)
  return initial.gain(o.nonlinearity, o.slope) / math.sqrt(o.fan == "in" and fan_in or fan_out)
end

--- Uniform with mean 0 and variance gain^2 / fan.
-- Source: He, Zhang, Ren, Sun 2015.
-- @param shape                 list [outputs, inputs, window...]
-- @param options.fan           "in" (default) keeps the variance of outputs, "out" that of gradients
-- @param options.nonlinearity  what follows, see `gain` (default "leaky_relu", with slope 0 a relu)
-- @param options.slope         of leaky_relu (default 0)
-- @return tensor of that shape
function initial.kaiming_uniform(shape, options)
  return symmetric(shape, math.sqrt(3) * kaiming_deviation("kaiming_uniform", shape, options))
end

--- Normal with mean 0 and variance gain^2 / fan.
-- Source: He, Zhang, Ren, Sun 2015.
-- @param shape    list [outputs, inputs, window...]
-- @param options  as for kaiming_uniform; { fan = "out" } is torchvision's for residual networks
-- @return tensor of that shape
function initial.kaiming_normal(shape, options)
  return tensor.normal(shape, STREAM) * kaiming_deviation("kaiming_normal", shape, options)
end

local function xavier_deviation(name, shape, options)
  local o = check.options("nn.initial." .. name, options, { gain = check.positive(1) })
  local fan_in, fan_out = initial.fans(shape)
  return o.gain * math.sqrt(2 / (fan_in + fan_out))
end

--- Uniform with mean 0 and variance 2 gain^2 / (fan_in + fan_out).
-- Source: Glorot, Bengio 2010.
-- @param shape         list [outputs, inputs, window...]
-- @param options.gain  (default 1)
-- @return tensor of that shape
function initial.xavier_uniform(shape, options)
  return symmetric(shape, math.sqrt(3) * xavier_deviation("xavier_uniform", shape, options))
end

--- Normal with mean 0 and variance 2 gain^2 / (fan_in + fan_out).
-- Source: Glorot, Bengio 2010.
-- @param shape    list [outputs, inputs, window...]
-- @param options  as for xavier_uniform
-- @return tensor of that shape
function initial.xavier_normal(shape, options)
  return tensor.normal(shape, STREAM) * xavier_deviation("xavier_normal", shape, options)
end

-- Makes list `row` (n numbers) orthogonal to the unit lists before it, then a unit list. Twice, so that
-- what rounding leaves of the first pass goes too.
local function orthogonalise(row, before)
  for _ = 1, 2 do
    for _, unit in ipairs(before) do
      local dot = 0
      for i = 1, #row do dot = dot + row[i] * unit[i] end
      for i = 1, #row do row[i] = row[i] - dot * unit[i] end
    end
    local norm = 0
    for i = 1, #row do norm = norm + row[i] * row[i] end
    norm = math.sqrt(norm)
    for i = 1, #row do row[i] = row[i] / norm end
  end
end

--- A random orthogonal matrix, times a gain: rows of the weight as [outputs, rest] are orthonormal, or
-- its columns where outputs is larger. Gram-Schmidt of normal numbers, in double; the matrix is
-- uniform among the orthogonal ones. Time outputs^2 * rest (or outputs * rest^2), in Lua.
-- Source: Saxe, McClelland, Ganguli 2014.
-- @param shape         list [outputs, inputs, window...]
-- @param options.gain  (default 1)
-- @return tensor of that shape
function initial.orthogonal(shape, options)
  local o = check.options("nn.initial.orthogonal", options, { gain = check.positive(1) })
  local rest = initial.fans(shape)
  local count = shape[1]
  local short, long = math.min(count, rest), math.max(count, rest)
  local drawn, rows = tensor.normal({ short, long }, STREAM), {}
  for i = 1, short do
    local row = drawn[i]:to_list()
    orthogonalise(row, rows)
    rows[i] = row
  end
  local matrix = short > 0 and tensor(rows) or tensor.new(short, long)
  if count > rest then matrix = matrix:transpose() end
  return matrix:reshape(shape) * o.gain
end

--- Normal entries.
-- @param shape              list
-- @param options.mean       (default 0)
-- @param options.deviation  (default 1)
-- @return tensor of that shape
function initial.normal(shape, options)
  local o = check.options("nn.initial.normal", options, {
    mean = check.real(0), deviation = check.not_negative(1),
  })
  return tensor.normal(shape, STREAM) * o.deviation + o.mean
end

--- Entries uniform on (low, high).
-- @param shape         list
-- @param options.low   (default 0)
-- @param options.high  (default 1)
-- @return tensor of that shape
function initial.uniform(shape, options)
  local o = check.options("nn.initial.uniform", options, { low = check.real(0), high = check.real(1) })
  return tensor.uniform(shape, STREAM) * (o.high - o.low) + o.low
end

--- All entries 0.
function initial.zeros(shape)
  return tensor.zeros(shape)
end

--- All entries 1.
function initial.ones(shape)
  return tensor.ones(shape)
end

return initial

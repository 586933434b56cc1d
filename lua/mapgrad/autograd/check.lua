--- Central differences: the truth that every gradient is held against.
local core = require "mapgrad.real"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

-- sum(y * weight) of f's result, as a number in double.
local function value(f, inputs, weight)
  local y = tape.pause(f, inputs)
  local a, b, sum = y:to_list(), weight, 0
  for i = 1, #a do sum = sum + a[i] * b[i] end
  return sum
end

local function weights(count)
  local list = {}
  for i = 1, count do list[i] = (i * 0.7548776662466927) % 1 - 0.3 end
  return list
end

local function numeric(f, inputs, input, step, weight)
  local result = {}
  for i = 0, input:count() - 1 do
    local x = core.get(input.handle, i)
    core.set(input.handle, i, x + step)
    local above = value(f, inputs, weight)
    core.set(input.handle, i, x - step)
    local below = value(f, inputs, weight)
    core.set(input.handle, i, x)
    result[i + 1] = (above - below) / (2 * step)
  end
  return result
end

--- Compares gradients with central differences of <w, f(inputs)> for a fixed w.
-- @param f       function (list of tensors) -> tensor
-- @param inputs  list of tensors; each is watched
-- @param options {step = 1e-6}
-- @return the largest error |g - d| / (1 + |d|), and where it stands: {input=, entry=, expected=, got=}
return function(f, inputs, options)
  local step = options and options.step or 1e-6
  for _, input in ipairs(inputs) do tape.watch(input).grad = nil end
  local y = f(inputs)
  local weight = weights(y:count())
  if y.id then
    local dy = tensor.new(y:shape())
    core.write(dy.handle, 0, weight)
    y:backward(dy)
  end
  local worst, place = 0, nil
  for k, input in ipairs(inputs) do
    local expected = numeric(f, inputs, input, step, weight)
    local got = input.grad and input.grad:to_list() or {}
    for i, d in ipairs(expected) do
      local g = got[i] or 0
      local err = math.abs(g - d) / (1 + math.abs(d))
      if err > worst or err ~= err then
        worst, place = err, { input = k, entry = i, expected = d, got = g }
      end
    end
  end
  return worst, place
end

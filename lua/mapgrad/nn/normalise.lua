--- Input images with mean 0 and deviation 1 per channel.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local BLOCK = 256 -- images whose moments are taken at a time

-- The mean over all images of f(block) [b, C, H, W], a list of C numbers.
local function channel_mean(images, f)
  local rows, sums = images:size(1), {}
  for first = 1, rows, BLOCK do
    local last = math.min(first + BLOCK - 1, rows)
    local block = tensor.scope(function()
      return f(images:rows(first, last)):mean(3, 4):mean(1):to_list()
    end)
    for c, value in ipairs(block) do sums[c] = (sums[c] or 0) + value * (last - first + 1) end
  end
  for c, sum in ipairs(sums) do sums[c] = sum / rows end
  return sums
end

-- A list of numbers as a tensor [C, 1, 1].
local function per_channel(list)
  return tensor(list):reshape(#list, 1, 1)
end

-- Mean and deviation of each channel: two lists.
local function moments(images)
  leading.check_images("nn.normalise: data", images)
  if images:axes() ~= 4 or images:count() == 0 then
    check.fail("MG-SHAPE", "nn.normalise: data: expected [count, channels, height, width], got %s",
      show.shape(images:shape()))
  end
  local mean = channel_mean(images, function(block) return block end)
  local center = per_channel(mean)
  local deviation = channel_mean(images, function(block) return (block - center):square() end)
  for c, variance in ipairs(deviation) do
    deviation[c] = variance > 0 and math.sqrt(variance) or 1
  end
  return mean, deviation
end

local function check_numbers(what, list, rule)
  if type(list) ~= "table" or #list == 0 then
    check.fail("MG-TYPE", "nn.normalise: %s: expected a list of numbers, got a %s", what,
      check.type_of(list))
  end
  for c, value in ipairs(list) do
    check.value(("nn.normalise: %s %d"):format(what, c), value, rule)
  end
end

--- (x - mean) / deviation per channel: x [batch..., C, H, W], same shape out. Nothing is trained;
-- the constants belong to the state.
-- @param options.data       images [count, C, H, W] whose mean and (biased) deviation are used; a
--   channel that is constant in them gets the deviation 1
-- @param options.mean       or: list of C numbers
-- @param options.deviation  with a list of C numbers above 0
-- @return a module with the buffers mean and deviation [C, 1, 1]
-- @usage nn.normalise { data = train.image }
return function(options)
  local o = check.options("nn.normalise", options, {
    data = check.optional(check.tensor), mean = check.optional(check.any()),
    deviation = check.optional(check.any()),
  })
  local mean, deviation = o.mean, o.deviation
  if o.data and (mean or deviation) or not o.data and not (mean and deviation) then
    check.fail("MG-OPTION", "nn.normalise: expected either data, or mean and deviation")
  end
  if o.data then mean, deviation = autograd.pause(moments, o.data) end
  check_numbers("mean", mean, check.real())
  check_numbers("deviation", deviation, check.positive())
  if #mean ~= #deviation then
    check.fail("MG-SHAPE", "nn.normalise: %d means but %d deviations", #mean, #deviation)
  end
  return module {
    title = ("normalise %d channels"):format(#mean),
    buffers = { { "mean", per_channel(mean) }, { "deviation", per_channel(deviation) } },
    forward = function(self, x)
      leading.check_images("nn.normalise", x, self.mean:size(1))
      return (x - self.mean) / self.deviation
    end,
  }
end

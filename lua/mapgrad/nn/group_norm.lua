--- Group normalisation.
-- Source: Wu, He 2018.
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

--- (x - mean) / sqrt(variance + epsilon) * gain + bias, with mean and (biased) variance over groups of
-- neighbouring channels of each instance: x [B, channels, ...], same shape out. gain and bias [channels]
-- start at 1 and 0. One group is layer normalisation, a group for each channel instance normalisation.
-- @param groups           number of groups; divides channels
-- @param channels         of x
-- @param options.epsilon  added to the variance (default 1e-5)
-- @return a module
return function(groups, channels, options)
  groups = check.value("nn.group_norm: groups", groups, check.count())
  channels = check.value("nn.group_norm: channels", channels, check.count())
  local o = check.options("nn.group_norm", options, { epsilon = check.positive(1e-5) })
  if channels % groups ~= 0 then
    check.fail("MG-ARGUMENT", "nn.group_norm: %d channels do not split into %d groups", channels, groups)
  end
  return module {
    title = ("group_norm %d, %d groups"):format(channels, groups),
    parameters = { { "gain", tensor.ones(channels) }, { "bias", tensor.zeros(channels) } },
    forward = function(self, x)
      check.value("nn.group_norm: input", x, check.tensor)
      if x:axes() < 2 or x:size(2) ~= channels then
        check.fail("MG-SHAPE", "nn.group_norm: expected [batch, %d, ...], got %s", channels, show.shape(x:shape()))
      end
      return x:group_norm(groups, self.gain, self.bias, o.epsilon)
    end,
  }
end

--- Batch normalisation.
-- Source: Ioffe, Szegedy 2015.
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local function check_input(x, channels)
  check.value("nn.batch_norm: input", x, check.tensor)
  if x:axes() < 2 or x:size(2) ~= channels then
    check.fail("MG-SHAPE", "nn.batch_norm: expected [batch, %d, ...], got %s", channels,
      show.shape(x:shape()))
  end
end

-- Normalises with the batch's statistics and adds them to the running ones.
local function train(self, x, o)
  local count = x:count() / self.gain:count()
  if count < 2 then
    check.fail("MG-SHAPE", "nn.batch_norm: training needs more than one value a channel, got %s",
      show.shape(x:shape()))
  end
  local mean, variance = tensor.like(self.mean), tensor.like(self.variance)
  local y = x:batch_norm(self.gain, self.bias, mean, variance, o.epsilon, false, o.relu)
  self.mean:blend_(1 - o.momentum, mean, o.momentum)
  self.variance:blend_(1 - o.momentum, variance, o.momentum * count / (count - 1))
  return y
end

--- Per channel, (x - mean) / sqrt(variance + epsilon) * gain + bias; x [B, C, ...], exactly one
-- batch axis. In training mean and variance (biased) are the batch's; at evaluation they are the
-- running ones, which training moves by r <- (1 - momentum) r + momentum * batch, the variance
-- unbiased (as in PyTorch).
-- gain and bias [C] start at 1 and 0, the running mean and variance [C] at 0 and 1.
-- @param channels          C
-- @param options.momentum  weight of the newest batch, 0 to 1 (default 0.1)
-- @param options.epsilon   added to the variance (default 1e-5)
-- @param options.relu      relu of the result in the same pass: quicker than nn.relu() after it, and the
--   result before it is not kept for the gradient (default false)
-- @return a module with the buffers mean and variance
return function(channels, options)
  channels = check.value("nn.batch_norm: channels", channels, check.count())
  local o = check.options("nn.batch_norm", options, {
    momentum = check.not_negative(0.1), epsilon = check.positive(1e-5), relu = check.flag(false),
  })
  if o.momentum > 1 then
    check.fail("MG-ARGUMENT", "nn.batch_norm: momentum: expected a number from 0 to 1, got %g",
      o.momentum)
  end
  return module {
    title = ("batch_norm %d%s"):format(channels, o.relu and ", relu" or ""),
    parameters = { { "gain", tensor.ones(channels) }, { "bias", tensor.zeros(channels) } },
    buffers = { { "mean", tensor.zeros(channels) }, { "variance", tensor.ones(channels) } },
    forward = function(self, x)
      check_input(x, channels)
      if self.training then return train(self, x, o) end
      return x:batch_norm(self.gain, self.bias, self.mean, self.variance, o.epsilon, true, o.relu)
    end,
  }
end

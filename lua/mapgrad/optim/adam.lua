--- Adam: steps scaled by running moments of the gradient.
-- Source: Kingma, Ba 2015.
local check = require "mapgrad.check"
local optimizer = require "mapgrad.optim.optimizer"
local tensor = require "mapgrad.tensor"

--- g = gradient + decay w;  m <- beta1 m + (1 - beta1) g;  s <- beta2 s + (1 - beta2) g^2;
-- w <- w - rate m' / (sqrt(s') + epsilon), m' = m / (1 - beta1^t), s' = s / (1 - beta2^t), t the
-- number of updates of that parameter.
-- @param parameters       list of watched tensors
-- @param options.rate     learning rate (default 1e-3)
-- @param options.beta1    memory of the mean, from 0, below 1 (default 0.9)
-- @param options.beta2    memory of the square, from 0, below 1 (default 0.999)
-- @param options.epsilon  above 0 (default 1e-8)
-- @param options.decay    weight of the L2 penalty decay |w|^2 / 2 (default 0)
-- @return an optimizer
-- @usage local adam = optim.adam(costs:parameters(), { rate = 5e-4 })
return function(parameters, options)
  local o = check.options("optim.adam", options, {
    rate = check.positive(1e-3), beta1 = check.not_negative(0.9), beta2 = check.not_negative(0.999),
    epsilon = check.positive(1e-8), decay = check.not_negative(0),
  })
  for _, name in ipairs { "beta1", "beta2" } do
    if o[name] >= 1 then
      check.fail("MG-ARGUMENT", "optim.adam: %s must be below 1, got %g", name, o[name])
    end
  end
  local moment, square, updates = {}, {}, {}
  local function rule(self, i, w, gradient)
    updates[i] = updates[i] + 1
    tensor.adam_(w, gradient, moment[i], square[i], self.rate, o.beta1, o.beta2, o.epsilon, o.decay,
      updates[i])
  end
  local self = optimizer.new("optim.adam", parameters, o.rate, rule,
    { moment = moment, square = square, updates = updates })
  for i, parameter in ipairs(self.parameters) do
    moment[i], square[i], updates[i] = optimizer.zeros(parameter), optimizer.zeros(parameter), 0
  end
  return self
end

--- Adam: steps scaled by running moments of the gradient.
-- Source: Kingma, Ba 2015.
local kind = require "mapgrad.optim.adam_kind"
local optimizer = require "mapgrad.optim.optimizer"

local ADAM = kind("optim.adam", 0, false)

--- g = gradient + decay w;  m <- beta1 m + (1 - beta1) g;  s <- beta2 s + (1 - beta2) g^2;
-- w <- w - rate m' / (sqrt(s') + epsilon), m' = m / (1 - beta1^t), s' = s / (1 - beta2^t), t the
-- number of updates of that parameter. The same numbers as PyTorch's Adam.
--
-- Parameters may come in groups, each a table with a list `parameters` and options that replace those
-- of all: optim.adam({ { parameters = a }, { parameters = b, rate = 1e-4, decay = 0 } }, { rate = 1e-3 }).
-- @param parameters         list of watched tensors, of {name, tensor} pairs, or of groups
-- @param options.rate       learning rate (default 1e-3)
-- @param options.beta1      memory of the mean, from 0, below 1 (default 0.9)
-- @param options.beta2      memory of the square, from 0, below 1 (default 0.999)
-- @param options.epsilon    above 0 (default 1e-8)
-- @param options.decay      weight of the L2 penalty decay |w|^2 / 2 (default 0)
-- @param options.clip_norm  gradients whose norm, all groups together, is more are scaled to it
--   (default: no limit)
-- @param options.clip_value entries of gradients are moved into -clip_value..clip_value, before the
--   norm is taken (default: no limit)
-- @return an optimizer
-- @usage local adam = optim.adam(costs:parameters(), { rate = 5e-4 })
return function(parameters, options)
  return optimizer.new(ADAM, parameters, options)
end

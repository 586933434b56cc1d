--- RMSprop: steps scaled by the running size of the gradient.
-- Sources: Tieleman, Hinton 2012 (lecture 6.5); centered: Graves 2013.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local optimizer = require "mapgrad.optim.optimizer"

local RMSPROP = {
  name = "optim.rmsprop",
  rules = {
    rate = check.positive(1e-2), beta = check.not_negative(0.99), epsilon = check.positive(1e-8),
    momentum = check.not_negative(0), centered = check.flag(false), decay = check.not_negative(0),
  },
}

function RMSPROP.check(o)
  optimizer.check_memory("optim.rmsprop", o, { "beta", "momentum" })
end

function RMSPROP.tensors(o)
  local list = { "square" }
  if o.centered then list[#list + 1] = "mean" end
  if o.momentum > 0 then list[#list + 1] = "velocity" end
  return list
end

function RMSPROP.update(o, w, gradient, own)
  core.rmsprop(w, gradient, own.square.handle, own.mean and own.mean.handle,
    own.velocity and own.velocity.handle, o.rate, o.beta, o.epsilon, o.momentum, o.decay)
end

--- g = gradient + decay w;  s <- beta s + (1 - beta) g^2;  d = g / (sqrt(s) + epsilon);
-- v <- momentum v + d;  w <- w - rate v. centered: m <- beta m + (1 - beta) g, and s - m^2 stands under
-- the root (0 where rounding makes it negative). The same numbers as PyTorch's RMSprop, whose alpha is
-- beta here.
-- @param parameters         list of watched tensors, of {name, tensor} pairs, or of groups: see
--   optim.adam
-- @param options.rate       learning rate (default 1e-2)
-- @param options.beta       memory of the square, from 0, below 1 (default 0.99)
-- @param options.epsilon    above 0 (default 1e-8)
-- @param options.momentum   from 0, below 1 (default 0)
-- @param options.centered   whether to scale by the deviation in place of the size (default false)
-- @param options.decay      weight of the L2 penalty decay |w|^2 / 2 (default 0)
-- @param options.clip_norm  gradients of a larger norm are scaled to it (default: no limit)
-- @param options.clip_value entries of gradients are moved into -clip_value..clip_value
-- @return an optimizer
-- @usage local rmsprop = optim.rmsprop(net:parameters(), { rate = 1e-3, momentum = 0.9 })
return function(parameters, options)
  return optimizer.new(RMSPROP, parameters, options)
end

--- AdamW: Adam whose decay of the weights does not pass through the moments.
-- Source: Loshchilov, Hutter 2019.
local kind = require "mapgrad.optim.adam_kind"
local optimizer = require "mapgrad.optim.optimizer"

local ADAMW = kind("optim.adamw", 0.01, true)

--- w <- (1 - rate decay) w, then a step of Adam without decay. The same numbers as PyTorch's AdamW.
-- @param parameters         list of watched tensors, of {name, tensor} pairs, or of groups: see
--   optim.adam
-- @param options.rate       learning rate (default 1e-3)
-- @param options.beta1      memory of the mean, from 0, below 1 (default 0.9)
-- @param options.beta2      memory of the square, from 0, below 1 (default 0.999)
-- @param options.epsilon    above 0 (default 1e-8)
-- @param options.decay      share of the rate by which weights shrink (default 0.01)
-- @param options.clip_norm  gradients of a larger norm are scaled to it (default: no limit)
-- @param options.clip_value entries of gradients are moved into -clip_value..clip_value
-- @return an optimizer
-- @usage local adamw = optim.adamw(net:parameters(), { rate = 1e-3, decay = 0.05 })
return function(parameters, options)
  return optimizer.new(ADAMW, parameters, options)
end

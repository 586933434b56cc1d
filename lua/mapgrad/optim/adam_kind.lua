--- What Adam and AdamW share: moments, and one fused update.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local optimizer = require "mapgrad.optim.optimizer"

--- A kind of optimizer for optimizer.new.
-- @param name       for messages
-- @param decay      default weight of the decay
-- @param decoupled  whether the decay acts on the weights and not on the gradient
return function(name, decay, decoupled)
  return {
    name = name,
    rules = {
      rate = check.positive(1e-3), beta1 = check.not_negative(0.9), beta2 = check.not_negative(0.999),
      epsilon = check.positive(1e-8), decay = check.not_negative(decay),
    },
    check = function(o) optimizer.check_memory(name, o, { "beta1", "beta2" }) end,
    tensors = function() return { "moment", "square" } end,
    update = function(o, w, gradient, own, t)
      core.adam(w, gradient, own.moment.handle, own.square.handle, o.rate, o.beta1, o.beta2, o.epsilon, o.decay,
        decoupled, t)
    end,
  }
end

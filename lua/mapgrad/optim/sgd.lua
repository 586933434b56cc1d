--- Stochastic gradient descent with momentum.
-- Sources: Robbins, Monro 1951; Polyak 1964; for Nesterov's form Sutskever, Martens, Dahl, Hinton
-- 2013.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local optimizer = require "mapgrad.optim.optimizer"

local SGD = {
  name = "optim.sgd",
  rules = {
    rate = check.positive(), momentum = check.not_negative(0), dampening = check.not_negative(0),
    nesterov = check.flag(false), decay = check.not_negative(0),
  },
}

function SGD.check(o)
  if o.momentum >= 1 or (o.nesterov and o.momentum == 0) then
    check.fail("MG-ARGUMENT", "optim.sgd: momentum must be below 1%s, got %g",
      o.nesterov and " and, for nesterov, above 0" or "", o.momentum)
  end
  if o.dampening > 1 or (o.nesterov and o.dampening > 0) then
    check.fail("MG-ARGUMENT", "optim.sgd: dampening must be %s, got %g",
      o.nesterov and "0 with nesterov" or "in 0..1", o.dampening)
  end
end

function SGD.tensors(o)
  return o.momentum > 0 and { "velocity" } or {}
end

function SGD.update(o, w, gradient, own, t)
  core.sgd(w, gradient, own.velocity and own.velocity.handle, o.rate, o.momentum, o.dampening, o.nesterov,
    o.decay, t)
end

--- g = gradient + decay w;  v <- momentum v + (1 - dampening) g, but g in the first update;
-- w <- w - rate v, or with nesterov w <- w - rate (g + momentum v). The same numbers as PyTorch's SGD.
-- @param parameters         list of watched tensors, of {name, tensor} pairs, or of groups: see
--   optim.adam
-- @param options.rate       learning rate
-- @param options.momentum   from 0, below 1 (default 0)
-- @param options.dampening  from 0 to 1 (default 0)
-- @param options.nesterov   whether to look ahead; wants momentum (default false)
-- @param options.decay      weight of the L2 penalty decay |w|^2 / 2 (default 0)
-- @param options.clip_norm  gradients of a larger norm are scaled to it (default: no limit)
-- @param options.clip_value entries of gradients are moved into -clip_value..clip_value
-- @return an optimizer
-- @usage local sgd = optim.sgd(net:parameters(), { rate = 0.1, momentum = 0.9 })
return function(parameters, options)
  return optimizer.new(SGD, parameters, options)
end

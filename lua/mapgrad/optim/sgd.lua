--- Stochastic gradient descent with momentum.
-- Sources: Robbins, Monro 1951; Polyak 1964; for Nesterov's form Sutskever, Martens, Dahl, Hinton
-- 2013.
local check = require "mapgrad.check"
local optimizer = require "mapgrad.optim.optimizer"

--- g = gradient + decay w;  v <- momentum v + g;  w <- w - rate v, or with nesterov
-- w <- w - rate (g + momentum v). v starts at 0.
-- @param parameters        list of watched tensors
-- @param options.rate      learning rate
-- @param options.momentum  from 0, below 1 (default 0)
-- @param options.nesterov  whether to look ahead; wants momentum (default false)
-- @param options.decay     weight of the L2 penalty decay |w|^2 / 2 (default 0)
-- @return an optimizer
-- @usage local sgd = optim.sgd(net:parameters(), { rate = 0.1, momentum = 0.9 })
return function(parameters, options)
  local o = check.options("optim.sgd", options, {
    rate = check.positive(), momentum = check.not_negative(0), nesterov = check.flag(false),
    decay = check.not_negative(0),
  })
  if o.momentum >= 1 or (o.nesterov and o.momentum == 0) then
    check.fail("MG-ARGUMENT", "optim.sgd: momentum must be below 1%s, got %g",
      o.nesterov and " and, for nesterov, above 0" or "", o.momentum)
  end
  local velocity = {}
  local function rule(self, i, w, gradient)
    local shrink = 1 - self.rate * o.decay
    if o.momentum == 0 then
      w:blend_(shrink, gradient, -self.rate)
      return
    end
    local v = velocity[i]
    v:blend_(o.momentum, gradient, 1):add_(w, o.decay)
    if o.nesterov then
      w:blend_(shrink, gradient, -self.rate):add_(v, -self.rate * o.momentum)
    else
      w:add_(v, -self.rate)
    end
  end
  local self = optimizer.new("optim.sgd", parameters, o.rate, rule, { velocity = velocity })
  if o.momentum > 0 then
    for i, parameter in ipairs(self.parameters) do velocity[i] = optimizer.zeros(parameter) end
  end
  return self
end

--- Gumbel-softmax: softmax((theta + noise_s) / temperature), a relaxed one-hot.
-- hard: the one-hot argmax forward, the gradient of the softmax backward. No solver calls.
-- Source: Jang, Gu, Poole 2017; Maddison, Mnih, Teh 2017.
-- @param options.temperature  above 0; towards 0 answers become one-hot (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.hard         whether answers are one-hot (default false)
-- @usage estimator.gumbel_softmax { temperature = 0.5 }(tensor.normal(4, 10))
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local random = require "mapgrad.random"
local relaxed = require "mapgrad.estimator.relaxed"

-- The largest entry of each row becomes 1; the gradient passes.
local harden = autograd.operation {
  name = "gumbel_softmax",
  forward = function(_, y) return relaxed.top(y, 1) end,
  backward = function(_, dz) return dz end,
}

return function(options)
  local o = check.options("estimator.gumbel_softmax", options, {
    temperature = check.positive(1), samples = check.count(1), hard = check.flag(false),
  })
  return relaxed.new("estimator.gumbel_softmax", o, function(x)
    local y = ((x + relaxed.gumbel(x, o.samples, random.draw "noise")) * (1 / o.temperature)):softmax(-1)
    return o.hard and harden(y) or y
  end, function(x) return relaxed.top(x, 1) end)
end

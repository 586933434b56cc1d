--- Sinkhorn: the doubly stochastic matrix P that maximises <theta, P> + temperature H(P), scores [batch..., n, n].
-- temperature to 0: the best assignment. Its gradient is exact, by the implicit function theorem: O(n^3). -inf forbids
-- an entry. No solver calls. Instances that do not converge are counted in layer.open.
-- Source: Sinkhorn, Knopp 1967; Cuturi 2013; Mena, Belanger, Linderman, Snoek 2018.
-- @param options.temperature  above 0 (default 1)
-- @param options.tolerance    of row sums (default 1e-6; 1e-12 in double)
-- @param options.iterations   at most (default 10,000)
-- @usage estimator.sinkhorn { temperature = 0.5 }(tensor.normal(4, 5, 5))
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local relaxed = require "mapgrad.estimator.relaxed"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

return function(options)
  local o = check.options("estimator.sinkhorn", options, {
    temperature = check.positive(1), tolerance = check.positive(core.info().real_bytes == 8 and 1e-12 or 1e-6),
    iterations = check.count(10000),
  })
  local self

  local scale = autograd.operation {
    name = "estimator.sinkhorn",
    forward = function(saved, theta)
      local handle, open = core.sinkhorn(theta.handle, theta:size(-1), o.temperature, o.tolerance, o.iterations)
      saved.p, self.open = tensor.wrap(handle), self.open + open
      return saved.p
    end,
    backward = function(saved, dp)
      return tensor.wrap(core.sinkhorn_vjp(saved.p.handle, dp.handle, dp:size(-1), o.temperature))
    end,
  }

  local function square(x)
    if x:size(-1) ~= x:size(-2) then
      check.fail("MG-SHAPE", "estimator.sinkhorn: expected shape [batch..., n, n], got %s", show.shape(x:shape()))
    end
    return x
  end

  self = relaxed.new("estimator.sinkhorn", o, function(x) return scale(square(x)):unsqueeze(1) end, function(x)
    local n = square(x):size(-1)
    return require("mapgrad.solver").assignment { rows = n, cols = n }:argmax(x)
  end, 2)
  self.open = 0
  return self
end

--- Relaxed subsets of k entries. No solver calls.
--   subset    a = theta + noise; k times: p = softmax(a / temperature), a <- a + log(1 - p); the sum of the p, which
--             sums to k (SoftSub)
--   concrete  the entry-wise maximum of k independent Gumbel-softmax draws (L2X); its sum is at most k
-- Source: Xie, Ermon 2019 (subset); Chen, Song, Wainwright, Jordan 2018 (concrete).
-- @param options.k            entries taken
-- @param options.temperature  above 0 (default 1)
-- @param options.samples      draws for each instance (default 1)
-- @param options.kind         "subset" (default) or "concrete"
-- @usage estimator.relaxed_top_k { k = 3, temperature = 0.5 }(tensor.normal(4, 10))
local check = require "mapgrad.check"
local random = require "mapgrad.random"
local relaxed = require "mapgrad.estimator.relaxed"

local TINY = 1e-30 -- log of 0 is kept finite

return function(options)
  local o = check.options("estimator.relaxed_top_k", options, {
    k = check.count(), temperature = check.positive(1), samples = check.count(1),
    kind = check.choice({ "subset", "concrete" }, "subset"),
  })
  local beta = 1 / o.temperature

  local function subset(x)
    local a = x + relaxed.gumbel(x, o.samples, random.draw "noise")
    local sum
    for j = 1, o.k do
      local p = (a * beta):softmax(-1)
      sum = sum and sum + p or p
      if j < o.k then a = a + (1 - p):maximum(TINY):log() end
    end
    return sum
  end

  local function concrete(x)
    local largest
    for _ = 1, o.k do
      local p = ((x + relaxed.gumbel(x, o.samples, random.draw "noise")) * beta):softmax(-1)
      largest = largest and largest:maximum(p) or p
    end
    return largest
  end

  local function forward(x)
    if o.k > x:size(-1) then
      check.fail("MG-SHAPE", "estimator.relaxed_top_k: k = %d of %d entries", o.k, x:size(-1))
    end
    return (o.kind == "subset" and subset or concrete)(x)
  end

  return relaxed.new("estimator.relaxed_top_k", o, forward, function(x) return relaxed.top(x, o.k) end)
end

--- Soft ranks: the projection of -theta / strength onto the permutahedron of (n, ..., 1), by isotonic regression.
-- Rank 1 is the largest score's. strength to 0: hard ranks; to infinity: all (n + 1) / 2. The ranks always add up to
-- n (n + 1) / 2, so a loss of their sum has gradient 0. O(n log n) a row, no solver calls. Scores must be finite.
-- Source: Blondel, Teboul, Berthet, Djolonga 2020.
-- @param options.strength  of the regularisation (default 1)
-- @usage estimator.soft_rank { strength = 0.1 }(tensor.normal(4, 10))
local check = require "mapgrad.check"
local finite = require "mapgrad.estimator.finite"
local relaxed = require "mapgrad.estimator.relaxed"
local tensor = require "mapgrad.tensor"

-- n, ..., 1
local function descending(n)
  local list = {}
  for i = 1, n do list[i] = n + 1 - i end
  return tensor.from(list)
end

return function(options)
  local o = check.options("estimator.soft_rank", options, { strength = check.positive(1) })
  return relaxed.new("estimator.soft_rank", o, function(x)
    finite("estimator.soft_rank", x, { n = x:size(-1) })
    local sorted, order = (x * (-1 / o.strength)):sort(-1, { descending = true })
    local projected = sorted - (sorted - descending(x:size(-1))):isotonic()
    local _, back = order:sort(-1) -- where each entry went
    return projected:gather(-1, back):unsqueeze(1)
  end, function(x)
    local _, order = x:sort(-1, { descending = true })
    local _, ranks = order:sort(-1)
    return ranks
  end)
end

--- Soft sorting: the projection of (n, ..., 1) / strength onto the permutahedron of theta: theta in descending order,
-- smoothed. strength to 0: the sorted scores; to infinity: their mean. O(n log n) a row, no solver calls. Scores must
-- be finite.
-- Source: Blondel, Teboul, Berthet, Djolonga 2020.
-- @param options.strength  of the regularisation (default 1)
-- @usage estimator.soft_sort { strength = 0.1 }(tensor.normal(4, 10))
local check = require "mapgrad.check"
local finite = require "mapgrad.estimator.finite"
local relaxed = require "mapgrad.estimator.relaxed"
local tensor = require "mapgrad.tensor"

return function(options)
  local o = check.options("estimator.soft_sort", options, { strength = check.positive(1) })
  return relaxed.new("estimator.soft_sort", o, function(x)
    finite("estimator.soft_sort", x, { n = x:size(-1) })
    local list, n = {}, x:size(-1)
    for i = 1, n do list[i] = (n + 1 - i) / o.strength end
    local z, sorted = tensor.from(list), (x:sort(-1, { descending = true }))
    return (z - (z - sorted):isotonic()):unsqueeze(1)
  end, function(x) return (x:sort(-1, { descending = true })) end)
end

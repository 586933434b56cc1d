--- Rows of reductions: sums, means, extremes over axes.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  local function reduction(name)
    local kind = core.reduce_kinds[name]
    add {
      name = "reduce_" .. name, inputs = 1,
      forward = function(x, o) return core.reduce(kind, x, o[1], o[2]) end,
      vjp = function(dy, y, x, _, _, o) return core.reduce_vjp(kind, x, y, dy, o[1], o[2]) end,
      sample = function()
        local x = function() return sample({ 2, 3, 4 }, -2, 2) end
        return {
          { { x() }, { 0, 3 } }, { { x() }, { 0, 1 } }, { { x() }, { 1, 1 } }, { { x() }, { 1, 2 } },
          { { x() }, { 2, 1 } }, { { sample({ 1 }, -2, 2) }, { 0, 1 } }, { { sample({}, -2, 2) }, { 0, 0 } },
          { { tensor.new(0, 2) }, { 1, 1 } },
        }
      end,
    }
  end

  reduction("sum")
  reduction("mean")
  reduction("max")
  reduction("min")
end

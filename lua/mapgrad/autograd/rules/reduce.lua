--- Rows of reductions over axes that stand side by side.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

-- Kinds whose value or gradient is undefined for a single entry.
local NEEDS_TWO = { var = true, var_biased = true, std = true, std_biased = true }

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  local function x() return sample({ 2, 3, 4 }, -2, 2) end

  local function samples(name)
    local list = {
      { { x() }, { 0, 3 } }, { { x() }, { 0, 1 } }, { { x() }, { 1, 1 } }, { { x() }, { 1, 2 } },
      { { x() }, { 2, 1 } }, { { tensor.new(0, 2) }, { 1, 1 } },
    }
    if not NEEDS_TWO[name] then
      list[#list + 1] = { { sample({ 1 }, -2, 2) }, { 0, 1 } }
      list[#list + 1] = { { sample({}, -2, 2) }, { 0, 0 } }
    end
    return list
  end

  -- shift: what the places of the core are moved by, which counts from 0
  local function reduction(name, shift)
    local kind = core.reduce_kinds[name]
    add {
      name = "reduce_" .. name, inputs = 1,
      --- o = {first axis from 0, number of axes}
      forward = shift and function(t, o) return core.affine(core.reduce(kind, t, o[1], o[2]), 1, shift) end
        or function(t, o) return core.reduce(kind, t, o[1], o[2]) end,
      vjp = function(dy, y, t, _, _, o) return core.reduce_vjp(kind, t, y, dy, o[1], o[2]) end,
      sample = function() return samples(name) end,
    }
  end

  for _, name in ipairs {
    "sum", "mean", "max", "min", "prod", "logsumexp", "var", "var_biased", "std", "std_biased", "norm_1", "norm_2",
    "norm_inf", "any", "all",
  } do
    reduction(name)
  end
  reduction("argmax", 1)
  reduction("argmin", 1)
end

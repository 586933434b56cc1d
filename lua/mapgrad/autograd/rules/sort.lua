--- The rows of sorting and isotonic regression.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  -- The inputs of a sample: x and the order of so many of its entries.
  local function ordered(x, axis, count, is_descending)
    return { { x, tensor.wrap(core.sort_order(x.handle, axis, count, is_descending)) }, axis }
  end

  --- the nearest decreasing row
  add {
    name = "isotonic", inputs = 1,
    forward = function(x) return core.isotonic(x) end,
    vjp = function(dy, y) return core.isotonic_vjp(y, dy) end,
    sample = function()
      return {
        { { sample({ 3, 7 }, -2, 2) } }, { { sample({ 1 }, -2, 2) } }, { { tensor.new(2, 0) } },
        { { sample({ 2, 3, 4 }, -2, 2, 1) } },
      }
    end,
  }

  --- x and the places of its entries in the result, from 0, which have no gradient; o = axis from 0
  add {
    name = "sort", inputs = 2,
    forward = function(x, order, o) return core.sort_values(x, order, o) end,
    vjp = function(dy, _, x, order, _, o, want_x, want_order)
      return want_x and core.sort_vjp(x, order, dy, o), want_order and core.affine(order, 0, 0)
    end,
    sample = function()
      local x = sample({ 3, 5, 2 }, -2, 2)
      return {
        ordered(x, 0, 3, false), ordered(x, 1, 5, true), ordered(x, 1, 2, true), ordered(x, 2, 2, false),
        ordered(sample({ 1 }, -2, 2), 0, 1, false), ordered(tensor.new(0, 2), 0, 0, false),
        ordered(sample({ 2, 3 }, -2, 2), 1, 0, true),
      }
    end,
  }
end

--- Rows of matrix products.
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"

local unpack = compat.unpack

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- o = {transpose_a, transpose_b}, 0 or 1
  add {
    name = "matmul", inputs = 2,
    forward = function(a, b, o) return core.matmul(a, b, o[1], o[2]) end,
    vjp = function(dy, _, a, b, _, o, want_a, want_b)
      return want_a and core.matmul_vjp(0, a, b, dy, o[1], o[2]), want_b and core.matmul_vjp(1, a, b, dy, o[1], o[2])
    end,
    sample = function()
      local list = { { { sample({ 1, 1 }, -1, 1), sample({ 1, 1 }, -1, 1, 1) }, { 0, 0 } } }
      -- Batches of op(a), 3x4, and op(b), 4x2
      local batches = {
        { {}, {} }, { { 2 }, { 2 } }, { { 2 }, {} }, { {}, { 2 } }, { { 3, 1 }, { 2 } }, { { 1, 2 }, { 3, 2 } },
        { { 2, 1, 3 }, { 1, 2, 1 } }, { { 0 }, {} }, { { 1 }, { 0 } },
      }
      local function m(batch, rows, columns, turned, salt)
        local shape = { unpack(batch) }
        shape[#shape + 1] = turned == 1 and columns or rows
        shape[#shape + 1] = turned == 1 and rows or columns
        return sample(shape, -1, 1, salt)
      end
      for _, batch in ipairs(batches) do
        for turns = 0, 3 do
          local ta, tb = turns % 2, math.floor(turns / 2)
          list[#list + 1] = { { m(batch[1], 3, 4, ta), m(batch[2], 4, 2, tb, 1) }, { ta, tb } }
        end
      end
      for _, extents in ipairs { { 0, 3, 2 }, { 3, 0, 2 }, { 2, 3, 0 } } do
        local rows, inner, columns = unpack(extents)
        list[#list + 1] = { { m({ 2 }, rows, inner, 0), m({}, inner, columns, 0, 1) }, { 0, 0 } }
      end
      return list
    end,
  }
end

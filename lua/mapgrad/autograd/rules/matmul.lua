--- Rows of matrix products.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- o = {transpose_a, transpose_b}, 0 or 1
  add {
    name = "matmul", inputs = 2,
    forward = function(a, b, o) return core.matmul(a, b, o[1], o[2]) end,
    vjp = function(dy, _, a, b, _, o, want_a, want_b)
      local ta, tb = o[1], o[2]
      local da, db
      if want_a then
        da = ta == 0 and core.matmul(dy, b, 0, 1 - tb) or core.matmul(b, dy, tb, 1)
      end
      if want_b then
        db = tb == 0 and core.matmul(a, dy, 1 - ta, 0) or core.matmul(dy, a, 1, ta)
      end
      return da, db
    end,
    sample = function()
      local function m(r, c, salt) return sample({ r, c }, -1, 1, salt) end
      return {
        { { m(3, 4), m(4, 2, 1) }, { 0, 0 } }, { { m(4, 3), m(4, 2, 1) }, { 1, 0 } },
        { { m(3, 4), m(2, 4, 1) }, { 0, 1 } }, { { m(4, 3), m(2, 4, 1) }, { 1, 1 } },
        { { m(1, 1), m(1, 1, 1) }, { 0, 0 } }, { { tensor.new(0, 3), m(3, 2) }, { 0, 0 } },
      }
    end,
  }
end

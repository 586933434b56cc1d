--- Rows of operations that move entries: reshaping, axes, rows, slices.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- o = shape
  add {
    name = "reshape", inputs = 1, shares = true,
    forward = function(x, o) return core.reshape(x, o) end,
    vjp = function(dy, _, x) return core.reshape(dy, core.shape(x)) end,
    sample = function()
      return { { { sample({ 2, 6 }, -2, 2) }, { 3, 4 } }, { { sample({ 1 }, -2, 2) }, {} },
        { { tensor.new(0, 2) }, { 0 } } }
    end,
  }

  -- Axis i of the inverse is where axis i went.
  local function inverse(order)
    local back = {}
    for i, axis in ipairs(order) do back[axis] = i end
    return back
  end

  --- o = order of axes, from 1
  add {
    name = "permute", inputs = 1,
    forward = function(x, o) return core.permute(x, o) end,
    vjp = function(dy, _, _, _, _, o) return core.permute(dy, inverse(o)) end,
    sample = function()
      return { { { sample({ 2, 3, 4 }, -2, 2) }, { 3, 1, 2 } }, { { sample({ 3, 2 }, -2, 2) }, { 2, 1 } },
        { { tensor.new(0, 2) }, { 2, 1 } } }
    end,
  }

  --- o = list of rows, from 1
  add {
    name = "take", inputs = 1,
    forward = function(x, o) return core.take(x, o) end,
    vjp = function(dy, _, x, _, _, o) return core.take_vjp(x, o, dy) end,
    sample = function()
      return { { { sample({ 4, 3 }, -2, 2) }, { 3, 1, 3 } }, { { sample({ 2 }, -2, 2) }, { 2 } },
        { { sample({ 2, 2 }, -2, 2) }, {} } }
    end,
  }

  --- o = {axis, first, count}, axis and first from 0
  add {
    name = "slice", inputs = 1,
    forward = function(x, o) return core.slice(x, o[1], o[2], o[3]) end,
    vjp = function(dy, _, x, _, _, o) return core.slice_vjp(x, o[1], o[2], dy) end,
    sample = function()
      return { { { sample({ 3, 4 }, -2, 2) }, { 1, 1, 2 } }, { { sample({ 3, 4, 2 }, -2, 2) }, { 0, 2, 1 } },
        { { sample({ 3 }, -2, 2) }, { 0, 1, 0 } } }
    end,
  }
end

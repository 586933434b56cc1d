--- Rows of softmax, its logarithm and running sums along an axis.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  -- o = axis, from 0
  local function samples()
    local list = { { { sample({ 1 }, -2, 2) }, 0 }, { { sample({ 70 }, -2, 2) }, 0 }, { { tensor.new(0, 2) }, 1 },
      { { tensor.new(2, 0) }, 1 }, { { sample({ 2, 5, 1 }, -2, 2) }, 1 } }
    for axis = 0, 2 do list[#list + 1] = { { sample({ 2, 3, 4 }, -2, 2) }, axis } end
    return list
  end

  local function softmax(name, is_log)
    add {
      name = name, inputs = 1, sample = samples,
      forward = function(x, axis) return core.softmax(x, axis, is_log) end,
      vjp = function(dy, y, _, _, _, axis) return core.softmax_vjp(y, dy, axis, is_log) end,
    }
  end

  softmax("softmax", false)
  softmax("log_softmax", true)

  add {
    name = "cumsum", inputs = 1, sample = samples,
    forward = function(x, axis) return core.cumsum(x, axis, false) end,
    vjp = function(dy, _, _, _, _, axis) return core.cumsum(dy, axis, true) end,
  }
end

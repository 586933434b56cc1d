--- Rows of losses that are computed in one pass.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- inputs logits, target; o = {whether the target holds class numbers, smoothing}
  add {
    name = "cross_entropy", inputs = 2,
    forward = function(x, t, o) return core.cross_entropy(x, t, o[1], o[2]) end,
    vjp = function(dy, _, x, t, _, o, want_x, want_t)
      return want_x and core.cross_entropy_vjp(0, x, t, o[1], o[2], dy),
        want_t and core.cross_entropy_vjp(1, x, t, o[1], o[2], dy)
    end,
    sample = function()
      local function case(shape, target, smoothing)
        return { { sample(shape, -2, 2), sample(target, 0, 1, 1) }, { false, smoothing } }
      end
      return {
        case({ 3, 4 }, { 3, 4 }, 0), case({ 2, 3, 4 }, { 3, 4 }, 0.1), case({ 2, 3, 4 }, { 2, 3, 4 }, 1),
        case({ 5 }, { 5 }, 0), case({ 1, 1 }, { 1, 1 }, 0), { { tensor.new(0, 3), tensor.new(0, 3) }, { false, 0 } },
      }
    end,
  }

  --- inputs logits, target; o = number of trailing axes that are summed
  add {
    name = "bernoulli", inputs = 2,
    forward = function(x, t, axes) return core.bernoulli(x, t, axes) end,
    vjp = function(dy, _, x, t, _, axes, want_x, want_t)
      return want_x and core.bernoulli_vjp(0, x, t, axes, dy), want_t and core.bernoulli_vjp(1, x, t, axes, dy)
    end,
    sample = function()
      local function case(shape, target, axes)
        return { { sample(shape, -3, 3), sample(target, 0, 1, 1) }, axes }
      end
      return {
        case({ 3, 4 }, { 3, 4 }, 1), case({ 2, 3, 4 }, { 3, 4 }, 1), case({ 2, 3, 4 }, { 2, 3, 4 }, 3),
        case({ 3, 4 }, { 4 }, 0), case({}, {}, 0), case({ 1, 1 }, { 1 }, 1),
        { { tensor.new(0, 3), tensor.new(0, 3) }, 1 }, { { tensor.new(2, 0), tensor.new(2, 0) }, 1 },
      }
    end,
  }
end

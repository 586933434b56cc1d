--- Rows of convolution, pooling and normalisation.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- inputs x, weight, bias or nil; o = {stride, pad, dilation: vertical and horizontal each, groups}
  add {
    name = "conv2d", inputs = 3,
    forward = function(x, weight, bias, o) return core.conv2d(x, weight, bias, o) end,
    vjp = function(dy, _, x, weight, _, o, want_x, want_weight, want_bias)
      return want_x and core.conv2d_vjp_input(x, weight, dy, o),
        want_weight and core.conv2d_vjp_weight(x, weight, dy, o),
        want_bias and core.conv2d_vjp_bias(dy)
    end,
    sample = function()
      local function case(x, weight, o, biased)
        return { { sample(x, -1, 1), sample(weight, -1, 1, 1), biased and sample({ weight[1] }, -1, 1, 2) or nil }, o }
      end
      return {
        case({ 2, 3, 6, 5 }, { 4, 3, 3, 3 }, { 1, 1, 1, 1, 1, 1, 1 }, true),
        case({ 3, 2, 7, 7 }, { 2, 2, 3, 3 }, { 2, 2, 1, 1, 1, 1, 1 }),
        case({ 1, 1, 4, 4 }, { 1, 1, 4, 4 }, { 1, 1, 0, 0, 1, 1, 1 }, true),
        case({ 2, 3, 3, 3 }, { 2, 3, 1, 1 }, { 1, 1, 0, 0, 1, 1, 1 }, true),
        case({ 1, 2, 5, 6 }, { 3, 2, 5, 5 }, { 2, 2, 2, 2, 1, 1, 1 }),
        case({ 2, 2, 7, 6 }, { 3, 2, 3, 2 }, { 2, 1, 1, 0, 1, 2, 1 }, true), -- each axis its own
        case({ 1, 2, 9, 8 }, { 2, 2, 3, 3 }, { 1, 1, 2, 2, 2, 2, 1 }),
        case({ 2, 4, 5, 5 }, { 6, 2, 3, 3 }, { 1, 1, 1, 1, 1, 1, 2 }, true), -- groups
        case({ 2, 3, 5, 4 }, { 3, 1, 3, 3 }, { 2, 2, 1, 1, 1, 1, 3 }),
        case({ 2, 1, 1, 9 }, { 2, 1, 1, 3 }, { 1, 2, 0, 1, 1, 1, 1 }, true), -- one row: conv1d
        case({ 2, 16, 6, 5 }, { 16, 16, 3, 3 }, { 1, 1, 1, 1, 1, 1, 1 }, true), -- Winograd's way
        case({ 1, 16, 7, 9 }, { 17, 16, 3, 3 }, { 1, 1, 0, 2, 1, 1, 1 }),
        case({ 0, 1, 4, 4 }, { 1, 1, 3, 3 }, { 1, 1, 1, 1, 1, 1, 1 }),
      }
    end,
  }

  local function pooling(kind)
    --- o = {kernel, stride, pad: vertical and horizontal each}
    add {
      name = kind .. "_pool2d", inputs = 1,
      forward = function(x, o) return core.pool2d(core.reduce_kinds[kind], x, o) end,
      vjp = function(dy, y, x, _, _, o) return core.pool2d_vjp(core.reduce_kinds[kind], x, y, dy, o) end,
      sample = function()
        return {
          { { sample({ 2, 3, 6, 4 }, -2, 2) }, { 2, 2, 2, 2, 0, 0 } },
          { { sample({ 1, 2, 7, 7 }, -2, 2) }, { 3, 3, 2, 2, 1, 1 } },
          { { sample({ 1, 1, 3, 3 }, -2, 2) }, { 3, 3, 1, 1, 0, 0 } },
          { { sample({ 2, 1, 5, 8 }, -2, 2) }, { 1, 3, 1, 3, 0, 1 } },
          { { sample({ 1, 2, 6, 7 }, -2, 2) }, { 3, 2, 1, 2, 1, 0 } },
          { { tensor.new(0, 2, 4, 4) }, { 2, 2, 2, 2, 0, 0 } },
        }
      end,
    }
    --- o = {height, width}
    add {
      name = "adaptive_" .. kind .. "_pool2d", inputs = 1,
      forward = function(x, o) return core.adaptive_pool2d(core.reduce_kinds[kind], x, o[1], o[2]) end,
      vjp = function(dy, y, x, _, _, o)
        return core.adaptive_pool2d_vjp(core.reduce_kinds[kind], x, y, dy, o[1], o[2])
      end,
      sample = function()
        return {
          { { sample({ 2, 2, 6, 6 }, -2, 2) }, { 3, 3 } }, { { sample({ 1, 2, 7, 5 }, -2, 2) }, { 3, 2 } },
          { { sample({ 1, 1, 3, 3 }, -2, 2) }, { 1, 1 } }, { { sample({ 2, 1, 1, 6 }, -2, 2) }, { 1, 3 } },
          { { sample({ 1, 1, 4, 6 }, -2, 2) }, { 2, 2 } },
        }
      end,
    }
  end

  pooling "max"
  pooling "mean"

  --- inputs x, gain, bias; o = {mean, variance, epsilon, fixed, rectified}: handles that are written unless
  -- fixed
  add {
    name = "batch_norm", inputs = 3,
    forward = function(x, gain, bias, o) return core.batch_norm(x, gain, bias, o[1], o[2], o[3], o[4], o[5]) end,
    vjp = function(dy, y, x, gain, _, o, _, _, _, owned)
      return core.batch_norm_vjp(x, y, gain, o[1], o[2], dy, o[3], o[4], o[5], owned)
    end,
    sample = function()
      local function case(shape, fixed, rectified)
        local c = shape[2]
        return { { sample(shape, -1, 1), sample({ c }, 0.5, 1.5, 1), sample({ c }, -1, 1, 2) },
          { sample({ c }, -1, 1, 3).handle, sample({ c }, 0.5, 1, 4).handle, 1e-5, fixed, rectified } }
      end
      return {
        case({ 4, 3, 2, 2 }, false, false), case({ 4, 3, 2, 2 }, true, false), case({ 5, 2 }, false, false),
        case({ 2, 1, 3 }, true, false), case({ 3, 2, 3, 3 }, false, true), case({ 4, 3 }, false, true),
        case({ 2, 3, 2, 5 }, true, true),
      }
    end,
  }
end

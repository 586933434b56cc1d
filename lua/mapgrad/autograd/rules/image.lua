--- Rows of convolution, pooling and normalisation.
local core = require "mapgrad.real"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
  --- inputs x, weight, bias or nil; o = {stride, pad}
  add {
    name = "conv2d", inputs = 3,
    forward = function(x, weight, bias, o) return core.conv2d(x, weight, bias, o[1], o[2]) end,
    vjp = function(dy, _, x, weight, _, o, want_x, want_weight, want_bias)
      return want_x and core.conv2d_vjp_input(x, weight, dy, o[1], o[2]),
        want_weight and core.conv2d_vjp_weight(x, weight, dy, o[1], o[2]),
        want_bias and core.conv2d_vjp_bias(dy)
    end,
    sample = function()
      local function case(b, c, h, w, d, k, stride, pad, biased)
        return { { sample({ b, c, h, w }, -1, 1), sample({ d, c, k, k }, -1, 1, 1),
          biased and sample({ d }, -1, 1, 2) or nil }, { stride, pad } }
      end
      return {
        case(2, 3, 6, 5, 4, 3, 1, 1, true), case(3, 2, 7, 7, 2, 3, 2, 1), case(1, 1, 4, 4, 1, 4, 1, 0, true),
        case(2, 3, 3, 3, 2, 1, 1, 0, true), case(1, 2, 5, 6, 3, 5, 2, 2),
      }
    end,
  }

  --- o = {kernel, stride, pad}
  add {
    name = "max_pool2d", inputs = 1,
    forward = function(x, o) return core.max_pool2d(x, o[1], o[2], o[3]) end,
    vjp = function(dy, _, x, _, _, o) return core.max_pool2d_vjp(x, dy, o[1], o[2], o[3]) end,
    sample = function()
      return { { { sample({ 2, 3, 6, 4 }, -2, 2) }, { 2, 2, 0 } }, { { sample({ 1, 2, 7, 7 }, -2, 2) }, { 3, 2, 1 } },
        { { sample({ 1, 1, 3, 3 }, -2, 2) }, { 3, 1, 0 } } }
    end,
  }

  local function adaptive(name, kind)
    add {
      name = name, inputs = 1,
      forward = function(x, o) return core.adaptive_pool2d(kind, x, o[1], o[2]) end,
      vjp = function(dy, _, x, _, _, o) return core.adaptive_pool2d_vjp(kind, x, dy, o[1], o[2]) end,
      sample = function()
        return { { { sample({ 2, 2, 6, 6 }, -2, 2) }, { 3, 3 } }, { { sample({ 1, 2, 7, 5 }, -2, 2) }, { 3, 2 } },
          { { sample({ 1, 1, 3, 3 }, -2, 2) }, { 1, 1 } } }
      end,
    }
  end

  adaptive("adaptive_max_pool2d", core.reduce_kinds.max)
  adaptive("adaptive_mean_pool2d", core.reduce_kinds.mean)

  --- inputs x, gain, bias; o = {mean, variance, epsilon, fixed}: handles that are written unless fixed
  add {
    name = "batch_norm", inputs = 3,
    forward = function(x, gain, bias, o) return core.batch_norm(x, gain, bias, o[1], o[2], o[3], o[4]) end,
    vjp = function(dy, _, x, gain, _, o) return core.batch_norm_vjp(x, gain, o[1], o[2], dy, o[3], o[4]) end,
    sample = function()
      local function case(shape, fixed)
        local c = shape[2]
        return { { sample(shape, -1, 1), sample({ c }, 0.5, 1.5, 1), sample({ c }, -1, 1, 2) },
          { sample({ c }, -1, 1, 3).handle, sample({ c }, 0.5, 1, 4).handle, 1e-5, fixed } }
      end
      return { case({ 4, 3, 2, 2 }, false), case({ 4, 3, 2, 2 }, true), case({ 5, 2 }, false), case({ 2, 1, 3 }, true) }
    end,
  }
end

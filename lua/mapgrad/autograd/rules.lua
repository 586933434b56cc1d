--- The rules table: one row an operation, with its forward function, its vjp and a sample for the check.
--
-- forward(a, b, c, o) and vjp(dy, y, a, b, c, o, want_a, want_b, want_c) work on handles; rules of one
-- or two inputs leave the others out of forward. o is the rule's option. vjp returns a gradient for each
-- wanted input. shares: the result of vjp shares storage with dy. A row is installed as a tensor method
-- of its name. sample() lists {inputs, option} with inputs as tensors: every row is checked at each of
-- them against central differences in double.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local rules = {}

local function add(row)
  rules[#rules + 1] = row
  rules[row.name] = row
  return row
end

-- Fixed inputs for the checks: away from the kinks of abs, relu, max.
local function sample(shape, low, high, salt)
  local t, count = tensor.new(shape), 1
  for _, extent in ipairs(shape) do count = count * extent end
  local list = {}
  for i = 1, count do
    local u = (i * 0.6180339887498949 + (salt or 0) * 0.41421356) % 1
    list[i] = low + (high - low) * u + (u < 0.5 and -1 or 1) * 0.01
  end
  core.write(t.handle, 0, list)
  return t
end

-- ------------------------------------------------------------------ elementwise

local function unary(name, low, high)
  local kind = core.unary_kinds[name]
  add {
    name = name, inputs = 1,
    forward = function(x) return core.unary(kind, x) end,
    vjp = function(dy, y, x) return core.unary_vjp(kind, x, y, dy) end,
    sample = function()
      return {
        { { sample({ 3, 4 }, low, high) } }, { { sample({}, low, high) } }, { { sample({ 1 }, low, high) } },
        { { tensor.new(0, 3) } },
      }
    end,
  }
end

unary("abs", -2, 2)
unary("exp", -2, 2)
unary("log", 0.3, 3)
unary("sqrt", 0.3, 3)
unary("square", -2, 2)
unary("relu", -2, 2)
unary("sigmoid", -3, 3)
unary("softplus", -3, 3)
unary("tanh", -2, 2)
unary("sign", -2, 2)

local function pairs_of_shapes(low, high)
  local function pair(p, q)
    return { { sample(p, low, high), sample(q, low, high, 1) } }
  end
  return {
    pair({ 3, 4 }, { 3, 4 }), pair({ 3, 4 }, { 4 }), pair({ 3, 1 }, { 1, 4 }), pair({}, { 2, 3 }),
    pair({ 2, 3, 4 }, { 3, 1 }), pair({ 1 }, { 1 }), pair({ 0, 2 }, { 2 }), pair({ 2, 1, 3 }, { 4, 1 }),
  }
end

local function binary(name, low, high)
  local kind = core.binary_kinds[name]
  add {
    name = name, inputs = 2,
    forward = function(a, b) return core.binary(kind, a, b) end,
    vjp = function(dy, _, a, b, _, _, want_a, want_b)
      return want_a and core.binary_vjp(kind, 0, a, b, dy), want_b and core.binary_vjp(kind, 1, a, b, dy)
    end,
    sample = function() return pairs_of_shapes(low, high) end,
  }
end

binary("add", -2, 2)
binary("subtract", -2, 2)
binary("multiply", -2, 2)
binary("divide", 0.5, 2)
binary("maximum", -2, 2)
binary("minimum", -2, 2)
binary("lt", -2, 2)
binary("le", -2, 2)
binary("eq", -2, 2)

--- o = {scale, shift}
add {
  name = "affine", inputs = 1,
  forward = function(x, o) return core.affine(x, o[1], o[2]) end,
  vjp = function(dy, _, _, _, _, o) return core.affine(dy, o[1], 0) end,
  sample = function()
    return { { { sample({ 3, 2 }, -2, 2) }, { -1.5, 0.25 } }, { { tensor.new(0) }, { 2, 1 } } }
  end,
}

-- ------------------------------------------------------------------ reduce

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

-- ------------------------------------------------------------------ shape and index

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

-- ------------------------------------------------------------------ matmul

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

-- ------------------------------------------------------------------ images

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

return rules

--- Rows of operations entry by entry.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

--- Adds the rows.
-- @param add     function (row)
-- @param sample  function (shape, low, high, salt) -> tensor for checks
return function(add, sample)
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
  unary("expm1", -2, 2)
  unary("log1p", -0.7, 3)
  unary("rsqrt", 0.3, 3)
  unary("erf", -2, 2)
  unary("gelu", -3, 3)
  unary("sin", -4, 4)
  unary("cos", -4, 4)
  unary("floor", -2.6, 2.6)

  --- o = {p, q}, the kind's parameters
  local function parameterised(name, low, high, options)
    local kind = core.unary_kinds[name]
    add {
      name = name, inputs = 1,
      forward = function(x, o) return core.unary(kind, x, o[1], o[2]) end,
      vjp = function(dy, y, x, _, _, o) return core.unary_vjp(kind, x, y, dy, o[1], o[2]) end,
      sample = function()
        local samples = {}
        for _, o in ipairs(options) do
          for _, shape in ipairs { { 3, 4 }, {}, { 1 } } do
            samples[#samples + 1] = { { sample(shape, low, high) }, o }
          end
        end
        samples[#samples + 1] = { { tensor.new(0, 3) }, options[1] }
        return samples
      end,
    }
  end

  parameterised("elu", -2, 2, { { 1 }, { 0.3 } })
  parameterised("leaky_relu", -2, 2, { { 0.01 }, { -0.5 } })
  parameterised("clamp", -2, 2, { { -1, 0.5 }, { -math.huge, 0.7 }, { 0.2, math.huge } })

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
    return add {
      name = name, inputs = 2,
      forward = function(a, b) return core.binary(kind, a, b) end,
      vjp = function(dy, _, a, b, _, _, want_a, want_b)
        return want_a and core.binary_vjp(kind, 0, a, b, dy), want_b and core.binary_vjp(kind, 1, a, b, dy)
      end,
      sample = function() return pairs_of_shapes(low, high) end,
    }
  end

  local plus = binary("add", -2, 2)
  local summed = plus.vjp
  -- Where nothing was broadcast, the gradient goes on as it is.
  function plus.vjp(dy, y, a, b, c, o, want_a, want_b)
    local passes_a, passes_b = want_a and core.has_shape_of(dy, a), want_b and core.has_shape_of(dy, b)
    local da, db = summed(dy, y, a, b, c, o, want_a and not passes_a, want_b and not passes_b)
    return passes_a and dy or da, passes_b and dy or db
  end
  binary("subtract", -2, 2)
  binary("multiply", -2, 2)
  binary("divide", 0.5, 2)
  binary("maximum", -2, 2)
  binary("minimum", -2, 2)
  binary("lt", -2, 2)
  binary("le", -2, 2)
  binary("eq", -2, 2)
  binary("ne", -2, 2)
  binary("pow", 0.5, 2)

  local rectified = binary("add_relu", -2, 2)
  local rectified_vjp = rectified.vjp
  -- Where nothing was broadcast, both gradients are the same.
  function rectified.vjp(dy, y, a, b, c, o, want_a, want_b)
    if want_a and want_b and core.has_shape_of(dy, a) and core.has_shape_of(dy, b) then
      local g = core.unary_vjp(core.unary_kinds.relu, y, y, dy)
      return g, g
    end
    return rectified_vjp(dy, y, a, b, c, o, want_a, want_b)
  end

  --- o is the condition, a tensor: it has no gradient
  add {
    name = "where", inputs = 2,
    forward = function(a, b, o) return core.where(o.handle, a, b) end,
    vjp = function(dy, _, a, b, _, o, want_a, want_b)
      return want_a and core.where_vjp(0, o.handle, a, b, dy), want_b and core.where_vjp(1, o.handle, a, b, dy)
    end,
    sample = function()
      local samples = {}
      for _, shapes in ipairs {
        { { 3, 4 }, { 3, 4 }, { 3, 4 } }, { { 4 }, { 3, 4 }, {} }, { { 3, 1 }, {}, { 4 } },
        { { 2, 1, 3 }, { 4, 1 }, { 3 } }, { {}, { 2 }, { 3, 1 } }, { { 1 }, { 1 }, { 1 } },
        { { 0, 2 }, { 2 }, { 1 } }, { { 1, 2 }, { 1, 1 }, { 3, 2 } },
      } do
        local condition = tensor.wrap(core.unary(core.unary_kinds.floor, sample(shapes[1], 0, 1.9).handle))
        samples[#samples + 1] = { { sample(shapes[2], -2, 2), sample(shapes[3], -2, 2, 1) }, condition }
      end
      return samples
    end,
  }

  --- o = {scale, shift}
  add {
    name = "affine", inputs = 1,
    forward = function(x, o) return core.affine(x, o[1], o[2]) end,
    vjp = function(dy, _, _, _, _, o) return core.affine(dy, o[1], 0) end,
    sample = function()
      return { { { sample({ 3, 2 }, -2, 2) }, { -1.5, 0.25 } }, { { tensor.new(0) }, { 2, 1 } } }
    end,
  }
end

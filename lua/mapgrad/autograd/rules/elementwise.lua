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

--- Matrix products, convolution, pooling, normalisation, recorded.
local check = require "mapgrad.check"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1, apply2, apply3 = tensor.methods, tape.apply1, tape.apply2, tape.apply3

-- A vector as a matrix with an axis of extent 1 in the given place.
local function as_matrix(t, place, turned)
  if t:axes() ~= 1 then return t end
  if turned then
    check.fail("MG-SHAPE", "matmul: a vector cannot be transposed (shape %s)", show.shape(t:shape()))
  end
  return t:unsqueeze(place)
end

-- The product where t or u is a vector.
local function vector_product(t, u, transpose_t, transpose_u)
  local y = methods.matmul(as_matrix(t, 1, transpose_t), as_matrix(u, 2, transpose_u), transpose_t, transpose_u)
  local shape = y:shape()
  if u:axes() == 1 then table.remove(shape) end
  if t:axes() == 1 then table.remove(shape, y:axes() - 1) end
  return y:reshape(shape)
end

--- Matrix product of the last two axes, which the flags transpose in t or u; the axes before them broadcast:
-- [batch..., n, m] times [batch..., m, k] is [batch..., n, k]. A vector [m] counts as a matrix of one row if
-- it is t, of one column if it is u; the result does not have that axis.
function methods.matmul(t, u, transpose_t, transpose_u)
  if tensor.is(u) and (t:axes() == 1 or u:axes() == 1) then
    return vector_product(t, u, transpose_t, transpose_u)
  end
  return apply2(rules.matmul, t, u, { transpose_t and 1 or 0, transpose_u and 1 or 0 })
end

-- A number, or {vertical, horizontal}, as two numbers.
local function pair(value, preset, name)
  if value == nil then return preset, preset end
  if type(value) == "number" then return value, value end
  if type(value) == "table" and #value == 2 then return value[1], value[2] end
  return check.fail("MG-ARGUMENT", "%s: expected a number or {vertical, horizontal}, got %s", name, tostring(value))
end

--- Cross-correlation of images [B, C, H, W] with weight [D, C / groups, kh, kw], bias [D] or nil.
-- @param stride    (default 1), pad (0), dilation (1): a number, or {vertical, horizontal}
-- @param groups    groups of channels that do not meet (default 1)
-- @return [B, D, h, w], h = floor((H + 2 pad - (kh - 1) dilation - 1) / stride) + 1
function methods.conv2d(x, weight, bias, stride, pad, dilation, groups)
  local sv, sh = pair(stride, 1, "conv2d: stride")
  local pv, ph = pair(pad, 0, "conv2d: pad")
  local dv, dh = pair(dilation, 1, "conv2d: dilation")
  return apply3(rules.conv2d, x, weight, bias, { sv, sh, pv, ph, dv, dh, groups or 1 })
end

--- Correlation of sequences [B, C, L] with weight [D, C / groups, k], bias [D] or nil; numbers as for conv2d.
-- @return [B, D, l], l = floor((L + 2 pad - (k - 1) dilation - 1) / stride) + 1
function methods.conv1d(x, weight, bias, stride, pad, dilation, groups)
  local y = methods.conv2d(x:unsqueeze(-2), weight:unsqueeze(-2), bias, { 1, stride or 1 }, { 0, pad or 0 },
    { 1, dilation or 1 }, groups)
  local shape = y:shape()
  return y:reshape(shape[1], shape[2], shape[4])
end

local function pooling(kind)
  local name = kind .. "_pool2d"
  local rule, adaptive = rules[name], rules["adaptive_" .. name]

  methods[name] = function(x, kernel, stride, pad)
    local kv, kh = pair(kernel, nil, name .. ": kernel")
    local sv, sh = pair(stride or kernel, nil, name .. ": stride")
    local pv, ph = pair(pad, 0, name .. ": pad")
    return apply1(rule, x, { kv, kh, sv, sh, pv, ph })
  end

  methods[kind .. "_pool1d"] = function(x, kernel, stride, pad)
    local y = methods[name](x:unsqueeze(-2), { 1, kernel }, { 1, stride or kernel }, { 0, pad or 0 })
    local shape = y:shape()
    return y:reshape(shape[1], shape[2], shape[4])
  end

  return adaptive
end

--- Largest entry of each window of images [B, C, H, W]: max_pool2d(kernel, stride, pad), each a number or
-- {vertical, horizontal}; the stride is the kernel unless given. max_pool1d pools sequences [B, C, L].
local adaptive_max = pooling "max"
--- Mean of each window, zeros around counted: mean_pool2d(kernel, stride, pad), mean_pool1d.
local adaptive_mean = pooling "mean"

--- Pools images [B, C, H, W] to [B, C, height, width]; kind "max" or "mean".
function methods.adaptive_pool2d(x, kind, height, width)
  local rule = kind == "max" and adaptive_max or kind == "mean" and adaptive_mean
  if not rule then
    check.fail("MG-ARGUMENT", "adaptive_pool2d: expected kind 'max' or 'mean', got %s", tostring(kind))
  end
  return apply1(rule, x, { height, width })
end

--- Pools sequences [B, C, L] to [B, C, length]; kind "max" or "mean".
function methods.adaptive_pool1d(x, kind, length)
  local y = methods.adaptive_pool2d(x:unsqueeze(-2), kind, 1, length)
  local shape = y:shape()
  return y:reshape(shape[1], shape[2], shape[4])
end

--- Normalises x [B, C, ...] per channel; writes mean and variance [C] unless fixed, else reads them.
-- rectified: relu of the result, in the same pass.
function methods.batch_norm(x, gain, bias, mean, variance, epsilon, fixed, rectified)
  return apply3(rules.batch_norm, x, gain, bias,
    { mean.handle, variance.handle, epsilon, fixed or false, rectified or false })
end

--- Matrix products, convolution, pooling, normalisation, recorded.
local check = require "mapgrad.check"
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1, apply2, apply3 = tensor.methods, tape.apply1, tape.apply2, tape.apply3

--- Matrix product; the flags transpose t or u.
function methods.matmul(t, u, transpose_t, transpose_u)
  return apply2(rules.matmul, t, u, { transpose_t and 1 or 0, transpose_u and 1 or 0 })
end

--- Cross-correlation of images [B, C, H, W] with weight [D, C, kh, kw], bias [D] or nil.
function methods.conv2d(x, weight, bias, stride, pad)
  return apply3(rules.conv2d, x, weight, bias, { stride or 1, pad or 0 })
end

--- Largest entry of each window of images [B, C, H, W].
function methods.max_pool2d(x, kernel, stride, pad)
  return apply1(rules.max_pool2d, x, { kernel, stride or kernel, pad or 0 })
end

--- Pools images [B, C, H, W] to [B, C, height, width]; kind "max" or "mean".
function methods.adaptive_pool2d(x, kind, height, width)
  local rule = kind == "max" and rules.adaptive_max_pool2d or kind == "mean" and rules.adaptive_mean_pool2d
  if not rule then
    check.fail("MG-ARGUMENT", "adaptive_pool2d: expected kind 'max' or 'mean', got %s", tostring(kind))
  end
  return apply1(rule, x, { height, width })
end

--- Normalises x [B, C, ...] per channel; writes mean and variance [C] unless fixed, else reads them.
function methods.batch_norm(x, gain, bias, mean, variance, epsilon, fixed)
  return apply3(rules.batch_norm, x, gain, bias, { mean.handle, variance.handle, epsilon, fixed or false })
end

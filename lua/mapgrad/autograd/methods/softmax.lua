--- Softmax, its logarithm and running sums along an axis, recorded.
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1 = tensor.methods, tape.apply1

local function along(name)
  local rule = rules[name]
  return function(t, axis) return apply1(rule, t, tensor.axis_of(t, axis or -1, name)) end
end

--- exp(t) / sum(exp(t)) along an axis (default: the last), without overflow: t:softmax(axis). Entries of -inf
-- give 0; where the largest entry is infinite or NaN (all entries -inf, say), all are NaN, as in PyTorch.
methods.softmax = along "softmax"
--- The logarithm of softmax, as exact where that is near 0.
methods.log_softmax = along "log_softmax"
--- Running sums along an axis (default: the last): t:cumsum(axis). Entry i is the sum of entries 1..i.
methods.cumsum = along "cumsum"

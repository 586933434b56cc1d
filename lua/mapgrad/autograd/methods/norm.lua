--- Layer and group normalisation and dropout, recorded.
local check = require "mapgrad.check"
local random = require "mapgrad.random"
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1, apply3 = tensor.methods, tape.apply1, tape.apply3

-- Without gain and bias by the plain rule.
local function normalised(name, x, gain, bias, option)
  if not (gain or bias) then return apply1(rules[name .. "_plain"], x, option) end
  return apply3(rules[name], x, gain or tensor.ones(bias:shape()), bias, option)
end

--- (t - mean) / sqrt(variance + epsilon) * gain + bias over the last axes (Ba, Kiros, Hinton 2016).
-- @param gain     tensor of the shape of these axes, or nil: 1
-- @param bias     the same, or nil: 0
-- @param axes     how many of the last axes are normalised together (default 1)
-- @param epsilon  default 1e-5
function methods.layer_norm(t, gain, bias, axes, epsilon)
  return normalised("layer_norm", t, gain, bias, { axes or 1, epsilon or 1e-5 })
end

--- Normalises t [B, C, ...] in groups of neighbouring channels, each instance by itself (Wu, He 2018). A group
-- for each channel is instance normalisation.
-- @param groups   number of groups; divides C
-- @param gain     tensor [C], or nil: 1
-- @param bias     tensor [C], or nil: 0
-- @param epsilon  default 1e-5
function methods.group_norm(t, groups, gain, bias, epsilon)
  return normalised("group_norm", t, gain, bias, { groups, epsilon or 1e-5 })
end

local RATE = { expected = "a number from 0, below 1", test = function(v)
  if type(v) == "number" and v >= 0 and v < 1 then return v end
end }

--- Entries become 0 with probability rate, the others t / (1 - rate) (Srivastava et al. 2014). The mask comes
-- from the next draw of the stream "dropout"; rate 0 gives t itself and takes no draw.
-- @param rate  from 0, below 1
function methods.dropout(t, rate)
  check.value("dropout: rate", rate, RATE)
  if rate == 0 then return t end
  return apply1(rules.dropout, t, { rate, random.draw "dropout" })
end

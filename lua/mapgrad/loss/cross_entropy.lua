--- Cross entropy of classes, from logits: minus the logarithm of the softmax's probability of the label,
-- summed over the labels of one instance; the mean over instances and samples.
-- @function cross_entropy
-- @param z      logits [samples, batch..., classes] or [batch..., classes]
-- @param label  class numbers from 1, [batch...]; or probabilities of the classes (one-hot ones, too)
--   [batch..., classes], of which -sum t log softmax(z) is taken. A shape that fits both is read as
--   class numbers.
-- @param options.smoothing      share of the label that goes to all classes alike, 0 to 1 (default 0)
-- @param options.instance_axes  number of trailing axes of [batch...] that make one instance (default:
--   all but the first)
-- @return tensor of one entry
-- @usage loss.cross_entropy(net(image), digit)
-- Source: smoothing: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2016.
local check = require "mapgrad.check"
local instances = require "mapgrad.loss.instances"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"

local NAME = "loss.cross_entropy"

-- The shape without its last axis.
local function without_classes(shape)
  local result = {}
  for axis = 1, #shape - 1 do result[axis] = shape[axis] end
  return result
end

-- Whether a shape is the label's, or the label's after an axis of samples; a label has a batch then.
local function fits(shape, label, batch_axes)
  return instances.fits(shape, label) and (#label == #shape or #label >= batch_axes)
end

return function(z, label, options)
  check.value(NAME .. ": z", z, check.tensor)
  check.value(NAME .. ": label", label, check.tensor)
  local o = check.options(NAME, options, {
    smoothing = check.not_negative(0), instance_axes = instances.AXES,
  })
  local shape, given = z:shape(), label:shape()
  if #shape == 0 then check.fail("MG-SHAPE", "%s: z is a scalar, expected an axis of classes", NAME) end
  local rows = without_classes(shape)
  local is_class = fits(rows, given, 1)
  if not is_class and not fits(shape, given, 2) then
    check.fail("MG-SHAPE", "%s: logits of shape %s want class numbers of shape %s or probabilities of shape %s, "
      .. "got %s", NAME, show.shape(shape), show.shape(rows), show.shape(shape), show.shape(given))
  end
  local _, count = instances.count(NAME, rows, is_class and given or without_classes(given), o.instance_axes)
  return tape.apply2(rules.cross_entropy, z, label, { is_class, o.smoothing }):sum() * (1 / count)
end

--- Divergence of categorical distributions from a prior: the mean over instances of
-- sum q (log q - log p), q = softmax(logits) along the last axis, summed over the variables of one
-- instance. What a discrete variational autoencoder adds to its reconstruction loss.
-- @function categorical_kl
-- @param logits  [batch, variables..., classes], finite
-- @param options.prior          logits of p, of a shape that broadcasts to that of the logits (default:
--   uniform)
-- @param options.instance_axes  number of trailing axes of [batch, variables...] that make one instance
--   (default: all but the first)
-- @return tensor of one entry
-- @usage loss.categorical_kl(encoder(image):reshape(-1, 20, 20))
require "mapgrad.autograd"
local check = require "mapgrad.check"
local instances = require "mapgrad.loss.instances"
local show = require "mapgrad.show"

local NAME = "loss.categorical_kl"

-- Whether a shape broadcasts to another.
local function broadcasts(shape, to)
  local offset = #to - #shape
  if offset < 0 or #shape == 0 or shape[#shape] ~= to[#to] then return false end
  for axis, extent in ipairs(shape) do
    if extent ~= 1 and extent ~= to[axis + offset] then return false end
  end
  return true
end

return function(logits, options)
  check.value(NAME .. ": logits", logits, check.tensor)
  local o = check.options(NAME, options, {
    prior = check.optional(check.tensor), instance_axes = instances.AXES,
  })
  local shape, rows = logits:shape(), {}
  local classes = shape[#shape]
  if not classes or classes == 0 then
    check.fail("MG-SHAPE", "%s: no classes: the logits have shape %s", NAME, show.shape(shape))
  end
  for axis = 1, #shape - 1 do rows[axis] = shape[axis] end
  local _, count = instances.count(NAME, rows, rows, o.instance_axes)
  if o.prior and not broadcasts(o.prior:shape(), shape) then
    check.fail("MG-SHAPE", "%s: a prior of shape %s for logits of shape %s", NAME, show.shape(o.prior:shape()),
      show.shape(shape))
  end
  local log_q = logits:log_softmax()
  local gap = o.prior and log_q - o.prior:log_softmax() or log_q + math.log(classes)
  return (log_q:exp() * gap):sum() * (1 / count)
end

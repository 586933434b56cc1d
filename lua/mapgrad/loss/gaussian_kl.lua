--- Divergence of normal distributions from the standard one: the mean over instances of
-- sum (mean^2 + exp(v) - v - 1) / 2, v the logarithm of the variance. What a variational autoencoder
-- adds to its reconstruction loss.
-- @function gaussian_kl
-- @param mean          [batch, n...]
-- @param log_variance  [batch, n...]
-- @param options       {instance_axes = number of trailing axes that make one instance; default: all
--   but the first}
-- @return tensor of one entry
-- @usage loss.gaussian_kl(mean, log_variance) + loss.bernoulli(decoder(code), image)
-- Source: Kingma, Welling 2014, appendix B.
local check = require "mapgrad.check"
local instances = require "mapgrad.loss.instances"
local show = require "mapgrad.show"

local NAME = "loss.gaussian_kl"

return function(mean, log_variance, options)
  check.value(NAME .. ": mean", mean, check.tensor)
  check.value(NAME .. ": log_variance", log_variance, check.tensor)
  local o = check.options(NAME, options, { instance_axes = instances.AXES })
  local shape, other = mean:shape(), log_variance:shape()
  if show.shape(shape) ~= show.shape(other) then
    check.fail("MG-SHAPE", "%s: mean has shape %s, log_variance %s", NAME, show.shape(shape), show.shape(other))
  end
  local _, count = instances.count(NAME, shape, shape, o.instance_axes)
  return (mean:square() + log_variance:exp() - log_variance - 1):sum() * (0.5 / count)
end

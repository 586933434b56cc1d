--- Bernoulli's negative log-likelihood of binary data, from logits: the mean over instances and samples
-- of sum log(1 + exp z) - t z, finite for all finite z. Also called binary cross entropy with logits.
-- @function bernoulli
-- @param z        logits [samples, batch, n...] or [batch, n...]; the probability of 1 is sigmoid(z)
-- @param label    t, [batch, n...], in 0..1
-- @param options  as for the Hamming loss
-- @return tensor of one entry
-- @usage loss.bernoulli(decoder(code), image)
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"

return require("mapgrad.loss.instances").loss("bernoulli", function(z, t, _, axes)
  return tape.apply2(rules.bernoulli, z, t, axes)
end)

--- Bernoulli's negative log-likelihood of binary data, from probabilities: the mean over instances and
-- samples of -sum t log z + (1 - t) log(1 - z). Probabilities below 1e-30 count as 1e-30, and have no
-- gradient. Where there are logits, loss.bernoulli is exact and faster.
-- @function bernoulli_probability
-- @param z        probabilities of 1, [samples, batch, n...] or [batch, n...], in 0..1
-- @param label    t, [batch, n...], in 0..1
-- @param options  as for the Hamming loss
-- @return tensor of one entry
local function log_of(p)
  return p:maximum(1e-30):log()
end

return require("mapgrad.loss.instances").loss("bernoulli_probability", function(z, t)
  local absent = log_of(1 - z)
  return (absent - log_of(z)) * t - absent
end)

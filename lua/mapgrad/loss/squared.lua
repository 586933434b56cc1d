--- Squared loss: the mean over instances and samples of sum (z - t)^2.
-- @function squared
-- @param z        [samples, batch, n...] or [batch, n...]
-- @param label    t, [batch, n...]
-- @param options  as for the Hamming loss
-- @return tensor of one entry
return require("mapgrad.loss.instances").loss("squared", function(z, t)
  return (z - t):square()
end)

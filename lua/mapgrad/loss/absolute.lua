--- Absolute loss: the mean over instances and samples of sum |z - t|; gradient 0 where z = t.
-- @function absolute
-- @param z        [samples, batch, n...] or [batch, n...]
-- @param label    t, [batch, n...]
-- @param options  as for the Hamming loss
-- @return tensor of one entry
return require("mapgrad.loss.instances").loss("absolute", function(z, t)
  return (z - t):abs()
end)

--- Hamming loss: the number of entries that differ from the label, per instance; the mean over
-- instances and samples of sum z (1 - t) + (1 - z) t. Its gradient is (1 - 2 t) / (samples batch),
-- whatever z is.
-- @function hamming
-- @param z        solutions [samples, batch, n...] or [batch, n...], in 0..1
-- @param label    t, [batch, n...], 0 or 1
-- @param options  {instance_axes = number of trailing axes that make one solution; default: all of
--   the label but its first}
-- @return tensor of one entry
-- @usage loss.hamming(shortest_path(costs(batch.image)), batch.path)
-- Source: Vlastelica, Paulus, Musil, Martius, Rolinek 2020.
return require("mapgrad.loss.instances").loss("hamming", function(z, t)
  return z * (1 - 2 * t) + t
end)

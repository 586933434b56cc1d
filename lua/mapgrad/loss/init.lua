--- Losses: they sum over the entries of one instance, then average over all leading axes, so that a
-- loss does not grow with the batch or with the number of samples.
-- @usage loss.hamming(layer(costs(image)), path):backward()
-- @module mapgrad.loss
local check = require "mapgrad.check"

local names = {
  "absolute", "bernoulli", "bernoulli_probability", "categorical_kl", "cross_entropy", "gaussian_kl", "hamming",
  "huber", "squared",
}

return check.registry("loss", names, function(name)
  return require("mapgrad.loss." .. name)
end)

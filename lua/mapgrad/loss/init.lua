--- Losses that compare solutions with labels: they sum over the entries of one solution, then
-- average over all leading axes, so that a loss does not grow with the batch or with the number of
-- samples.
-- @usage loss.hamming(layer(costs(image)), path):backward()
-- @module mapgrad.loss
local check = require "mapgrad.check"

return check.registry("loss", { "absolute", "hamming", "squared" }, function(name)
  return require("mapgrad.loss." .. name)
end)

--- Optimizers: update rules for lists of tensors, and schedules of their rates.
-- @usage local adam = optim.adam(net:parameters(), { rate = 1e-3 })
-- local value = adam:step(function() return loss.squared(net(x), y) end)
-- @module mapgrad.optim
local check = require "mapgrad.check"

return check.registry("optim", { "adam", "schedule", "sgd" }, function(name)
  return require("mapgrad.optim." .. name)
end)

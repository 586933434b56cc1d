--- Optimizers: update rules for lists of tensors, schedules of their rates, clipping of gradients.
-- @usage local adam = optim.adam(net:parameters(), { rate = 1e-3 })
-- local value = adam:step(function() return loss.squared(net(x), y) end)
-- @module mapgrad.optim
local check = require "mapgrad.check"

local names = { "adam", "adamw", "clip_norm", "clip_value", "rmsprop", "schedule", "sgd" }

return check.registry("optim", names, function(name)
  local clips = name:match("^clip_(.*)$")
  if clips then return require("mapgrad.optim.clip")[clips] end
  return require("mapgrad.optim." .. name)
end)

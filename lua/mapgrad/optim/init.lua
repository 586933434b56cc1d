--- Optimizers: update rules for lists of tensors, schedules of their rates, clipping of gradients.
--
-- optimizer.rate is the rate of the first group of parameters; setting it keeps the proportions of the
-- groups' rates. optimizer.groups[i] has the options of a group as fields, which may be set.
-- optimizer.gradient_norm is the norm of all gradients in the last update, before clipping.
-- optimizer:state() and optimizer:load_state(state) let a training go on with the same bits.
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

--- Networks: layers are modules, callable objects that hold parameters.
--
-- Images are [batch..., channels, height, width], features [batch..., n]: layers broadcast over
-- leading axes; where one wants exactly one batch axis it says so. Each name is a file of this
-- folder.
-- @usage local net = nn.sequential { nn.linear(4, 8), nn.relu(), nn.linear(8, 1) }
-- local y = net(x)
-- local adam = optim.adam(net:parameters(), { rate = 1e-3 })
-- @module mapgrad.nn
local check = require "mapgrad.check"

local NAMES = {
  "module", "sequential", "residual", "lambda",
  "linear", "conv2d", "batch_norm", "normalise",
  "abs", "relu", "sigmoid", "softplus", "tanh",
  "max_pool", "adaptive_max_pool", "adaptive_mean_pool", "channel_mean", "reshape",
  "combresnet18",
}

return check.registry("nn", NAMES, function(name) return require("mapgrad.nn." .. name) end)

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
  "module", "initial", "sequential", "parallel", "residual", "lambda",
  "linear", "conv1d", "conv2d", "embedding",
  "batch_norm", "layer_norm", "group_norm", "normalise", "dropout",
  "abs", "clamp", "elu", "gelu", "leaky_relu", "log_softmax", "relu", "sigmoid", "softmax", "softplus", "tanh",
  "max_pool1d", "max_pool2d", "mean_pool1d", "mean_pool2d",
  "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_mean_pool1d", "adaptive_mean_pool2d",
  "channel_mean", "reshape", "flatten",
  "gru", "gru_cell", "lstm", "lstm_cell", "multi_head_attention",
  "combresnet18", "resnet18", "dvae_encoder", "dvae_decoder", "l2x_selector", "l2x_predictor",
}

return check.registry("nn", NAMES, function(name) return require("mapgrad.nn." .. name) end)

--- The mean of all channels.
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"

local function forward(_, x)
  leading.check_images("nn.channel_mean", x)
  return x:mean(-3)
end

--- Mean over the channels: x [batch..., C, H, W] -> y [batch..., H, W].
-- @return a module
return function(options)
  check.options("nn.channel_mean", options, {})
  return module { title = "channel_mean", forward = forward }
end

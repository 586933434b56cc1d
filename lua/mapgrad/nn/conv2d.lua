--- Convolution of images.
local check = require "mapgrad.check"
local initial = require "mapgrad.nn.initial"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"

-- The options with the two leading entries under names, so that messages can name them.
local function named(options)
  if type(options) ~= "table" or getmetatable(options) then return options end
  local result = {}
  for key, value in pairs(options) do result[key] = value end
  result.inputs, result.outputs = options[1], options[2]
  result[1], result[2] = nil, nil
  return result
end

local function title(o)
  return ("conv2d %d -> %d, kernel %d, stride %d, pad %d"):format(o.inputs, o.outputs,
    o.kernel, o.stride, o.pad)
end

--- Cross-correlation with zeros around: x [batch..., inputs, H, W] -> y [batch..., outputs, h, w],
-- h = floor((H + 2 pad - kernel) / stride) + 1.
-- weight [outputs, inputs, kernel, kernel], bias [outputs].
-- @param options.1        channels of x
-- @param options.2        channels of y
-- @param options.kernel   height and width of the window
-- @param options.stride   step of the window (default 1)
-- @param options.pad      zeros on each side (default 0)
-- @param options.bias     whether there is a bias (default true)
-- @param options.initial  "fan_in" (default): uniform on +-1/sqrt(fan_in), fan_in = inputs
--   kernel^2, as in PyTorch; "fan_out": weights normal with variance 2 / (outputs kernel^2), as in
--   torchvision's residual networks
-- @return a module
-- @usage nn.conv2d { 3, 32, kernel = 5, stride = 2, pad = 2 }
return function(options)
  local o = check.options("nn.conv2d", named(options), {
    inputs = check.count(), outputs = check.count(),
    kernel = check.count(), stride = check.count(1), pad = check.whole(0),
    bias = check.flag(true), initial = check.choice({ "fan_in", "fan_out" }, "fan_in"),
  })
  local window = o.kernel * o.kernel
  local fan = o.initial == "fan_in" and o.inputs * window or o.outputs * window
  local shape = { o.outputs, o.inputs, o.kernel, o.kernel }
  local parameters = { { "weight", initial[o.initial](shape, fan) } }
  if o.bias then parameters[2] = { "bias", initial.fan_in({ o.outputs }, o.inputs * window) } end
  return module {
    title = title(o), parameters = parameters,
    forward = function(self, x)
      leading.check_images("nn.conv2d", x, o.inputs)
      return leading.merge(x, 3, function(images)
        return images:conv2d(self.weight, self.bias, o.stride, o.pad)
      end)
    end,
  }
end

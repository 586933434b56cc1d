--- What convolutions of images and of sequences share.
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"
local weight = require "mapgrad.nn.weight"
local window = require "mapgrad.nn.window"

-- The options with the two leading entries under names, so that messages can name them.
local function named(options)
  if type(options) ~= "table" or getmetatable(options) then return options end
  local result = {}
  for key, value in pairs(options) do result[key] = value end
  result.inputs, result.outputs = options[1], options[2]
  result[1], result[2] = nil, nil
  return result
end

local function title(name, o)
  local text = ("%s %d -> %d, kernel %s, stride %s, pad %s"):format(name, o.inputs, o.outputs,
    window.text(o.kernel), window.text(o.stride), window.text(o.pad))
  local dilation = window.text(o.dilation)
  if dilation ~= "1" then text = text .. ", dilation " .. dilation end
  if o.groups > 1 then text = text .. (", %d groups"):format(o.groups) end
  return text
end

local function check_groups(name, o)
  if o.inputs % o.groups ~= 0 or o.outputs % o.groups ~= 0 then
    check.fail("MG-ARGUMENT", "nn.%s: %d and %d channels do not split into %d groups", name, o.inputs, o.outputs,
      o.groups)
  end
end

--- The constructor of a convolution.
-- @param name  of the layer and of the tensor method
-- @param axes  1 for sequences, 2 for images
-- @return function (options) -> module
return function(name, axes)
  return function(options)
    local o = check.options("nn." .. name, named(options), {
      inputs = check.count(), outputs = check.count(), kernel = window.count(axes),
      stride = window.count(axes, 1), pad = window.whole(axes, 0), dilation = window.count(axes, 1),
      groups = check.count(1), bias = check.flag(true), initial = weight.option(),
      bias_initial = check.optional(weight.option()),
    })
    check_groups(name, o)
    local shape = { o.outputs, o.inputs / o.groups }
    for _, extent in ipairs(window.extents(o.kernel, axes)) do shape[#shape + 1] = extent end
    return module {
      title = title(name, o), parameters = weight.affine("nn." .. name, shape, o),
      forward = function(self, x)
        leading.check_channels("nn." .. name, x, axes, o.inputs)
        return leading.merge(x, axes + 1, function(merged)
          return merged[name](merged, self.weight, self.bias, o.stride, o.pad, o.dilation, o.groups)
        end)
      end,
    }
  end
end

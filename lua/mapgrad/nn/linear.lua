--- Affine maps of features.
local check = require "mapgrad.check"
local initial = require "mapgrad.nn.initial"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"

local function forward(self, x)
  check.value("nn.linear: input", x, check.tensor)
  local inputs = self.weight:size(2)
  if x:axes() == 0 or x:size(-1) ~= inputs then
    check.fail("MG-SHAPE", "nn.linear: expected features [batch, %d], got %s", inputs,
      show.shape(x:shape()))
  end
  return leading.merge(x, 1, function(rows)
    local y = rows:matmul(self.weight, false, true)
    return self.bias and y + self.bias or y
  end)
end

--- y = x W^T + b on the last axis: x [batch..., inputs] -> y [batch..., outputs].
-- weight [outputs, inputs] and bias [outputs] start uniform on +-1/sqrt(inputs), as in PyTorch.
-- @param inputs   features of x
-- @param outputs  features of y
-- @param options  {bias = true}
-- @return a module
return function(inputs, outputs, options)
  inputs = check.value("nn.linear: inputs", inputs, check.count())
  outputs = check.value("nn.linear: outputs", outputs, check.count())
  local o = check.options("nn.linear", options, { bias = check.flag(true) })
  local parameters = { { "weight", initial.fan_in({ outputs, inputs }, inputs) } }
  if o.bias then parameters[2] = { "bias", initial.fan_in({ outputs }, inputs) } end
  return module {
    title = ("linear %d -> %d"):format(inputs, outputs),
    parameters = parameters, forward = forward,
  }
end

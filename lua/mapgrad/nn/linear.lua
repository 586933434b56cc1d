--- Affine maps of features.
local check = require "mapgrad.check"
local leading = require "mapgrad.nn.leading"
local module = require "mapgrad.nn.module"
local weight = require "mapgrad.nn.weight"

local function forward(self, x)
  leading.check_features("nn.linear", x, self.weight:size(2))
  return leading.merge(x, 1, function(rows)
    local y = rows:matmul(self.weight, false, true)
    return self.bias and y + self.bias or y
  end)
end

--- y = x W^T + b on the last axis: x [batch..., inputs] -> y [batch..., outputs].
-- weight [outputs, inputs] and bias [outputs] start uniform on +-1/sqrt(inputs), as in PyTorch.
-- @param inputs                features of x
-- @param outputs               features of y
-- @param options.bias          whether there is a bias (default true)
-- @param options.initial       law of the weight, see nn.initial
-- @param options.bias_initial  law of the bias
-- @return a module
return function(inputs, outputs, options)
  inputs = check.value("nn.linear: inputs", inputs, check.count())
  outputs = check.value("nn.linear: outputs", outputs, check.count())
  local o = check.options("nn.linear", options, {
    bias = check.flag(true), initial = weight.option(),
    bias_initial = check.optional(weight.option()),
  })
  return module {
    title = ("linear %d -> %d"):format(inputs, outputs),
    parameters = weight.affine("nn.linear", { outputs, inputs }, o), forward = forward,
  }
end

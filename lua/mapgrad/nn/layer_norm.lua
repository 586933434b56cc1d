--- Layer normalisation.
-- Source: Ba, Kiros, Hinton 2016.
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

-- The last n extents of x.
local function trailing(x, n)
  local shape, result = x:shape(), {}
  for i = math.max(#shape - n, 0) + 1, #shape do result[#result + 1] = shape[i] end
  return result
end

--- (x - mean) / sqrt(variance + epsilon) * gain + bias, with mean and (biased) variance over the last
-- axes of each instance: x [batch..., extents...], same shape out. gain and bias [extents...] start at 1
-- and 0.
-- @param extents          a number, or the list of the last extents
-- @param options.epsilon  added to the variance (default 1e-5)
-- @param options.bias     whether there is a bias (default true)
-- @param options.gain     whether there is a gain (default true)
-- @return a module
-- @usage nn.layer_norm(64)
return function(extents, options)
  if type(extents) ~= "table" then extents = { extents } end
  if #extents == 0 then check.fail("MG-ARGUMENT", "nn.layer_norm: extents: expected a number or a list") end
  for i, extent in ipairs(extents) do
    check.value(("nn.layer_norm: extent %d"):format(i), extent, check.count())
  end
  local o = check.options("nn.layer_norm", options, {
    epsilon = check.positive(1e-5), bias = check.flag(true), gain = check.flag(true),
  })
  local parameters, wanted = {}, show.shape(extents)
  if o.gain then parameters[1] = { "gain", tensor.ones(extents) } end
  if o.bias then parameters[#parameters + 1] = { "bias", tensor.zeros(extents) } end
  return module {
    title = "layer_norm " .. wanted, parameters = parameters,
    forward = function(self, x)
      check.value("nn.layer_norm: input", x, check.tensor)
      if show.shape(trailing(x, #extents)) ~= wanted then
        check.fail("MG-SHAPE", "nn.layer_norm: expected [batch, %s], got %s", wanted, show.shape(x:shape()))
      end
      return x:layer_norm(self.gain, self.bias, #extents, o.epsilon)
    end,
  }
end

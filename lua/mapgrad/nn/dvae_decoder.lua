--- The decoder of the published discrete variational autoencoders.
-- Source: Niepert, Minervini, Franceschi 2021.
local check = require "mapgrad.check"
local linear = require "mapgrad.nn.linear"
local relu = require "mapgrad.nn.relu"
local sequential = require "mapgrad.nn.sequential"

-- The last two axes as one.
local function code(z)
  local shape = z:shape()
  local n = #shape
  if n < 2 then return z end
  shape[n - 1] = shape[n - 1] * shape[n]
  shape[n] = nil
  return z:reshape(shape)
end

--- Codes [batch..., groups, categories], with the samples of a layer in front or not -> logits of the
-- pixels [batch..., pixels]: linear layers groups*categories-256-512-pixels with ReLU between. 636,432
-- parameters with the defaults.
-- @param options.pixels      (default 784)
-- @param options.groups      (default 20)
-- @param options.categories  of each group (default 20)
-- @return a module
return function(options)
  local o = check.options("nn.dvae_decoder", options, {
    pixels = check.count(784), groups = check.count(20), categories = check.count(20),
  })
  return sequential {
    code, linear(o.groups * o.categories, 256), relu(), linear(256, 512), relu(), linear(512, o.pixels),
  }
end

--- The encoder of the published discrete variational autoencoders.
-- Source: Niepert, Minervini, Franceschi 2021.
local check = require "mapgrad.check"
local flatten = require "mapgrad.nn.flatten"
local linear = require "mapgrad.nn.linear"
local relu = require "mapgrad.nn.relu"
local reshape = require "mapgrad.nn.reshape"
local sequential = require "mapgrad.nn.sequential"

--- Images [B, ...] of `pixels` entries each -> logits [B, groups, categories]: linear layers
-- pixels-512-256-groups*categories with ReLU between. 636,048 parameters with the defaults.
-- @param options.pixels      (default 784)
-- @param options.groups      (default 20)
-- @param options.categories  of each group, of which a solver chooses some (default 20)
-- @return a module
return function(options)
  local o = check.options("nn.dvae_encoder", options, {
    pixels = check.count(784), groups = check.count(20), categories = check.count(20),
  })
  return sequential {
    flatten(), linear(o.pixels, 512), relu(), linear(512, 256), relu(),
    linear(256, o.groups * o.categories), reshape(o.groups, o.categories),
  }
end

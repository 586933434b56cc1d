--- A vector for each of a number of things, such as words.
local check = require "mapgrad.check"
local initial = require "mapgrad.nn.initial"
local module = require "mapgrad.nn.module"
local weight = require "mapgrad.nn.weight"

--- Numbers from 1 to count (negative ones count from the end) -> rows of the weight: x [batch...] ->
-- y [batch..., features]. The weight
-- [count, features] starts normal with deviation 1, as in PyTorch.
-- @param count            how many things there are
-- @param features         of each
-- @param options.initial  law of the weight, see nn.initial; for vectors that exist,
--   function() return vectors end
-- @return a module; `:freeze()` keeps its vectors as they are
-- @usage local words = nn.embedding(5000, 200, { initial = function() return vectors end }):freeze()
return function(count, features, options)
  count = check.value("nn.embedding: count", count, check.count())
  features = check.value("nn.embedding: features", features, check.count())
  local o = check.options("nn.embedding", options, { initial = weight.option(initial.normal) })
  return module {
    title = ("embedding %d x %d"):format(count, features),
    parameters = { { "weight", weight.draw("nn.embedding: initial", o.initial, { count, features }) } },
    forward = function(self, x)
      check.value("nn.embedding: input", x, check.tensor)
      local shape = x:shape()
      shape[#shape + 1] = features
      return self.weight:take(x:to_list()):reshape(shape)
    end,
  }
end

--- A vector for each of a number of things, such as words.
local check = require "mapgrad.check"
local initial = require "mapgrad.nn.initial"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local weight = require "mapgrad.nn.weight"

-- Raises unless the entries of x are integers from 1 to count.
local function check_numbers(x, count)
  check.value("nn.embedding: input", x, check.tensor)
  for _, number in ipairs(x:to_list()) do
    if not (number >= 1 and number <= count and number == math.floor(number)) then -- also for NaN
      check.fail("MG-INDEX", "nn.embedding: %s is not one of 1..%d", show.number(number), count)
    end
  end
end

--- Numbers from 1 to count -> rows of the weight: x [batch...] -> y [batch..., features]. The weight
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
      check_numbers(x, count)
      return self.weight:embedding(x)
    end,
  }
end

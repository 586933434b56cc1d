--- Dropout.
-- Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014.
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"

--- In training, each entry is 0 with probability rate and x / (1 - rate) otherwise, drawn anew at
-- every call from the random stream "dropout"; at evaluation x. Same shape out.
-- @param rate  from 0, below 1 (default 0.5)
-- @return a module
return function(rate)
  rate = check.value("nn.dropout: rate", rate == nil and 0.5 or rate, check.not_negative())
  if rate >= 1 then check.fail("MG-ARGUMENT", "nn.dropout: rate must be below 1, got %g", rate) end
  return module {
    title = ("dropout %g"):format(rate),
    forward = function(self, x)
      check.value("nn.dropout: input", x, check.tensor)
      return self.training and x:dropout(rate) or x
    end,
  }
end

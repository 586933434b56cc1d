--- A function as a layer.
local check = require "mapgrad.check"
local module = require "mapgrad.nn.module"

--- A layer without parameters that calls f.
-- @param f      function (x) -> y, or anything callable, such as an estimator layer
-- @param title  how it prints (default "lambda")
-- @return a module
return function(f, title)
  f = check.value("nn.lambda", f, check.callable())
  return module {
    title = title or "lambda",
    forward = function(_, ...) return f(...) end,
  }
end

--- Residual connections.
-- Source: He, Zhang, Ren, Sun 2016.
local check = require "mapgrad.check"
local lambda = require "mapgrad.nn.lambda"
local module = require "mapgrad.nn.module"

local function as_module(layer)
  if check.type_of(layer) == "mapgrad.module" then return layer end
  return lambda(layer)
end

--- y = activation(shortcut(x) + body(x)).
-- @param body                a module, or a callable value
-- @param options.shortcut    module that brings x to the shape of body's output (default: x itself)
-- @param options.activation  module applied to the sum (default: none)
-- @return a module with the children body, shortcut and activation
return function(body, options)
  local o = check.options("nn.residual", options, {
    shortcut = check.optional(check.callable()), activation = check.optional(check.callable()),
  })
  body = check.value("nn.residual: body", body, check.callable())
  local children = { { "body", as_module(body) } }
  for _, name in ipairs { "shortcut", "activation" } do
    if o[name] then children[#children + 1] = { name, as_module(o[name]) } end
  end
  return module {
    title = "residual", children = children,
    forward = function(self, x)
      local y = (self.shortcut and self.shortcut(x) or x) + self.body(x)
      return self.activation and self.activation(y) or y
    end,
  }
end

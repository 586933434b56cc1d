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
-- @param options.relu        relu of the sum in the same pass, without an activation (default false)
-- @return a module with the children body, shortcut and activation
return function(body, options)
  local o = check.options("nn.residual", options, {
    shortcut = check.optional(check.callable()), activation = check.optional(check.callable()),
    relu = check.flag(false),
  })
  if o.relu and o.activation then
    check.fail("MG-OPTION", "nn.residual: relu and activation exclude each other")
  end
  body = check.value("nn.residual: body", body, check.callable())
  local children = { { "body", as_module(body) } }
  for _, name in ipairs { "shortcut", "activation" } do
    if o[name] then children[#children + 1] = { name, as_module(o[name]) } end
  end
  return module {
    title = o.relu and "residual, relu" or "residual", children = children,
    forward = function(self, x)
      local past, y = self.shortcut and self.shortcut(x) or x, self.body(x)
      if o.relu then return past:add_relu(y) end
      y = past + y
      return self.activation and self.activation(y) or y
    end,
  }
end

--- Layers one after the other.
local check = require "mapgrad.check"
local lambda = require "mapgrad.nn.lambda"
local module = require "mapgrad.nn.module"

--- A chain of layers.
-- @param layers  list of modules; functions and other callable values become `nn.lambda`
-- @return a module; its children are named "1", "2", ..., and net[i] is the i-th
-- @usage nn.sequential { nn.linear(4, 8), nn.relu(), function(x) return x:mean(-1) end }
return function(layers)
  if type(layers) ~= "table" or getmetatable(layers) then
    check.fail("MG-TYPE", "nn.sequential: expected a list of layers in braces, got a %s",
      check.type_of(layers))
  end
  local children, last = {}, 0
  for i in pairs(layers) do last = math.max(last, check.value("nn.sequential: place of a layer", i, check.count())) end
  for i = 1, last do
    local layer = layers[i]
    if layer == nil then check.fail("MG-TYPE", "nn.sequential: layer %d of %d is nil", i, last) end
    if check.type_of(layer) ~= "mapgrad.module" then layer = lambda(layer) end
    children[i] = { ("%d"):format(i), layer }
  end
  return module {
    title = "sequential", children = children,
    forward = function(self, x)
      for i = 1, #self.children do x = self.children[i][2](x) end
      return x
    end,
  }
end

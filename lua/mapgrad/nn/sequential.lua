--- Layers one after the other.
local layers_of = require "mapgrad.nn.layers"
local module = require "mapgrad.nn.module"

--- A chain of layers.
-- @param layers  list of modules; functions and other callable values become `nn.lambda`
-- @return a module; its children are named "1", "2", ..., and net[i] is the i-th
-- @usage nn.sequential { nn.linear(4, 8), nn.relu(), function(x) return x:mean(-1) end }
return function(layers)
  return module {
    title = "sequential", children = layers_of("nn.sequential", layers),
    forward = function(self, x)
      for i = 1, #self.children do x = self.children[i][2](x) end
      return x
    end,
  }
end

--- Hyperbolic tangent of each entry.
-- @return a module
return require "mapgrad.nn.activation" "tanh"

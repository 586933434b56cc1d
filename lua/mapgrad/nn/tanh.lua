--- Hyperbolic tangent of each entry.
return require "mapgrad.nn.activation" "tanh"

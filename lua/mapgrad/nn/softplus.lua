--- log(1 + exp(x)) of each entry: positive outputs.
-- @return a module
return require "mapgrad.nn.activation" "softplus"

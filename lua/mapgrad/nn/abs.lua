--- Absolute value |x| of each entry; gradient 0 at 0.
-- @return a module
return require "mapgrad.nn.activation" "abs"

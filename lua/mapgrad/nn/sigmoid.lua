--- Logistic function 1 / (1 + exp(-x)) of each entry.
-- @return a module
return require "mapgrad.nn.activation" "sigmoid"

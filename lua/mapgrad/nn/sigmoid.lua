--- Logistic function 1 / (1 + exp(-x)) of each entry.
return require "mapgrad.nn.activation" "sigmoid"

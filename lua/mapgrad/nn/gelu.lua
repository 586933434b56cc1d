--- x times the normal distribution function of x, of each entry; exact, not the tanh form.
-- Source: Hendrycks, Gimpel 2016.
-- @return a module
return require "mapgrad.nn.activation" "gelu"

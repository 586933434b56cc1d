--- x where x > 0, else alpha (exp(x) - 1), of each entry.
-- Source: Clevert, Unterthiner, Hochreiter 2016.
-- @param alpha  (default 1)
-- @return a module
local check = require "mapgrad.check"

return require "mapgrad.nn.activation"("elu", { { "alpha", check.real(1) } })

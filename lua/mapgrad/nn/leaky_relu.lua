--- max(x, 0) + slope min(x, 0) of each entry.
-- Source: Maas, Hannun, Ng 2013.
-- @param slope  below 0 (default 0.01)
-- @return a module
local check = require "mapgrad.check"

return require "mapgrad.nn.activation"("leaky_relu", { { "slope", check.real(0.01) } })

--- The logarithm of softmax along an axis.
-- @param axis  (default -1, the last)
-- @return a module
local check = require "mapgrad.check"

return require "mapgrad.nn.activation"("log_softmax", { { "axis", check.real(-1) } })

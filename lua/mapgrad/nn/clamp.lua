--- Each entry brought into [low, high].
-- @param low   number
-- @param high  number
-- @return a module
local check = require "mapgrad.check"

return require "mapgrad.nn.activation"("clamp", { { "low", check.real() }, { "high", check.real() } })

--- Target distributions: how a backward pass shifts theta.
--
-- A target is called as target(theta, g, truth, axes) with theta [batch..., shape], the per-sample upstream
-- gradient g [samples, batch..., shape], the true parameters or nil and the number of axes of the shape; it answers
-- theta' of g's shape and the factor of the difference of solutions. Formulas: Niepert, Minervini, Franceschi 2021.
local check = require "mapgrad.check"

local NAMES = { "fixed", "normalised", "adaptive", "combinatorial", "given" }

return check.registry("target", NAMES, function(name) return require("mapgrad.target." .. name) end)

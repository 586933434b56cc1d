--- mapgrad: discrete solvers inside gradient learning.
--
-- `local mg = require "mapgrad"`; the parts (mg.tensor, mg.solver, ...) are loaded when first used.
local check = require "mapgrad.check"
local core = require "mapgrad.real"

local PARTS = {
  "autograd", "checkpoint", "data", "diagnose", "distribution", "estimator", "experiment", "ffi", "help", "loss",
  "metric", "mpi", "nn", "noise", "optim", "plot", "progress", "random", "solver", "target", "tensor",
}

local info = core.info()

local mg = check.registry("mapgrad", PARTS, function(name)
  if name == "tensor" then require "mapgrad.autograd" end -- arithmetic and gradients of tensors
  return require("mapgrad." .. name)
end)

rawset(mg, "_NAME", "mapgrad")
rawset(mg, "_VERSION", info.version)

--- Number of threads that compute; with an argument sets it. Results do not depend on it.
rawset(mg, "threads", function(count)
  if count then core.threads_set(count) end
  return core.threads()
end)

--- Seconds on a clock that never goes back.
rawset(mg, "clock", core.clock)

return mg

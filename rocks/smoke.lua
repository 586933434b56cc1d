-- What an installed rock must do: a gradient through a solver.
local mg = require "mapgrad"
local tensor = mg.tensor

mg.random.seed(1)
local layer = mg.estimator.blackbox { solver = mg.solver.top_k { n = 3, k = 1 }, lambda = 100 }
local x = tensor { 1, 3, 2 }:watch();
(layer(x) * tensor { 1, 2, 0 }):sum():backward()
assert(x.grad:equals(tensor { 0, 0.01, -0.01 }), tostring(x.grad))
print(("mapgrad %s on %s: a gradient through top_k"):format(mg._VERSION, rawget(_G, "jit") and "LuaJIT" or _VERSION))

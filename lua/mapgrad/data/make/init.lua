--- Data made from a seed. One file a generator; this list is what there is.
local check = require "mapgrad.check"

return check.registry("data.make", { "shortest_path", "terrain" }, function(name)
  return require("mapgrad.data.make." .. name)
end)

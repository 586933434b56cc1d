--- Lists of layers as the children of a module.
local check = require "mapgrad.check"
local lambda = require "mapgrad.nn.lambda"

local PLACE = check.count()

--- Reads a list of layers.
-- @param name  of the caller, for messages
-- @param list  modules; functions and other callable values become `nn.lambda`. A nil in its middle is an error.
-- @return list of {name, module}, names "1", "2", ...
return function(name, list)
  if type(list) ~= "table" or getmetatable(list) then
    check.fail("MG-TYPE", "%s: expected a list of layers in braces, got a %s", name, check.type_of(list))
  end
  local children, last = {}, 0
  for place in pairs(list) do last = math.max(last, check.value(name .. ": place of a layer", place, PLACE)) end
  for i = 1, last do
    local layer = list[i]
    if layer == nil then check.fail("MG-TYPE", "%s: layer %d of %d is nil", name, i, last) end
    if check.type_of(layer) ~= "mapgrad.module" then layer = lambda(layer) end
    children[i] = { ("%d"):format(i), layer }
  end
  return children
end

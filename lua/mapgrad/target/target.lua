--- The type of targets, and what they share.
local Target = { __name = "mapgrad.target" }

Target.__call = function(self, theta, g, truth)
  return self.shift(theta, g, truth)
end

Target.__tostring = function(self)
  return self.text
end

local target = {}

--- 0 where theta is finite, -inf where it is -inf: what a target adds that would lose forbidden entries.
function target.forbidden(theta)
  return (1 - theta:eq(-math.huge)):log()
end

--- Makes a target.
-- @param text   how it prints
-- @param shift  function (theta, g, truth) -> theta', scale
function target.new(text, shift)
  return setmetatable({ text = text, shift = shift }, Target)
end

return target

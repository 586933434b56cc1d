--- The type of targets.
local Target = { __name = "mapgrad.target" }

Target.__call = function(self, theta, g, truth)
  return self.shift(theta, g, truth)
end

Target.__tostring = function(self)
  return self.text
end

--- Makes a target.
-- @param text   how it prints
-- @param shift  function (theta, g, truth) -> theta', scale
return function(text, shift)
  return setmetatable({ text = text, shift = shift }, Target)
end

--- Sizes of windows over images and sequences: a number for all axes, or {vertical, horizontal}.
local check = require "mapgrad.check"

local window = {}

-- Turns a rule for a number into one that takes a pair, too, where there are two axes.
local function paired(rule, axes)
  if axes == 1 then return rule end
  local test = rule.test
  rule.expected = rule.expected .. ", or {vertical, horizontal}"
  rule.test = function(v)
    if type(v) ~= "table" then return test(v) end
    return not getmetatable(v) and #v == 2 and test(v[1]) and test(v[2]) and v or nil
  end
  return rule
end

--- The rule of an option: integers from 1.
-- @param axes    1 or 2
-- @param preset  default (none: the option is required)
function window.count(axes, preset)
  return paired(check.count(preset), axes)
end

--- The rule of an option: integers from 0.
function window.whole(axes, preset)
  return paired(check.whole(preset), axes)
end

--- Extents along each axis: {3, 3} of 3.
function window.extents(value, axes)
  if type(value) == "table" then return value end
  local list = {}
  for i = 1, axes do list[i] = value end
  return list
end

--- "3", or "3x5".
function window.text(value)
  if type(value) ~= "table" then return ("%d"):format(value) end
  return ("%dx%d"):format(value[1], value[2])
end

return window

--- The steps of a performance profile.
-- @module mapgrad.plot.corners
local gnuplot = require "mapgrad.plot.gnuplot"

-- Finite values, from the best to the worst; and how many there are in all.
local function ranked(values, sense)
  local list = {}
  for _, value in ipairs(values) do
    if gnuplot.is_finite(value) then list[#list + 1] = value end
  end
  table.sort(list, function(a, b)
    if sense == "min" then return a < b end
    return a > b
  end)
  return list, #values
end

--- The corners of a group's profile.
-- @param values       numbers; one that is not finite is a run that never gets there
-- @param sense        "min" or "max"
-- @param best, worst  where the profile begins and ends
-- @return x, y, lists of numbers; the finite values from best to worst
return function(values, sense, best, worst)
  local list, count = ranked(values, sense)
  local x, y, share = { best }, { 0 }, 0
  local function add(a, b) x[#x + 1], y[#y + 1] = a, b end
  for i, value in ipairs(list) do
    add(value, share)
    share = i / count
    add(value, share)
  end
  add(worst, share)
  return x, y, list
end

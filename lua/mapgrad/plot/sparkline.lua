--- Curves of one line of text.
-- @module mapgrad.plot.sparkline
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"

local blocks = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

-- The mean of the finite entries first..last of a list; nil if there are none.
local function mean(list, first, last)
  local sum, count = 0, 0
  for i = first, last do
    if gnuplot.is_finite(list[i]) then sum, count = sum + list[i], count + 1 end
  end
  return count > 0 and sum / count or nil
end

--- A curve as one line of text: eight heights from the lowest to the highest number. What is not finite leaves a
-- gap. A list longer than the line is averaged over stretches.
-- @param list     numbers
-- @param columns  most characters (default 32)
-- @return a text, in UTF-8
-- @usage plot.sparkline { 5, 3, 2, 1.5, 1.2, 1.1, 1 }
return function(list, columns)
  check.value("plot.sparkline: list", list, check.list())
  columns = check.value("plot.sparkline: columns", columns or 32, check.count())
  local count, values = math.min(#list, columns), {}
  local low, high = math.huge, -math.huge
  for i = 1, count do
    local first = math.floor((i - 1) * #list / count) + 1
    values[i] = mean(list, first, math.floor(i * #list / count)) or false
    if values[i] then low, high = math.min(low, values[i]), math.max(high, values[i]) end
  end
  for i, value in ipairs(values) do
    local share = high > low and value and (value - low) / (high - low) or 0
    values[i] = value and blocks[math.floor(share * (#blocks - 1) + 0.5) + 1] or " "
  end
  return table.concat(values)
end

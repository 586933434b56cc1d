--- Lines with markers, and bands around them.
-- @module mapgrad.plot.curves
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"
local series_rules = require "mapgrad.plot.series"
local style = require "mapgrad.plot.style"

local MARKERS = 12 -- about so many on a long line

-- On a logarithmic axis a band that reaches below 0 is cut at the least number there is above 0.
local function above_zero(series)
  local least = math.huge
  for _, entry in ipairs(series) do
    for _, list in ipairs { entry.y, entry.low or {} } do
      for _, value in ipairs(list) do
        if value > 0 then least = math.min(least, value) end
      end
    end
  end
  for _, entry in ipairs(series) do
    local low = entry.low and {} -- the caller's list stays
    for i, value in ipairs(entry.low or {}) do low[i] = value <= 0 and least or value end
    entry.low = low
  end
end

local function figure_of(o, series, kind)
  local figure = { title = o.title, x_label = o.x_label, y_label = o.y_label, data = {}, plots = {} }
  figure.set = { kind ~= "text" and "set grid ytics noxtics" or "unset grid" }
  local bands = {}
  for i, entry in ipairs(series) do
    local name = ("series%d"):format(i)
    local banded = entry.low and kind ~= "text"
    figure.data[i] = {
      name = name, columns = ("%s: x y%s"):format(entry.name, banded and " low high" or ""),
      lines = banded and gnuplot.rows(entry.x, entry.y, entry.low, entry.high) or gnuplot.rows(entry.x, entry.y),
    }
    if banded then
      bands[#bands + 1] = { data = name, how = ("using 1:3:4 with filledcurves %s fillstyle transparent solid "
        .. "0.15 noborder notitle"):format(style.colour(i)) }
    end
    local every = math.max(1, math.floor(#entry.x / MARKERS))
    figure.plots[i] = { data = name, how = ("using 1:2 with linespoints linewidth 2 pointsize 0.7 "
      .. "pointinterval %d %s title %s"):format(every, style.line(i), gnuplot.quote(entry.name)) }
  end
  for i = #bands, 1, -1 do table.insert(figure.plots, 1, bands[i]) end -- below the lines
  return figure
end

--- Lines with markers, and bands around them. A figure: `?plot` has the options of all.
-- @param options.series  list of {name=, x={numbers}, y={numbers}, low={numbers}, high={numbers}}; low and
-- high, the borders of a band, may be absent; a point that is not finite breaks the line
-- @return true; or nil and a message, and no file
return function(options)
  local o = check.options("plot.curves", options, gnuplot.rules { series = check.any() })
  local series = series_rules("plot.curves", o.series, { "low", "high" })
  if o.y_log then above_zero(series) end
  return gnuplot.draw("plot.curves", o, function(kind) return figure_of(o, series, kind) end)
end

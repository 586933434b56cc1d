--- Points of several groups.
-- @module mapgrad.plot.scatter
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"
local series_rules = require "mapgrad.plot.series"
local style = require "mapgrad.plot.style"

local function figure_of(o, series)
  local figure = { title = o.title, x_label = o.x_label, y_label = o.y_label, data = {}, plots = {} }
  figure.set = { "set offsets graph 0.03, graph 0.03, graph 0.03, graph 0.03" }
  for i, entry in ipairs(series) do
    local name = ("series%d"):format(i)
    figure.data[i] = { name = name, columns = entry.name .. ": x y", lines = gnuplot.rows(entry.x, entry.y) }
    figure.plots[i] = { data = name, how = ("using 1:2 with points pointsize 0.9 linewidth 1.5 %s title %s"):format(
      style.marker(i), gnuplot.quote(entry.name)) }
  end
  return figure
end

--- Points, each group with its colour and marker. A figure: `?plot` has the options of all.
-- @param options.series  list of {name=, x={numbers}, y={numbers}}; a point that is not finite is left out
-- @return true; or nil and a message, and no file
return function(options)
  local o = check.options("plot.scatter", options, gnuplot.rules { series = check.any() })
  local series = series_rules("plot.scatter", o.series, {})
  return gnuplot.draw("plot.scatter", o, function() return figure_of(o, series) end)
end

--- Lines with markers, and bands around them.
-- @module mapgrad.plot.curves
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"
local style = require "mapgrad.plot.style"

local MARKERS = 12 -- about so many on a long line

local function check_list(list, position, what, count)
  if type(list) ~= "table" or #list ~= count or count == 0 then
    check.fail("MG-SHAPE", "plot.curves: series %d: expected x and %s, lists of equal length above 0", position, what)
  end
  for i = 1, count do
    if type(list[i]) ~= "number" then
      check.fail("MG-TYPE", "plot.curves: series %d: point %d is not a pair of numbers", position, i)
    end
  end
end

local function check_series(given)
  local list = {}
  for i, entry in ipairs(given) do
    local o = check.options("plot.curves: series", entry, {
      name = check.text(), x = check.any(), y = check.any(),
      low = check.optional(check.any()), high = check.optional(check.any()),
    })
    if (o.low == nil) ~= (o.high == nil) then
      check.fail("MG-ARGUMENT", "plot.curves: series %d: low and high go together", i)
    end
    for _, what in ipairs { "x", "y", "low", "high" } do
      if o[what] then check_list(o[what], i, what, type(o.x) == "table" and #o.x or 0) end
    end
    list[i] = o
  end
  if #list == 0 then check.fail("MG-ARGUMENT", "plot.curves: no series") end
  return list
end

local function figure_of(o, series, kind)
  local figure = { title = o.title, x_label = o.x_label, y_label = o.y_label, data = {}, plots = {}, set = {} }
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
    figure.plots[i] = { data = name, how = ("using 1:2 with %s linewidth 2 %s %s title %s"):format(
      o.steps and "steps" or "linespoints", o.steps and "" or ("pointsize 0.7 pointinterval %d"):format(every),
      style.line(i), gnuplot.quote(entry.name)) }
  end
  for i = #bands, 1, -1 do table.insert(figure.plots, 1, bands[i]) end -- below the lines
  return figure
end

return function(options)
  local o = check.options("plot.curves", options, gnuplot.rules { series = check.list(), steps = check.flag(false) })
  local series = check_series(o.series)
  return gnuplot.draw("plot.curves", o, function(kind) return figure_of(o, series, kind) end)
end

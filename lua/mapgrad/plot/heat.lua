--- Heat maps over two options, the number written in each cell.
-- @module mapgrad.plot.heat
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"
local style = require "mapgrad.plot.style"

local function check_labels(name, labels)
  for i, label in ipairs(labels) do
    if type(label) ~= "string" then
      check.fail("MG-TYPE", "plot.heat: %s: label %d is not a text but a %s", name, i, check.type_of(label))
    end
  end
  if #labels == 0 then check.fail("MG-ARGUMENT", "plot.heat: %s: no labels", name) end
end

local function check_values(o)
  for r = 1, #o.rows do
    local row = o.values[r]
    if type(row) ~= "table" or #row ~= #o.columns then
      check.fail("MG-SHAPE", "plot.heat: values: row %d has %s entries, expected one for each of %d columns", r,
        type(row) == "table" and #row or "no", #o.columns)
    end
  end
end

local function range(values)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(values) do
    for _, value in ipairs(row) do
      if gnuplot.is_finite(value) then low, high = math.min(low, value), math.max(high, value) end
    end
  end
  return low, high
end

local function palette()
  local list = {}
  for i, colour in ipairs(style.heat) do
    list[i] = ("%d '#%02x%02x%02x'"):format(i - 1, colour[1], colour[2], colour[3])
  end
  return table.concat(list, ", ")
end

-- Cells, and their numbers, light on dark cells (low ones) and dark on light ones.
local function data_of(o, low, high)
  local cells = { name = "cells", columns = "column row value", lines = {} }
  local light = { name = "light", columns = "column row text", lines = {} }
  local dark = { name = "dark", columns = "column row text", lines = {} }
  for r, row in ipairs(o.values) do
    for c, value in ipairs(row) do
      if gnuplot.is_finite(value) then
        cells.lines[#cells.lines + 1] = ("%d %d %.9g"):format(c, r, value)
        local share = high > low and (value - low) / (high - low) or 0
        local texts = (share < 0.5 and light or dark).lines
        texts[#texts + 1] = ('%d %d "%.3g"'):format(c, r, value)
      end
    end
  end
  return cells, light, dark
end

local function figure_of(o, kind)
  local low, high = range(o.values)
  local cells, light, dark = data_of(o, low, high)
  local figure = { title = o.title, x_label = o.x_label, y_label = o.y_label, data = { cells }, plots = {} }
  if kind ~= "text" then
    figure.plots[1] = { data = "cells", how = "using 1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with boxxyerror "
      .. "linecolor palette fillstyle solid noborder notitle" }
  end
  for _, texts in ipairs { { light, "#FFFFFF" }, { dark, "#010101" } } do
    if #texts[1].lines > 0 then
      figure.data[#figure.data + 1] = texts[1]
      figure.plots[#figure.plots + 1] = { data = texts[1].name, how = ("using 1:2:3 with labels%s notitle"):format(
        kind == "text" and "" or (" textcolor rgb '%s'"):format(texts[2])) }
    end
  end
  if low == high then high = low + (low == 0 and 1 or math.abs(low)) end
  figure.set = {
    "unset key", "unset grid", ("set xrange [0.5:%g]"):format(#o.columns + 0.5),
    ("set yrange [%g:0.5]"):format(#o.rows + 0.5), "set xtics " .. gnuplot.tics(o.columns),
    "set ytics " .. gnuplot.tics(o.rows), "set tics scale 0", "unset colorbox",
    ("set palette defined (%s)\nset cbrange [%.9g:%.9g]"):format(palette(), low, high),
  }
  return figure
end

--- A cell for each pair of values, dark (low) to yellow (high), with its number. A figure: `?plot` has the options of
-- all.
-- @param options.columns, options.rows  lists of texts
-- @param options.values                 a list for each row, a number for each column; what is not finite is left
-- empty
-- @return true; or nil and a message, and no file
return function(options)
  local o = check.options("plot.heat", options, gnuplot.rules {
    columns = check.list(), rows = check.list(), values = check.list(),
  })
  check_labels("columns", o.columns)
  check_labels("rows", o.rows)
  check_values(o)
  if range(o.values) == math.huge then check.fail("MG-ARGUMENT", "plot.heat: no value is finite") end
  return gnuplot.draw("plot.heat", o, function(kind) return figure_of(o, kind) end)
end

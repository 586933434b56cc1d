--- Bars with intervals, one below the other, so that long names have room.
-- @module mapgrad.plot.bars
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"
local style = require "mapgrad.plot.style"

local bar_rules = {
  name = check.text(), value = check.real(), low = check.optional(check.real()), high = check.optional(check.real()),
}

local function check_bars(given)
  local list = {}
  for i, entry in ipairs(given) do
    local bar = check.options(("plot.bars: bar %d"):format(i), entry, bar_rules)
    bar.low, bar.high = bar.low or bar.value, bar.high or bar.value
    if bar.low > bar.high then
      check.fail("MG-ARGUMENT", "plot.bars: bar %d: its low end %g is above its high end %g", i, bar.low, bar.high)
    end
    list[i] = bar
  end
  if #list == 0 then check.fail("MG-ARGUMENT", "plot.bars: no bars") end
  return list
end

local function figure_of(o, bars, kind)
  local points = o.points or kind == "text"
  local figure = { title = o.title, x_label = o.x_label, y_label = o.y_label, data = {}, plots = {} }
  local names, marks = {}, {}
  for i, bar in ipairs(bars) do
    local name = ("bar%d"):format(i)
    names[i] = bar.name
    figure.data[i] = {
      name = name, columns = bar.name .. ": value place low high",
      lines = gnuplot.rows({ bar.value }, { i }, { bar.low }, { bar.high }),
    }
    local fill = ("using (0):2:(0):1:($2-0.3):($2+0.3) with boxxyerror %s fillstyle solid 0.45 border notitle")
    if not points then figure.plots[#figure.plots + 1] = { data = name, how = fill:format(style.colour(i)) } end
    marks[i] = { data = name, how = ("using 1:2:3:4 with xerrorbars linewidth 2 pointsize 0.9 %s notitle"):format(
      points and style.marker(i) or ("pointtype 1 linecolor rgb '%s'"):format(style.frame)) }
  end
  for _, mark in ipairs(marks) do figure.plots[#figure.plots + 1] = mark end -- over the bars
  figure.set = {
    "unset key", kind == "text" and "unset grid" or "set grid noytics xtics",
    ("set yrange [%g:0.4]"):format(#bars + 0.6),
    "set ytics " .. gnuplot.tics(names), "set ytics scale 0",
    points and "set offsets graph 0.05, graph 0.05, 0, 0" or "set xrange [*<0:0<*]",
  }
  return figure
end

--- Bars with intervals. A figure: `?plot` has the options of all.
-- @param options.bars    list of {name=, value=, low=, high=}, the first on top; without low or high: no interval
-- @param options.points  true: a marker for the value in place of a bar from 0, so that close values can be told
-- apart (default false)
-- @return true; or nil and a message, and no file
return function(options)
  local o = check.options("plot.bars", options, gnuplot.rules { bars = check.list(), points = check.flag(false) })
  local bars = check_bars(o.bars)
  return gnuplot.draw("plot.bars", o, function(kind) return figure_of(o, bars, kind) end)
end

--- Figures of runs: what `mapgrad plot` and reports draw, through mapgrad.plot.
--
-- A comparison is what compare.runs answers: groups with their values, the metric, its sense. `output` holds options of
-- every figure of mapgrad.plot: file, script, format, ... Answers are those of mapgrad.plot: true or a text; or nil and
-- a message.
-- @module mapgrad.experiment.figure
local compare = require "mapgrad.experiment.compare"
local curve = require "mapgrad.experiment.curve"
local plot = require "mapgrad.plot"
local statistics = require "mapgrad.statistics"
local where = require "mapgrad.experiment.where"

local figure = {}

local POINTS = 100 -- most points of a curve

-- The options of a plot: labels and the like, then those of the caller.
local function options_of(own, output)
  for name, value in pairs(output) do own[name] = value end
  return own
end

local function better(comparison)
  return comparison.sense == "min" and "small is good" or "large is good"
end

-- Mean and Student's interval; of one number itself.
local function interval_of(level)
  return function(values)
    local mean = statistics.mean(values)
    if #values < 2 then return mean, mean, mean end
    return mean, statistics.t_interval(values, level)
  end
end

--- The interval of a group's mean, as the comparison chose it; of one run nil.
-- @return low, high
function figure.interval(comparison, group)
  local pair = group.interval[comparison.interval]
  if pair[1] ~= pair[1] then return nil end
  return pair[1], pair[2]
end

-- Units in which the numbers of an axis are short: {from where on, divisor, label}.
local units = {
  solves = { { 1e7, 1e6, "solver calls, millions" }, { 1e4, 1e3, "solver calls, thousands" } },
  seconds = { { 7200, 3600, "hours" }, { 300, 60, "minutes" } },
}

-- Divides the places of all series; the label of the axis.
local function in_units(series, axis)
  local largest = 0
  for _, entry in ipairs(series) do largest = math.max(largest, entry.x[#entry.x]) end
  for _, unit in ipairs(units[axis] or {}) do
    if largest >= unit[1] then
      for _, entry in ipairs(series) do
        local x = {}
        for i, place in ipairs(entry.x) do x[i] = place / unit[2] end
        entry.x = x
      end
      return unit[3]
    end
  end
  return curve.labels[axis]
end

--- The mean of the metric over each group's runs, with its interval as a band.
-- @param axis  "epoch", "solves" or "seconds"
function figure.curves(comparison, axis, output)
  local series = {}
  for _, group in ipairs(comparison.groups) do
    local points = curve.mean(group.kept, comparison.metric, axis, interval_of(comparison.level))
    if points then
      points = curve.thin(points, POINTS)
      points.name = group.name
      if #group.kept < 2 then points.low, points.high = nil, nil end
      series[#series + 1] = points
    end
  end
  if #series == 0 then
    return nil, ("no run has %s and %s: nothing to draw"):format(comparison.metric, curve.labels[axis])
  end
  local label = in_units(series, axis)
  return plot.curves(options_of({ series = series, x_label = label, y_label = comparison.metric }, output))
end

--- The mean of each group with its interval.
function figure.bars(comparison, output)
  local bars = {}
  for _, group in ipairs(comparison.groups) do
    if group.n > 0 then
      local low, high = figure.interval(comparison, group)
      bars[#bars + 1] = { name = group.name, value = group.mean, low = low, high = high }
    end
  end
  if #bars == 0 then return nil, ("no finished run has %s: nothing to draw"):format(comparison.metric) end
  local label = ("%s (%s)"):format(comparison.metric, better(comparison))
  return plot.bars(options_of({ bars = bars, x_label = label }, output))
end

--- The share of each group's runs that are as good as a threshold.
function figure.profile(comparison, output)
  local groups = {}
  for _, group in ipairs(comparison.groups) do
    if group.n > 0 then groups[#groups + 1] = { name = group.name, values = group.values } end
  end
  if #groups == 0 then return nil, ("no finished run has %s: nothing to draw"):format(comparison.metric) end
  return plot.profile(options_of({
    groups = groups, sense = comparison.sense,
    x_label = ("%s at %s"):format(comparison.metric, comparison.sense == "min" and "most" or "least"),
  }, output))
end

--- The values of an option, or of another name of where.field, sorted: numbers by size, before texts.
-- @param list_of  tables with options: runs or groups
function figure.values(list_of, name)
  local seen, list = {}, {}
  for _, entry in ipairs(list_of) do
    local value = where.field(entry, name)
    if value ~= nil and not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  table.sort(list, function(a, b)
    if type(a) == "number" and type(b) == "number" then return a < b end
    if type(a) ~= type(b) then return type(a) == "number" end
    return where.text(a) < where.text(b)
  end)
  return list
end

-- The mean of the metric over all runs with two values.
local function cell_of(comparison, x, y, column, row)
  local sum, count = 0, 0
  for _, group in ipairs(comparison.groups) do
    if group.options[x] == column and group.options[y] == row then
      for _, value in ipairs(group.values) do sum, count = sum + value, count + 1 end
    end
  end
  return count > 0 and sum / count or 0 / 0
end

local function texts_of(values)
  local list = {}
  for i, value in ipairs(values) do list[i] = where.text(value) end
  return list
end

--- The mean of the metric over two options, whatever the others are.
-- @param x, y  names of options
function figure.heat(comparison, x, y, output)
  local columns, rows = figure.values(comparison.groups, x), figure.values(comparison.groups, y)
  local cells, found = {}, false
  for r, row in ipairs(rows) do
    cells[r] = {}
    for c, column in ipairs(columns) do
      cells[r][c] = cell_of(comparison, x, y, column, row)
      found = found or cells[r][c] == cells[r][c]
    end
  end
  if not found then
    return nil, ("no finished run has %s, %s and %s: nothing to draw"):format(x, y, comparison.metric)
  end
  local o = options_of({
    columns = texts_of(columns), rows = texts_of(rows), values = cells, x_label = x, y_label = y,
  }, output)
  if o.title then o.title = ("%s%smean %s"):format(o.title, o.title == "" and "" or ": ", comparison.metric) end
  return plot.heat(o)
end

-- What a run had of x when it had a row: an option, or the last number so far of a metric or of the clock.
local function place_of(run, x, row)
  local place = where.field(run, x)
  if place ~= nil then return place end
  for i = row, 1, -1 do
    place = run.rows[i][x]
    if place == nil and x == "seconds" then place = run.seconds and run.seconds[i] end
    if type(place) == "number" then return place end
  end
  return nil
end

--- A point for each run: the metric over an option or another metric, both of the row that counts.
-- @param x  name of an option with numbers, of a metric, "seconds" or "solves"
function figure.scatter(comparison, x, output)
  local series = {}
  for _, group in ipairs(comparison.groups) do
    local entry = { name = group.name, x = {}, y = {} }
    for i, run in ipairs(group.kept) do
      local _, row = compare.value(run, comparison.metric, comparison.sense, comparison.at)
      local place = place_of(run, x, row)
      if type(place) == "number" then
        entry.x[#entry.x + 1], entry.y[#entry.y + 1] = place, group.values[i]
      end
    end
    if #entry.x > 0 then series[#series + 1] = entry end
  end
  if #series == 0 then
    return nil, ("no finished run has a number for %s, and %s: nothing to draw"):format(x, comparison.metric)
  end
  return plot.scatter(options_of({ series = series, x_label = x, y_label = comparison.metric }, output))
end

return figure

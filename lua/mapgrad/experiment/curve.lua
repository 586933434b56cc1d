--- Runs as curves: a metric against epochs, solver calls or seconds, with the mean over seeds and its interval.
-- @module mapgrad.experiment.curve
local curve = {}

local MOST = 100 -- points of a curve where the runs have no places in common

--- What a curve can be drawn against.
curve.axes = { "epoch", "solves", "seconds" }
curve.labels = { epoch = "epoch", solves = "solver calls", seconds = "seconds" }

local function place_of(run, i, axis)
  if axis == "seconds" then return run.seconds and run.seconds[i] end
  local value = run.rows[i][axis]
  if value == nil and axis == "epoch" then return i end
  return value
end

--- The points of a run: rows that have the metric; a null of the file is NaN.
-- @return x, y lists of numbers
function curve.points(run, metric, axis)
  local x, y = {}, {}
  for i, row in ipairs(run.rows) do
    local place, value = place_of(run, i, axis), row[metric]
    if type(place) == "number" and value ~= nil then
      x[#x + 1], y[#y + 1] = place, type(value) == "number" and value or 0 / 0
    end
  end
  return x, y
end

-- Whether all lists begin alike, as far as they go; the longest.
local function common(lists)
  local longest = lists[1]
  for _, list in ipairs(lists) do
    if #list > #longest then longest = list end
  end
  for _, list in ipairs(lists) do
    for i = 1, #list do
      if list[i] ~= longest[i] then return nil end
    end
  end
  return longest
end

-- Evenly from where all have begun to where the first ends.
local function grid(lists)
  local first, last = -math.huge, math.huge
  for _, list in ipairs(lists) do
    first, last = math.max(first, list[1]), math.min(last, list[#list])
  end
  if first >= last then return { first } end
  local count, places = MOST, {}
  for _, list in ipairs(lists) do count = math.min(count, math.max(#list, 2)) end
  for i = 1, count do places[i] = first + (last - first) * (i - 1) / (count - 1) end
  return places
end

-- What each of the lists says at a place: the value there or the last one before; on common places, lists that have
-- ended say nothing.
local function reader(x, y, is_common)
  local at = 0
  return function(place)
    while at < #x and x[at + 1] <= place do at = at + 1 end
    if at == 0 or is_common and x[at] ~= place then return nil end
    return y[at]
  end
end

--- The mean over runs, and an interval around it. Runs with the same places (epochs) are averaged there, over the
-- runs that got so far; others (solver calls, seconds) on an even grid, each with the last value known by then.
-- @param runs      list of runs
-- @param metric    name
-- @param axis      "epoch", "solves" or "seconds"
-- @param interval  function (list of numbers) -> mean, low, high
-- @return {x=, y=, low=, high=}, lists; or nil if no run has a point
function curve.mean(runs, metric, axis, interval)
  local xs, ys = {}, {}
  for _, run in ipairs(runs) do
    local x, y = curve.points(run, metric, axis)
    if #x > 0 then xs[#xs + 1], ys[#ys + 1] = x, y end
  end
  if #xs == 0 then return nil end
  local shared = common(xs)
  local places, readers = shared or grid(xs), {}
  for i = 1, #xs do readers[i] = reader(xs[i], ys[i], shared ~= nil) end
  local result = { x = places, y = {}, low = {}, high = {} }
  for i, place in ipairs(places) do
    local values = {}
    for _, read in ipairs(readers) do values[#values + 1] = read(place) end
    result.y[i], result.low[i], result.high[i] = interval(values)
  end
  return result
end

--- At most so many points of a curve, the first and the last among them.
function curve.thin(points, most)
  local count = #points.x
  if count <= most then return points end
  local thin = {}
  for name, list in pairs(points) do
    thin[name] = {}
    for i = 1, most do thin[name][i] = list[1 + math.floor((i - 1) * (count - 1) / (most - 1) + 0.5)] end
  end
  return thin
end

return curve

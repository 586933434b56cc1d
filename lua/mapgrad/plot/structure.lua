--- Solutions as pictures: input, target and prediction side by side.
-- @module mapgrad.plot.structure
local check = require "mapgrad.check"
local gnuplot = require "mapgrad.plot.gnuplot"
local raster = require "mapgrad.plot.raster"
local style = require "mapgrad.plot.style"

local PANEL, MARGIN, HEADING = 240, 16, 28 -- pixels: side of a panel, around panels, of the line of headings
local BLACK, WHITE, BLUE, ORANGE, GREY, PALE = { 30, 30, 30 }, { 255, 255, 255 }, { 0, 114, 178 }, { 213, 94, 0 },
  { 150, 150, 150 }, { 222, 226, 230 }

-- ------------------------------------------------------------------ what an entry of a solution is

-- Of an entry: "right", "wrong" (predicted, not in the target), "missed", or nil for neither.
local function verdict(predicted, wanted)
  if predicted >= 0.5 then return wanted >= 0.5 and "right" or "wrong" end
  return wanted >= 0.5 and "missed" or nil
end

-- ------------------------------------------------------------------ cells: paths and subsets of a grid

-- Cells by their values, dark (low) to yellow (high).
local function draw_cells(picture, x0, y0, row)
  local shape, values = row.input:shape(), row.input:to_list()
  local low, high = gnuplot.range(values)
  local height, width = PANEL / shape[1], PANEL / shape[2]
  for i, value in ipairs(values) do
    local r, c = math.floor((i - 1) / shape[2]), (i - 1) % shape[2]
    local share = high > low and (value - low) / (high - low) or 0
    picture:rectangle(x0 + c * width, y0 + r * height, x0 + (c + 1) * width, y0 + (r + 1) * height,
      gnuplot.is_finite(value) and style.heat_colour(share) or WHITE)
  end
end

-- A disc on cells that are right, a diamond on wrong ones, a ring on missed ones.
local function mark_cells(picture, x0, y0, row, predicted)
  local shape, wanted = row.input:shape(), row.target:to_list()
  local height, width = PANEL / shape[1], PANEL / shape[2]
  local radius = 0.32 * math.min(height, width)
  for i, value in ipairs(predicted:to_list()) do
    local x, y = x0 + ((i - 1) % shape[2] + 0.5) * width, y0 + (math.floor((i - 1) / shape[2]) + 0.5) * height
    local what = verdict(value, wanted[i])
    if what == "right" then
      picture:disc(x, y, radius + 1.5, BLACK)
      picture:disc(x, y, radius, WHITE)
    elseif what == "wrong" then
      picture:diamond(x, y, 1.3 * radius + 2, BLACK)
      picture:diamond(x, y, 1.3 * radius, ORANGE)
    elseif what == "missed" then
      picture:disc(x, y, radius + 1.5, BLACK, 4)
      picture:disc(x, y, radius, WHITE, 2)
    end
  end
end

local function cells(picture, x0, y0, row, predicted)
  draw_cells(picture, x0, y0, row)
  if predicted then mark_cells(picture, x0, y0, row, predicted) end
end

-- ------------------------------------------------------------------ bars: subsets of a list

local function bars(picture, x0, y0, row, predicted)
  local values, wanted = row.input:to_list(), row.target:to_list()
  local chosen = predicted and predicted:to_list()
  local low, high = gnuplot.range(values)
  low, high = math.min(low, 0), math.max(high, 0)
  local function y(value) return y0 + PANEL * (high > low and (high - value) / (high - low) or 1) end
  local width = PANEL / #values
  for i, value in ipairs(values) do
    local left, right = x0 + (i - 0.88) * width, x0 + (i - 0.12) * width
    local top, bottom = math.min(y(value), y(0)), math.max(y(value), y(0))
    if bottom - top < 2 then top = bottom - 2 end
    local what = chosen and verdict(chosen[i], wanted[i])
    picture:rectangle(left, top, right, bottom, what == "right" and BLUE or what == "wrong" and ORANGE
      or chosen and PALE or GREY)
    if what == "missed" then picture:frame(left, top, right, bottom, 2.5, BLUE) end
    if what == "wrong" then
      picture:line(left, top, right, bottom, 1.5, WHITE)
      picture:line(left, bottom, right, top, 1.5, WHITE)
    end
  end
  picture:line(x0, y(0), x0 + PANEL, y(0), 1, BLACK)
end

-- ------------------------------------------------------------------ graphs: matchings and tours

-- The points of a row in pixels from the corner of a panel, the same scale both ways.
local function places_of(points)
  local list, n = points:to_list(), points:size(1)
  local low_x, low_y, high_x, high_y = math.huge, math.huge, -math.huge, -math.huge
  for i = 1, n do
    local x, y = list[2 * i - 1], list[2 * i]
    low_x, high_x, low_y, high_y = math.min(low_x, x), math.max(high_x, x), math.min(low_y, y), math.max(high_y, y)
  end
  local extent, inner = math.max(high_x - low_x, high_y - low_y), PANEL - 24
  local scale = extent > 0 and inner / extent or 0
  local left, top = 12 + (inner - scale * (high_x - low_x)) / 2, 12 + (inner - scale * (high_y - low_y)) / 2
  local places = {}
  for i = 1, n do
    places[i] = { left + scale * (list[2 * i - 1] - low_x), top + scale * (high_y - list[2 * i]) }
  end
  return places
end

-- The edges of a row: its list, or those of a complete graph, (1,2), (1,3), ..., (2,3), ...
local function edges_of(row)
  if row.edges then return row.edges end
  local list, n = {}, row.input:size(1)
  for i = 1, n do
    for j = i + 1, n do list[#list + 1] = { i, j } end
  end
  return list
end

-- The entries of a solution by edge; of a matrix [n, n] those above the diagonal or below.
local function entries(solution, edges)
  local list = solution:to_list()
  if solution:axes() == 1 then return list end
  local by_edge, n = {}, solution:size(1)
  for i, edge in ipairs(edges) do
    by_edge[i] = math.max(list[(edge[1] - 1) * n + edge[2]], list[(edge[2] - 1) * n + edge[1]])
  end
  return by_edge
end

local looks = {
  right = { 3.5, BLUE }, wrong = { 3.5, ORANGE, 7 }, missed = { 1.5, GREY, 3 },
}

local function graph(picture, x0, y0, row, predicted)
  local places, edges = places_of(row.input), edges_of(row)
  local function line(edge, look)
    local a, b = places[edge[1]], places[edge[2]]
    picture:line(x0 + a[1], y0 + a[2], x0 + b[1], y0 + b[2], look[1], look[2], look[3])
  end
  if row.edges then
    for _, edge in ipairs(edges) do line(edge, { 1, PALE }) end
  end
  if predicted then
    local chosen, wanted = entries(predicted, edges), entries(row.target, edges)
    for i, edge in ipairs(edges) do
      local what = verdict(chosen[i], wanted[i])
      if what then line(edge, looks[what]) end
    end
  end
  for _, place in ipairs(places) do
    picture:disc(x0 + place[1], y0 + place[2], 5, WHITE)
    picture:disc(x0 + place[1], y0 + place[2], 4, BLACK)
  end
end

-- ------------------------------------------------------------------ rows

local function shape_text(t) return table.concat(t:shape(), "x") end

local function expect_shape(where, name, t, ...)
  local shape = t:shape()
  for _, wanted in ipairs { ... } do
    local same = #wanted == #shape
    for i = 1, #wanted do same = same and wanted[i] == shape[i] end
    if same then return end
  end
  local texts = {}
  for i, wanted in ipairs { ... } do texts[i] = table.concat(wanted, "x") end
  check.fail("MG-SHAPE", "%s: %s has shape %s, expected %s", where, name, shape_text(t), table.concat(texts, " or "))
end

local row_rules = {
  input = check.tensor, target = check.tensor, prediction = check.optional(check.tensor),
  edges = check.optional(check.list()),
}

local function check_edges(where, edges, n)
  for i, edge in ipairs(edges) do
    local ok = type(edge) == "table" and #edge == 2
    for _, node in ipairs(ok and edge or {}) do
      ok = ok and type(node) == "number" and node >= 1 and node <= n and node == math.floor(node)
    end
    if not ok then check.fail("MG-ARGUMENT", "%s: edge %d is not a pair of points from 1 to %d", where, i, n) end
  end
end

-- A checked row, and the function that draws it.
local function check_row(kind, given, position)
  local where = ("plot.structure: row %d"):format(position)
  local row = check.options(where, given, row_rules)
  local shape = row.input:shape()
  local solutions, draw = { shape }, #shape == 1 and bars or cells
  if kind == "matching" or kind == "tour" then
    if #shape ~= 2 or shape[2] ~= 2 then expect_shape(where, "input (points)", row.input, { "n", 2 }) end
    if row.edges then check_edges(where, row.edges, shape[1]) end
    solutions, draw = { { #edges_of(row) }, { shape[1], shape[1] } }, graph
  elseif #shape ~= 2 and not (kind == "subset" and #shape == 1) then
    check.fail("MG-SHAPE", "%s: input has shape %s, expected %s", where, shape_text(row.input),
      kind == "subset" and "[n] or [rows, columns]" or "[rows, columns]")
  end
  for _, name in ipairs { "target", "prediction" } do
    if row[name] then expect_shape(where, name, row[name], (unpack or table.unpack)(solutions)) end
  end
  if row.input:count() == 0 then check.fail("MG-SHAPE", "%s: input is empty", where) end
  return row, draw
end

--- Input, target and prediction side by side as PNG, a row for each instance. In a prediction, blue (on cells: white)
-- is right; orange, a diamond, dashed or crossed, is predicted and not in the target; a ring, an outline or a thin
-- line is what it misses.
-- @param options.file  name of the PNG
-- @param options.kind  "path": cells of a grid; "subset": cells, or bars of a list; "matching", "tour": edges between
-- points
-- @param options.rows  list of {input=, target=, prediction=}, tensors (prediction may be absent). Cells: all three
-- [rows, columns], bars: [n]; input holds costs or values. Edges: input holds the points [n, 2], x to the right and
-- y up; target and prediction [edges] with edges = { {1, 2}, ... }, without a list the complete graph's in the order
-- (1,2), (1,3), ..., (2,3), ...; or matrices [n, n]. Points on a grid have its rows and columns as coordinates.
-- @return true; or nil and a message, and no file
-- @usage plot.structure { file = "tour.png", kind = "tour", rows = { { input = cities, target = best } } }
return function(options)
  local o = check.options("plot.structure", options, {
    file = check.text(), kind = check.choice { "path", "subset", "matching", "tour" }, rows = check.list(),
  })
  if #o.rows == 0 then
    check.fail("MG-ARGUMENT", "plot.structure: rows: expected a list of {input=, target=, prediction=}")
  end
  local rows, draws = {}, {}
  local has_predictions = false
  for i, given in ipairs(o.rows) do
    rows[i], draws[i] = check_row(o.kind, given, i)
    has_predictions = has_predictions or rows[i].prediction ~= nil
  end
  local headings = { "INPUT", "TARGET", has_predictions and "PREDICTION" or nil }
  local picture = raster.new(MARGIN + #headings * (PANEL + MARGIN), MARGIN + HEADING + #rows * (PANEL + MARGIN))
  for c, heading in ipairs(headings) do
    local left = MARGIN + (c - 1) * (PANEL + MARGIN)
    picture:text(left, MARGIN, heading)
    for r, row in ipairs(rows) do
      local solution = c == 2 and row.target or c == 3 and row.prediction or nil
      if c < 3 or solution then
        draws[r](picture, left, MARGIN + HEADING + (r - 1) * (PANEL + MARGIN), row, solution)
      end
    end
  end
  return picture:write(o.file)
end

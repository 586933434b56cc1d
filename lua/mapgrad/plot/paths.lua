--- Maps with their paths as PNG.
-- @module mapgrad.plot.paths
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local data = require "mapgrad.data"
local gnuplot = require "mapgrad.plot.gnuplot"
local letters = require "mapgrad.plot.letters"
local style = require "mapgrad.plot.style"
local tensor = require "mapgrad.tensor"

local MARGIN, HEADING = 8, 24 -- pixels around panels; of the line of headings
local WHITE, BLACK, RIGHT, WRONG = { 255, 255, 255 }, { 0, 0, 0 }, { 255, 255, 255 }, { 213, 94, 0 }

-- Panels are functions (x, y) -> colour, x and y pixels from 0.

local function map_panel(image, height, width, scale)
  local entries = image:to_list()
  local _, high = gnuplot.range(entries)
  local factor = high <= 1 and 255 or 1
  local plane = height * width
  return function(x, y)
    local at = math.floor(y / scale) * width + math.floor(x / scale) + 1
    return { entries[at] * factor, entries[at + plane] * factor, entries[at + 2 * plane] * factor }
  end
end

-- The map, with a dot on the cells of a path; a cell that is not on the expected path has another dot.
local function path_panel(map, path, expected, columns, cell_height, cell_width)
  local cells, wanted = path:to_list(), expected:to_list()
  return function(x, y)
    local column, row = math.floor(x / cell_width), math.floor(y / cell_height)
    local at = row * columns + column + 1
    if cells[at] < 0.5 then return map(x, y) end
    local dx = (x + 0.5) / cell_width - column - 0.5
    local dy = (y + 0.5) / cell_height - row - 0.5
    local distance = math.sqrt(dx * dx + dy * dy)
    if distance > 0.36 then return map(x, y) end
    if distance > 0.26 then return BLACK end
    return wanted[at] >= 0.5 and RIGHT or WRONG
  end
end

local function heat_panel(costs, columns, cell_height, cell_width)
  local entries = costs:to_list()
  local low, high = gnuplot.range(entries)
  local colours = {}
  for i, value in ipairs(entries) do
    local share = high > low and (value - low) / (high - low) or 0
    colours[i] = gnuplot.is_finite(value) and style.heat_colour(share) or WHITE
  end
  return function(x, y)
    return colours[math.floor(y / cell_height) * columns + math.floor(x / cell_width) + 1]
  end
end

local headings = { "MAP", "TRUE PATH", "PREDICTED PATH", "COSTS" }

local function check_row(row, shape, position)
  local o = check.options("plot.paths: rows", row, {
    image = check.tensor, truth = check.tensor, predicted = check.tensor, costs = check.tensor,
  })
  local function expect(name, ...)
    local actual, wanted = o[name]:shape(), { ... }
    local same = #actual == #wanted
    for axis, extent in ipairs(wanted) do same = same and actual[axis] == extent end
    if not same then
      check.fail("MG-SHAPE", "plot.paths: row %d: %s has shape %s, expected %s", position, name,
        table.concat(actual, "x"), table.concat(wanted, "x"))
    end
  end
  expect("image", 3, shape.height, shape.width)
  for _, name in ipairs { "truth", "predicted", "costs" } do expect(name, shape.rows, shape.columns) end
  return o
end

-- Extents from the first row.
local function shape_of(rows)
  local first = type(rows) == "table" and rows[1]
  if not first or not tensor.is(first.image) or first.image:axes() ~= 3 or not tensor.is(first.truth)
    or first.truth:axes() ~= 2 then
    check.fail("MG-ARGUMENT", "plot.paths: rows: expected a list of {image=[3,h,w], truth=[r,c], ...}")
  end
  return {
    height = first.image:size(2), width = first.image:size(3),
    rows = first.truth:size(1), columns = first.truth:size(2),
  }
end

local function panels_of(row, shape, scale)
  local cell_height, cell_width = shape.height * scale / shape.rows, shape.width * scale / shape.columns
  local map = map_panel(row.image, shape.height, shape.width, scale)
  return {
    map,
    path_panel(map, row.truth, row.truth, shape.columns, cell_height, cell_width),
    path_panel(map, row.predicted, row.truth, shape.columns, cell_height, cell_width),
    heat_panel(row.costs, shape.columns, cell_height, cell_width),
  }
end

local function put(line, x, colour)
  local at = 3 * x
  line[at + 1], line[at + 2], line[at + 3] = colour[1], colour[2], colour[3]
end

local function heading_line(line, y, panel_width)
  for i, text in ipairs(headings) do
    local left = MARGIN + (i - 1) * (panel_width + MARGIN)
    for x = 0, math.min(letters.width(text), panel_width) - 1 do
      if letters.covers(text, x, y) then put(line, left + x, BLACK) end
    end
  end
end

--- Maps, true paths, predicted paths and learned costs side by side, a row for each instance. On a
-- predicted path, white dots are cells of the true one, orange dots are not. Costs run from dark (low) to
-- yellow (high), each map by its own range.
-- @param options.file   name of the PNG
-- @param options.rows   list of {image=[3,h,w], truth=[r,c], predicted=[r,c], costs=[r,c]}, tensors; image
-- entries in 0..1, or in 0..255 if any is above 1
-- @param options.scale  pixels for one of the image (default: panels about 300 high)
-- @return true; or nil and a message, and no file
return function(options)
  local o = check.options("plot.paths", options, {
    file = check.text(), rows = check.any(), scale = check.optional(check.count()),
  })
  local shape = shape_of(o.rows)
  local scale = o.scale or math.max(1, math.floor(300 / shape.height))
  local panel_height, panel_width = shape.height * scale, shape.width * scale
  local width = MARGIN + #headings * (panel_width + MARGIN)
  local height = MARGIN + HEADING + #o.rows * (panel_height + MARGIN)
  local pixels = tensor.full({ height, width, 3 }, 255)
  local line = {}
  local function write(y)
    core.write(pixels.handle, y * width * 3, line)
  end
  local function clear()
    for i = 1, 3 * width do line[i] = 255 end
  end
  for y = 0, letters.HEIGHT - 1 do
    clear()
    heading_line(line, y, panel_width)
    write(MARGIN + y)
  end
  clear()
  for r, given in ipairs(o.rows) do
    local panels = panels_of(check_row(given, shape, r), shape, scale)
    local top = MARGIN + HEADING + (r - 1) * (panel_height + MARGIN)
    for y = 0, panel_height - 1 do
      for i, panel in ipairs(panels) do
        local left = MARGIN + (i - 1) * (panel_width + MARGIN)
        for x = 0, panel_width - 1 do put(line, left + x, panel(x, y)) end
      end
      write(top + y)
    end
  end
  return data.png_write(o.file, pixels)
end

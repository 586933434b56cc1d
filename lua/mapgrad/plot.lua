--- Pictures: curves through gnuplot, and maps with their paths as PNG.
-- Files are written whole or not at all. What the outside world does (gnuplot missing, a folder that
-- cannot be written) gives nil and a message.
-- @module mapgrad.plot
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local data = require "mapgrad.data"
local tensor = require "mapgrad.tensor"

local plot = {}

-- ------------------------------------------------------------------ curves

-- Colours that people with any colour vision tell apart (Okabe and Ito 2008); each series has its own
-- dash and marker too.
local palette = { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000" }
local markers = { 7, 5, 9, 11, 13, 2, 3 }

local MISSING = "gnuplot is not installed: no curve was drawn (Debian: apt-get install gnuplot-nox)"

-- A text for gnuplot: single quotes take nothing as a command, and terminals are set to noenhanced.
local function quote(text)
  return "'" .. text:gsub("[%c]", " "):gsub("'", "''") .. "'"
end

local function is_finite(value)
  return value == value and value ~= math.huge and value ~= -math.huge
end

-- A data block; a point that is not finite breaks the line.
local function block(series, index)
  local lines = { ("$series%d << EOD"):format(index) }
  for i = 1, #series.x do
    local x, y = series.x[i], series.y[i]
    lines[#lines + 1] = is_finite(x) and is_finite(y) and ("%.9g %.9g"):format(x, y) or ""
  end
  lines[#lines + 1] = "EOD"
  return table.concat(lines, "\n")
end

local function style(index)
  local i = (index - 1) % #palette + 1
  return ("dashtype %d linecolor rgb '%s' pointtype %d"):format(index == 1 and 1 or (index - 1) % 5 + 1,
    palette[i], markers[i])
end

local function script(o, terminal, output)
  local lines = { "set terminal " .. terminal }
  if output then lines[#lines + 1] = "set output " .. quote(output) end
  for _, name in ipairs { "title", "x_label", "y_label" } do
    lines[#lines + 1] = ("set %s %s"):format((name:gsub("_", "")), quote(o[name]))
  end
  lines[#lines + 1] = "set grid\nset key outside below"
  local plots = {}
  for i, series in ipairs(o.series) do
    lines[#lines + 1] = block(series, i)
    plots[i] = ("$series%d using 1:2 with linespoints linewidth 2 pointsize 0.7 %s title %s"):format(i,
      style(i), quote(series.name))
  end
  lines[#lines + 1] = "plot " .. table.concat(plots, ", \\\n  ")
  return table.concat(lines, "\n") .. "\n"
end

local function gnuplot_is_there()
  local pipe = io.popen("command -v gnuplot 2>/dev/null", "r")
  local line = pipe and pipe:read("*l")
  if pipe then pipe:close() end
  return line ~= nil and line ~= ""
end

-- Runs a script; what gnuplot prints. The script goes through a file, not a pipe: writing to the pipe
-- of a program that has ended would end this one.
local function run_gnuplot(text)
  local path = os.tmpname()
  local file, message = io.open(path, "w")
  if not file then return nil, message end
  file:write(text)
  file:close()
  local pipe = io.popen(("gnuplot '%s' 2>&1"):format(path), "r")
  local printed = pipe and pipe:read("*a")
  if pipe then pipe:close() end
  os.remove(path)
  return printed
end

local function check_series(series)
  for i, entry in ipairs(series) do
    local o = check.options("plot.curves: series", entry, {
      name = check.text(), x = check.any(), y = check.any(),
    })
    if type(o.x) ~= "table" or type(o.y) ~= "table" or #o.x ~= #o.y or #o.x == 0 then
      check.fail("MG-SHAPE", "plot.curves: series %d: expected x and y, lists of equal length above 0", i)
    end
    for j = 1, #o.x do
      if type(o.x[j]) ~= "number" or type(o.y[j]) ~= "number" then
        check.fail("MG-TYPE", "plot.curves: series %d: point %d is not a pair of numbers", i, j)
      end
    end
  end
  if #series == 0 then check.fail("MG-ARGUMENT", "plot.curves: no series") end
end

local terminals = {
  svg = "svg size 800,500 noenhanced font 'sans,13' background '#ffffff'",
  png = "pngcairo size 1000,620 noenhanced font 'sans,12'",
}

local function draw_text(o)
  local columns = math.max(40, math.min(core.terminal_width(), 100))
  local printed, message = run_gnuplot(script(o, ("dumb size %d,%d noenhanced"):format(columns - 1, 24)))
  if not printed then return nil, message end
  io.write((printed:gsub("\f", "")))
  return true
end

local function draw_file(o, terminal, ending)
  local part = ("%s.part.%s"):format(o.file, ending)
  local file, message = io.open(part, "w") -- gnuplot's own message would not say why
  if not file then return nil, message end
  file:close()
  local printed
  printed, message = run_gnuplot(script(o, terminal, part))
  file = io.open(part, "r")
  local bytes = file and file:seek("end") or 0
  if file then file:close() end
  if not printed or bytes == 0 then
    os.remove(part)
    return nil, message or "gnuplot: " .. printed:gsub("%s+$", "")
  end
  local ok
  ok, message = os.rename(part, o.file)
  if ok then return true end
  os.remove(part)
  return nil, message
end

--- Lines with markers.
-- @param options.series   list of {name=, x={numbers}, y={numbers}}
-- @param options.title, options.x_label, options.y_label  texts (default "")
-- @param options.file     "name.svg" or "name.png"; none: as text on stdout
-- @return true; or nil and a message, and no file
function plot.curves(options)
  local o = check.options("plot.curves", options, {
    series = check.any(), title = check.text "", x_label = check.text "", y_label = check.text "",
    file = check.optional(check.text()),
  })
  check_series(o.series)
  local ending = o.file and o.file:match("%.(%l+)$")
  if o.file and not terminals[ending] then
    check.fail("MG-ARGUMENT", "plot.curves: file: expected a name ending in .svg or .png, got '%s'", o.file)
  end
  if not gnuplot_is_there() then return nil, MISSING end
  if not o.file then return draw_text(o) end
  return draw_file(o, terminals[ending], ending)
end

-- ------------------------------------------------------------------ paths on maps

local MARGIN, HEADING = 8, 24 -- pixels around panels; of the line of headings
local WHITE, BLACK, RIGHT, WRONG = { 255, 255, 255 }, { 0, 0, 0 }, { 255, 255, 255 }, { 213, 94, 0 }

-- Letters of the headings, five rows of three bits.
local letters = {
  A = { 2, 5, 7, 5, 5 }, C = { 3, 4, 4, 4, 3 }, D = { 6, 5, 5, 5, 6 }, E = { 7, 4, 6, 4, 7 },
  H = { 5, 5, 7, 5, 5 }, I = { 7, 2, 2, 2, 7 }, M = { 5, 7, 7, 5, 5 }, O = { 2, 5, 5, 5, 2 },
  P = { 6, 5, 6, 4, 4 }, R = { 6, 5, 6, 5, 5 }, S = { 3, 4, 2, 1, 6 }, T = { 7, 2, 2, 2, 2 },
  U = { 5, 5, 5, 5, 7 },
}
local LETTER = 3 -- pixels a bit

-- Whether the text covers the pixel (x, y), from its top left corner.
local function covers(text, x, y)
  local column, row = math.floor(x / LETTER), math.floor(y / LETTER)
  if x < 0 or y < 0 or row > 4 then return false end
  local i = math.floor(column / 4) + 1
  local bits = letters[text:sub(i, i)]
  local bit = column % 4 -- the fourth column is the gap
  return bits ~= nil and bit < 3 and math.floor(bits[row + 1] / 2 ^ (2 - bit)) % 2 == 1
end

-- Perceptually even from dark blue to yellow (viridis).
local heat = { { 68, 1, 84 }, { 59, 82, 139 }, { 33, 145, 140 }, { 94, 201, 98 }, { 253, 231, 37 } }

local function heat_colour(share)
  local place = share * (#heat - 1)
  local i = math.min(math.floor(place), #heat - 2)
  local a, b, t = heat[i + 1], heat[i + 2], place - i
  return { a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2]), a[3] + t * (b[3] - a[3]) }
end

local function range(list)
  local low, high = math.huge, -math.huge
  for _, value in ipairs(list) do
    if is_finite(value) then low, high = math.min(low, value), math.max(high, value) end
  end
  return low, high
end

-- Panels are functions (x, y) -> colour, x and y pixels from 0.

local function map_panel(image, height, width, scale)
  local entries = image:to_list()
  local _, high = range(entries)
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
  local low, high = range(entries)
  local colours = {}
  for i, value in ipairs(entries) do
    local share = high > low and (value - low) / (high - low) or 0
    colours[i] = is_finite(value) and heat_colour(share) or WHITE
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
    for x = 0, math.min(4 * LETTER * #text, panel_width) - 1 do
      if covers(text, x, y) then put(line, left + x, BLACK) end
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
function plot.paths(options)
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
  for y = 0, 5 * LETTER - 1 do
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

return plot

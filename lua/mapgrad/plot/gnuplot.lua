--- Figures by gnuplot: as a file, as text, or as a folder with the data and the script.
--
-- A figure is a table: `title`, `x_label`, `y_label` (texts), `set` (list of commands), `data` (list of
-- {name =, columns = text, lines = list}), `plots` (list of {data = name, how = text}). A drawing function
-- makes it for a terminal ("svg", "png" or "text"), since text has no room for bands.
-- @module mapgrad.plot.gnuplot
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local style = require "mapgrad.plot.style"

local gnuplot = {}

local MISSING = "gnuplot is not installed: no figure was drawn (Debian: apt-get install gnuplot-nox); "
  .. "the option script writes its data and a script without it"

--- Options of every figure, for check.options.
function gnuplot.rules(own)
  local rules = {
    title = check.text "", x_label = check.text "", y_label = check.text "",
    file = check.optional(check.text()), script = check.optional(check.text()),
    format = check.optional(check.choice { "svg", "text" }),
    width = check.optional(check.count()), height = check.optional(check.count()),
    key = check.flag(true), x_log = check.flag(false), y_log = check.flag(false),
  }
  for name, rule in pairs(own) do rules[name] = rule end
  return rules
end

--- A text for gnuplot: single quotes take nothing as a command, and terminals are set to noenhanced.
function gnuplot.quote(text)
  return "'" .. text:gsub("[%c]", " "):gsub("'", "''") .. "'"
end
local quote = gnuplot.quote

--- Labels at the places 1, 2, ... of an axis; gnuplot reads them as formats.
function gnuplot.tics(labels)
  local list = {}
  for i, label in ipairs(labels) do list[i] = ("%s %d"):format(quote((label:gsub("%%", "%%%%"))), i) end
  return "(" .. table.concat(list, ", ") .. ")"
end

--- Whether a value is a number that can be drawn.
function gnuplot.is_finite(value)
  return type(value) == "number" and value == value and value ~= math.huge and value ~= -math.huge
end

--- Lines of numbers for a figure's data: the columns are lists of equal length. A row with a number that is
-- not finite becomes an empty line, which breaks curves.
function gnuplot.rows(...)
  local columns, lines = { ... }, {}
  for i = 1, #columns[1] do
    local words, whole = {}, true
    for c, column in ipairs(columns) do
      whole = whole and gnuplot.is_finite(column[i])
      words[c] = whole and ("%.9g"):format(column[i]) or nil
    end
    local line = whole and table.concat(words, " ") or ""
    if line ~= "" or lines[#lines] ~= "" then lines[#lines + 1] = line end -- two would start a new data set
  end
  return lines
end

-- ------------------------------------------------------------------ terminals

local terminals = {
  svg = { words = "svg size %d,%d noenhanced font 'sans,13' background '#ffffff'", width = 800, height = 500 },
  png = { words = "pngcairo size %d,%d noenhanced font 'sans,12'", width = 1000, height = 620 },
  text = { words = "dumb size %d,%d noenhanced", height = 24 },
}

local function terminal_of(kind, o)
  local terminal = terminals[kind]
  local width = o.width or terminal.width or math.max(40, math.min(core.terminal_width(), 100)) - 1
  return terminal.words:format(width, o.height or terminal.height)
end

-- Text has no upright letters: there, the title names the axis.
local function labels(figure, kind)
  local title, up = figure.title, figure.y_label
  if kind == "text" and up ~= "" then
    title, up = title == "" and up or ("%s (up: %s)"):format(title, up), ""
  end
  local lines = {}
  for _, row in ipairs { { "title", title }, { "xlabel", figure.x_label }, { "ylabel", up } } do
    if row[2] ~= "" then lines[#lines + 1] = ("set %s %s"):format(row[1], quote(row[2])) end
  end
  return table.concat(lines, "\n")
end

local function heading(figure, o, kind)
  local lines = { labels(figure, kind) }
  if kind ~= "text" then
    lines[#lines + 1] = ("set border 3 linecolor rgb '%s'\nset tics nomirror"):format(style.frame)
    lines[#lines + 1] = ("set grid linetype 1 linecolor rgb '%s'"):format(style.grid)
  else
    lines[#lines + 1] = "set tics nomirror"
  end
  lines[#lines + 1] = o.key and "set key outside top left Left reverse horizontal" or "unset key"
  if o.x_log then lines[#lines + 1] = "set logscale x" end
  if o.y_log then lines[#lines + 1] = "set logscale y" end
  for _, command in ipairs(figure.set or {}) do lines[#lines + 1] = command end
  return table.concat(lines, "\n")
end

-- The script: `from` names the place of a data set.
local function script(figure, o, kind, output, blocks, from)
  local plots = {}
  for i, entry in ipairs(figure.plots) do plots[i] = from(entry.data) .. " " .. entry.how end
  return table.concat({
    "set terminal " .. terminal_of(kind, o), "set output" .. (output and " " .. quote(output) or ""),
    heading(figure, o, kind), blocks, "plot " .. table.concat(plots, ", \\\n  "), "",
  }, "\n")
end

-- The script with its data inside.
local function whole_script(figure, o, kind, output)
  local blocks = {}
  for i, data in ipairs(figure.data) do
    blocks[i] = ("$%s << EOD\n%s\nEOD"):format(data.name, table.concat(data.lines, "\n"))
  end
  return script(figure, o, kind, output, table.concat(blocks, "\n"), function(name) return "$" .. name end)
end

-- ------------------------------------------------------------------ the program

--- Whether gnuplot is there.
function gnuplot.is_there()
  local pipe = io.popen("command -v gnuplot 2>/dev/null", "r")
  local line = pipe and pipe:read("*l")
  if pipe then pipe:close() end
  return line ~= nil and line ~= ""
end

-- Runs a script: true, or nil and why not. The script goes through a file, not a pipe: writing to the pipe
-- of a program that has ended would end this one. Warnings are dropped.
local function run(text)
  local path = os.tmpname()
  local ok, message = core.file_write(path, text)
  if not ok then return nil, message end
  local pipe = io.popen(("gnuplot '%s' 2>&1; echo $?"):format(path), "r")
  local printed = pipe and pipe:read("*a") or ""
  if pipe then pipe:close() end
  os.remove(path)
  if printed:match "(%d+)\n$" == "0" then return true end
  local complaint = printed:match "\" line %d+: (.-)%s*%d*\n$" or printed:gsub("%d*\n$", "")
  return nil, "gnuplot: " .. complaint:gsub("%s+", " ")
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

-- What a whole figure ends with.
local ENDS = { svg = "</svg>%s*$", png = "IEND\174B`\130$", text = "\n$" }

-- The bytes of an SVG or a PNG, or a figure of letters. They come through a file: what gnuplot prints is
-- not a part of them, and it ends well where the disk is full.
local function draw_value(figure, o, kind)
  local path = os.tmpname()
  local ok, message = run(whole_script(figure, o, kind, path))
  local text = read(path)
  os.remove(path)
  if not ok or not text then return nil, message or "gnuplot drew nothing" end
  if not text:find(ENDS[kind]) then
    return nil, ("gnuplot could not write the whole figure to %s: is the disk full?"):format(path)
  end
  return kind ~= "text" and text or (text:gsub("\f", ""):gsub("[ ]+\n", "\n"))
end

local function draw_file(figure, o, kind)
  local bytes, message = draw_value(figure, o, kind)
  if not bytes then return nil, message end
  local ok, reason = core.file_write(o.file, bytes)
  return ok, reason, "unwritten"
end

-- ------------------------------------------------------------------ the folder

local HEAD = [[
# Draws figure.svg: gnuplot figure.gp
# For a figure in print, take another terminal: the lines below are for PNG and for LaTeX.
# set terminal pngcairo size 1000,620 noenhanced font 'sans,12'; set output 'figure.png'
# set terminal cairolatex pdf size 12cm,8cm; set output 'figure.tex'
]]

-- Writes figure.gp and a NAME.dat for each data set, into a folder that is made if it is not there.
local function write_folder(figure, o)
  local lfs = require "lfs"
  local ok, message = lfs.mkdir(o.script)
  if not ok and lfs.attributes(o.script, "mode") ~= "directory" then
    return nil, ("%s: the folder cannot be made: %s"):format(o.script, message)
  end
  for _, data in ipairs(figure.data) do
    ok, message = core.file_write(("%s/%s.dat"):format(o.script, data.name),
      ("# %s\n%s\n"):format(data.columns:gsub("%c", " "), table.concat(data.lines, "\n")))
    if not ok then return nil, message end
  end
  local text = script(figure, o, "svg", "figure.svg", "", function(name) return quote(name .. ".dat") end)
  return core.file_write(o.script .. "/figure.gp", HEAD .. text)
end

--- Draws: into `o.file`, into the folder `o.script`, both, as the value (`o.format`), or as text on stdout.
-- @param name  the function's name, for messages
-- @param o     options by gnuplot.rules
-- @param make  function (kind) -> figure
-- @return true (the text, with `o.format`); or nil, a message and, if it is the file that cannot be made, "unwritten"
function gnuplot.draw(name, o, make)
  local kind = o.file and o.file:match "%.(%l+)$"
  if o.file and not (kind == "svg" or kind == "png") then
    check.fail("MG-ARGUMENT", "%s: file: expected a name ending in .svg or .png, got '%s'", name, o.file)
  end
  if o.script then
    local ok, message = write_folder(make "svg", o)
    if not ok then return nil, message end
    if not (o.file or o.format) then return true end
  end
  if not gnuplot.is_there() then return nil, MISSING end
  if o.file then return draw_file(make(kind), o, kind) end
  kind = o.format or "text"
  local text, message = draw_value(make(kind), o, kind)
  if not text or o.format then return text, message end
  io.write(text)
  return true
end

--- The least and the largest finite number of a list; inf, -inf without any.
function gnuplot.range(list)
  local low, high = math.huge, -math.huge
  for _, value in ipairs(list) do
    if gnuplot.is_finite(value) then low, high = math.min(low, value), math.max(high, value) end
  end
  return low, high
end

return gnuplot

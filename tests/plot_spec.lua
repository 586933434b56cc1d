local command = dofile "tests/command.lua"
local data = require "mapgrad.data"
local plot = require "mapgrad.plot"
local tensor = require "mapgrad.tensor"
local read = require("tests.support").read_bytes

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local has_gnuplot = os.execute "command -v gnuplot >/dev/null 2>&1"
has_gnuplot = has_gnuplot == true or has_gnuplot == 0
local with_gnuplot = has_gnuplot and it or pending

local loss = { name = "loss", x = { 1, 2, 3, 4 }, y = { 4, 3, 0 / 0, 1 } }

describe("plot.curves", function()
  local folder

  setup(function() folder = command.folder() end)
  teardown(function() command.remove(folder) end)

  with_gnuplot("writes a whole SVG, the same bytes each time", function()
    local a, b = folder .. "/a.svg", folder .. "/b.svg"
    assert.is_true(plot.curves { title = "t", x_label = "epoch", y_label = "loss", file = a, series = { loss } })
    assert.is_true(plot.curves { title = "t", x_label = "epoch", y_label = "loss", file = b, series = { loss } })
    assert.is_truthy(read(a):find("</svg>%s*$"))
    assert.equal(read(a), read(b))
    assert.is_false(exists(a .. ".part.svg"))
  end)

  with_gnuplot("takes texts as they are: no commands, no markup", function()
    local path, bait = folder .. "/texts.svg", folder .. "/bait"
    local title = ("it's `touch %s` a_b^2 <x> & y"):format(bait)
    assert.is_true(plot.curves { title = title, file = path, series = { loss } })
    assert.is_truthy(read(path):find("a_b^2 &lt;x> &amp; y", 1, true))
    assert.is_false(exists(bait))
  end)

  with_gnuplot("writes PNG", function()
    local path = folder .. "/curve.png"
    assert.is_true(plot.curves { file = path, series = { loss } })
    assert.same({ 620, 1000 }, { data.png_read(path):size(1), data.png_read(path):size(2) })
  end)

  with_gnuplot("gives a message when the folder is missing", function()
    local ok, message = plot.curves { file = folder .. "/none/x.svg", series = { loss } }
    assert.is_nil(ok)
    assert.is_truthy(message:find("none", 1, true))
  end)

  it("keeps the old figure, with a message, when gnuplot writes half of one and says that all is well", function()
    for _, kind in ipairs { "svg", "png" } do
      local path = ("%s/kept.%s"):format(folder, kind)
      command.write(path, "old")
      command.write(folder .. "/gnuplot", [[
#!/bin/sh
path=$(sed -n "s/^set output '\\(.*\\)'$/\\1/p" "$1")
printf '<svg>' >"$path"
]])
      os.execute("chmod +x '" .. folder .. "/gnuplot'")
      local result = command.lua(([[
        print(require("mapgrad.plot").curves {
          file = %q, series = { { name = "a", x = { 1, 2 }, y = { 1, 2 } } } })]]):format(path),
        "PATH='" .. folder .. "':$PATH")
      assert.equal(0, result.code, result.err)
      assert.is_truthy(result.out:find("^nil\t.*could not write the whole figure"), result.out)
      assert.equal("old", read(path))
    end
  end)

  it("says how to install gnuplot when it is missing, and writes no file", function()
    local path = folder .. "/missing.svg"
    local result = command.lua(([[
      print(require("mapgrad.plot").curves {
        file = %q, series = { { name = "a", x = { 1, 2 }, y = { 1, 2 } } } })]]):format(path), "PATH=")
    assert.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find("^nil\tgnuplot is not installed"))
    assert.is_truthy(result.out:find("gnuplot-nox", 1, true))
    assert.is_false(exists(path))
  end)

  it("refuses lists of unequal length, other endings and unknown options", function()
    local wrong = { name = "a", x = { 1, 2 }, y = { 1 } }
    assert.has_error(function() plot.curves { series = { wrong } } end)
    assert.has_error(function() plot.curves { series = {} } end)
    assert.has_error(function() plot.curves { series = { loss }, file = "x.pdf" } end)
    assert.has_error(function() plot.curves { series = { loss }, titel = "x" } end)
  end)
end)

-- One figure of each kind, small; the texts would be commands or markup anywhere else.
local bait = "it's `date` <b> & $x %d a_b^2"
local kinds = {
  bars = { bars = { { name = bait, value = 1, low = 0.5, high = 2 }, { name = "b", value = 0.25 } } },
  curves = { series = {
    { name = bait, x = { 1, 2, 3 }, y = { 3, 2, 1 }, low = { 2, 1, 0 }, high = { 4, 3, 2 } }, loss,
  } },
  heat = { columns = { bait, "2" }, rows = { "x", "y" }, values = { { 1, 2 }, { 3, 0 / 0 } } },
  profile = { groups = { { name = bait, values = { 1, 2, 4 } }, { name = "b", values = { 3, 0 / 0 } } } },
  scatter = { series = { { name = bait, x = { 1, 10 }, y = { 1, 2 } } }, x_log = true },
}
local kind_names = { "bars", "curves", "heat", "profile", "scatter" }

local function with(options, more)
  local copy = { title = bait, x_label = "x", y_label = "y" }
  for name, value in pairs(options) do copy[name] = value end
  for name, value in pairs(more) do copy[name] = value end
  return copy
end

-- What an SVG shows as text, with its entities read.
local function texts(svg)
  local list = {}
  for text in svg:gmatch "<text>(.-)</text>" do
    list[#list + 1] = text:gsub("<[^>]*>", ""):gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&amp;", "&")
      :gsub("^%s+", "")
  end
  return list
end

local function has(list, wanted)
  for _, text in ipairs(list) do
    if text == wanted then return true end
  end
  return false
end

describe("figures", function()
  local folder

  setup(function() folder = command.folder() end)
  teardown(function() command.remove(folder) end)

  for _, kind in ipairs(kind_names) do
    with_gnuplot(kind .. " are drawn as SVG, the same bytes each time, with texts as they are", function()
      local path = ("%s/%s.svg"):format(folder, kind)
      assert.is_true(plot[kind](with(kinds[kind], { file = path })))
      local text = read(path)
      assert.equal(text, plot[kind](with(kinds[kind], { format = "svg" })))
      assert.is_true(has(texts(text), bait), text)
    end)

    with_gnuplot(kind .. " are drawn as PNG and as text", function()
      local path = ("%s/%s.png"):format(folder, kind)
      assert.is_true(plot[kind](with(kinds[kind], { file = path, width = 400, height = 300 })))
      assert.same({ 300, 400 }, { data.png_read(path):size(1), data.png_read(path):size(2) })
      local text = plot[kind](with(kinds[kind], { format = "text", width = 100, height = 20 }))
      assert.is_truthy(text:find(bait, 1, true), text)
      assert.is_nil(text:find "[%z\1-\8\11-\31\127]")
      for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 100, line) end
    end)

    with_gnuplot(kind .. ": the script draws the same picture", function()
      local path = ("%s/%s_again"):format(folder, kind)
      assert.is_true(plot[kind](with(kinds[kind], { script = path })))
      assert(os.execute(("cd %s && gnuplot figure.gp 2>errors"):format(path)))
      assert.equal("", read(path .. "/errors"))
      -- the titles that gnuplot gives to parts name the data, inline or in a file
      local function plain(svg) return (svg:gsub("<title>.-</title>", "")) end
      assert.equal(plain(plot[kind](with(kinds[kind], { format = "svg" }))), plain(read(path .. "/figure.svg")))
    end)
  end

  with_gnuplot("have the same bytes as those in tests/golden", function()
    local first = io.popen("gnuplot --version"):read "*l"
    local drawn = plot.bars { format = "svg", width = 240, height = 120, bars = {
      { name = "a", value = 2, low = 1, high = 3 }, { name = "b", value = 1 } } }
    local golden = read "tests/golden/bars.svg"
    if golden:match "GNUPLOT (%d+%.%d+ patchlevel %d+)" ~= (first or ""):match "(%d+%.%d+ patchlevel %d+)" then
      pending("the golden file is of another gnuplot than " .. tostring(first))
      return
    end
    assert.equal(golden, drawn)
  end)

  it("need gnuplot only to draw: else a message says how to get it, and that data can be written", function()
    local result = command.lua([[print(require("mapgrad.plot").scatter {
      series = { { name = "a", x = { 1 }, y = { 1 } } }, format = "svg" })]], "PATH=")
    assert.is_truthy(result.out:find "^nil\tgnuplot is not installed", result.out)
    assert.is_truthy(result.out:find("the option script writes", 1, true))
  end)

  it("are written as data and a script without gnuplot", function()
    local path = folder .. "/without"
    local result = command.lua(([[print(require("mapgrad.plot").scatter {
      series = { { name = "it's", x = { 1, 2 }, y = { 3, 0 / 0 } } }, script = %q })]]):format(path), "PATH=")
    assert.equal("true\n", result.out, result.err)
    assert.equal("# it's: x y\n1 3\n\n", read(path .. "/series1.dat"))
    local script = read(path .. "/figure.gp")
    assert.is_truthy(script:find("set output 'figure.svg'", 1, true))
    assert.is_truthy(script:find("'series1.dat' using 1:2", 1, true))
    assert.is_truthy(script:find("title 'it''s'", 1, true))
  end)

  it("cut bands at the least number above 0 on a logarithmic axis", function()
    local path, low = folder .. "/logarithmic", { 0.5, -1, 0 }
    assert.is_true(plot.curves { script = path, y_log = true, series = {
      { name = "a", x = { 1, 2, 3 }, y = { 1, 0.25, 2 }, low = low, high = { 2, 3, 4 } } } })
    assert.equal("# a: x y low high\n1 1 0.5 2\n2 0.25 0.25 3\n3 2 0.25 4\n", read(path .. "/series1.dat"))
    assert.same({ 0.5, -1, 0 }, low)
  end)

  with_gnuplot("tell gnuplot's own complaint", function()
    local ok, message = plot.curves { format = "svg", y_log = true, series = { { name = "a", x = { 1 }, y = { -1 } } } }
    assert.is_nil(ok)
    assert.equal("gnuplot: all points y value undefined!", message)
  end)

  it("give a message where a script's folder cannot be made", function()
    local ok, message = plot.curves(with(kinds.curves, { script = folder .. "/none/deeper" }))
    assert.is_nil(ok)
    assert.is_truthy(message:find("none/deeper: the folder cannot be made", 1, true), message)
  end)

  it("refuse what cannot be drawn, naming it", function()
    local function message_of(kind, options)
      local ok, message = pcall(function() return plot[kind](options) end)
      assert.is_false(ok)
      return tostring(message)
    end
    assert.is_truthy(message_of("bars", { bars = { { name = "a", value = 0 / 0 } } }):find("bar 1: value", 1, true))
    assert.is_truthy(message_of("bars", { bars = { { name = "a", value = 1, low = 2, high = 1 } } })
      :find("low end 2 is above", 1, true))
    assert.is_truthy(message_of("heat", { columns = { "a" }, rows = { "b" }, values = { { 1, 2 } } })
      :find("row 1 has 2 entries", 1, true))
    assert.is_truthy(message_of("heat", { columns = { "a" }, rows = { "b" }, values = { { 0 / 0 } } })
      :find("no value is finite", 1, true))
    assert.is_truthy(message_of("profile", { groups = { { name = "a", values = { "1" } } } })
      :find("group 1: value 1", 1, true))
    assert.is_truthy(message_of("curves", { series = { { name = "a", x = { 1 }, y = { 1 }, low = { 0 } } } })
      :find("low and high go together", 1, true))
    assert.is_truthy(message_of("curvs", {}):find("did you mean 'curves'", 1, true))
  end)
end)

describe("plot.profile", function()
  local corners = require "mapgrad.plot.corners"

  it("rises by one run's share at each value; a value that is not finite never gets there", function()
    local x, y = corners({ 3, 1, 0 / 0, 1 }, "min", 0, 4)
    assert.same({ 0, 1, 1, 1, 1, 3, 3, 4 }, x)
    assert.same({ 0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75 }, y)
  end)

  it("goes from large to small where large is good", function()
    local x, y = corners({ 1, 2 }, "max", 2, 0)
    assert.same({ 2, 2, 2, 1, 1, 0 }, x)
    assert.same({ 0, 0, 0.5, 0.5, 1, 1 }, y)
  end)
end)

describe("plot.sparkline", function()
  it("goes from the lowest block to the highest", function()
    assert.equal("▁▂▃▄▅▆▇█", plot.sparkline { 0, 1, 2, 3, 4, 5, 6, 7 })
    assert.equal("█▁", plot.sparkline { 5, -5 })
  end)

  it("leaves gaps where there is no number, and is flat where nothing changes", function()
    assert.equal("▁ █", plot.sparkline { 1, 0 / 0, 2 })
    assert.equal("▁▁▁", plot.sparkline { 7, 7, 7 })
    assert.equal("  ", plot.sparkline { math.huge, 0 / 0 })
    assert.equal("", plot.sparkline {})
  end)

  it("averages long lists over stretches", function()
    assert.equal("▁█", plot.sparkline({ 0, 2, 8, 10 }, 2))
    assert.equal("▁▄█", plot.sparkline({ 0, 0, 3, 3, 7, 7 }, 3)) -- 3/7 of seven steps
  end)
end)

describe("plot.structure", function()
  local folder
  local file

  setup(function()
    folder = command.folder()
    file = folder .. "/structure.png"
  end)
  teardown(function() command.remove(folder) end)

  -- Panels are 240 wide with margins of 16, below a heading of 28.
  local function colour(picture, panel, x, y)
    local row, column = 44 + y + 1, 16 + (panel - 1) * 256 + x + 1
    return { picture:get(row, column, 1), picture:get(row, column, 2), picture:get(row, column, 3) }
  end

  local blue, orange, white, pale = { 0, 114, 178 }, { 213, 94, 0 }, { 255, 255, 255 }, { 222, 226, 230 }
  local dark, bright = { 68, 1, 84 }, { 253, 231, 37 }

  it("marks cells: white right, orange wrong, a ring on what is missed", function()
    local input = tensor { { 0, 1 }, { 1, 0 } }
    local target, prediction = tensor { { 1, 0 }, { 1, 0 } }, tensor { { 1, 1 }, { 0, 0 } }
    for _, kind in ipairs { "path", "subset" } do
      assert.is_true(plot.structure { file = file, kind = kind, rows = {
        { input = input, target = target, prediction = prediction } } })
      local picture = data.png_read(file)
      assert.same({ 44 + 256, 16 + 3 * 256, 3 }, picture:shape())
      assert.same(dark, colour(picture, 1, 60, 60))
      assert.same(bright, colour(picture, 1, 180, 60))
      assert.same(white, colour(picture, 2, 60, 60))
      assert.same(white, colour(picture, 2, 60, 180))
      assert.same(dark, colour(picture, 2, 180, 180))
      assert.same(white, colour(picture, 3, 60, 60))
      assert.same(orange, colour(picture, 3, 180, 60))
      assert.same(bright, colour(picture, 3, 60, 180))      -- inside of the ring
      assert.same(white, colour(picture, 3, 60 + 37, 180))  -- the ring, 0.32 of 120 wide
      assert.same(dark, colour(picture, 3, 180, 180))
    end
  end)

  it("draws bars of subsets of a list", function()
    local target, prediction = tensor { 1, 1, 0, 0 }, tensor { 1, 0, 1, 0 }
    assert.is_true(plot.structure { file = file, kind = "subset", rows = {
      { input = tensor { 1, 1, 1, 1 }, target = target, prediction = prediction } } })
    local picture = data.png_read(file)
    assert.same(blue, colour(picture, 2, 30, 100))
    assert.same(blue, colour(picture, 2, 90, 100))
    assert.same(pale, colour(picture, 2, 150, 100))
    assert.same(blue, colour(picture, 3, 30, 100))
    assert.same(pale, colour(picture, 3, 90, 100))          -- missed: an outline
    assert.same(blue, colour(picture, 3, 60 + 8, 100))
    assert.same(orange, colour(picture, 3, 150, 40))        -- wrong, crossed
    assert.same(pale, colour(picture, 3, 210, 100))
  end)

  -- A square's corners, 12 pixels from the border; sides (1,2) (1,3) (1,4) (2,3) (2,4) (3,4).
  local square = tensor { { 0, 1 }, { 1, 1 }, { 1, 0 }, { 0, 0 } }

  it("draws edges between points, y up: matchings and tours, of pairs or matrices", function()
    local top_and_bottom = tensor { 1, 0, 0, 0, 0, 1 }
    local matrix = tensor { { 0, 1, 0, 0 }, { 1, 0, 0, 0 }, { 0, 0, 0, 1 }, { 0, 0, 1, 0 } }
    local pictures = {}
    for i, solution in ipairs { top_and_bottom, matrix } do
      assert.is_true(plot.structure { file = file, kind = i == 1 and "matching" or "tour", rows = {
        { input = square, target = solution, prediction = tensor { 0, 0, 1, 1, 0, 0 } } } })
      local picture = data.png_read(file)
      assert.same(white, colour(picture, 1, 120, 12))
      assert.same(blue, colour(picture, 2, 120, 12))
      assert.same(blue, colour(picture, 2, 120, 228))
      assert.same(white, colour(picture, 2, 12, 120))
      assert.same(orange, colour(picture, 3, 12, 16 + 28))  -- dashes of 7 from the corner at the top
      pictures[i] = picture:to_list()
    end
    assert.same(pictures[1], pictures[2])
  end)

  it("draws a graph's edges thinly; a row may have no prediction", function()
    assert.is_true(plot.structure { file = file, kind = "matching", rows = {
      { input = square, edges = { { 1, 2 }, { 3, 4 } }, target = tensor { 1, 0 } } } })
    local picture = data.png_read(file)
    assert.same({ 44 + 256, 16 + 2 * 256, 3 }, picture:shape())
    assert.same({ 239, 241, 243 }, colour(picture, 1, 120, 12)) -- half of a pixel's height, half of pale
    assert.same(white, colour(picture, 1, 12, 120))
    assert.same(blue, colour(picture, 2, 120, 12))
  end)

  it("refuses rows that do not fit, naming row and field", function()
    local function message_of(kind, row)
      local ok, message = pcall(plot.structure, { file = file, kind = kind, rows = { row } })
      assert.is_false(ok)
      return tostring(message)
    end
    assert.is_truthy(message_of("path", { input = tensor.zeros(2, 2), target = tensor.zeros(2, 3) })
      :find("row 1: target has shape 2x3, expected 2x2", 1, true))
    assert.is_truthy(message_of("path", { input = tensor.zeros(4), target = tensor.zeros(4) })
      :find("input has shape 4, expected [rows, columns]", 1, true))
    assert.is_truthy(message_of("tour", { input = square, target = tensor.zeros(5) })
      :find("target has shape 5, expected 6 or 4x4", 1, true))
    assert.is_truthy(message_of("tour", { input = square, edges = { { 1, 5 } }, target = tensor.zeros(1) })
      :find("edge 1 is not a pair of points from 1 to 4", 1, true))
    assert.is_truthy(message_of("tour", { input = tensor.zeros(4, 3), target = tensor.zeros(6) })
      :find("input (points) has shape 4x3, expected nx2", 1, true))
  end)

  it("gives a message when the folder is missing", function()
    local ok, message = plot.structure { file = folder .. "/none/x.png", kind = "path", rows = {
      { input = tensor.zeros(2, 2), target = tensor.zeros(2, 2) } } }
    assert.is_nil(ok)
    assert.is_string(message)
  end)
end)

describe("plot.paths", function()
  local folder
  local path = tensor { { 1, 0 }, { 0, 1 } }
  local other = tensor { { 1, 1 }, { 0, 1 } }
  local costs = tensor { { 1, 2 }, { 3, 5 } }

  setup(function() folder = command.folder() end)
  teardown(function() command.remove(folder) end)

  local function row(image)
    return { image = image, truth = path, predicted = other, costs = costs }
  end

  local function colour(picture, y, x)
    return { picture:get(y, x, 1), picture:get(y, x, 2), picture:get(y, x, 3) }
  end

  it("draws map, true path, predicted path and costs of each row", function()
    local file = folder .. "/paths.png"
    local image = tensor.full({ 3, 16, 16 }, 0.4)
    assert.is_true(plot.paths { file = file, scale = 2, rows = { row(image), row(image) } })
    local picture = data.png_read(file)
    -- margins of 8, panels of 32, a heading of 24
    assert.same({ 8 + 24 + 2 * 40, 8 + 4 * 40, 3 }, picture:shape())
    local top, left = 32, 8
    local grey, white, orange = { 102, 102, 102 }, { 255, 255, 255 }, { 213, 94, 0 }
    assert.same(grey, colour(picture, top + 9, left + 9))
    assert.same(white, colour(picture, top + 9, left + 40 + 9))       -- true path, cell (1, 1)
    assert.same(grey, colour(picture, top + 9, left + 40 + 25))       -- ... not on (1, 2)
    assert.same(orange, colour(picture, top + 9, left + 80 + 25))     -- predicted there, wrongly
    assert.same({ 68, 1, 84 }, colour(picture, top + 9, left + 120 + 9))       -- cheapest
    assert.same({ 253, 231, 37 }, colour(picture, top + 25, left + 120 + 25))  -- dearest
  end)

  it("takes images of 0..255 as they are", function()
    local file = folder .. "/bytes.png"
    assert.is_true(plot.paths { file = file, scale = 1, rows = { row(tensor.full({ 3, 8, 8 }, 77)) } })
    assert.same({ 77, 77, 77 }, colour(data.png_read(file), 33, 9))
  end)

  it("refuses rows whose shapes do not fit, naming row and field", function()
    local first, second = row(tensor.zeros(3, 8, 8)), row(tensor.zeros(3, 8, 8))
    second.costs = tensor.zeros(3, 2)
    local ok, message = pcall(plot.paths, { file = folder .. "/x.png", rows = { first, second } })
    assert.is_false(ok)
    assert.is_truthy(message:find("row 2: costs has shape 3x2, expected 2x2", 1, true), message)
    assert.is_false(exists(folder .. "/x.png"))
  end)

  it("gives a message when the folder is missing", function()
    local ok, message = plot.paths { file = folder .. "/none/x.png", rows = { row(tensor.zeros(3, 8, 8)) } }
    assert.is_nil(ok)
    assert.is_string(message)
  end)
end)

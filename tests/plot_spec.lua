local command = dofile "tests/command.lua"
local data = require "mapgrad.data"
local plot = require "mapgrad.plot"
local tensor = require "mapgrad.tensor"

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
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

--- The drawings of the five terrains, made by code from fixed random numbers: the same in every run.
--
-- Coordinates are in eighths of a tile from its top left, x to the right and y down; colours are red,
-- green, blue in 0..1.
local source = require "mapgrad.data.source"

local variants = 6
local seed = 5

-- Values stay this far from 0 and 1, so that the noise of pixels and cells stays within them.
local margin = 0.08

local function canvas(cell, random)
  return { cell = cell, random = random, {}, {}, {} }
end

-- Lays a colour over pixel `at`; share 0 leaves it, 1 covers it.
local function lay(c, at, colour, share)
  for channel = 1, 3 do
    c[channel][at] = (1 - share) * c[channel][at] + share * colour[channel]
  end
end

-- Ground: a colour whose brightness varies from pixel to pixel by +-spread.
local function ground(c, colour, spread)
  for at = 1, c.cell * c.cell do
    local shade = spread * (2 * c.random() - 1)
    for channel = 1, 3 do c[channel][at] = colour[channel] + shade end
  end
end

-- A line of a width from (x1, y1) to (x2, y2), round ends; a point gives a disc.
local function stroke(c, x1, y1, x2, y2, width, colour)
  local unit = c.cell / 8
  local dx, dy = x2 - x1, y2 - y1
  local squared = dx * dx + dy * dy
  for row = 1, c.cell do
    for column = 1, c.cell do
      local x, y = (column - 0.5) / unit - x1, (row - 0.5) / unit - y1
      local along = squared > 0 and math.max(0, math.min(1, (x * dx + y * dy) / squared)) or 0
      local distance = math.sqrt((x - along * dx) ^ 2 + (y - along * dy) ^ 2)
      local cover = math.max(0, math.min(1, (width / 2 - distance) * unit + 0.5))
      if cover > 0 then lay(c, (row - 1) * c.cell + column, colour, cover) end
    end
  end
end

local function disc(c, x, y, diameter, colour)
  stroke(c, x, y, x, y, diameter, colour)
end

local function sand(c)
  ground(c, { 0.87, 0.77, 0.52 }, 0.035)
  for _ = 1, 3 do -- ripples of the wind
    local x, y = 5 * c.random(), 0.8 + 6.4 * c.random()
    stroke(c, x, y, x + 1.2 + 1.5 * c.random(), y + 0.5 * c.random(), 0.7, { 0.78, 0.66, 0.40 })
  end
  for _ = 1, 2 do disc(c, 8 * c.random(), 8 * c.random(), 0.9, { 0.66, 0.54, 0.34 }) end
end

local function grass(c)
  ground(c, { 0.47, 0.70, 0.27 }, 0.04)
  for _ = 1, 5 do -- blades
    local x, y = 0.5 + 7 * c.random(), 2 + 5.5 * c.random()
    stroke(c, x, y, x + 1.2 * c.random() - 0.6, y - 1.4, 0.6, { 0.33, 0.57, 0.18 })
  end
  for _ = 1, 2 do disc(c, 8 * c.random(), 8 * c.random(), 0.8, { 0.66, 0.82, 0.38 }) end
end

-- Trees stand in two staggered rows, so that no clearing looks like grass.
local function forest(c)
  ground(c, { 0.17, 0.34, 0.16 }, 0.03)
  for row = 0, 1 do
    for i = 0, 1 do
      local x = 2 + 4 * i + (row == 1 and 1.2 or -0.6) + 1.8 * (c.random() - 0.5)
      local y = 2.4 + 3.6 * row + 1.6 * (c.random() - 0.5)
      disc(c, x + 0.5, y + 0.7, 3.4, { 0.09, 0.17, 0.10 })
      disc(c, x, y, 3.0, { 0.16, 0.43, 0.18 })
      disc(c, x - 0.5, y - 0.6, 1.2, { 0.33, 0.60, 0.27 })
    end
  end
end

local function mountain(c)
  ground(c, { 0.55, 0.49, 0.43 }, 0.04)
  local x, y = 2.8 + 2.4 * c.random(), 0.9 + 1.8 * c.random()
  local left, right = x - 2.4 - 1.2 * c.random(), x + 2.2 + 1.2 * c.random()
  for i = 0, 5 do -- the sunny and the dark side of the peak
    local share = i / 5
    stroke(c, x, y + 0.4, left + (x - left) * share, 7.3, 1.1, { 0.68, 0.62, 0.56 })
    stroke(c, x, y + 0.4, right + (x - right) * share, 7.3, 1.1, { 0.33, 0.29, 0.28 })
  end
  stroke(c, x, y, x - 0.9, y + 1.5, 1.1, { 0.91, 0.91, 0.91 })
  stroke(c, x, y, x + 0.6, y + 1.0, 0.8, { 0.80, 0.82, 0.86 })
end

local function water(c)
  ground(c, { 0.15, 0.38, 0.68 }, 0.02)
  for i = 1, 3 do -- waves
    local x, y = 0.5 + 4 * c.random(), 2.4 * i - 0.8 + 0.8 * (c.random() - 0.5)
    stroke(c, x, y + 0.4, x + 1.1, y - 0.3, 0.7, { 0.38, 0.62, 0.86 })
    stroke(c, x + 1.1, y - 0.3, x + 2.6, y + 0.5, 0.7, { 0.26, 0.50, 0.78 })
  end
end

--- The drawings: 6 of sand, then of grass, forest, mountains and water.
-- @param cell  pixels on a side
-- @return list of {red, green, blue}, each a list of cell * cell numbers in 0.08..0.92, row by row
return function(cell)
  local numbers, used = source(seed):uniform({ 5 * variants * (cell * cell + 64) }):to_list(), 0
  local function random()
    used = used + 1
    return numbers[used]
  end
  local drawings = {}
  for _, paint in ipairs { sand, grass, forest, mountain, water } do
    for _ = 1, variants do
      local c = canvas(cell, random)
      paint(c)
      for channel = 1, 3 do
        for at = 1, cell * cell do
          c[channel][at] = math.max(margin, math.min(1 - margin, c[channel][at]))
        end
      end
      drawings[#drawings + 1] = c
    end
  end
  return drawings
end

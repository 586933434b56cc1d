--- Pictures of pixels: smooth discs and lines, letters, and the writing of them as PNG.
-- @module mapgrad.plot.raster
local core = require "mapgrad.real"
local data = require "mapgrad.data"
local letters = require "mapgrad.plot.letters"
local tensor = require "mapgrad.tensor"

local raster = {}

local methods = {}
local Raster = { __index = methods }

--- A white picture.
function raster.new(width, height)
  local pixels = {}
  for i = 1, 3 * width * height do pixels[i] = 255 end
  return setmetatable({ width = width, height = height, pixels = pixels }, Raster)
end

-- Covers a share of a pixel with a colour.
local function blend(self, x, y, colour, share)
  if share <= 0 or x < 0 or y < 0 or x >= self.width or y >= self.height then return end
  local at, pixels = 3 * (y * self.width + x), self.pixels
  for c = 1, 3 do pixels[at + c] = pixels[at + c] + (colour[c] - pixels[at + c]) * math.min(share, 1) end
end

-- Colours the pixels of a box by a function: how far a pixel's middle is inside.
local function cover(self, left, top, right, bottom, colour, inside)
  for y = math.max(math.floor(top), 0), math.min(math.ceil(bottom), self.height - 1) do
    for x = math.max(math.floor(left), 0), math.min(math.ceil(right), self.width - 1) do
      blend(self, x, y, colour, inside(x + 0.5, y + 0.5) + 0.5)
    end
  end
end

--- A filled rectangle.
function methods:rectangle(left, top, right, bottom, colour)
  cover(self, left, top, right, bottom, colour, function(x, y)
    return math.min(x - left, right - x, y - top, bottom - y)
  end)
end

--- The border of a rectangle, drawn inside.
function methods:frame(left, top, right, bottom, width, colour)
  cover(self, left, top, right, bottom, colour, function(x, y)
    local inside = math.min(x - left, right - x, y - top, bottom - y)
    return math.min(inside, width - inside)
  end)
end

--- A disc; with `width` a ring of that width.
function methods:disc(x0, y0, radius, colour, width)
  cover(self, x0 - radius - 1, y0 - radius - 1, x0 + radius + 1, y0 + radius + 1, colour, function(x, y)
    local inside = radius - math.sqrt((x - x0) ^ 2 + (y - y0) ^ 2)
    return width and math.min(inside, width - inside) or inside
  end)
end

--- A square on its corner.
function methods:diamond(x0, y0, radius, colour)
  cover(self, x0 - radius - 1, y0 - radius - 1, x0 + radius + 1, y0 + radius + 1, colour, function(x, y)
    return (radius - math.abs(x - x0) - math.abs(y - y0)) / math.sqrt(2)
  end)
end

--- A line; with `dash` of pieces and gaps of that length.
function methods:line(x1, y1, x2, y2, width, colour, dash)
  local dx, dy = x2 - x1, y2 - y1
  local length = math.sqrt(dx * dx + dy * dy)
  local half = width / 2
  local left, right = math.min(x1, x2) - half - 1, math.max(x1, x2) + half + 1
  cover(self, left, math.min(y1, y2) - half - 1, right, math.max(y1, y2) + half + 1, colour, function(x, y)
    local along = length > 0 and ((x - x1) * dx + (y - y1) * dy) / length or 0
    if dash and along % (2 * dash) > dash then return -1 end
    along = math.max(0, math.min(along, length))
    local nx, ny = x1, y1
    if length > 0 then nx, ny = x1 + dx * along / length, y1 + dy * along / length end
    return half - math.sqrt((x - nx) ^ 2 + (y - ny) ^ 2)
  end)
end

--- Capital letters from their top left corner.
function methods:text(left, top, text)
  for y = 0, letters.HEIGHT - 1 do
    for x = 0, letters.width(text) - 1 do
      if letters.covers(text, x, y) then blend(self, left + x, top + y, { 0, 0, 0 }, 1) end
    end
  end
end

--- Writes the picture.
-- @return true, or nil and a message
function methods:write(path)
  local pixels = tensor.new(self.height, self.width, 3)
  core.write(pixels.handle, 0, self.pixels)
  return data.png_write(path, pixels)
end

return raster

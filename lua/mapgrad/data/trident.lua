--- Freeciv's Trident tileset: which sprites lie on a cell of a map, reduced to 8 x 8 pixels.
--
-- The rules are those of trident.tilespec (three layers; sprites chosen by which of the neighbours are of
-- the same sort) and of doc/README.graphics in Freeciv's source.
require "mapgrad.autograd"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local trident = { cell = 8 }
local side = 30 -- pixels of a full tile

local Tileset = {}
Tileset.__index = Tileset

-- The sprites of a .spec file: tag -> {x, y, width, height} in its picture, in pixels from 0.
local function read_spec(text)
  local sprites = {}
  text = ("\n" .. text):gsub(";[^\n]*", "")
  for body in text:gmatch "\n%[grid[%w_]*%]([^%[]*)" do
    local function key(name) return tonumber(body:match(name .. "%s*=%s*(%d+)")) end
    local left, top, width, height = key "x_top_left", key "y_top_left", key "dx", key "dy"
    local rows = body:match "tiles%s*=%s*{(.-)}" or ""
    local numbers, at = {}, 1
    local row, column
    while left and top and width and height do
      -- a row of the table is: row, column, tag, more tags of the same sprite
      local _, stop, number = rows:find("^[%s,]*(%d+)", at)
      local tag
      if number then
        numbers[#numbers + 1] = tonumber(number)
      else
        _, stop, tag = rows:find('^[%s,]*"([^"]*)"', at)
        if not tag then break end
        if #numbers == 2 then row, column, numbers = numbers[1], numbers[2], {} end
        if row then
          sprites[tag] = { x = left + column * width, y = top + row * height, width = width, height = height }
        end
      end
      at = stop + 1
    end
  end
  return sprites
end

-- What a terrain counts as in each layer, and whether it draws the layer.
local function layers_of(tag)
  local wet = tag == "coast" or tag == "floor" or tag == "lake"
  return {
    tag = tag, wet = wet, icy = tag == "arctic",
    sorts = {
      wet and "water" or tag == "arctic" and "tundra" or tag,
      (wet or tag == "arctic") and "water" or "land",
      tag == "arctic" and "arctic" or "water",
    },
  }
end

--- Opens the tileset below a folder of Freeciv's data.
-- @param root   folder, such as "/usr/share/games/freeciv"
-- @param kinds  list of terrains with a field `tag`, the tileset's name for it
-- @return tileset; or nil and a message
function trident.open(root, kinds)
  local text, message = core.file_read(root .. "/trident/tiles.spec", 2 ^ 20)
  if not text then return nil, message end
  local handle
  handle, message = core.png_read(root .. "/trident/tiles.png")
  if not handle then return nil, message end
  local picture = tensor.wrap(handle)
  if picture:size(3) ~= 4 then
    return nil, ("%s/trident/tiles.png has %d channels, expected 4"):format(root, picture:size(3))
  end
  local sprites, rules = read_spec(text), {}
  for _, sprite in pairs(sprites) do
    if sprite.x + sprite.width > picture:size(2) or sprite.y + sprite.height > picture:size(1) then
      return nil, ("%s/trident/tiles.spec names pixels outside of tiles.png"):format(root)
    end
  end
  for index, kind in ipairs(kinds) do
    rules[index] = layers_of(kind.tag)
    local needed = kind.tag == "grassland" and "t.l0.grassland1"
      or rules[index].wet and "t.l0." .. kind.tag .. "_cell_u000"
      or "t.l0." .. kind.tag .. "_n1e1s1w1"
    if not sprites[needed] then
      return nil, ("%s/trident/tiles.spec has no sprite %s"):format(root, needed)
    end
  end
  return setmetatable({
    sprites = sprites, picture = picture, rules = rules,
    pixels = {}, -- tag -> entries of the sprite, [height * width * 4]
    numbers = {}, -- tags on a cell, joined -> number of the drawn tile
    known = {}, -- terrain numbers of a cell and its neighbours -> number of the drawn tile
    drawn = {}, -- list of tiles, each [3 * cell * cell]
  }, Tileset)
end

-- Entries of a sprite, row by row, red green blue alpha in 0..255; nil if the tileset has none.
local function pixels_of(set, tag)
  local sprite = set.sprites[tag]
  if sprite and not set.pixels[tag] then
    set.pixels[tag] = set.picture:slice(1, sprite.y + 1, sprite.y + sprite.height)
      :slice(2, sprite.x + 1, sprite.x + sprite.width):to_list()
  end
  return set.pixels[tag], sprite
end

-- Pixel i of the full tile overlaps pixel k of the small one by weights[k][i] of the small one's width.
local weights = {}
for k = 1, trident.cell do
  weights[k] = {}
  local from, to = (k - 1) * side / trident.cell, k * side / trident.cell
  for i = math.floor(from) + 1, math.ceil(to) do
    weights[k][i] = (math.min(to, i) - math.max(from, i - 1)) * trident.cell / side
  end
end

-- Averages one channel [side * side] over areas, into tile[offset + 1 ...], in 0..1.
local function shrink(channel, tile, offset)
  for k = 1, trident.cell do
    for l = 1, trident.cell do
      local sum = 0
      for i = 1, side do
        local weight = weights[k][i]
        if weight then
          for j = 1, side do
            if weights[l][j] then sum = sum + weight * weights[l][j] * channel[(i - 1) * side + j] end
          end
        end
      end
      tile[offset + (k - 1) * trident.cell + l] = sum / 255
    end
  end
end

-- Draws sprites over each other and shrinks the result: [3 * cell * cell] in 0..1.
local function draw_tile(set, layers)
  local canvas, tile = {}, {}
  for channel = 1, 3 do
    canvas[channel] = {}
    for at = 1, side * side do canvas[channel][at] = 0 end
  end
  for _, layer in ipairs(layers) do
    local pixels, sprite = pixels_of(set, layer.tag)
    for i = 0, pixels and sprite.height - 1 or -1 do
      for j = 0, sprite.width - 1 do
        local from, at = (i * sprite.width + j) * 4, (layer.y + i) * side + layer.x + j + 1
        local alpha = pixels[from + 4] / 255
        for channel = 1, 3 do
          canvas[channel][at] = canvas[channel][at] * (1 - alpha) + pixels[from + channel] * alpha
        end
      end
    end
  end
  for channel = 1, 3 do shrink(canvas[channel], tile, (channel - 1) * trident.cell ^ 2) end
  return tile
end

-- Rows and columns to the eight neighbours, clockwise from north.
local around = { { -1, 0 }, { -1, 1 }, { 0, 1 }, { 1, 1 }, { 1, 0 }, { 1, -1 }, { 0, -1 }, { -1, -1 } }

-- The corners of a water tile: letter, place in the tile, number of the diagonal neighbour.
local corners = {
  { letter = "u", x = 0, y = 0, diagonal = 8 }, { letter = "r", x = side / 2, y = 0, diagonal = 2 },
  { letter = "l", x = 0, y = side / 2, diagonal = 6 },
  { letter = "d", x = side / 2, y = side / 2, diagonal = 4 },
}

-- Terrain numbers of a cell and its eight neighbours, clockwise from north. Beyond the map and on cells of
-- number 0 the terrain goes on as it is here.
local function surroundings(grid, row, column)
  local here, numbers = grid[row][column], {}
  for direction, step in ipairs(around) do
    local line = grid[row + step[1]]
    local there = line and line[column + step[2]] or 0
    numbers[direction] = there > 0 and there or here
  end
  return here, numbers
end

-- Sprites on a cell of terrain `here` amid the neighbours, lowest first: {tag, x, y}.
local function layers_of_cell(set, here, neighbours)
  local rule = set.rules[here]
  local function same(direction, layer, sort)
    return set.rules[neighbours[direction]].sorts[layer] == sort and 1 or 0
  end
  local function matched(layer, sort)
    return { x = 0, y = 0, tag = ("t.l%d.%s_n%de%ds%dw%d"):format(layer - 1, rule.tag, same(1, layer, sort),
      same(3, layer, sort), same(5, layer, sort), same(7, layer, sort)) }
  end
  if rule.tag == "grassland" then return { { x = 0, y = 0, tag = "t.l0.grassland1" } } end
  if rule.icy then return { matched(1, "tundra"), matched(2, "water") } end
  if not rule.wet then return { matched(1, rule.sorts[1]) } end
  local layers = {}
  for _, corner in ipairs(corners) do
    local before, after = (corner.diagonal + 6) % 8 + 1, corner.diagonal % 8 + 1
    layers[#layers + 1] = { x = corner.x, y = corner.y, tag = ("t.l0.%s_cell_%s%d%d%d"):format(rule.tag,
      corner.letter, 1 - same(before, 1, "water"), 1 - same(corner.diagonal, 1, "water"),
      1 - same(after, 1, "water")) }
  end
  layers[#layers + 1] = matched(2, "water")
  layers[#layers + 1] = matched(3, "water")
  return layers
end

-- The number of the tile made of these sprites, drawn if it is new.
local function tile_number(set, layers)
  local tags = {}
  for i, layer in ipairs(layers) do tags[i] = layer.tag end
  local name = table.concat(tags, " ")
  if not set.numbers[name] then
    set.drawn[#set.drawn + 1] = draw_tile(set, layers)
    set.numbers[name] = #set.drawn
  end
  return set.numbers[name]
end

--- Draws the cells of a map.
-- @param grid  [row][column] terrain numbers, indices of `kinds`; 0 is left out
-- @return [row][column] numbers of tiles (0 where left out), for tiles()
function Tileset:draw(grid)
  local result, known = {}, self.known
  for row = 1, #grid do
    local numbers = {}
    for column = 1, #grid[row] do
      local number = 0
      if grid[row][column] > 0 then
        local here, neighbours = surroundings(grid, row, column)
        local key = string.char(here, compat.unpack(neighbours))
        number = known[key] or tile_number(self, layers_of_cell(self, here, neighbours))
        known[key] = number
      end
      numbers[column] = number
    end
    result[row] = numbers
  end
  return result
end

--- All tiles drawn so far: [tiles, 3 * cell * cell], in 0..1.
function Tileset:tiles()
  return tensor(self.drawn)
end

return trident

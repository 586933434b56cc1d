--- Terrain maps: pictures of five terrains with hidden costs, and their cheapest paths.
--
-- Stands in for the Warcraft data (experiments.md 3): same sizes, same five costs, several drawings of
-- each terrain, noise in every pixel. Two smooth random fields make the geography: height gives water and
-- mountains, moisture parts the land between into sand, grass and forest.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local draw = require "mapgrad.data.make.terrain_tiles"
local new_set = require "mapgrad.data.set"
local source = require "mapgrad.data.source"
local tensor = require "mapgrad.tensor"
local tiles = require "mapgrad.data.tiles"

-- Costs of sand, grass, forest, mountains and water: terrain 1..5.
local costs = { 0.8, 1.2, 5.3, 7.7, 9.2 }

-- Heights below water_line are water, above tree_line mountains; between them moisture below dry is sand,
-- above wet forest. In standard deviations of the fields of one map.
local water_line, tree_line, dry, wet = -0.8, 0.85, -0.35, 0.4

-- Standard deviation of the smoothing kernel in cells, its radius, and the weight of the single cell: the
-- larger, the more ragged the borders.
local spread, radius, single = 1.5, 4, 0.035

-- Amplitudes of the noise of a pixel and of the tint of a cell (both uniform), in units of full brightness.
local grain, tint = 0.045, 0.018

-- Share of a neighbour's mean colour in the pixels along its border, and in the second row from it.
local blend = { 0.26, 0.09 }

-- Sums of 2 * radius + 1 neighbouring entries along an axis, with Gaussian weights. Without BLAS, so that
-- the maps of a seed are the same on every processor.
local function smoothed(t, axis, size)
  local result = t:slice(axis, radius + 1, radius + size)
  for step = 1, radius do
    local weight = math.exp(-step * step / (2 * spread * spread))
    for _, first in ipairs { radius + 1 - step, radius + 1 + step } do
      result:add_(t:slice(axis, first, first + size - 1), weight)
    end
  end
  return result
end

-- Smooth fields [count, size, size], each of deviation 1 and mean near 0.
local function fields(numbers, count, size)
  local width = size + 2 * radius
  local f = numbers:normal { count, width, width }
  local middle = f:slice(2, radius + 1, radius + size):slice(3, radius + 1, radius + size)
  f = smoothed(smoothed(f, 2, size), 3, size):add_(middle, single * 2 * math.pi * spread * spread)
    :reshape(count, size * size)
  -- a part of the mean stays: some maps are wetter, some higher
  local mean = f:mean(2):reshape(count, 1)
  local deviation = (f - mean):square():mean(2):sqrt():reshape(count, 1)
  return ((f - mean * 0.8) / deviation):reshape(count, size, size)
end

-- Terrain [count, size, size], entries 1..5.
local function geography(numbers, count, size)
  local height, moisture = fields(numbers, count, size), fields(numbers, count, size)
  local water, mountain = height:lt(water_line), height:gt(tree_line)
  local land = moisture:gt(wet) - moisture:lt(dry) + 2
  return land - (water + mountain) * land + mountain * 4 + water * 5
end

-- [5 coefficients, cell * cell]: how the mean colours of the neighbours left, right, above and below and
-- the tint of the cell enter its pixels; and the tile's own share of each pixel, a list.
local function masks(cell)
  local rows, own = { {}, {}, {}, {}, {} }, {}
  for i = 1, cell do
    for j = 1, cell do
      local at = (i - 1) * cell + j
      local shares = { blend[j] or 0, blend[cell + 1 - j] or 0, blend[i] or 0, blend[cell + 1 - i] or 0 }
      own[at] = 1
      for side, share in ipairs(shares) do
        rows[side][at] = share
        own[at] = own[at] - share
      end
      rows[5][at] = 1
    end
  end
  return tensor(rows), own
end

-- The drawings as tensors: pixels [5 * variants, 3 * cell * cell] times the tile's own share, mean colours
-- [5 * variants, 3], masks.
local function atlas(cell)
  local drawings = draw(cell)
  local mask, own = masks(cell)
  local pixels, colours = {}, {}
  for k, drawing in ipairs(drawings) do
    pixels[k], colours[k] = {}, {}
    for channel = 1, 3 do
      local sum = 0
      for at = 1, cell * cell do
        local value = drawing[channel][at]
        sum = sum + value
        pixels[k][(channel - 1) * cell * cell + at] = value * own[at] - grain
      end
      colours[k][channel] = sum / (cell * cell)
    end
  end
  return { pixels = tensor(pixels), colours = tensor(colours), masks = mask, variants = #drawings / 5 }
end

-- t [count, size, size, 3] moved by one cell along an axis, cells at the border repeated; forward: each
-- cell gets the next one's value.
local function shifted(t, axis, forward)
  local size = t:size(axis)
  if forward then return tensor.concat({ t:slice(axis, 2, size), t:slice(axis, size, size) }, axis) end
  return tensor.concat({ t:slice(axis, 1, 1), t:slice(axis, 1, size - 1) }, axis)
end

-- Pictures [count, 3, size * cell, size * cell] of terrain [count, size, size].
local function pictures(numbers, drawings, terrain, cell)
  local count, size = terrain:size(1), terrain:size(2)
  local chosen, variants = terrain:to_list(), drawings.variants
  local pick = numbers:uniform(terrain:shape()):to_list()
  for i = 1, #chosen do
    local variant = math.min(math.floor(pick[i] * variants), variants - 1)
    chosen[i] = (chosen[i] - 1) * variants + variant + 1
  end
  local colours = drawings.colours:take(chosen):reshape(count, size, size, 3)
  local cells = count * size * size * 3
  local around = tensor.concat({
    shifted(colours, 3, false):reshape(cells, 1), shifted(colours, 3, true):reshape(cells, 1),
    shifted(colours, 2, false):reshape(cells, 1), shifted(colours, 2, true):reshape(cells, 1),
    (numbers:uniform({ cells, 1 }) * 2 - 1) * tint,
  }, 2)
  local rows = around:matmul(drawings.masks)
  rows:add_(drawings.pixels:take(chosen):reshape(cells, cell * cell))
  local image = tiles.arrange(rows, count, size, cell)
  return image:add_(numbers:uniform(image:shape()), 2 * grain)
end

-- Terrain numbers [count, size, size] as costs.
local function costs_of(terrain)
  local list = terrain:to_list()
  for i = 1, #list do list[i] = costs[list[i]] end
  return tensor(list):reshape(terrain:shape())
end

--- A data set of terrain maps. The drawings are the same in every set; the maps are independent.
--
--     image    [count, 3, size * cell, size * cell]  in 0..1, red, green, blue
--     costs    [count, size, size]  of a visit: 0.8 1.2 5.3 7.7 9.2
--     path     [count, size, size]  1 on a cheapest path from the top left to the bottom right, else 0
--     terrain  [count, size, size]  1 sand, 2 grass, 3 forest, 4 mountains, 5 water
--
-- The first maps of a larger set are the maps of a smaller one.
-- @param options.size        cells on a side, from 2 (default 12)
-- @param options.count       number of maps (default 2000)
-- @param options.seed        integer: numbers of their own; default: the stream "data" of the common seed
-- @param options.neighbours  steps of a path: 8 (default) or 4 neighbours
-- @param options.cell        pixels on a side of a cell, from 4 (default 8)
-- @return data set
return function(options)
  local o = check.options("data.make.terrain", options, {
    size = check.count(12), count = check.count(2000), seed = check.optional(check.whole()),
    neighbours = check.choice({ 4, 8 }, 8), cell = check.count(8),
  })
  if o.size < 2 then check.fail("MG-ARGUMENT", "data.make.terrain: size: expected 2 or more, got 1") end
  if o.cell < 4 then
    check.fail("MG-ARGUMENT", "data.make.terrain: cell: expected 4 or more pixels, got %d", o.cell)
  end
  return autograd.pause(tensor.scope, function()
    local numbers, drawings = source(o.seed), atlas(o.cell)
    local pixels = o.size * o.cell
    local image = tensor.new(o.count, 3, pixels, pixels)
    local terrain = tensor.new(o.count, o.size, o.size)
    tiles.paint(image, function(first, last)
      local part = geography(numbers, last - first + 1, o.size)
      terrain:rows(first, last):copy_(part)
      return pictures(numbers, drawings, part, o.cell)
    end)
    local map_costs = costs_of(terrain)
    return new_set {
      image = image, costs = map_costs, path = tiles.paths(map_costs, o.neighbours), terrain = terrain,
    }
  end)
end

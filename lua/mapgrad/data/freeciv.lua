--- Real tiles and real geography: windows of Freeciv's scenario maps, drawn with its Trident tileset.
--
-- Nothing of Freeciv is in mapgrad: the files of Debian's package freeciv-data (GPL) are read at run time.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_set = require "mapgrad.data.set"
local source = require "mapgrad.data.source"
local tensor = require "mapgrad.tensor"
local tiles = require "mapgrad.data.tiles"
local trident = require "mapgrad.data.trident"

-- The terrains: letter in a scenario file, tag in the tileset, cost. The order follows what a step costs
-- in Freeciv (open land 1, rough land 2, mountains 3, no way over water) at the five costs of the
-- Warcraft data. The field `terrain` counts in this list.
local kinds = {
  { letter = "g", tag = "grassland", cost = 0.8 },
  { letter = "p", tag = "plains", cost = 0.8 },
  { letter = "d", tag = "desert", cost = 1.2 },
  { letter = "t", tag = "tundra", cost = 1.2 },
  { letter = "f", tag = "forest", cost = 5.3 },
  { letter = "h", tag = "hills", cost = 5.3 },
  { letter = "j", tag = "jungle", cost = 5.3 },
  { letter = "s", tag = "swamp", cost = 5.3 },
  { letter = "a", tag = "arctic", cost = 7.7 },
  { letter = "m", tag = "mountains", cost = 7.7 },
  { letter = "+", tag = "lake", cost = 9.2 },
  { letter = " ", tag = "coast", cost = 9.2 },
  { letter = ":", tag = "floor", cost = 9.2 },
}
local costs = { 0.8, 1.2, 5.3, 7.7, 9.2 }

-- Which maps are for what. Maps that show one region at similar scale stand on the same side;
-- europe_1900_WWI is left out because its land is that of europe, tutorial because it has no land.
local maps = {
  train = { "earth-large", "earth-small", "hagworld", "europe", "north_america", "france" },
  validation = { "british-isles", "iberian-peninsula" },
  test = { "italy", "japan" },
}

-- Windows with a larger share of one cost are left out.
local largest_share = 0.8

local hint = "the tiles and maps come with: apt-get install freeciv-data"

local by_letter = {}
for index, kind in ipairs(kinds) do by_letter[kind.letter] = index end

-- Text of a scenario -> terrain numbers [row][column]; 0 stands for cells that no map shows.
local function read_map(root, name)
  local path = root .. "/scenarios/" .. name .. ".sav.gz"
  local text, message = core.file_read(path, 64 * 2 ^ 20)
  if not text then return nil, message end
  local grid = {}
  for line in text:gmatch '\nt%d%d%d%d="([^"\n]*)"' do
    local row = {}
    for i = 1, #line do row[i] = by_letter[line:sub(i, i)] or 0 end
    if #row == 0 or (grid[1] and #row ~= #grid[1]) then
      return nil, ("%s: row %d of the map has %d cells"):format(path, #grid, #row)
    end
    grid[#grid + 1] = row
  end
  if #grid == 0 then return nil, path .. ": no terrain rows (t0000=...) in it" end
  return grid
end

-- Running counts: sums[i][j] is the number of cells in rows 1..i and columns 1..j that accept.
local function running_counts(grid, accepts)
  local sums = { [0] = {} }
  for j = 0, #grid[1] do sums[0][j] = 0 end
  for i = 1, #grid do
    local row, above, count = { [0] = 0 }, sums[i - 1], 0
    for j = 1, #grid[i] do
      if accepts(grid[i][j]) then count = count + 1 end
      row[j] = above[j] + count
    end
    sums[i] = row
  end
  return sums
end

-- Appends the windows worth showing: {map, row, column} of the top left cell, and the map's grid.
local function add_windows(list, number, grid, size)
  local limit = largest_share * size * size
  local counts = { running_counts(grid, function(kind) return kind == 0 end) }
  for _, cost in ipairs(costs) do
    counts[#counts + 1] = running_counts(grid, function(kind)
      return kind > 0 and kinds[kind].cost == cost
    end)
  end
  for i = 0, #grid - size do
    for j = 0, #grid[1] - size do
      local good = true
      for k, sums in ipairs(counts) do
        local inside = sums[i + size][j + size] - sums[i][j + size] - sums[i + size][j] + sums[i][j]
        if inside > (k == 1 and 0 or limit) then
          good = false
          break
        end
      end
      if good then list[#list + 1] = { map = number, row = i + 1, column = j + 1 } end
    end
  end
end

-- The chosen windows as a data set. grids and pictures: map number -> terrain and tile numbers.
local function cut(windows, grids, pictures, drawn, size)
  local count, cell = #windows, trident.cell
  local chosen, terrain, cost, place = {}, {}, {}, {}
  for n, window in ipairs(windows) do
    local grid, picture = grids[window.map], pictures[window.map]
    place[n] = { window.map, window.row, window.column }
    for i = window.row, window.row + size - 1 do
      for j = window.column, window.column + size - 1 do
        local kind, at = grid[i][j], #terrain + 1
        chosen[at], terrain[at], cost[at] = picture[i][j], kind, kinds[kind].cost
      end
    end
  end
  local image = tensor.new(count, 3, size * cell, size * cell)
  tiles.paint(image, function(first, last)
    local part = {}
    for at = (first - 1) * size * size + 1, last * size * size do part[#part + 1] = chosen[at] end
    return tiles.arrange(drawn:take(part), last - first + 1, size, cell)
  end)
  local map_costs = tensor(cost):reshape(count, size, size)
  return new_set {
    image = image, costs = map_costs, path = tiles.paths(map_costs, 8),
    terrain = tensor(terrain):reshape(count, size, size), place = tensor(place),
  }
end

-- Everything that is read: tileset and maps. nil and a message if something is missing.
local function read(root)
  local tileset, message = trident.open(root, kinds)
  if not tileset then return nil, message end
  local grids, numbers = {}, {}
  for _, part in ipairs { "train", "validation", "test" } do
    numbers[part] = {}
    for _, name in ipairs(maps[part]) do
      local grid
      grid, message = read_map(root, name)
      if not grid then return nil, message end
      grids[#grids + 1] = grid
      numbers[part][#numbers[part] + 1] = #grids
    end
  end
  return { tileset = tileset, grids = grids, numbers = numbers }
end

local function make(o)
  local found, message = read(o.root)
  if not found then
    return nil, ("data.freeciv: %s; %s"):format(message, hint)
  end
  local numbers, sets, pictures = source(o.seed), {}, {}
  for number, grid in ipairs(found.grids) do pictures[number] = found.tileset:draw(grid) end
  local drawn = found.tileset:tiles()
  for index, part in ipairs { "train", "validation", "test" } do
    local windows, chosen = {}, {}
    for _, number in ipairs(found.numbers[part]) do
      add_windows(windows, number, found.grids[number], o.size)
    end
    if o[part] > #windows then
      check.fail("MG-ARGUMENT", "data.freeciv: %s: the maps have %d windows of size %d, asked for %d", part,
        #windows, o.size, o[part])
    end
    local order = numbers:order(#windows)
    for i = 1, o[part] do chosen[i] = windows[order[i]] end
    sets[index] = cut(chosen, found.grids, pictures, drawn, o.size)
  end
  return sets[1], sets[2], sets[3]
end

--- Windows of Freeciv's scenario maps. No map gives windows to two of the sets; windows of one set may
-- overlap each other.
--
--     image    [count, 3, 8 * size, 8 * size]  in 0..1, red, green, blue
--     costs    [count, size, size]  of a visit: 0.8 1.2 5.3 7.7 9.2
--     path     [count, size, size]  1 on a cheapest path, top left to bottom right, 8 neighbours
--     terrain  [count, size, size]  1..13: grassland plains desert tundra forest hills jungle swamp arctic
--                                   mountains lake coast deep water
--     place    [count, 3]           map 1..10, row and column of the top left cell in it
-- @param options.size        cells on a side, from 2 (default 12)
-- @param options.train       number of windows (default 2000)
-- @param options.validation  the same (default 200)
-- @param options.test        the same (default 200)
-- @param options.seed        integer: numbers of their own; default: the stream "data" of the common seed
-- @param options.root        folder of Freeciv's data (default "/usr/share/games/freeciv")
-- @return train, validation and test sets; or nil and a message
return function(options)
  local o = check.options("data.freeciv", options, {
    size = check.count(12), train = check.count(2000), validation = check.count(200),
    test = check.count(200), seed = check.optional(check.whole()),
    root = check.text("/usr/share/games/freeciv"),
  })
  if o.size < 2 then check.fail("MG-ARGUMENT", "data.freeciv: size: expected 2 or more, got 1") end
  return autograd.pause(tensor.scope, make, o)
end

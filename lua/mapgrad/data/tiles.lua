--- Maps made of square tiles: pictures from tile rows, and the cheapest paths that label them.
local autograd = require "mapgrad.autograd"
local solver = require "mapgrad.solver"
local tensor = require "mapgrad.tensor"

local tiles = {}

-- Maps worked on at a time: bounds the memory of temporaries.
tiles.block = 128

--- Puts tiles side by side.
-- @param rows   [count * size * size, 3 * cell * cell]: the tiles of each map, row by row; a tile is
--               [3, cell, cell]
-- @param count  number of maps
-- @param size   cells on a side
-- @param cell   pixels on a side of a cell
-- @return [count, 3, size * cell, size * cell]
function tiles.arrange(rows, count, size, cell)
  return rows:reshape(count, size, size, 3, cell, cell):permute(1, 4, 2, 5, 3, 6)
    :reshape(count, 3, size * cell, size * cell)
end

--- Fills a picture tensor map by map, in blocks.
-- @param image  [count, 3, pixels, pixels], overwritten
-- @param make   function (first, last) -> [last - first + 1, 3, pixels, pixels]; what it makes besides
--               is freed
function tiles.paint(image, make)
  local count = image:size(1)
  autograd.pause(function()
    for first = 1, count, tiles.block do
      local last = math.min(first + tiles.block - 1, count)
      tensor.scope(function() image:rows(first, last):copy_(make(first, last)) end)
    end
  end)
end

--- The cheapest paths, top left to bottom right, that pay for each cell they visit.
-- @param costs       [count, size, size], not negative
-- @param neighbours  4 or 8
-- @return [count, size, size]: 1 on the path, else 0
function tiles.paths(costs, neighbours)
  local count, size = costs:size(1), costs:size(2)
  local shortest_path = solver.grid_path { rows = size, cols = size, neighbours = neighbours }
  return shortest_path(costs):reshape(count, size, size)
end

return tiles

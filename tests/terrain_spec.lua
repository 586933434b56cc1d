-- The generator of terrain maps, against oracles written here.
local mg = require "mapgrad"
local support = require "tests.support"

local data, random = mg.data, mg.random

local TERRAIN_COSTS = { 0.8, 1.2, 5.3, 7.7, 9.2 }

-- Least cost from the top left to the bottom right of costs[row][column], by relaxing all steps until
-- nothing changes (Bellman-Ford): slow and plain.
local function least_cost(costs, neighbours)
  local rows, columns, best = #costs, #costs[1], {}
  for i = 1, rows do
    best[i] = {}
    for j = 1, columns do best[i][j] = math.huge end
  end
  best[1][1] = costs[1][1]
  local changed = true
  while changed do
    changed = false
    for i = 1, rows do
      for j = 1, columns do
        for di = -1, 1 do
          for dj = -1, 1 do
            local from = best[i + di] and best[i + di][j + dj]
            local allowed = neighbours == 8 or di == 0 or dj == 0
            if from and allowed and from + costs[i][j] < best[i][j] - 1e-12 then
              best[i][j], changed = from + costs[i][j], true
            end
          end
        end
      end
    end
  end
  return best[rows][columns]
end

-- Cells of a label that can be reached from the top left through cells of the label.
local function reached(path, neighbours)
  local seen, queue, head = {}, { { 1, 1 } }, 1
  seen[1] = { true }
  while queue[head] do
    local i, j = queue[head][1], queue[head][2]
    head = head + 1
    for di = -1, 1 do
      for dj = -1, 1 do
        local row, allowed = path[i + di], neighbours == 8 or di == 0 or dj == 0
        seen[i + di] = seen[i + di] or {}
        if allowed and row and row[j + dj] == 1 and not seen[i + di][j + dj] then
          seen[i + di][j + dj] = true
          queue[#queue + 1] = { i + di, j + dj }
        end
      end
    end
  end
  return seen, #queue
end

local function each(list, f)
  for _, entry in ipairs(list) do f(entry) end
end

describe("data.make.terrain", function()
  local set = data.make.terrain { count = 300, seed = 1 }

  it("has the shapes it documents", function()
    assert.same({ 300, 3, 96, 96 }, set.image:shape())
    each({ "costs", "path", "terrain" }, function(name) assert.same({ 300, 12, 12 }, set[name]:shape()) end)
    local small = data.make.terrain { size = 5, count = 3, cell = 6, seed = 1 }
    assert.same({ 3, 3, 30, 30 }, small.image:shape())
    assert.same({ 3, 5, 5 }, small.path:shape())
  end)

  it("gives the same data for the same seed, and leaves the common streams alone", function()
    random.seed(11)
    local expected = mg.tensor.uniform(4):to_list()
    random.seed(11)
    local again = data.make.terrain { count = 300, seed = 1 }
    assert.same(expected, mg.tensor.uniform(4):to_list())
    each(set:fields(), function(name) assert.is_true(set[name]:equals(again[name]), name) end)
    assert.is_false(set.terrain:equals(data.make.terrain({ count = 300, seed = 2 }).terrain))
  end)

  it("gives the first maps of a larger set, across blocks", function()
    local few = data.make.terrain { count = 200, seed = 1 }
    each(set:fields(), function(name) assert.is_true(few[name]:equals(set[name]:rows(1, 200)), name) end)
  end)

  it("draws from the stream 'data' without a seed of its own", function()
    random.seed(7)
    local first = data.make.terrain { count = 2 }
    local second = data.make.terrain { count = 2 }
    random.seed(7)
    assert.is_true(first.image:equals(data.make.terrain({ count = 2 }).image))
    assert.is_false(first.image:equals(second.image))
  end)

  -- Computed once on Lua 5.4 in each real (a double has more random bits); the other interpreter and other processors
  -- must find the same.
  it("gives the same maps on both interpreters", function()
    local weights, sum = { 1, 3, 7, 11, 13 }, 0
    for i, kind in ipairs(set.terrain:rows(1, 40):to_list()) do sum = (sum * 31 + weights[kind] + i) % 1000003 end
    assert.equal(support.is_double and 637201 or 551711, sum)
  end)

  it("has pictures within 0..1", function()
    assert.is_true(set.image:min():item() >= 0)
    assert.is_true(set.image:max():item() <= 1)
  end)

  it("puts the cost of its terrain on each cell", function()
    local terrain, costs = set.terrain:to_list(), set.costs:to_list()
    for i = 1, #terrain do
      local expected = TERRAIN_COSTS[terrain[i]]
      assert(expected and math.abs(costs[i] - expected) < 1e-6)
    end
  end)

  it("has all five terrains, each at a share of 8 to 35 %", function()
    local count = { 0, 0, 0, 0, 0 }
    each(set.terrain:to_list(), function(kind) count[kind] = count[kind] + 1 end)
    each(count, function(n)
      assert.is_true(n / (300 * 144) > 0.08)
      assert.is_true(n / (300 * 144) < 0.35)
    end)
  end)

  it("mixes at least three terrains on 95 % of the maps, and none is all of a map", function()
    local mixed = 0
    for i = 1, 300 do
      local there, kinds, largest = {}, 0, 0
      each(set.terrain[i]:to_list(), function(kind) there[kind] = (there[kind] or 0) + 1 end)
      for kind = 1, 5 do
        kinds = kinds + (there[kind] and 1 or 0)
        largest = math.max(largest, there[kind] or 0)
      end
      mixed = mixed + (kinds >= 3 and 1 or 0)
      assert.is_true(largest < 144 * 0.9)
    end
    assert.is_true(mixed >= 285)
  end)

  it("repeats a terrain in the next cell more than twice as often as shuffled cells would", function()
    local same, pairs_seen, share = 0, 0, { 0, 0, 0, 0, 0 }
    for i = 1, 300 do
      local map = set.terrain[i]:to_table()
      for row = 1, 12 do
        for column = 1, 12 do
          share[map[row][column]] = share[map[row][column]] + 1 / (300 * 144)
          if column < 12 then
            pairs_seen = pairs_seen + 1
            same = same + (map[row][column] == map[row][column + 1] and 1 or 0)
          end
        end
      end
    end
    local by_chance = 0
    each(share, function(p) by_chance = by_chance + p * p end)
    assert.is_true(same / pairs_seen > 2 * by_chance)
  end)

  for _, neighbours in ipairs { 4, 8 } do
    it(("labels maps with connected paths of least cost, %d neighbours"):format(neighbours), function()
      local maps = data.make.terrain { count = 30, size = 9, seed = 5, neighbours = neighbours }
      for i = 1, 30 do
        local costs, path = maps.costs[i]:to_table(), maps.path[i]:to_table()
        local cost, cells = 0, 0
        for row = 1, 9 do
          for column = 1, 9 do
            assert.is_true(path[row][column] == 0 or path[row][column] == 1)
            cost = cost + path[row][column] * costs[row][column]
            cells = cells + path[row][column]
          end
        end
        local seen, count = reached(path, neighbours)
        assert.is_true(path[1][1] == 1 and seen[9] ~= nil and seen[9][9] == true)
        assert.equal(cells, count)
        assert.near(least_cost(costs, neighbours), cost, 1e-4)
      end
    end)
  end

  it("draws each terrain in at least four ways", function()
    -- different: the green channel differs by 0.03 or more in the root mean square
    local drawings = require "mapgrad.data.make.terrain_tiles" (8)
    assert.equal(0, #drawings % 5)
    for kind = 0, 4 do
      local different, variants = 0, #drawings / 5
      for a = 1, variants do
        local unlike = true
        for b = 1, a - 1 do
          local one, other, squared = drawings[kind * variants + a], drawings[kind * variants + b], 0
          for at = 1, 64 do squared = squared + (one[2][at] - other[2][at]) ^ 2 end
          if math.sqrt(squared / 64) < 0.03 then unlike = false end
        end
        different = different + (unlike and 1 or 0)
      end
      assert.is_true(different >= 4)
    end
  end)

  it("puts the drawings of a cell's terrain into the picture", function()
    local drawings = require "mapgrad.data.make.terrain_tiles" (8)
    local variants = #drawings / 5
    local terrain, image = set.terrain[1]:to_table(), set.image[1]:to_table()
    local wrong = 0
    -- the drawing nearest to the inner 4 x 4 pixels of a cell, which its neighbours do not enter
    for row = 1, 12 do
      for column = 1, 12 do
        local nearest, least = nil, math.huge
        for number, drawing in ipairs(drawings) do
          local squared = 0
          for channel = 1, 3 do
            for i = 3, 6 do
              for j = 3, 6 do
                local pixel = image[channel][(row - 1) * 8 + i][(column - 1) * 8 + j]
                squared = squared + (pixel - drawing[channel][(i - 1) * 8 + j]) ^ 2
              end
            end
          end
          if squared < least then nearest, least = math.floor((number - 1) / variants) + 1, squared end
        end
        if nearest ~= terrain[row][column] then wrong = wrong + 1 end
      end
    end
    assert.equal(0, wrong)
  end)

  it("refuses options out of range", function()
    each({ { size = 1 }, { cell = 3 }, { count = 0 }, { neighbours = 6 }, { sise = 12 } }, function(options)
      assert.is_false(pcall(data.make.terrain, options))
    end)
  end)
end)

-- Windows of Freeciv's maps; pending where Debian's package freeciv-data is not installed.
local mg = require "mapgrad"

local data = mg.data
local ROOT = "/usr/share/games/freeciv"

local function installed()
  local file = io.open(ROOT .. "/trident/tiles.spec", "r")
  if file then file:close() end
  return file ~= nil
end

describe("data.freeciv", function()
  it("says what to install when the files are missing", function()
    local set, message = data.freeciv { root = "/nowhere" }
    assert.is_nil(set)
    assert.truthy(message:find("/nowhere", 1, true))
    assert.truthy(message:find("apt-get install freeciv-data", 1, true))
  end)

  it("refuses unknown options", function()
    assert.is_false(pcall(data.freeciv, { sise = 12 }))
  end)

  if not installed() then
    pending "windows of the maps (freeciv-data is not installed)"
    return
  end

  local sets = { data.freeciv { size = 12, train = 300, validation = 60, test = 60, seed = 1 } }

  it("gives the numbers and shapes asked for", function()
    for i, count in ipairs { 300, 60, 60 } do
      assert.same({ "costs", "image", "path", "place", "terrain" }, sets[i]:fields())
      assert.same({ count, 3, 96, 96 }, sets[i].image:shape())
      assert.same({ count, 12, 12 }, sets[i].path:shape())
    end
  end)

  it("takes no window of two sets from one map", function()
    local owner = {}
    for i, set in ipairs(sets) do
      for _, place in ipairs(set.place:to_table()) do
        assert.is_true(owner[place[1]] == nil or owner[place[1]] == i)
        owner[place[1]] = i
      end
    end
  end)

  it("takes no window twice", function()
    local seen = {}
    for _, set in ipairs(sets) do
      for _, place in ipairs(set.place:to_table()) do
        local name = table.concat(place, " ")
        assert.is_nil(seen[name])
        seen[name] = true
      end
    end
  end)

  it("has the five costs and no others, the same one for the same terrain", function()
    local expected = { 0.8, 1.2, 5.3, 7.7, 9.2 }
    local found, cost_of = {}, {}
    for _, set in ipairs(sets) do
      local costs, terrain = set.costs:to_list(), set.terrain:to_list()
      for i = 1, #costs do
        local known
        for k, cost in ipairs(expected) do
          if math.abs(cost - costs[i]) < 1e-6 then known = k end
        end
        assert(known, "a cost that is none of the five")
        found[known] = true
        assert(cost_of[terrain[i]] == nil or cost_of[terrain[i]] == known)
        cost_of[terrain[i]] = known
      end
    end
    assert.equal(5, #found)
  end)

  it("has pictures within 0..1 that are not one colour", function()
    for _, set in ipairs(sets) do
      assert.is_true(set.image:min():item() >= 0)
      assert.is_true(set.image:max():item() <= 1)
      local deviation = (set.image - set.image:mean()):square():mean():sqrt():item()
      assert.is_true(deviation > 0.1)
    end
  end)

  it("leaves out windows in which one cost has more than 80 % of the cells", function()
    for i = 1, 60 do
      local count = {}
      for _, cost in ipairs(sets[3].costs[i]:to_list()) do count[cost] = (count[cost] or 0) + 1 end
      for _, n in pairs(count) do assert.is_true(n <= 0.8 * 144) end
    end
  end)

  it("draws a terrain in several ways", function()
    -- plains end in grass where other land begins: the pixel at the upper edge depends on the neighbour
    local colours, count = {}, 0
    local terrain, image = sets[1].terrain:to_list(), sets[1].image
    for map = 1, 20 do
      local green = image[map][2]:to_table()
      for cell = 0, 143 do
        if terrain[(map - 1) * 144 + cell + 1] == 2 then
          local row, column = math.floor(cell / 12), cell % 12
          local colour = green[row * 8 + 1][column * 8 + 4]
          if not colours[colour] then colours[colour], count = true, count + 1 end
        end
      end
    end
    assert.is_true(count >= 2)
  end)

  it("gives the same windows for the same seed", function()
    local train = data.freeciv { size = 12, train = 300, validation = 60, test = 60, seed = 1 }
    assert.is_true(train.place:equals(sets[1].place))
    assert.is_true(train.image:equals(sets[1].image))
  end)

  it("refuses more windows than there are", function()
    local ok, message = pcall(data.freeciv, { size = 12, train = 10 ^ 7 })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("windows", 1, true))
  end)
end)

-- Data sets: fields, parts, statistics; loaders and their places.
local mg = require "mapgrad"
local support = require "tests.support"

local data, random, tensor = mg.data, mg.random, mg.tensor
local assert_fails, assert_near = support.assert_fails, support.assert_near

-- n rows: x [n, 2] = {10 i, 10 i + 1}, y [n] = i.
local function counted(n)
  local x, y = {}, {}
  for i = 1, n do x[i], y[i] = { 10 * i, 10 * i + 1 }, i end
  return data.set { x = tensor(x), y = tensor(y) }
end

local function labels(set) return set.y:to_list() end

-- All y that an iterator gives, batch by batch.
local function drain(iterator, most)
  local seen = {}
  for batch in iterator do
    seen[#seen + 1] = batch.y:to_list()
    if #seen == most then break end
  end
  return seen
end

describe("data.set", function()
  it("takes the first rows, or all there are", function()
    assert.same({ 1, 2 }, labels(counted(5):first(2)))
    assert.same({ 1, 2, 3 }, labels(counted(3):first(9)))
    assert_fails("MG-ARGUMENT", "set:first", function() counted(3):first(0) end)
  end)

  it("suggests names of fields and methods", function()
    local set = data.set { image = tensor { 1, 2 }, path = tensor { 3, 4 } }
    assert_fails("MG-NAME", "no field or method 'imag', did you mean 'image'?", function() return set.imag end)
    assert_fails("MG-NAME", "did you mean 'split'?", function() return set:splt(0.5) end)
    assert_fails("MG-NAME", "fields: image, path", function() return set.something end)
  end)

  it("selects fields", function()
    local set = counted(3):select { "y" }
    assert.same({ "y" }, set:fields())
    assert_fails("MG-NAME", "there are: x, y", function() counted(3):select { "yyy" } end)
    assert_fails("MG-ARGUMENT", "no fields", function() counted(3):select {} end)
    assert_fails("MG-TYPE", "list", function() counted(3):select "y" end)
  end)

  it("maps fields one by one, or all at once", function()
    local set = counted(3):map { y = function(t) return t * 2 end, z = function(_, s) return s.y + 1 end }
    assert.same({ "x", "y", "z" }, set:fields())
    assert.same({ 2, 4, 6 }, labels(set))
    assert.same({ 2, 3, 4 }, set.z:to_list())
    assert.same({ "y" }, counted(3):map(function(s) return { y = s.y } end):fields())
    assert_fails("MG-TYPE", "set:map", function() counted(3):map(3) end)
    assert_fails("MG-ARGUMENT", "set:map: y", function() counted(3):map { y = 1 } end)
    assert_fails("MG-SHAPE", "rows", function()
      counted(3):map { y = function() return tensor.ones(2) end }
    end)
  end)

  it("filters rows, also to none", function()
    assert.same({ 2, 4 }, labels(counted(5):filter(function(i, s) return s.y:get(i) % 2 == 0 end)))
    local none = counted(5):filter(function() return false end)
    assert.equal(0, none:count())
    assert.same({ 0, 2 }, none.x:shape())
    assert_fails("MG-ARGUMENT", "set:filter", function() counted(5):filter "y" end)
  end)

  it("shuffles all fields alike, the same for a seed", function()
    local set = counted(50):shuffle { seed = 3 }
    local y, x = labels(set), set.x:to_table()
    for i = 1, 50 do assert.equal(10 * y[i], x[i][1]) end
    assert.same(y, labels(counted(50):shuffle { seed = 3 }))
    assert.not_same(y, labels(counted(50):shuffle { seed = 4 }))
    table.sort(y)
    assert.same(labels(counted(50)), y)
    random.seed(5)
    local first, second = labels(counted(50):shuffle()), labels(counted(50):shuffle())
    assert.not_same(first, second)
    random.seed(5)
    assert.same(first, labels(counted(50):shuffle()))
  end)

  it("splits into several parts, without loss", function()
    local a, b, c = counted(10):split(0.8, 0.1, 0.1)
    assert.same({ 8, 1, 1 }, { a:count(), b:count(), c:count() })
    assert.same({ 10 }, labels(c))
    local p, q, r, rest = counted(10):split(0.25, 0.25)
    assert.same({ 3, 2, 5 }, { p:count(), q:count(), r:count() }) -- borders 2.5 and 5, rounded up
    assert.is_nil(rest)
    local parts = { counted(9):split(1 / 3, 1 / 3, 1 / 3) }
    assert.equal(3, #parts)
    assert_fails("MG-ARGUMENT", "add up to", function() counted(9):split(0.8, 0.3) end)
    assert_fails("MG-ARGUMENT", "empty part", function() counted(9):split(0.8, 0.19, 0.01) end)
    assert_fails("MG-ARGUMENT", "no shares", function() counted(9):split() end)
  end)
end)

describe("set:standardise", function()
  it("gives each column mean 0 and deviation 1", function()
    local set, statistics = data.set { x = tensor { { 1, 5 }, { 2, 5 }, { 3, 5 }, { 6, 5 } } }:standardise "x"
    -- column 1: mean 3, squares of differences 4 1 0 9, deviation sqrt(3.5); column 2 is constant
    assert_near({ 3, 5 }, statistics.mean:to_list())
    assert_near({ math.sqrt(3.5), 1 }, statistics.deviation:to_list())
    local d = math.sqrt(3.5)
    assert_near({ -2 / d, 0, -1 / d, 0, 0, 0, 3 / d, 0 }, set.x:to_list())
  end)

  it("uses the statistics of another set", function()
    local _, statistics = data.set { x = tensor { 1, 3 } }:standardise "x"
    local test = data.set { x = tensor { 2, 5 }, y = tensor { 1, 2 } }:standardise("x", statistics)
    assert_near({ 0, 3 }, test.x:to_list())
    assert.same({ 1, 2 }, test.y:to_list())
  end)

  it("takes one mean a channel of pictures", function()
    random.seed(2)
    local set, statistics = data.set { image = tensor.normal(20, 3, 4, 5) * 4 + 7 }:standardise "image"
    assert.same({ 1, 3, 1, 1 }, statistics.mean:shape())
    assert_near({ 0, 0, 0 }, set.image:mean(3, 4):mean(1):to_list(), 1e-5)
    assert_near({ 1, 1, 1 }, set.image:square():mean(3, 4):mean(1):to_list(), 1e-5)
  end)

  it("refuses fields that are not there and statistics that do not fit", function()
    local set = counted(3)
    assert_fails("MG-NAME", "no field", function() set:standardise "z" end)
    assert_fails("MG-SHAPE", "expected", function()
      set:standardise("x", { mean = tensor { 1 }, deviation = tensor { 1 } })
    end)
    assert_fails("MG-OPTION", "deviation", function() set:standardise("x", { mean = tensor { 1 } }) end)
    assert_fails("MG-SHAPE", "no entries", function()
      data.set { x = tensor.new(0, 2) }:standardise "x"
    end)
  end)
end)

describe("set:loader", function()
  it("gives epoch after epoch, each in its own order", function()
    random.seed(1)
    local loader = counted(30):loader { size = 8, shuffle = true }
    assert.equal(4, loader:count())
    local first, second = drain(loader:batches()), drain(loader:batches())
    assert.equal(2, loader:epoch())
    assert.not_same(first, second)
    for _, epoch in ipairs { first, second } do
      local all = support.flat(epoch)
      table.sort(all)
      assert.same(labels(counted(30)), all)
    end
    random.seed(1)
    assert.same(first, drain(counted(30):batches { size = 8, shuffle = true }))
  end)

  it("goes on in a loop that was left", function()
    local loader = counted(7):loader { size = 2 }
    assert.same({ { 1, 2 }, { 3, 4 } }, drain(loader:batches(), 2))
    assert.same({ { 5, 6 }, { 7 } }, drain(loader:batches()))
    assert.same({ { 1, 2 } }, drain(loader:batches(), 1))
  end)

  it("ends a loop whose epoch another loop has ended", function()
    local loader, pairs_seen = counted(6):loader { size = 2 }, 0
    for _ in loader:batches() do
      for _ in loader:batches() do pairs_seen = pairs_seen + 1 end
    end
    assert.equal(2, pairs_seen) -- the first batch went to the outer loop
    assert.equal(1, loader:epoch())
  end)

  it("numbers batches by their place in the epoch", function()
    local loader, numbers = counted(7):loader { size = 3 }, {}
    drain(loader:batches(), 1)
    for _, number in loader:batches() do numbers[#numbers + 1] = number end
    assert.same({ 2, 3 }, numbers)
  end)

  it("leaves out a last batch that is not full", function()
    local loader = counted(7):loader { size = 3, drop_last = true }
    assert.equal(2, loader:count())
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, drain(loader:batches()))
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, drain(loader:batches()))
  end)

  for _, seed in ipairs { false, 11 } do
    it("finds its place again in mid-epoch" .. (seed and " with a seed of its own" or ""), function()
      local function new() return counted(40):loader { size = 6, shuffle = true, seed = seed or nil } end
      for left = 0, 7 do
        random.seed(9)
        local loader = new()
        drain(loader:batches())
        if left > 0 then drain(loader:batches(), left) end
        local place, streams = loader:state(), random.state()
        local rest, later = drain(loader:batches()), drain(loader:batches())
        random.seed(77)
        if not seed then random.restore(streams) end
        local again = new():restore(place)
        assert.equal(1, again:epoch())
        assert.same(rest, drain(again:batches()))
        assert.same(later, drain(again:batches()))
      end
    end)
  end

  it("has a state of plain values", function()
    local loader = counted(5):loader { size = 2, shuffle = true, seed = 4 }
    assert.same({ epoch = 0, position = 0, rows = 5, size = 2, drop_last = false, seed = 4 }, loader:state())
    drain(loader:batches(), 1)
    assert.same({
      epoch = 0, position = 2, rows = 5, size = 2, drop_last = false, seed = 4,
      draw = { seed = 4, stream = "shuffle", index = 0 },
    }, loader:state())
  end)

  it("refuses the state of another loader", function()
    local loader = counted(5):loader { size = 2 }
    assert_fails("MG-ARGUMENT", "of 6 rows", function() loader:restore(counted(6):loader { size = 2 }:state()) end)
    assert_fails("MG-ARGUMENT", "of 3 of 5", function() loader:restore(counted(5):loader { size = 3 }:state()) end)
    local state = {
      epoch = 0, position = 2, rows = 5, size = 2, drop_last = false, draw = { seed = 1, stream = "a", index = 0 },
    }
    assert_fails("MG-ARGUMENT", "another option 'shuffle'", loader.restore, loader, state)
    state.draw, state.position = nil, 3
    assert_fails("MG-ARGUMENT", "position = 3 is not between two batches of 2", loader.restore, loader, state)
    assert_fails("MG-ARGUMENT", "another option 'drop_last'", function()
      loader:restore(counted(5):loader({ size = 2, drop_last = true }):state())
    end)
    assert_fails("MG-ARGUMENT", "another option 'seed'", function()
      loader:restore(counted(5):loader({ size = 2, seed = 7 }):state())
    end)
    assert_fails("MG-OPTION", "missing", function() loader:restore {} end)
    assert_fails("MG-OPTION", "size", function() counted(5):loader {} end)
  end)
end)

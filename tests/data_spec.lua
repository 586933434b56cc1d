-- Files, data sets and the folder layout. Everything is written below one temporary folder.
local mg = require "mapgrad"
local lfs = require "lfs"

local data, random, tensor = mg.data, mg.random, mg.tensor

local folder

local function path(name) return folder .. "/" .. name end

local function write_bytes(name, bytes)
  local file = assert(io.open(path(name), "wb"))
  file:write(bytes)
  file:close()
  return path(name)
end

local function read_bytes(name)
  local file = assert(io.open(name, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

-- nil and a message with all the texts in it (plain).
local function assert_refused(texts, value, message)
  assert.is_nil(value)
  assert.is_string(message)
  for _, text in ipairs(texts) do
    assert.truthy(message:find(text, 1, true), ("'%s' is not in: %s"):format(text, message))
  end
end

-- That f raises an error with the text in it.
local function assert_raises(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(text, 1, true), ("'%s' is not in: %s"):format(text, tostring(message)))
end

-- A tensor 1, 2, ... of a shape.
local function counting(...)
  local list, count = {}, 1
  for _, extent in ipairs { ... } do count = count * extent end
  for i = 1, count do list[i] = i end
  return tensor(list):reshape(...)
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
end)

teardown(function()
  local function remove(directory)
    for name in lfs.dir(directory) do
      local full = directory .. "/" .. name
      if name ~= "." and name ~= ".." then
        if lfs.attributes(full, "mode") == "directory" then remove(full) else os.remove(full) end
      end
    end
    lfs.rmdir(directory)
  end
  remove(folder)
end)

describe("data.npy", function()
  for _, type_name in ipairs { "f4", "f8", "i8", "i4", "u1" } do
    it("reads back what it wrote as " .. type_name, function()
      local t = counting(2, 3, 4)
      assert.is_true(data.npy_write(path "a.npy", t, { type = type_name }))
      local u = assert(data.npy_read(path "a.npy"))
      assert.same({ 2, 3, 4 }, u:shape())
      assert.same(t:to_list(), u:to_list())
    end)
  end

  it("keeps fractions, scalars and arrays without entries", function()
    for _, t in ipairs { tensor { 0.5, -1.25, 1e10 }, tensor.full({}, 3), tensor.new(0, 3) } do
      assert.is_true(data.npy_write(path "b.npy", t))
      local u = assert(data.npy_read(path "b.npy"))
      assert.same(t:shape(), u:shape())
      assert.same(t:to_list(), u:to_list())
    end
  end)

  it("reads a file of another writer: big-endian integers in Fortran order", function()
    local header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }"
    header = header .. (" "):rep(117 - #header) .. "\n"
    local numbers = ""
    for _, value in ipairs { 1, 4, 2, 5, 3, 6 } do numbers = numbers .. string.char(0, value) end
    write_bytes("c.npy", "\147NUMPY\1\0" .. string.char(#header, 0) .. header .. numbers)
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, assert(data.npy_read(path "c.npy")):to_table())
  end)

  it("answers nil and the file's name for a missing, a cut and a foreign file", function()
    assert_refused({ path "nowhere.npy" }, data.npy_read(path "nowhere.npy"))
    assert(data.npy_write(path "d.npy", counting(10, 10)))
    local whole = read_bytes(path "d.npy")
    for _, length in ipairs { 0, 5, 9, 60, #whole - 1 } do
      assert_refused({ "cut.npy" }, data.npy_read(write_bytes("cut.npy", whole:sub(1, length))))
    end
    assert_refused({ "foreign.npy" }, data.npy_read(write_bytes("foreign.npy", "x" .. whole:sub(2))))
  end)

  it("answers nil when the folder to write in does not exist", function()
    assert_refused({ "absent" }, data.npy_write(path "absent/a.npy", counting(2)))
  end)

  it("raises on misuse", function()
    assert_raises("npy_read", data.npy_read)
    assert_raises("npy_write", data.npy_write, path "e.npy", { 1, 2 })
    assert_raises("f4", data.npy_write, path "e.npy", counting(2), { type = "f3" })
    assert_raises("did you mean 'type'", data.npy_write, path "e.npy", counting(2), { typ = "f4" })
    assert_raises("npy_write", data.npy_write, path "e.npy", tensor { 300 }, { type = "u1" })
  end)
end)

describe("data.png", function()
  for _, channels in ipairs { 1, 3, 4 } do
    it(("reads back %d channels"):format(channels), function()
      local t = counting(4, 5, channels) * 3
      assert.is_true(data.png_write(path "a.png", t))
      local u = assert(data.png_read(path "a.png"))
      assert.same({ 4, 5, channels }, u:shape())
      assert.same(t:to_list(), u:to_list())
    end)
  end

  it("rounds and clamps entries to 0..255", function()
    assert(data.png_write(path "b.png", tensor { { { -3 }, { 0.4 }, { 99.6 }, { 300 } } }))
    assert.same({ 0, 0, 100, 255 }, assert(data.png_read(path "b.png")):to_list())
  end)

  it("answers nil for a missing, a cut and a foreign file", function()
    assert_refused({ path "nowhere.png" }, data.png_read(path "nowhere.png"))
    assert(data.png_write(path "c.png", counting(8, 8, 3)))
    local whole = read_bytes(path "c.png")
    for _, length in ipairs { 0, 4, 30, #whole - 20 } do
      assert_refused({ "cut.png" }, data.png_read(write_bytes("cut.png", whole:sub(1, length))))
    end
    assert_refused({ "foreign.png" }, data.png_read(write_bytes("foreign.png", "GIF89a" .. whole)))
  end)

  it("raises for a tensor that is no picture", function()
    assert_raises("png_write", data.png_write, path "d.png", counting(4, 4))
    assert_raises("png_write", data.png_write, path "d.png", counting(4, 4, 7))
  end)
end)

describe("data.file_read", function()
  it("returns the bytes, zeros included", function()
    assert.equal("a\0b\n", data.file_read(write_bytes("bytes", "a\0b\n")))
  end)

  it("inflates a gzip file", function()
    -- header; one stored block: last, length, its complement, bytes; CRC-32 and length
    local bytes = "\31\139\8\0\0\0\0\0\0\3" .. "\1\7\0\248\255mapgrad" .. "\72\66\202\138\7\0\0\0"
    assert.equal("mapgrad", data.file_read(write_bytes("zipped", bytes)))
  end)

  it("answers nil for a missing file and for one above the limit", function()
    assert_refused({ "nowhere" }, data.file_read(path "nowhere"))
    assert_refused({ "long" }, data.file_read(write_bytes("long", ("x"):rep(100)), 99))
  end)
end)

describe("data.set", function()
  local function new_set(count)
    return data.set { x = counting(count, 2), y = counting(count) }
  end

  it("knows its fields and rows", function()
    local set = new_set(5)
    assert.same({ "x", "y" }, set:fields())
    assert.equal(5, set:count())
    assert.equal("data set of 5 rows: x 2, y number", tostring(set))
  end)

  it("cuts rows out of every field", function()
    local part = new_set(5):rows(2, 3)
    assert.same({ { 3, 4 }, { 5, 6 } }, part.x:to_table())
    assert.same({ 2, 3 }, part.y:to_table())
    assert.same({ 4, 5 }, new_set(5):rows(-2, -1).y:to_table())
  end)

  it("takes rows by number, repeats included", function()
    assert.same({ 5, 1, 5 }, new_set(5):take({ 5, 1, 5 }).y:to_table())
  end)

  it("splits in order, without loss", function()
    local first, rest = new_set(10):split(0.75)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, first.y:to_table())
    assert.same({ 9, 10 }, rest.y:to_table())
  end)

  it("refuses a split with an empty part", function()
    for _, share in ipairs { 0.01, 0.99, 1, 2 } do
      assert_raises("set:split", function() new_set(5):split(share) end)
    end
    assert_raises("set:split", function() new_set(5):split(0) end)
  end)

  it("refuses fields that do not fit", function()
    assert_raises("x has 2 rows, y has 3", data.set, { x = counting(2), y = counting(3) })
    assert_raises("no fields", data.set, {})
    assert_raises("expected a tensor", data.set, { x = { 1, 2 } })
    assert_raises("scalar", data.set, { x = tensor.full({}, 1) })
    assert_raises("cannot be named rows", data.set, { rows = counting(2) })
    assert_raises("cannot be named 1", data.set, { counting(2) })
    assert_raises("expected a table", data.set, 3)
  end)

  it("gives batches in order, the last one with what is left", function()
    local seen, sizes, numbers = {}, {}, {}
    for batch, number in new_set(7):batches { size = 3 } do
      sizes[#sizes + 1], numbers[#numbers + 1] = batch:count(), number
      for _, y in ipairs(batch.y:to_table()) do seen[#seen + 1] = y end
    end
    assert.same({ 3, 3, 1 }, sizes)
    assert.same({ 1, 2, 3 }, numbers)
    assert.same({ 1, 2, 3, 4, 5, 6, 7 }, seen)
  end)

  it("leaves out the last batch when asked, and only if it is not full", function()
    local function count(size)
      local n = 0
      for _ in new_set(7):batches { size = size, drop_last = true } do n = n + 1 end
      return n
    end
    assert.same({ 2, 1, 0, 7 }, { count(3), count(7), count(8), count(1) })
  end)

  it("shuffles rows, all fields alike, anew each time and the same for a seed", function()
    local function pass(set)
      local seen = {}
      for batch in set:batches { size = 4, shuffle = true } do
        local x, y = batch.x:to_table(), batch.y:to_table()
        for i = 1, #y do
          assert.same({ 2 * y[i] - 1, 2 * y[i] }, x[i])
          seen[#seen + 1] = y[i]
        end
      end
      return seen
    end
    local set, all = new_set(30), {}
    for i = 1, 30 do all[i] = i end
    random.seed(3)
    local first, second = pass(set), pass(set)
    random.seed(3)
    assert.same(first, pass(set))
    assert.not_same(first, second)
    assert.not_same(all, first)
    table.sort(first)
    assert.same(all, first)
  end)

  it("refuses options it does not know", function()
    assert_raises("did you mean 'shuffle'", function() new_set(3):batches { size = 1, shufle = true } end)
    assert_raises("'size' is missing", function() new_set(3):batches {} end)
  end)
end)

describe("data.folder", function()
  local function random_set(count)
    local image = (tensor.uniform(count, 3, 16, 24) * 255)
    for i = 1, count do -- whole numbers of 1/255, so that 8 bits keep them
      for c = 1, 3 do
        local list = image[i][c]:to_list()
        for at = 1, #list do list[at] = math.floor(list[at]) / 255 end
        image[i][c] = tensor(list):reshape(16, 24)
      end
    end
    return data.set { image = image, costs = tensor.uniform(count, 2, 3), path = tensor.ones(count, 2, 3) }
  end

  local function fresh(name)
    assert(lfs.mkdir(path(name)))
    return path(name)
  end

  local function assert_close(expected, found)
    local a, b = expected:to_list(), found:to_list()
    assert.same(expected:shape(), found:shape())
    for i = 1, #a do assert.near(a[i], b[i], 1e-6) end
  end

  it("reads back what folder_write wrote", function()
    local sets, place = { train = random_set(5), val = random_set(2), test = random_set(3) }, fresh "whole"
    assert.is_true(data.folder_write(place, sets))
    local train, val, test = data.folder(place)
    for _, pair in ipairs { { sets.train, train }, { sets.val, val }, { sets.test, test } } do
      assert_close(pair[1].image, pair[2].image)
      assert_close(pair[1].costs, pair[2].costs)
      assert.same(pair[1].path:to_list(), pair[2].path:to_list())
    end
  end)

  it("stores pictures channels last, as the original does", function()
    local place, set = fresh "layout", random_set(2)
    assert(data.folder_write(place, { train = set, val = set, test = set }))
    local maps = assert(data.npy_read(place .. "/train_maps.npy"))
    assert.same({ 2, 16, 24, 3 }, maps:shape())
    assert.near(set.image:get(2, 3, 5, 7) * 255, maps:get(2, 5, 7, 3), 1e-3)
    assert.truthy(read_bytes(place .. "/train_maps.npy"):find("'|u1'", 1, true))
  end)

  it("reads at most `limit` rows", function()
    local place, set = fresh "limit", random_set(4)
    assert(data.folder_write(place, { train = set, val = set:rows(1, 1), test = set }))
    local train, val = data.folder(place, { limit = 2 })
    assert_close(set.image:rows(1, 2), train.image)
    assert_close(set.costs:rows(1, 2), train.costs)
    assert.equal(1, val:count())
  end)

  it("names the file that is missing, and says what the folder is to hold", function()
    assert_refused({ path "none" .. "/train_vertex_weights.npy", "shortest_paths" }, data.folder(path "none"))
    local place, set = fresh "missing", random_set(2)
    assert(data.folder_write(place, { train = set, val = set, test = set }))
    os.remove(place .. "/val_maps.npy")
    assert_refused({ place .. "/val_maps.npy" }, data.folder(place))
  end)

  it("refuses arrays that do not belong together or hold other things", function()
    local place, set = fresh "mixed", random_set(3)
    local function refused(name, t, text)
      assert(data.folder_write(place, { train = set, val = set, test = set }))
      assert(data.npy_write(place .. "/" .. name, t))
      assert_refused({ text }, data.folder(place))
    end
    refused("test_shortest_paths.npy", tensor.ones(2, 2, 3), "test_")
    refused("test_shortest_paths.npy", tensor.ones(3, 3, 2), "test_")
    refused("test_shortest_paths.npy", tensor.full({ 3, 2, 3 }, 2), "test_shortest_paths.npy")
    refused("train_vertex_weights.npy", tensor.full({ 3, 2, 3 }, -1), "train_vertex_weights.npy")
    refused("train_vertex_weights.npy", tensor.full({ 3, 2, 3 }, 0 / 0), "train_vertex_weights.npy")
    refused("train_maps.npy", tensor.ones(3, 3, 16, 24), "train_")
    refused("train_maps.npy", tensor.ones(3, 16, 24), "train_maps.npy")
  end)

  it("raises when a set lacks a field", function()
    local set = data.set { image = tensor.ones(1, 3, 8, 8) }
    assert_raises("costs", data.folder_write, path "x", { train = set, val = set, test = set })
    assert_raises("'val' is missing", data.folder_write, path "x", { train = set, test = set })
  end)
end)

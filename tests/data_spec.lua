-- Files, data sets and the folder layout. Everything is written below one temporary folder.
local mg = require "mapgrad"
local lfs = require "lfs"
local command = dofile "tests/command.lua"
local support = require "tests.support"

local data, random, tensor = mg.data, mg.random, mg.tensor
local assert_refused, read_bytes = support.assert_refused, support.read_bytes

local folder

local function path(name) return folder .. "/" .. name end

local function write_bytes(name, bytes) return command.write(path(name), bytes) end

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

setup(function() folder = command.folder() end)
teardown(function() command.remove(folder) end)

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

describe("data.npz", function()
  local function arrays()
    return { a = counting(2, 3), ["layer/b"] = counting(4), none = tensor.new(0, 3), one = tensor.full({}, 7) }
  end

  for _, compress in ipairs { false, true } do
    it("reads back what it wrote, " .. (compress and "deflated" or "stored"), function()
      assert.is_true(data.npz_write(path "a.npz", arrays(), { compress = compress }))
      local back, names = assert(data.npz_read(path "a.npz")), {}
      for name, t in pairs(arrays()) do
        assert.same(t:shape(), back[name]:shape())
        assert.same(t:to_list(), back[name]:to_list())
      end
      for name in pairs(back) do names[#names + 1] = name end
      assert.equal(4, #names)
    end)
  end

  it("is smaller deflated, and the same file each time", function()
    local t = { z = tensor.zeros(100, 100) }
    assert(data.npz_write(path "stored.npz", t))
    assert(data.npz_write(path "small.npz", t, { compress = true }))
    assert.is_true(#read_bytes(path "small.npz") * 20 < #read_bytes(path "stored.npz"))
    assert(data.npz_write(path "again.npz", t, { compress = true }))
    assert.equal(read_bytes(path "small.npz"), read_bytes(path "again.npz"))
  end)

  it("reads one array by name", function()
    assert(data.npz_write(path "a.npz", arrays()))
    assert.same({ 1, 2, 3, 4 }, assert(data.npz_read(path "a.npz", { name = "layer/b" })):to_list())
    assert_refused({ path "a.npz", "'c'" }, data.npz_read(path "a.npz", { name = "c" }))
  end)

  it("writes and reads an archive of nothing", function()
    assert.is_true(data.npz_write(path "empty.npz", {}))
    assert.same({}, assert(data.npz_read(path "empty.npz")))
  end)

  it("refuses what is above the limit, as a whole or of the array that is wanted", function()
    assert(data.npz_write(path "a.npz", arrays(), { compress = true }))
    assert_refused({ path "a.npz", "at most 300 bytes" }, data.npz_read(path "a.npz", { limit = 300 }))
    assert(data.npz_read(path "a.npz", { limit = 300, name = "a" }))
  end)

  it("refuses every cut, and survives every changed byte", function()
    assert(data.npz_write(path "b.npz", { a = counting(2, 2) }, { compress = true }))
    local whole = read_bytes(path "b.npz")
    for length = 0, #whole - 1 do
      assert_refused({ "cut.npz", "at byte" }, data.npz_read(write_bytes("cut.npz", whole:sub(1, length))))
    end
    for at = 1, #whole do
      local byte = string.char((whole:byte(at) + 1 + at % 255) % 256)
      local changed = whole:sub(1, at - 1) .. byte .. whole:sub(at + 1)
      local value, message = data.npz_read(write_bytes("changed.npz", changed))
      assert(value or message)
    end
  end)

  it("refuses a directory that counts other arrays than there are", function()
    assert(data.npz_write(path "n.npz", { a = counting(2), b = counting(3) }))
    local whole = read_bytes(path "n.npz")
    for count = 0, 3 do -- the end of the directory is 22 bytes; 9 and 11 of them count
      local ending = whole:sub(-22, -15) .. string.char(count, 0, count, 0) .. whole:sub(-10)
      local value, message = data.npz_read(write_bytes("n2.npz", whole:sub(1, -23) .. ending))
      if count == 2 then assert.truthy(value) else assert_refused({ "n2.npz", "at byte" }, value, message) end
    end
  end)

  it("names the array that is damaged, and gives none of the others", function()
    assert(data.npz_write(path "c.npz", { a = counting(2), b = counting(3) }))
    local whole = read_bytes(path "c.npz")
    local at = select(2, whole:find("b.npy.-NUMPY.-\n")) + 1
    local before = tensor.memory().live
    assert_refused({ "c2.npz: 'b'", "at byte" }, data.npz_read(write_bytes("c2.npz", whole:sub(1, at - 1)
      .. string.char((whole:byte(at) + 1) % 256) .. whole:sub(at + 1))))
    assert.equal(before, tensor.memory().live)
  end)

  it("agrees with NumPy, where there is one", function()
    local script = [=[
import numpy
z = numpy.load("%s")
assert sorted(z.files) == ["a", "layer/b", "none", "one"], z.files
assert (z["a"] == [[1, 2, 3], [4, 5, 6]]).all() and z["a"].dtype == "f8" and z["none"].shape == (0, 3)
numpy.savez("%s", a=numpy.arange(6.0).reshape(2, 3, order="F"), b=numpy.array([True, False]))
numpy.savez_compressed("%s", a=numpy.arange(6, dtype=">i2").reshape(2, 3, order="F"), b=numpy.array([True, False]))
print("done")]=]
    assert(data.npz_write(path "ours.npz", arrays(), { type = "f8", compress = true }))
    local text = script:format(path "ours.npz", path "theirs.npz", path "packed.npz")
    local pipe = io.popen(("LD_PRELOAD= /usr/bin/python3 %s 2>&1"):format(write_bytes("script.py", text)))
    local answer = pipe:read "*a"
    pipe:close()
    if not answer:find "done" then
      assert.is_nil(answer:find "AssertionError", answer)
      pending "there is no NumPy"
      return
    end
    for _, name in ipairs { "theirs.npz", "packed.npz" } do
      local t = assert(data.npz_read(path(name)))
      assert.same({ { 0, 2, 4 }, { 1, 3, 5 } }, t.a:to_table())
      assert.same({ 1, 0 }, t.b:to_list())
    end
  end)

  it("raises on misuse", function()
    assert_raises("npz_read", data.npz_read)
    assert_raises("npz_write: a", data.npz_write, path "e.npz", { a = 3 })
    assert_raises("npz_write: name", data.npz_write, path "e.npz", { counting(2) })
    assert_raises("npz_write", data.npz_write, path "e.npz", counting(2))
    assert_raises("npz_write", data.npz_write, path "e.npz", { a = tensor { 300 } }, { type = "u1" })
    assert_raises("a name of", data.npz_write, path "e.npz", { [""] = counting(2) })
    assert_raises("did you mean 'compress'", data.npz_write, path "e.npz", {}, { compres = true })
    assert.is_nil(lfs.attributes(path "e.npz"))
  end)
end)

describe("data.idx", function()
  for _, type_name in ipairs { "u1", "i1", "i2", "i4", "f4", "f8" } do
    it("reads back what it wrote as " .. type_name .. ", plain and in gzip", function()
      local t = counting(2, 3, 4)
      for _, compress in ipairs { false, true } do
        assert.is_true(data.idx_write(path "a.idx", t, { type = type_name, compress = compress }))
        local u = assert(data.idx_read(path "a.idx"))
        assert.same({ 2, 3, 4 }, u:shape())
        assert.same(t:to_list(), u:to_list())
      end
    end)
  end

  it("writes the bytes of the format", function()
    assert(data.idx_write(path "b.idx", tensor { { 1, -2 }, { 258, 4 } }, { type = "i2" }))
    assert.equal("\0\0\11\2\0\0\0\2\0\0\0\2" .. "\0\1\255\254\1\2\0\4", read_bytes(path "b.idx"))
  end)

  it("keeps signs, fractions and shapes without entries", function()
    for type_name, t in pairs { i1 = tensor { -128, 127 }, i4 = tensor { -2 ^ 31 }, f4 = tensor { -0.5, 1e10 },
                                u1 = tensor.new(0, 5), f8 = tensor.full({}, 1.5) } do
      assert(data.idx_write(path "c.idx", t, { type = type_name }))
      local u = assert(data.idx_read(path "c.idx"))
      assert.same(t:shape(), u:shape())
      assert.same(t:to_list(), u:to_list())
    end
  end)

  it("refuses cuts, what follows, and what is above the limit", function()
    assert(data.idx_write(path "d.idx", counting(5, 5)))
    assert(data.idx_write(path "d.gz", counting(5, 5), { compress = true }))
    for _, name in ipairs { "d.idx", "d.gz" } do
      local whole = read_bytes(path(name))
      for length = 0, #whole - 1 do
        assert_refused({ "cut.idx", "at byte" }, data.idx_read(write_bytes("cut.idx", whole:sub(1, length))))
      end
      assert_refused({ "long.idx", "at byte" }, data.idx_read(write_bytes("long.idx", whole .. "x")))
      assert_refused({ name, "at most 24 bytes" }, data.idx_read(path(name), { limit = 24 }))
      assert(data.idx_read(path(name), { limit = 25 }))
    end
  end)

  it("grows through several blocks of a gzip file", function()
    random.seed(3)
    local t = tensor.uniform(300, 500)
    assert(data.idx_write(path "big.gz", t, { type = "f8", compress = true }))
    assert.is_true(t:equals(assert(data.idx_read(path "big.gz"))))
  end)

  it("raises on misuse", function()
    assert_raises("idx_write", data.idx_write, path "e.idx", tensor { 256 })
    assert_raises("f4", data.idx_write, path "e.idx", counting(2), { type = "u2" })
    assert_raises("limit", data.idx_read, path "d.idx", { limit = -1 })
  end)
end)

describe("data.csv", function()
  local function read(text, options) return data.csv_read(write_bytes("a.csv", text), options) end

  it("reads numbers under the names of the first line", function()
    local t = assert(read "a, b\n1,2.5\r\n\n -3 ,4e-2\n")
    assert.same({ "a", " b" }, t.names)
    assert.same({}, t.text)
    assert.equal(2, t.values:size(1))
    for i, value in ipairs { 1, 2.5, -3, 4e-2 } do assert.near(value, t.values:to_list()[i], 1e-8) end
  end)

  it("reads other delimiters, a mark of UTF-8, no header, a last line without end, gzip", function()
    local t = assert(read("\239\187\1911\t2\n3\t4", { header = false, delimiter = "\t" }))
    assert.same({ "1", "2" }, t.names)
    assert.same({ { 1, 2 }, { 3, 4 } }, t.values:to_table())
    local zipped = "\31\139\8\0\0\0\0\0\0\3" .. "\1\4\0\251\255a\0101\n" -- its CRC is wrong
    assert_refused({ "a.csv", "at byte" }, read(zipped .. "\0\0\0\0\4\0\0\0"))
  end)

  it("returns columns of text and leaves out others", function()
    local text = 'id,name,x\n1,"Smith, ""J""\nof York",2\n3,,4\n'
    local t = assert(read(text, { text = { "name" }, skip = { 1 } }))
    assert.same({ "x" }, t.names)
    assert.same({ 2, 4 }, t.values:to_list())
    assert.same({ name = { 'Smith, "J"\nof York', "" } }, t.text)
    assert_refused({ "skip", "no column y" }, read(text, { skip = { "y" } }))
    assert_refused({ "text", "no column 4" }, read(text, { text = { 4 } }))
  end)

  it("reads missing values as NaN when asked to", function()
    local text = "a,b\n1,\nNA,4\n"
    assert_refused({ "lone carriage return at byte 3", "line 1, column 2" }, read("x,y\r1,2\r"))
    assert_refused({ "a.csv", "missing value at byte 6", "line 2, column 2" }, read(text))
    local list = assert(read(text, { missing = "nan" })).values:to_list()
    assert.is_true(list[1] == 1 and list[2] ~= list[2] and list[3] ~= list[3] and list[4] == 4)
  end)

  it("reads nan and infinities, and nothing else that strtod takes", function()
    local list = assert(read("nan,INF,-Infinity,+.5,5.\n", { header = false })).values:to_list()
    assert.is_true(list[1] ~= list[1])
    assert.same({ math.huge, -math.huge, 0.5, 5 }, { list[2], list[3], list[4], list[5] })
    for _, word in ipairs { "0x10", "nan(1)", "1e", "e5", ".", "+", "--1", "1 2", "1_0", "infinit", "\0" } do
      assert_refused({ "no number", "line 1, column 1" }, read(word .. ",1\n", { header = false }))
    end
  end)

  it("rounds to the nearest real, however long the number", function()
    local words = {
      "0.1", "123456789012345678", "9007199254740993", "1e23", "8.5e-300", "4.9e-324", "1e400", "-1e-400",
      "2.2250738585072011e-308", "0.30000000000000004", "1" .. ("0"):rep(400) .. "e-400", "1e22", "1e-22",
      "179769313486231580793e289", "0." .. ("0"):rep(30) .. "123",
    }
    local list = assert(read(table.concat(words, ",") .. "\n", { header = false })).values:to_list()
    for i, word in ipairs(words) do assert.equal(tensor { tonumber(word) }:item(), list[i], word) end
  end)

  it("names line and column of what is wrong", function()
    assert_refused({ "a.csv", "no number at byte 13", "line 4, column 2", "'x'" },
      read('a,b\n"\n2",1\n3,x\n', { skip = { 1 } }))
    assert_refused({ "wrong number of fields at byte 8", "line 3", "2 fields", "'1'" }, read "a,b\n1,2\n3\n")
    assert_refused({ "wrong number of fields", "'3'" }, read "a,b\n1,2,3\n")
    assert_refused({ "open quote at byte 6", "line 2, column 2" }, read 'a,b\n1,"2\n3,4\n')
    assert_refused({ "text after a quoted field at byte 7" }, read 'a,b\n"1"2,3\n')
    assert_refused({ path "none.csv" }, data.csv_read(path "none.csv"))
    assert_refused({ "at most 3 bytes" }, read("a\n1\n", { limit = 3 }))
  end)

  it("names the first wrong line, whatever the threads", function()
    local lines = { "a" }
    for i = 1, 50000 do lines[i + 1] = (i == 30000 or i == 40000) and "x" or tostring(i) end
    assert_refused({ "line 30001, column 1" }, read(table.concat(lines, "\n")))
  end)

  it("reads tables without lines", function()
    assert.same({ 0, 2 }, assert(read "a,b\n").values:shape())
    assert.same({ 0, 0 }, assert(read "").values:shape())
    assert.same({ 2, 0 }, assert(read("a\nx\ny", { skip = { "a" } })).values:shape())
  end)

  it("reads back what it wrote", function()
    random.seed(4)
    local t = tensor.normal(200, 3) * 1e5
    assert.is_true(data.csv_write(path "b.csv", t, { names = { "a", 'b "c"', "d,e" } }))
    local u = assert(data.csv_read(path "b.csv"))
    assert.same({ "a", 'b "c"', "d,e" }, u.names)
    assert.is_true(t:equals(u.values))
    assert(data.csv_write(path "c.csv", tensor { 1.5, -2, 0 / 0, 1 / 0 }, { delimiter = ";" }))
    assert.equal("1.5\n-2\nnan\ninf\n", read_bytes(path "c.csv"))
    assert(data.csv_write(path "d.csv", tensor { { 0.1, 1e30, 1e-7 } }))
    assert.equal("0.1,1e+30,1e-07\n", read_bytes(path "d.csv"))
  end)

  it("raises on misuse", function()
    assert_raises("delimiter", read, "a", { delimiter = "ab" })
    assert_raises("delimiter", read, "a", { delimiter = "\n" })
    assert_raises("missing", read, "a", { missing = "zero" })
    assert_raises("csv_write", data.csv_write, path "e.csv", counting(2, 2), { delimiter = "1" })
    assert_raises("3 names, 2 columns", data.csv_write, path "e.csv", counting(2, 2), { names = { "a", "b", "c" } })
    assert_raises("csv_write", data.csv_write, path "e.csv", counting(2, 2, 2))
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

  it("refuses pictures above the limit", function()
    assert(data.png_write(path "e.png", counting(8, 8, 3)))
    assert_refused({ "e.png", "at most 191 bytes" }, data.png_read(path "e.png", { limit = 191 }))
    assert(data.png_read(path "e.png", { limit = 192 }))
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

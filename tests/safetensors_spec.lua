-- Safetensors files: round trips, every type, files of another writer, hostile files.
local core = require "mapgrad.real"
local mg = require "mapgrad"
local lfs = require "lfs"
local command = dofile "tests/command.lua"
local support = require "tests.support"

local data, tensor = mg.data, mg.tensor
local assert_fails, read_bytes = support.assert_fails, support.read_bytes
local read, write = data.safetensors_read, data.safetensors_write
local OWN = support.is_double and "F64" or "F32"

local folder

setup(function() folder = command.folder() end)
teardown(function() command.remove(folder) end)

local function path(name) return folder .. "/" .. name end

-- An unsigned number as `count` bytes, lowest first.
local function little(value, count)
  local bytes = {}
  for i = 1, count do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

-- A file of this header and data.
local function made(header, content, name)
  return command.write(path(name or "made.safetensors"), little(#header, 8) .. header .. (content or ""))
end

local function refused(texts, file, options)
  local before = core.memory().live
  local value, message = read(file, options)
  support.assert_refused(texts, value, message)
  assert.is_true(core.memory().live <= before)
  return message
end

local function counting(...)
  local list, count = {}, 1
  for _, extent in ipairs { ... } do count = count * extent end
  for i = 1, count do list[i] = i end
  return count > 0 and tensor(list):reshape(...) or tensor.new(...)
end

local function assert_same_tensors(expected, got)
  for name, t in pairs(expected) do
    assert.same(t:shape(), got[name]:shape(), name)
    assert.same(t:to_list(), got[name]:to_list(), name)
  end
  for name in pairs(got) do assert.truthy(expected[name], name) end
end

describe("data.safetensors", function()
  it("reads back names, shapes, values and metadata", function()
    local tensors = {
      w = counting(2, 3, 4) * 0.1, ["1.bias"] = counting(5), empty = counting(2, 0, 3), scalar = tensor.full({}, 3),
      ["\195\164/\"\\"] = counting(1), large = counting(70, 1000),
    }
    local metadata = { note = "a\n\"b\"", ["\195\164"] = "" }
    assert.is_true(write(path "a", tensors, { metadata = metadata }))
    local got, about = read(path "a")
    assert_same_tensors(tensors, got)
    assert.same(metadata, about)
  end)

  it("writes what the format says: aligned header, tensors by name without gaps", function()
    assert(write(path "b", { b = counting(3), a = counting(2) }, { type = "F32", metadata = { k = "v" } }))
    local header = '{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
      .. '"b":{"dtype":"F32","shape":[3],"data_offsets":[8,20]}}'
    header = header .. (" "):rep(-#header % 8)
    local floats = "\0\0\128\63\0\0\0\64" .. "\0\0\128\63\0\0\0\64\0\0\64\64"
    assert.equal(little(#header, 8) .. header .. floats, read_bytes(path "b"))
    assert(write(path "none", {}))
    assert.equal(little(8, 8) .. "{}      ", read_bytes(path "none"))
    assert.same({}, read(path "none"))
  end)

  it("keeps every bit, special values too, and equal tensors give equal files", function()
    local tiny = support.is_double and 5e-324 or 2 ^ -149
    local t = tensor { 0 / 0, -(0 / 0), 1 / 0, -1 / 0, 0, -0.0, tiny, -tiny, 0.1, 1 / 3 }
    assert(write(path "c1", { t = t }))
    assert(write(path "c2", assert(read(path "c1"))))
    assert.equal(read_bytes(path "c1"), read_bytes(path "c2"))
    local got = read(path "c1").t
    assert.equal(-math.huge, 1 / got:get(6))
    assert.equal(tiny, got:get(7))
    assert.is_true(got:get(1) ~= got:get(1))
  end)

  it("converts between the two real types", function()
    local t = tensor { 0.1, 1e300, -2 }
    for _, kind in ipairs { "F32", "F64" } do
      assert(write(path "d", { t = t }, { type = kind }))
      local got = read(path "d").t
      local expected = kind == "F32" and support.is_double and { 0.10000000149011612, math.huge, -2 } or t:to_list()
      assert.same(expected, got:to_list())
    end
  end)

  it("reads some of the tensors, within a limit", function()
    assert(write(path "e", { a = counting(10), b = counting(20), c = counting(1000) }))
    assert_same_tensors({ a = counting(10), b = counting(20) }, read(path "e", { names = { "b", "a" } }))
    assert.same({}, read(path "e", { names = {} }))
    refused({ path "e", "no tensor 'd'" }, path "e", { names = { "a", "d" } })
    local bytes = 30 * core.info().real_bytes
    assert.truthy(read(path "e", { names = { "a", "b" }, limit = bytes }))
    refused({ path "e", "too large" }, path "e", { names = { "a", "b" }, limit = bytes - 1 })
    refused({ "too large" }, path "e", { limit = bytes })
  end)

  it("reads every type", function()
    local rows = {
      { "F64", "\0\0\0\0\0\0\248\63", 1.5 }, { "F32", "\0\0\192\191", -1.5 }, { "F16", "\0\62", 1.5 },
      { "F16", "\1\0", 2 ^ -24 }, { "BF16", "\192\191", -1.5 }, { "BF16", "\1\0", 2 ^ -133 },
      { "BF16", "\128\127", 1 / 0 },
      { "I64", ("\255"):rep(8), -1 }, { "I32", "\254\255\255\255", -2 }, { "I16", "\0\128", -32768 },
      { "I8", "\128", -128 }, { "U64", "\0\0\0\0\0\0\0\128", 2 ^ 63 }, { "U32", "\0\0\0\128", 2 ^ 31 },
      { "U16", "\255\255", 65535 }, { "U8", "\255", 255 }, { "BOOL", "\1", 1 },
    }
    for _, row in ipairs(rows) do
      local header = ('{"x":{"dtype":"%s","shape":[2],"data_offsets":[0,%d]}}'):format(row[1], 2 * #row[2])
      local got = assert(read(made(header, row[2]:rep(2))))
      assert.same({ row[3], row[3] }, got.x:to_list(), row[1])
    end
  end)

  it("takes tensors without elements between the others", function()
    local header = '{"z":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":'
      .. '[0,2]},"b":{"dtype":"U8","shape":[],"data_offsets":[2,3]},'
      .. '"e":{"dtype":"F64","shape":[7,0],"data_offsets":[3,3]}}'
    local got = assert(read(made(header, "\1\2\3")))
    assert.same({ 1, 2 }, got.a:to_list())
    assert.equal(3, got.b:item())
    assert.same({ 7, 0 }, got.e:shape())
  end)

  it("refuses headers that are not exact, with the place and the tensor", function()
    local function entry(dtype, shape, offsets, more)
      return ('{"x":{"dtype":%s,"shape":%s,"data_offsets":%s%s}}'):format(dtype, shape, offsets, more or "")
    end
    local good = entry('"U8"', "[4]", "[0,4]")
    assert.truthy(read(made(good, "abcd")))
    assert.truthy(read(made(good .. "   \n", "abcd")))
    local rows = {
      { "{}", "abcd", "bytes after the data at byte 10" }, { "", "", "header is no object at byte 8" },
      { "[]", "", "header is no object at byte 8" }, { " {}", "", "header is no object at byte 8" },
      { "{}x", "", "at byte 11" }, { '{"x":3}', "", "'x'" }, { '{"x":{}}', "", "'x'" },
      { entry('"U8"', "[4]", "[0,4]", ',"more":1'), "abcd", "'x'" },
      { '{"x":{"dtype":"U8","shape":[4],"offsets":[0,4]}}', "abcd", "data_offsets" },
      { entry("8", "[4]", "[0,4]"), "abcd", "dtype" }, { entry('"u8"', "[4]", "[0,4]"), "abcd", "got 'u8'" },
      { entry('"U8"', "4", "[0,4]"), "abcd", "shape" }, { entry('"U8"', "[4.0]", "[0,4]"), "abcd", "shape" },
      { entry('"U8"', '["4"]', "[0,4]"), "abcd", "shape" }, { entry('"U8"', "[-4]", "[0,4]"), "abcd", "shape" },
      { entry('"U8"', "[9223372036854775808]", "[0,4]"), "abcd", "big integer" },
      { entry('"U8"', "[4294967296,4294967296]", "[0,4]"), "abcd", "shape too large" },
      { entry('"U8"', "[4294967296,4294967296,0]", "[0,0]"), "", "shape too large" },
      { entry('"U8"', "[1152921504606846976]", "[0,4]"), "abcd", "shape too large" },
      { entry('"U8"', "[1,1,1,1,1,1,1,1,4]", "[0,4]"), "abcd", "too many axes" },
      { entry('"U8"', "[4]", "[0]"), "abcd", "data_offsets" },
      { entry('"U8"', "[4]", "[0,4,4]"), "abcd", "data_offsets" },
      { entry('"U8"', "[4]", "[0.0,4]"), "abcd", "data_offsets" },
      { entry('"U8"', "[4]", "[-4,0]"), "abcd", "data_offsets" },
      { entry('"U8"', "[4]", "[4,0]"), "abcd", "data_offsets" }, { entry('"U8"', "[4]", "[0,5]"), "abcd", "data cut" },
      { entry('"U8"', "[4]", "[1,5]"), "abcde", "bytes of no tensor" },
      { entry('"U8"', "[4]", "[0,9223372036854775807]"), "abcd", "data cut" },
      { '{"__metadata__":[]}', "", "__metadata__" }, { '{"__metadata__":{"a":1}}', "", "'a'" },
      { '{"__metadata__":{},"__metadata__":{}}', "", "duplicate" },
    }
    for _, row in ipairs(rows) do refused({ "safetensors: " .. path "", " at byte ", row[3] }, made(row[1], row[2])) end
    refused({ "header longer than the file at byte 0" }, command.write(path "f", little(3, 8) .. "{}"))
    refused({ "header longer than the file at byte 0" }, command.write(path "f", ("\255"):rep(8) .. "{}"))
    refused({ "file cut at byte 0" }, command.write(path "f", ""))
    refused({ "not a regular file" }, folder)
    refused({ "cannot open the file" }, path "nowhere")
  end)

  it("refuses every cut and survives every changed byte", function()
    assert(write(path "g", { w = counting(2, 2), v = counting(1) }, { type = "F32", metadata = { k = "v" } }))
    local whole = read_bytes(path "g")
    for cut = 0, #whole - 1 do refused({ " at byte " }, command.write(path "h", whole:sub(1, cut))) end
    for at = 1, #whole do
      for _, byte in ipairs { 0, 34, 49, 125, 255 } do
        local changed = whole:sub(1, at - 1) .. string.char(byte) .. whole:sub(at + 1)
        local value, message = read(command.write(path "h", changed))
        assert.truthy(value or message)
      end
    end
  end)

  it("sees any changed byte by the checksum", function()
    assert(write(path "i", { w = counting(2, 2) }, { type = "F32", metadata = { k = "v" }, checksum = true }))
    local whole = read_bytes(path "i")
    local got, metadata = read(path "i", { verify = true })
    assert.same({ 1, 2, 3, 4 }, got.w:to_list())
    assert.truthy(metadata.checksum:match "^%x%x%x%x%x%x%x%x$")
    for at = 1, #whole do
      for _, step in ipairs { 1, 128 } do
        local changed = whole:sub(1, at - 1) .. string.char((whole:byte(at) + step) % 256) .. whole:sub(at + 1)
        refused({ " at byte " }, command.write(path "j", changed), { verify = true })
      end
    end
    assert(write(path "k", { w = counting(2) }))
    refused({ "checksum missing at byte 8" }, path "k", { verify = true })
  end)

  it("agrees with zlib about the checksum", function()
    local HEAD = #'{"__metadata__":{"checksum":"'
    assert(write(path "l", { w = counting(5000) }, { checksum = true }))
    local whole = read_bytes(path "l")
    local digits = whole:sub(9 + HEAD, 9 + HEAD + 7)
    command.write(path "zeroed", whole:sub(1, 8 + HEAD) .. "00000000" .. whole:sub(9 + HEAD + 8))
    -- gzip ends with the CRC-32 and the length, lowest bytes first
    local pipe = io.popen(("gzip -c '%s'"):format(path "zeroed"))
    local zipped = pipe:read "*a"
    pipe:close()
    local a, b, c, d = zipped:byte(-8, -5)
    assert.equal(("%02x%02x%02x%02x"):format(d, c, b, a), digits)
  end)

  it("answers nil when the file cannot be written, and keeps the old one", function()
    local value, message = write(path "no/a", { w = counting(1) })
    assert.is_nil(value)
    assert.truthy(message:find(path "no/a", 1, true))
  end)

  it("raises on misuse", function()
    assert_fails("MG-ARGUMENT", "safetensors_write: x: expected a tensor", write, path "m", { x = { 1 } })
    assert_fails("MG-ARGUMENT", "a name", write, path "m", { counting(1) })
    assert_fails("MG-ARGUMENT", "taken", write, path "m", { __metadata__ = counting(1) })
    assert_fails("MG-ARGUMENT", "UTF-8", write, path "m", { ["\255"] = counting(1) })
    assert_fails("MG-ARGUMENT", "UTF-8", write, path "m", {}, { metadata = { x = "\255" } })
    assert_fails("MG-ARGUMENT", "zero byte", write, path "m", { ["a\0"] = counting(1) })
    assert_fails("MG-ARGUMENT", "metadata: x", write, path "m", {}, { metadata = { x = 1 } })
    assert_fails("MG-ARGUMENT", "reserved", write, path "m", {}, { metadata = { checksum = "" }, checksum = true })
    assert_fails("MG-ARGUMENT", "one of F32, F64", write, path "m", {}, { type = "F16" })
    assert_fails("MG-OPTION", "did you mean 'names'", read, path "m", { name = {} })
    assert_fails("MG-TYPE", "names", read, path "m", { names = "x" })
    assert.is_nil(lfs.attributes(path "m"))
    for name in lfs.dir(folder) do assert.is_nil(name:find("tmp", 1, true)) end
  end)
end)

describe("NumPy", function()
  local python
  for _, candidate in ipairs { "LD_PRELOAD= python3", "LD_PRELOAD= /usr/bin/python3" } do -- no sanitizer in it
    local found = os.execute(candidate .. " -c 'import numpy' >/dev/null 2>&1")
    if not python and (found == true or found == 0) then python = candidate end
  end

  local READER = [==[
import json, sys, numpy as np
raw = open(sys.argv[1], "rb").read()
n = int.from_bytes(raw[:8], "little")
head, body = json.loads(raw[8:8 + n]), raw[8 + n:]
assert n % 8 == 0 and head.pop("__metadata__") == {"k": "v"}
kinds = {"F32": "<f4", "F64": "<f8"}
def get(e): return np.frombuffer(body[slice(*e["data_offsets"])], kinds[e["dtype"]]).reshape(e["shape"])
got = {k: get(e) for k, e in head.items()}
real = kinds[sys.argv[3]]
want = {"w": (np.arange(1, 3001) * 0.1).astype(real).reshape(3, 1000), "s": np.array(7, real),
        "e": np.zeros((2, 0), real)}
assert sorted(got) == sorted(want)
for k in want:
    assert got[k].dtype == want[k].dtype and got[k].shape == want[k].shape and got[k].tobytes() == want[k].tobytes(), k
w = np.load(sys.argv[2])
assert w.dtype == real and w.tobytes() == want["w"].tobytes() and w.shape == (3, 1000)
print("equal")
]==]

  local WRITER = [==[
import json, sys, numpy as np
kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U64": "<u8",
         "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?"}
head, body = {}, b""
for k, d in kinds.items():
    a = np.arange(6).astype(d).reshape(2, 3).tobytes()
    head[k] = {"dtype": k, "shape": [2, 3], "data_offsets": [len(body), len(body) + len(a)]}
    body += a
text = json.dumps(head).encode()
open(sys.argv[1], "wb").write(len(text).to_bytes(8, "little") + text + body)
print("written")
]==]

  local function run(program, ...)
    local words = { python, command.write(path "program.py", program), ... }
    local pipe = io.popen(table.concat(words, " ") .. " 2>&1")
    local out = pipe:read "*a"
    pipe:close()
    return out
  end

  it("reads equal bits from safetensors and npy files", function()
    if not python then return pending "there is no NumPy" end
    local list = {}
    for i = 1, 3000 do list[i] = i * 0.1 end
    local w = tensor(list):reshape(3, 1000)
    assert(write(path "np", { w = w, s = tensor.full({}, 7), e = tensor.zeros(2, 0) }, { metadata = { k = "v" } }))
    assert(data.npy_write(path "np.npy", w, { type = support.is_double and "f8" or "f4" }))
    assert.equal("equal\n", run(READER, path "np", path "np.npy", OWN))
  end)

  it("writes what is read here", function()
    if not python then return pending "there is no NumPy" end
    assert.equal("written\n", run(WRITER, path "np2"))
    local count = 0
    for name, t in pairs(assert(read(path "np2"))) do
      assert.same(name == "BOOL" and { { 0, 1, 1 }, { 1, 1, 1 } } or { { 0, 1, 2 }, { 3, 4, 5 } }, t:to_table(), name)
      count = count + 1
    end
    assert.equal(12, count)
  end)
end)

describe("the shared safetensors files", function()
  local shared = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/corpora"

  local function sha256(bytes)
    local pipe = io.popen(("sha256sum '%s'"):format(command.write(path "hashed", bytes)))
    local text = pipe:read(64)
    pipe:close()
    return text
  end

  -- The elements in C order as the manifest's type of element, lowest byte first.
  local function encode(t, kind)
    local parts = {}
    for i, value in ipairs(t:to_list()) do
      if kind:sub(1, 1) ~= "f" then
        parts[i] = little(value % 2 ^ (8 * tonumber(kind:sub(2))), tonumber(kind:sub(2)))
      elseif string.pack then
        parts[i] = string.pack(kind == "f4" and "<f" or "<d", value)
      else
        local ffi = require "ffi"
        local box = ffi.new(kind == "f4" and "float[1]" or "double[1]", value)
        parts[i] = ffi.string(box, ffi.sizeof(box))
      end
    end
    return table.concat(parts)
  end

  local function check_values(file, expected)
    local tensors, count = assert(read(file)), 0
    for name, kind, shape, hash in expected:gmatch "([%w_/]+): dtype=(%w+) shape=(%b()) sha256=(%x+)" do
      assert.equal(shape, "(" .. table.concat(tensors[name]:shape(), ",") .. ")")
      local is_exact = kind ~= "f8" or support.is_double -- floats cannot give a double's bits back
      if is_exact then assert.equal(hash, sha256(encode(tensors[name], kind)), name) end
      count = count + 1
    end
    for _ in pairs(tensors) do count = count - 1 end
    assert.equal(0, count)
  end

  local list = io.open(shared .. "/MANIFEST.tsv")
  if not list then
    it("are read or refused as their list says", function() pending("no " .. shared) end)
    return
  end
  for line in list:lines() do
    local name, format, _, _, expect, reason, expected = line:match(("([^\t]*)\t?"):rep(7))
    if format == "safetensors" then
      it(("are %sed: %s"):format(expect, reason), function()
        local file = shared .. "/" .. name
        core.memory_reset_peak()
        local before = core.memory().live
        if expect == "accept" then check_values(file, expected)
        else refused({ "safetensors: ", name, " at byte " }, file) end
        -- the open file, its buffer, the tensors: all far below what the hostile ones claim
        assert.is_true(core.memory().peak - before < 65536 + 16 * lfs.attributes(file, "size"))
      end)
    end
  end
  list:close()
end)

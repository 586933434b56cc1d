-- The shared files for the readers, valid and hostile, each read or refused as the list beside them says. The
-- folder lies beside a checkout, or at $MAPGRAD_SHARED.
local core = require "mapgrad.real"
local lfs = require "lfs"
local mg = require "mapgrad"

local data, tensor = mg.data, mg.tensor

local base = (os.getenv "MAPGRAD_SHARED" or "../shared") .. "/corpora"

local readers = { npy = data.npy_read, npz = data.npz_read, idx = data.idx_read, gz = data.idx_read }

local scratch

setup(function() scratch = os.tmpname() end)
teardown(function() os.remove(scratch) end)

-- ---------------------------------------------------------------- the list

local function rows_of(path)
  local rows = {}
  for line in io.lines(path) do
    local fields = {}
    for field in (line .. "\t"):gmatch "([^\t]*)\t" do fields[#fields + 1] = field end
    if readers[fields[2]] then
      rows[#rows + 1] = {
        path = base .. "/" .. fields[1], name = fields[1], format = fields[2], bytes = tonumber(fields[3]),
        expect = fields[5], reason = fields[6], expected = fields[7],
      }
    end
  end
  return rows
end

-- "dtype=K shape=(A,B) sha256=HEX", several with "NAME: " in front -> name -> {dtype, shape, hash}; one array
-- without a name is called "".
local function expected_of(text)
  local arrays = {}
  for part in (text .. "; "):gmatch "(.-); " do
    local name, dtype, shape, hash = part:match "^(.-)dtype=(%w+) shape=%((.-)%) sha256=(%x+)$"
    local extents = {}
    for extent in shape:gmatch "%d+" do extents[#extents + 1] = tonumber(extent) end
    arrays[name:gsub(": $", "")] = { dtype = dtype, shape = extents, hash = hash }
  end
  return arrays
end

-- ---------------------------------------------------------------- the elements of a tensor, hashed

-- The two bytes of a half: 1 bit sign, 5 bits exponent (bias 15), 10 bits fraction, low byte first.
local function half(value)
  local sign = (value < 0 or 1 / value < 0) and 128 or 0
  local size = math.abs(value)
  if size == 0 then return string.char(0, sign) end
  if size == math.huge then return string.char(0, sign + 124) end
  local exponent = -14 -- of the largest power of two that is not above size, or of the subnormals
  while size >= 2 ^ (exponent + 1) do exponent = exponent + 1 end
  local bits
  if size < 2 ^ -14 then bits = size * 2 ^ 24 else bits = (exponent + 15) * 1024 + (size / 2 ^ exponent - 1) * 1024 end
  assert(bits == math.floor(bits), "no half")
  bits = math.floor(bits)
  return string.char(bits % 256, sign + math.floor(bits / 256))
end

local function read_all(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

-- The elements in C order, little-endian, as the type has them.
local function elements(t, dtype)
  if dtype == "f2" then
    local parts = {}
    for i, value in ipairs(t:to_list()) do parts[i] = half(value) end
    return table.concat(parts)
  end
  assert(data.npy_write(scratch, t, { type = dtype == "b1" and "u1" or dtype }))
  local bytes = read_all(scratch)
  return bytes:sub(#bytes - t:count() * tonumber(dtype:sub(2)) + 1)
end

local function sha256(bytes)
  local file = assert(io.open(scratch, "wb"))
  file:write(bytes)
  file:close()
  local pipe = assert(io.popen(("LD_PRELOAD= sha256sum '%s'"):format(scratch)))
  local hash = pipe:read(64)
  pipe:close()
  return hash
end

-- ---------------------------------------------------------------- expectations

local function check_array(row, t, want)
  assert.same(want.shape, t:shape())
  if row.name == "npy/i8_scalar.npy" then return end -- no real holds its value
  assert.equal(want.hash, sha256(elements(t, want.dtype)))
end

local function check_accepted(row)
  local value, message = readers[row.format](row.path)
  assert(value, message)
  local wanted = expected_of(row.expected)
  if wanted[""] then return check_array(row, value, wanted[""]) end
  local names = {}
  for name in pairs(value) do names[name] = true end
  for name, want in pairs(wanted) do
    check_array(row, assert(value[name], name), want)
    names[name] = nil
  end
  assert.same({}, names)
end

-- nil, and a message with the file, a byte and a reason; at most 4 times the file and a fixed part of memory, and
-- none of it kept.
local function check_refused(row, options)
  collectgarbage()
  collectgarbage()
  core.memory_reset_peak()
  local before = tensor.memory()
  local value, message = readers[row.format](row.path, options)
  local after = tensor.memory()
  assert.is_nil(value)
  assert.truthy(message:find(row.path, 1, true), message)
  assert.truthy(message:find " at byte %d+.*: expected .+, got .+", message)
  assert.is_true(after.peak - before.live <= 4 * row.bytes + 2 ^ 18, ("peak %d"):format(after.peak - before.live))
  assert.equal(before.live, after.live)
end

local function check_either(row)
  local value, message = readers[row.format](row.path)
  if value == nil then
    assert.truthy(message:find(row.path, 1, true), message)
  else
    check_accepted(row)
  end
end

describe("the shared files", function()
  if not lfs.attributes(base .. "/MANIFEST.tsv", "mode") then
    pending("there is no " .. base)
    return
  end

  local rows = rows_of(base .. "/MANIFEST.tsv")

  it("are all in the list", function()
    assert.is_true(#rows >= 56)
  end)

  for _, row in ipairs(rows) do
    it(("%s: %s (%s)"):format(row.expect, row.name, row.reason), function()
      assert.equal(row.bytes, lfs.attributes(row.path, "size"))
      if row.expect == "accept" then check_accepted(row)
      elseif row.expect == "reject" then check_refused(row)
      elseif row.expect == "limit" then
        check_refused(row, { limit = 2 ^ 20 })
        check_accepted(row)
      else
        check_either(row)
      end
    end)
  end

  it("are refused by the readers of other formats", function()
    for _, row in ipairs(rows) do
      for format, read in pairs(readers) do
        local is_same = format == row.format or (format == "gz" and row.format == "idx")
          or (format == "idx" and row.format == "gz")
        if not is_same then assert.is_nil((read(row.path))) end
      end
    end
  end)
end)

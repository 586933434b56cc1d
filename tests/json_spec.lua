-- JSON: exact round trips, what is refused and where, stable bytes.
local mg = require "mapgrad"
local dkjson = require "dkjson"
local command = dofile "tests/command.lua"
local support = require "tests.support"

local data, json = mg.data, mg.data.json
local assert_fails = support.assert_fails

local folder

setup(function() folder = command.folder() end)
teardown(function() command.remove(folder) end)

local function assert_refused(texts, value, message)
  assert.is_nil(value)
  for _, text in ipairs(texts) do
    assert.truthy(message:find(text, 1, true), ("'%s' is not in: %s"):format(text, message))
  end
end

describe("data.json", function()
  it("reads what RFC 8259 has", function()
    assert.same({ a = { 1, 2.5, -3e2 }, b = { c = true, d = false },
      e = "x\"\\/\b\f\n\r\t\195\169\240\157\132\158" },
      json.decode [[ {"a": [1, 2.5, -3e2], "b": {"c": true, "d": false},
        "e": "x\"\\\/\b\f\n\r\t\u00e9\ud834\udd1e"} ]])
    assert.equal(7, json.decode "7")
    assert.equal("a\0b", json.decode [["a\u0000b"]])
    assert.is_false(json.decode "false")
  end)

  it("has a value for null, and keeps empty lists and objects apart", function()
    local value = json.decode '{"n": null, "l": [null, []], "o": {}}'
    assert.equal(json.null, value.n)
    assert.equal("null", tostring(json.null))
    assert.equal(json.null, value.l[1])
    assert.equal('{"l": [null, []], "n": null, "o": {}}', json.encode(value))
    assert.equal("[]", json.encode(json.list()))
    assert.equal("{}", json.encode {})
    assert.equal("[1]", json.encode(json.list { 1 }))
    assert.equal(json.null, json.decode "null")
  end)

  it("keeps every double exactly", function()
    local numbers = {
      0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 2 ^ 53, -2 ^ 53, 2 ^ 53 + 2, 1e22, 123456789,
      -0.5, 3e-5, 1 + 2 ^ -52, 1e100,
    }
    mg.random.seed(4)
    for _ = 1, 2000 do
      local u = mg.random.uniform() + mg.random.uniform() * 2 ^ -24 + mg.random.uniform() * 2 ^ -48
      numbers[#numbers + 1] = (u - 0.5) * 2 ^ math.floor(mg.random.uniform() * 1900 - 950)
    end
    local read = json.decode(json.encode(numbers))
    for i, value in ipairs(numbers) do assert.is_true(read[i] == value, ("%.17g"):format(value)) end
    assert.equal(-math.huge, 1 / json.decode(json.encode(-0.0)))
    assert.equal("[1, 9007199254740992, -3]", json.encode { 1.0, 2 ^ 53, -3 })
    assert.is_true(json.decode "100000000000000000000000" == 1e23)
    assert.equal("3", tostring(json.decode "3.0"))
  end)

  it("writes sorted keys, so that equal values are equal bytes", function()
    local forth, back = {}, {}
    for i = 1, 100 do forth["key" .. i] = i end
    for i = 100, 1, -1 do back["key" .. i] = i end
    assert.equal(json.encode(forth), json.encode(back))
    assert.equal('{"B": 1, "a": {"x": 2, "y": 3}}', json.encode { a = { y = 3, x = 2 }, B = 1 })
    assert.equal('{\n  "a": [\n    1\n  ]\n}', json.encode({ a = { 1 } }, { indent = 2 }))
  end)

  it("agrees with another reader", function()
    local value = { text = 'a"\\\n\1\195\188', list = { 1, { x = 0.1 } }, no = false }
    assert.same(value, dkjson.decode(json.encode(value)))
    assert.same(value, json.decode(dkjson.encode(value)))
  end)

  it("names line, column and byte of what it refuses", function()
    assert_refused({ "json: text: ", "line 2, column 4 at byte 8", "'}'" }, json.decode "[1,\n 2,}")
    assert_refused({ "duplicate", '"a"', "byte 14" }, json.decode '{"a": 1,\n  "a": 2}')
    for _, text in ipairs {
      "", " ", "{", "[1", "[1,]", "{,}", '{"a" 1}', "nul", "'a'", "01", "1.", ".5", "+1", "1e", "- 1", "NaN",
      "Infinity", '"\n"', '"\\x"', '"\\ud800"', '"\255"', '"\192\128"', '"\237\160\128"', "1 2", "{} x", "[1]]",
      "1e400", "\239\187\1911", "/**/1", '{"a\\u0000b": 1}', "tru\0e",
    } do
      assert_refused({ "json: text: bad JSON in line", " at byte " }, json.decode(text))
    end
  end)

  it("refuses deep texts and values, and tables that hold themselves", function()
    assert_refused({ "depth" }, json.decode(("["):rep(100000)))
    assert_refused({ "depth" }, json.decode(('{"a":'):rep(3000)))
    local deep = {}
    for _ = 1, 900 do deep = { deep } end
    local read = assert(json.decode(json.encode(deep)))
    local levels = 0
    while read[1] do read, levels = read[1], levels + 1 end
    assert.equal(900, levels)
    for _ = 1, 200 do deep = { x = deep } end
    assert_fails("MG-ARGUMENT", "nested too deeply", json.encode, deep)
    local loop = {}
    loop.again = { loop }
    assert_fails("MG-ARGUMENT", "holds itself", json.encode, loop)
  end)

  it("names the place of a value that JSON cannot hold", function()
    assert_fails("MG-NUMBER", "model.rate[3] is NaN", json.encode, { model = { rate = { 1, 2, 0 / 0 } } })
    assert_fails("MG-NUMBER", "the value is infinite", json.encode, math.huge)
    assert_fails("MG-TYPE", "a.f is a function", json.encode, { a = { f = print } })
    assert_fails("MG-TYPE", "t is a mapgrad.tensor", json.encode, { t = mg.tensor { 1 } })
    assert_fails("MG-TYPE", "the value is a nil", json.encode, nil)
    assert_fails("MG-TYPE", "a is a table whose keys", json.encode, { a = { 1, 2, x = 3 } })
    assert_fails("MG-TYPE", "a is a table whose keys", json.encode, { a = { [1] = 1, [3] = 3 } })
    assert_fails("MG-TYPE", "a is a table whose keys", json.encode, { a = { [true] = 1 } })
    assert_fails("MG-TYPE", "list", json.encode, json.list { x = 1 })
    assert_fails("MG-ARGUMENT", "a[1] is a text that is not UTF-8", json.encode, { a = { "\255" } })
    assert_fails("MG-ARGUMENT", "not UTF-8", json.encode, { ["\255"] = 1 })
    assert_fails("MG-ARGUMENT", "zero byte", json.encode, { ["a\0b"] = 1 })
    assert_fails("MG-TYPE", "a metatable", json.encode, setmetatable({}, {}))
  end)

  it("reads and writes files", function()
    local path, value = folder .. "/a.json", { rate = 0.1, epochs = { 30, 40 }, note = json.null }
    assert.is_true(data.json_write(path, value, { indent = 2 }))
    assert.same(value, data.json_read(path))
    local file = assert(io.open(path, "rb"))
    local text = file:read "*a"
    file:close()
    assert.equal(json.encode(value, { indent = 2 }) .. "\n", text)
    assert_refused({ path, "too large", tostring(#text) }, data.json_read(path, { limit = #text - 1 }))
    assert.truthy(data.json_read(path, { limit = #text }))
    assert_refused({ folder .. "/none.json" }, data.json_read(folder .. "/none.json"))
    assert_refused({ folder .. "/no/a.json" }, data.json_write(folder .. "/no/a.json", value))
    command.write(path, '{"a": [1,\n2,\n3 4]}')
    assert_refused({ "json: " .. path, "line 3, column 3", "byte 16" }, data.json_read(path))
  end)

  it("leaves the old file when a value cannot be written", function()
    local path = folder .. "/old.json"
    assert(data.json_write(path, { 1 }))
    assert_fails("MG-NUMBER", "NaN", data.json_write, path, { 0 / 0 })
    assert.same({ 1 }, data.json_read(path))
  end)

  it("survives every cut and every changed byte of a text", function()
    local text = '{"a": [1, -2.5e3, "x\\u00e9", null, true], "b": {"c": []}}'
    for cut = 0, #text - 1 do assert_refused({ "json: text" }, json.decode(text:sub(1, cut))) end
    for at = 1, #text do
      for _, byte in ipairs { 0, 34, 91, 93, 123, 125, 128, 255 } do
        local value, message = json.decode(text:sub(1, at - 1) .. string.char(byte) .. text:sub(at + 1))
        assert.truthy(value ~= nil or message)
      end
    end
  end)

  it("raises on misuse", function()
    assert_fails("MG-ARGUMENT", "json.decode", json.decode, nil)
    assert_fails("MG-ARGUMENT", "json_read", data.json_read, 3)
    assert_fails("MG-OPTION", "did you mean 'indent'", json.encode, {}, { ident = 2 })
    assert_fails("MG-ARGUMENT", "indent", json.encode, {}, { indent = 99 })
  end)
end)

-- The public header: LuaJIT reads it, the module exports it and nothing else, the binding calls all of it.
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local mg = require "mapgrad"
local read = require("tests.support").read_bytes

local module_name = core.info().real_bytes == 8 and "mapgrad.core_double" or "mapgrad.core"

-- What a command prints.
local function output(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- The file that require loads a C module from.
local function c_file(name)
  for template in package.cpath:gmatch "[^;]+" do
    local path = template:gsub("%?", (name:gsub("%.", "/")))
    local file = io.open(path, "rb")
    if file then
      file:close()
      return path
    end
  end
end

local header = read "core/mapgrad.h"

-- The header's functions, sorted.
local function declared(text)
  local names, seen = {}, {}
  text = text:gsub("/%*.-%*/", ""):gsub("%b{}", "{}")
  for name in text:gmatch "%f[%w_](mg_[%w_]+)%s*%(" do
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  table.sort(names)
  return names
end

local functions = declared(header)

-- The header as ffi.cdef takes it.
local function declarations()
  local lines = {}
  for line in header:gmatch "([^\n]*)\n" do
    if line:sub(1, 1) ~= "#" then lines[#lines + 1] = line end
  end
  return ("typedef %s mg_real;\n"):format(core.info().real_bytes == 8 and "double" or "float")
    .. table.concat(lines, "\n")
end

describe("the public header", function()
  it("declares functions", function()
    assert.is_true(#functions > 60)
    assert.same({ "mg_b", "mg_c" }, declared "/* mg_a(x) */ int mg_b(void); struct { int mg_d; }; mg_t *mg_c(int a);")
  end)

  it("has no macro beside its guard", function()
    local lines = {}
    for line in header:gmatch "#[^\n]*" do
      if line:match "^#%s*%a" then lines[#lines + 1] = line end
    end
    assert.same({
      "#ifndef MAPGRAD_H", "#define MAPGRAD_H", "#include <stdint.h>", '#include "real.h"', "#endif",
    }, lines)
  end)

  it("is called in full by the binding", function()
    local text = {}
    for path in output("ls lua/binding/*.c"):gmatch "%S+" do text[#text + 1] = read(path) end
    text = table.concat(text)
    local missing = {}
    for _, name in ipairs(functions) do
      if not text:find("%f[%w_]" .. name .. "%f[^%w_]") then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)

  it("is what the module exports", function()
    local path = assert(c_file(module_name))
    local exported, openers = {}, {}
    for name in output(("nm -D --defined-only '%s'"):format(path)):gmatch "%x+ %u ([%w_]+)" do
      if name:match "^luaopen_" then openers[#openers + 1] = name else exported[#exported + 1] = name end
    end
    table.sort(exported)
    assert.same(functions, exported)
    assert.same({ "luaopen_" .. module_name:gsub("%.", "_") }, openers)
  end)
end)

describe("loading the module", function()
  it("does not flush subnormal numbers to zero", function()
    local small = tonumber "1e-310"
    assert.is_true(small > 0)
    assert.is_true(small / 2 > 0)
    if core.info().real_bytes == 8 then assert.is_true(mg.tensor { small }:item() > 0) end
  end)

  it("names its version and its build", function()
    local info = core.info()
    assert.truthy(info.version:match "^%d+%.%d+%.%d+$")
    assert.is_true(#info.build > 0)
    assert.equal(os.getenv "MAPGRAD_REAL" == "double" and 8 or 4, info.real_bytes)
  end)
end)

describe("the FFI", function()
  if not compat.is_luajit then
    it("raises a clear error where there is none", function()
      local ok, message = pcall(function() return mg.ffi end)
      assert.is_false(ok)
      assert.truthy(message:find("needs LuaJIT", 1, true))
    end)
    return
  end

  local ffi = require "ffi"

  setup(function() ffi.cdef(declarations()) end)

  it("reads the header and reaches every function", function()
    local C = ffi.load(c_file(module_name))
    for _, name in ipairs(functions) do assert.is_true(C[name] ~= nil, name) end
    assert.equal(core.info().version, ffi.string(C.mg_version()))
    assert.equal(-3, tonumber(ffi.cast("int", C.MG_NO_SOLUTION)))
  end)

  it("sees the same static state", function()
    local C = ffi.load(c_file(module_name))
    local before = core.threads()
    assert.equal(before, tonumber(C.mg_threads()))
    core.threads_set(3)
    assert.equal(3, tonumber(C.mg_threads()))
    core.threads_set(before)
    local memory = ffi.new "mg_memory"
    C.mg_memory_read(memory)
    assert.equal(core.memory().live, tonumber(memory.live))
  end)

  it("points into a tensor's own memory", function()
    local t = mg.tensor { { 1, 2 }, { 3, 4 } }
    local p = mg.ffi.pointer(t)
    assert.equal(3, p[2])
    p[2] = 7
    assert.same({ { 1, 2 }, { 7, 4 } }, t:to_table())
    t:set(1, 1, -1)
    assert.equal(-1, p[0])
    assert.equal(14, mg.ffi.pin(t, function(q, n) return q[0] + q[1] + q[2] + q[3] + n - 2 end))
  end)

  it("has no pointer into a freed tensor", function()
    local t = mg.tensor { 1 }
    t:free()
    assert.is_false((pcall(mg.ffi.pointer, t)))
  end)
end)

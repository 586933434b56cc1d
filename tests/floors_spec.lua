-- The architecture as a table, and a reading of every #include and require against it.
local lfs = require "lfs"
local read = require("tests.support").read_bytes

-- ---------------------------------------------------------------- the table

-- Folders of core/ and the folders whose headers their files may include beside their own. What stands
-- in one list of `floors` is blind to what stands beside it.
local core_floors = {
  { "base" },
  { "tensor", "solver", "noise", "distribution", "data" },
  { "op", "estimator" },
}
local core_may = {
  base = {},
  tensor = { "base" }, solver = { "base" }, noise = { "base" }, distribution = { "base" }, data = { "base" },
  op = { "base", "tensor" },
  estimator = { "base", "tensor", "solver", "noise", "distribution" },
}

-- Library headers that one file alone includes, or these.
local one_file = {
  ["cblas.h"] = "core/op/blas.c", ["pthread.h"] = "core/base/parallel.c", ["png.h"] = "core/data/png.c",
  ["zlib.h"] = "core/data/gzip.c", ["zip.h"] = "core/data/npz.c", ["jansson.h"] = "core/data/json.c",
  ["histedit.h"] = "lua/binding/line_edit.c", ["spawn.h"] = "core/base/process.c",
  ["dlfcn.h"] = "core/solver/function.c core/solver/cbc.c", ["CbcModel.hpp"] = "core/solver/cbc_module.cpp",
  ["mpi.h"] = "lua/binding/mpi_module.c",
}

local binding_may = { ["mapgrad.h"] = true, ["binding.h"] = true, ["lua_compat.h"] = true }

-- Parts of lua/mapgrad, lowest floor first, each with the parts it may require beside itself and those of
-- `always`. The name of a part is the first word after "mapgrad."; data.make is a part of its own.
local always = { "real", "check", "compat", "show" }
local lua_floors = {
  { "real", {} }, { "compat", {} }, { "show", {} }, { "check", {} },
  { "random", {} }, { "ffi", {} },
  { "tensor", { "random" } },
  { "autograd", { "tensor", "random" } },
  { "noise", { "tensor", "random" } },
  { "solver", { "tensor", "random", "ffi" } },
  { "nn", { "autograd", "tensor", "random" } },
  { "optim", { "autograd", "tensor", "random" } },
  { "distribution", { "autograd", "tensor", "random", "solver" } },
  { "target", { "autograd", "tensor", "solver", "noise", "distribution" } },
  { "estimator", { "autograd", "tensor", "random", "solver", "noise", "distribution", "target" } },
  { "loss", { "autograd", "tensor", "random", "solver", "noise", "distribution", "estimator" } },
  { "data", { "autograd", "tensor", "random", "solver", "data.make" } }, -- labels are a solver's answers
  { "data.make", { "autograd", "tensor", "random", "solver", "noise", "data" } },
  { "metric", { "autograd", "tensor", "random", "solver", "noise" } },
  { "checkpoint", { "tensor", "random", "data" } },
  { "progress", {} }, { "failure", {} }, { "inspect", {} },
  { "mpi", { "autograd", "tensor", "random", "solver", "checkpoint", "progress", "failure" } },
  { "plot", { "tensor", "data", "progress" } },
  { "statistics", {} },
  { "diagnose",
    { "autograd", "tensor", "random", "solver", "noise", "distribution", "target", "estimator", "loss", "progress",
      "plot" } },
  { "experiment",
    { "tensor", "random", "solver", "data", "checkpoint", "progress", "plot", "failure", "statistics" } },
  { "init", { "autograd" } }, -- loads every other part when it is first used
  { "help", { "init", "inspect" } },
  { "repl", { "init", "failure", "help", "inspect", "random", "progress" } },
  { "cli",
    { "init", "data", "experiment", "failure", "help", "mpi", "plot", "progress", "random", "repl", "statistics" } },
}

-- What else lua/mapgrad may require.
local rocks = { argparse = true, lfs = true, ffi = true }

-- Files that may call error(): a value that was caught is raised again, with level 0.
local raising = {
  ["lua/mapgrad/tensor.lua"] = true, ["lua/mapgrad/autograd/tape.lua"] = true, ["lua/mapgrad/solver/define.lua"] = true,
  ["lua/mapgrad/solver/command.lua"] = true,
  ["lua/mapgrad/mpi/trainer.lua"] = true, ["lua/mapgrad/nn/module.lua"] = true, ["lua/mapgrad/checkpoint.lua"] = true,
}

local root_entries = {
  "Makefile", "README.md", "LICENSE", "core", "lua", "experiments", "tests", "rocks", "build",
}
local root_dotfiles = { ".git", ".gitignore", ".luacheckrc", ".clang-format", ".ci" }

-- ---------------------------------------------------------------- reading

local function set(...)
  local result = {}
  for _, list in ipairs { ... } do
    for _, name in ipairs(list) do result[name] = true end
  end
  return result
end

-- Files below a folder whose names match, sorted.
local function files(folder, pattern)
  local list = {}
  local function walk(path)
    for name in lfs.dir(path) do
      local full = path .. "/" .. name
      if name:sub(1, 1) ~= "." then
        if lfs.attributes(full, "mode") == "directory" then walk(full)
        elseif name:match(pattern) then list[#list + 1] = full end
      end
    end
  end
  if lfs.attributes(folder, "mode") == "directory" then walk(folder) end
  table.sort(list)
  return list
end

local function without_c_comments(text)
  return (text:gsub("/%*.-%*/", ""):gsub("//[^\n]*", ""))
end

local function without_lua_comments(text)
  return (text:gsub("%-%-%[%[.-%]%]", ""):gsub("%-%-[^\n]*", ""))
end

-- The #include lines of a text: name and whether in quotes.
local function includes(text)
  local list = {}
  for line in ("\n" .. without_c_comments(text)):gmatch "\n%s*#%s*include([^\n]*)" do
    local quoted, angled = line:match '"([^"]+)"', line:match "<([^>]+)>"
    list[#list + 1] = { name = quoted or angled or line, quoted = quoted ~= nil }
  end
  return list
end

-- The names that a text requires; "mapgrad.nn." .. name counts as mapgrad.nn.
local function requires(text)
  local list = {}
  text = without_lua_comments(text)
  for _, name in text:gmatch "%f[%w_]require%s*%(?%s*([\"'])(.-)%1" do list[#list + 1] = (name:gsub("%.$", "")) end
  for _, name in text:gmatch "pcall%(require,%s*([\"'])(.-)%1" do list[#list + 1] = name end
  return list
end

-- ---------------------------------------------------------------- rules: path, text -> list of complaints

local function core_includes(path, text)
  local folder, bad = path:match "^core/([^/]+)/", {}
  local allowed = set(core_may[folder] or {}, { folder })
  if not core_may[folder] then bad[1] = path .. ": folder " .. folder .. " has no floor" end
  for _, include in ipairs(includes(text)) do
    local name = include.name:gsub("^%.%./", "")
    local other = name:match "^([^/]+)/"
    local is_top = name == "mapgrad.h" or name == "real.h"
    if include.quoted and other and not allowed[other] then
      bad[#bad + 1] = path .. ' includes "' .. include.name .. '"'
    elseif include.quoted and not other and not is_top and include.name ~= name then
      bad[#bad + 1] = path .. ' includes "' .. include.name .. '"'
    elseif name:match "^lua" or name:match "^lauxlib" then
      bad[#bad + 1] = path .. " includes <" .. name .. ">: the core knows nothing of Lua"
    end
  end
  return bad
end

local function library_headers(path, text)
  local bad = {}
  for _, include in ipairs(includes(text)) do
    local only = one_file[include.name]
    local is_one = only and (" " .. only .. " "):find(" " .. path .. " ", 1, true)
    if only and not is_one then bad[#bad + 1] = path .. " includes " .. include.name end
  end
  return bad
end

local function binding_includes(path, text)
  local bad = {}
  for _, include in ipairs(includes(text)) do
    if include.quoted and not binding_may[include.name] then
      bad[#bad + 1] = path .. ' includes "' .. include.name .. '"'
    end
  end
  return bad
end

-- The part a module or a file of lua/mapgrad belongs to.
local function part_of(name)
  if name == "mapgrad" then return "init" end
  local rest = name:match "^mapgrad%.(.*)$"
  if not rest then return nil end
  if rest == "core" or rest == "core_double" then return "core" end
  if rest == "data.make" or rest:match "^data%.make%." then return "data.make" end
  return rest:match "^[^.]+"
end

local function module_of(path)
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  return name
end

local lua_may = {}
for _, row in ipairs(lua_floors) do lua_may[row[1]] = set(row[2], always, { row[1] }) end
for _, name in ipairs(always) do lua_may[name] = {} end
lua_may.real = set { "core" }
lua_may.check = set { "real" }
lua_may.mpi.mpi_module = true -- its C module, which other parts do without
lua_may.cli.core = true -- the option --double chooses the module

local function lua_requires(path, text)
  local part, bad = part_of(module_of(path)), {}
  local allowed = lua_may[part]
  if not allowed then return { path .. ": part " .. tostring(part) .. " has no floor" } end
  for _, name in ipairs(requires(text)) do
    local other = part_of(name)
    local fine = other and allowed[other] or not other and rocks[name]
    if part == "init" and name == "mapgrad" then fine = true end -- "mapgrad." .. name
    if not fine then bad[#bad + 1] = path .. " requires " .. name end
  end
  return bad
end

local function script_requires(path, text)
  local bad = {}
  for _, name in ipairs(requires(text)) do
    if name:match "^mapgrad" and name ~= "mapgrad" then bad[#bad + 1] = path .. " requires " .. name end
  end
  return bad
end

-- Bare loading of code, and error() outside of the files that may.
local function loads(path, text)
  local bad = {}
  for _, word in ipairs { "dofile", "loadstring", "loadfile" } do
    if without_lua_comments(text):find("%f[%w_]" .. word .. "%f[^%w_]") then bad[#bad + 1] = path .. ": " .. word end
  end
  for before, call in without_lua_comments(text):gmatch "([%w_.:]*)%f[%w_]load(%s*%b())" do
    if before == "" and not (path == "lua/mapgrad/compat.lua" and call:find('"t"', 1, true)) then
      bad[#bad + 1] = path .. ": load" .. call
    end
  end
  return bad
end

local function raises(path, text)
  local bad = {}
  for before, call in without_lua_comments(text):gmatch "([%w_.:]?)%f[%w_]error(%s*%b())" do
    local rethrows = call:match ",%s*0%s*%)$"
    if not before:match "[.:]" and not (raising[path] and rethrows) then
      bad[#bad + 1] = path .. ": error" .. call
    end
  end
  return bad
end

local function flags(path, text)
  local bad = {}
  for _, flag in ipairs { "-ffast-math", "-Ofast", "-funsafe-math-optimizations" } do
    if text:gsub("#[^\n]*", ""):find(flag, 1, true) then bad[#bad + 1] = path .. ": " .. flag end
  end
  return bad
end

local function unique_names(paths)
  local seen, bad = {}, {}
  for _, path in ipairs(paths) do
    local name = path:match "[^/]+$"
    if seen[name] then bad[#bad + 1] = path .. " and " .. seen[name] end
    seen[name] = path
  end
  return bad
end

local function root_holds(names)
  local fixed, bad = set(root_entries, root_dotfiles), {}
  for _, name in ipairs(names) do
    if not fixed[name] then bad[#bad + 1] = name end
  end
  table.sort(bad)
  return bad
end

-- ---------------------------------------------------------------- the tests

local c_files = files("core", "%.[ch]p?p?$")
local binding_files = files("lua/binding", "%.[ch]$")
local lua_files = files("lua/mapgrad", "%.lua$")

-- All complaints of a rule over files.
local function over(paths, rule)
  local all = {}
  for _, path in ipairs(paths) do
    for _, complaint in ipairs(rule(path, read(path))) do all[#all + 1] = complaint end
  end
  return all
end

-- That a rule accepts one text and refuses others.
local function assert_teeth(rule, path, good, bad)
  assert.same({}, rule(path, good))
  for _, text in ipairs(bad) do
    assert.is_true(#rule(path, text) > 0, ("not seen in %s: %s"):format(path, text))
  end
end

describe("floors", function()
  it("have files to read", function()
    assert.is_true(#c_files > 20 and #binding_files > 5 and #lua_files > 20)
  end)

  it("of core: siblings are blind to each other, nothing looks up", function()
    for _, row in ipairs(core_floors) do
      for _, folder in ipairs(row) do
        for _, sibling in ipairs(row) do assert.is_nil(set(core_may[folder])[sibling]) end
      end
    end
    local below = {}
    for _, row in ipairs(core_floors) do
      for _, folder in ipairs(row) do
        for _, other in ipairs(core_may[folder]) do assert.is_true(below[other]) end
      end
      for _, folder in ipairs(row) do below[folder] = true end
    end
  end)

  it("of core hold for every #include", function()
    assert.same({}, over(files("core", "%.[ch]p?p?$"), function(path, text)
      return path:match "^core/[^/]+/" and core_includes(path, text) or {}
    end))
  end)

  it("of core are seen when broken", function()
    local good = '#include <math.h>\n#include "base/status.h"\n#include "solver.h"\n'
    assert_teeth(core_includes, "core/solver/new.c", good, {
      '#include "tensor/tensor.h"\n', '#include "noise/noise.h"\n', '#include "op/op.h"\n', '#  include "../op/op.h"\n',
      "#include <lua.h>\n", "#include <lauxlib.h>\n", '/* here */ int x;\n#include "estimator/perturb.h"',
    })
    assert_teeth(core_includes, "core/base/new.c", '#include "../mapgrad.h"\n', { '#include "tensor/tensor.h"\n' })
  end)

  it("give every folder of core a place", function()
    assert.is_true(#core_includes("core/elsewhere/new.c", "") > 0)
  end)

  it("keep each library header in one file", function()
    assert.same({}, over(c_files, library_headers))
    assert.same({}, over(binding_files, library_headers))
    assert_teeth(library_headers, "core/op/matmul.c", "#include <math.h>\n", {
      "#include <cblas.h>\n", "#include <pthread.h>\n", "#include <png.h>\n", "#include <zlib.h>\n",
      "#include <zip.h>\n",
    })
    for name, paths in pairs(one_file) do
      for path in paths:gmatch "%S+" do assert.truthy(read(path):find("<" .. name .. ">", 1, true)) end
    end
  end)

  it("let the binding see mapgrad.h and Lua only", function()
    assert.same({}, over(binding_files, binding_includes))
    assert_teeth(binding_includes, "lua/binding/new.c", '#include "binding.h"\n#include <lua.h>\n', {
      '#include "tensor/tensor.h"\n', '#include "base/status.h"\n',
    })
  end)

  it("name C files uniquely", function()
    local all = files("core", "%.c$")
    for _, path in ipairs(files("lua/binding", "%.c$")) do all[#all + 1] = path end
    assert.same({}, unique_names(all))
    assert.is_true(#unique_names { "core/op/a.c", "core/base/a.c" } == 1)
  end)

  it("of Lua: the table goes down only", function()
    local below = set(always)
    for _, row in ipairs(lua_floors) do
      for _, other in ipairs(row[2]) do
        local mutual = row[1] == "data" and other == "data.make" -- data names its part make
        assert.is_true(below[other] or mutual, ("%s may require %s, which stands above"):format(row[1], other))
      end
      below[row[1]] = true
    end
    for _, part in ipairs { "nn", "optim" } do
      for _, other in ipairs { "solver", "noise", "estimator", "target" } do assert.is_nil(lua_may[part][other]) end
    end
    for _, part in ipairs { "solver", "noise" } do assert.is_nil(lua_may[part].autograd) end
  end)

  it("of Lua hold for every require", function()
    assert.same({}, over(lua_files, lua_requires))
  end)

  it("of Lua are seen when broken", function()
    local good = 'local t = require "mapgrad.tensor"\n-- require "mapgrad.solver"\n'
    assert_teeth(lua_requires, "lua/mapgrad/nn/new.lua", good, {
      'local s = require "mapgrad.solver"', "local n = require('mapgrad.noise')", 'require "mapgrad.estimator.layer"',
      'require "mapgrad"', 'require "socket"', 'pcall(require, "mapgrad.solver")',
      'require("mapgrad.estimator." .. name)',
    })
    assert_teeth(lua_requires, "lua/mapgrad/solver.lua", 'require "mapgrad.tensor"', { 'require "mapgrad.autograd"' })
    assert_teeth(lua_requires, "lua/mapgrad/tensor.lua", 'require "mapgrad.random"', { 'require "mapgrad.core"' })
    assert.is_true(#lua_requires("lua/mapgrad/util.lua", "") > 0)
  end)

  it("let experiments use mapgrad alone", function()
    assert.same({}, over(files("experiments", "%.lua$"), script_requires))
    assert_teeth(script_requires, "experiments/new.lua", 'local mg = require "mapgrad"', {
      'local core = require "mapgrad.core"', "require('mapgrad.tensor')",
    })
  end)

  it("let specs require only what exists", function()
    local missing = {}
    for _, path in ipairs(files("tests", "_spec%.lua$")) do
      if path ~= "tests/floors_spec.lua" then
        for _, name in ipairs(requires(read(path))) do
          local file = "lua/" .. name:gsub("%.", "/")
          local known = name:match "^mapgrad%.core" or lfs.attributes(file .. ".lua")
            or lfs.attributes(file .. "/init.lua")
          if name:match "^mapgrad" and not known then missing[#missing + 1] = path .. " requires " .. name end
        end
      end
    end
    assert.same({}, missing)
  end)

  it("load code through one function, as text", function()
    assert.same({}, over(lua_files, loads))
    assert_teeth(loads, "lua/mapgrad/new.lua", "compat.load(text, name)\nx:load(path)\nlocal download = 1", {
      "dofile(path)", "loadstring(text)", "local f = loadfile(path)", "local f = load(text)",
      'return load(text, "=x", "t")',
    })
    assert_teeth(loads, "lua/mapgrad/compat.lua", 'return load(text, name, "t", scope)', { "return load(text, name)" })
  end)

  it("raise through check.fail alone", function()
    assert.same({}, over(lua_files, raises))
    assert_teeth(raises, "lua/mapgrad/new.lua", 'check.fail("MG-TYPE", "no")\nlog.error("x")', {
      'error("no")', "if x then error(message, 2) end", "error(value, 0)",
    })
    assert_teeth(raises, "lua/mapgrad/tensor.lua", "error(results[2], 0)", { 'error("no")', "error(results[2], 2)" })
  end)

  it("build without fast-math", function()
    assert.same({}, flags("Makefile", read "Makefile"))
    assert_teeth(flags, "Makefile", "CFLAGS = -O3 # never -Ofast\n", { "CFLAGS = -Ofast\n", "X += -ffast-math\n" })
  end)

  it("keep the root small", function()
    local names = {}
    for name in lfs.dir "." do
      if name ~= "." and name ~= ".." then names[#names + 1] = name end
    end
    assert.same({}, root_holds(names))
    assert.same({ "notes.txt" }, root_holds { "core", "notes.txt", ".gitignore" })
  end)
end)

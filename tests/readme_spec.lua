-- The code of the READMEs runs as it stands, on less data.
local compat = require "mapgrad.compat"
local experiment = require "mapgrad.experiment"
local store = require "mapgrad.experiment.store"
local command = require "tests.command"

-- What makes long examples short: plain texts and what stands in their place.
local SHORTER = {
  ["count = 2000"] = "count = 80",
  ["epoch = 1, 20"] = "epoch = 1, 1",
}

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- The fenced blocks of a language.
local function blocks(path, language)
  local list = {}
  for code in read(path):gmatch("\n```" .. language .. "\n(.-)\n```") do list[#list + 1] = code end
  return list
end

for _, path in ipairs { "README.md", "experiments/README.md" } do
  describe("the Lua code of " .. path, function()
    local list = blocks(path, "lua")
    it("is there", function() assert.is_true(#list > 0) end)

    for i, code in ipairs(list) do
      it("runs, block " .. i, function()
        for long, short in pairs(SHORTER) do
          code = code:gsub(long:gsub("%p", "%%%0"), short)
        end
        -- blocks go on from each other's `mg`
        local scope = setmetatable({ mg = require "mapgrad", print = function() end }, { __index = _G })
        if not experiment.is(assert(compat.load(code, "=" .. path, scope))()) then return end
        local folder = command.folder()
        local result = command.mapgrad { "run", command.write(folder .. "/exp.lua", code), "--out", folder .. "/runs" }
        assert.equal(0, result.code, result.err)
        local runs = assert(store.runs(folder .. "/runs"))
        command.remove(folder)
        for _, run in ipairs(runs) do
          assert.equal("finished", run.state)
          assert.is_true(#run.rows > 0)
        end
      end)
    end
  end)
end

describe("the prompt's lines of README.md", function()
  it("give what they show the way to", function()
    local lines = {}
    for line in blocks("README.md", "")[1]:gmatch "[^\n]+" do
      lines[#lines + 1] = assert(line:match "^> (.*)$", line)
    end
    local result = command.mapgrad({ "repl" }, table.concat(lines, "\n") .. "\n")
    assert.equal(0, result.code, result.err)
    assert.matches("top_k{n=, k=, least=}", result.out, 1, true)
    assert.matches("tensor 2x3", result.out, 1, true)
  end)
end)

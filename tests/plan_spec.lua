-- mapgrad plan: its commands, given to a shell, do what `mapgrad run` does.
local command = require "tests.command"
local data = require "mapgrad.data"
local lfs = require "lfs"
local store = require "mapgrad.experiment.store"
local support = require "tests.support"

local is_thread_sanitizer = os.getenv "MAPGRAD_SANITIZER" == "thread" -- it ends processes that start others

local EXPERIMENT = [[
local mg = require "mapgrad"
return mg.experiment {
  title = "Planned", seeds = 2, metric = "loss", sense = "min",
  options = {
    { name = "rate", form = "positive", default = 0.1 }, { name = "label", form = "text", default = "none" },
    { name = "fail", default = false },
  },
  variants = { one = function() return 1 end, two = function() return 2 end },
  run = function(factor, record, o)
    if o.fail then error "planted" end
    for epoch in record:epochs(2) do
      record { epoch = epoch, loss = factor * o.rate + mg.random.uniform(), label = o.label }
    end
  end,
}
]]

-- What shells, xargs, GNU parallel and JSON have words for.
local LABELS = { "two words, it's $HOME `id` \\n", 'a "b"; {} {#} %d & | > < * ? ~ !', "-q", "é" }

describe("mapgrad plan", function()
  if is_thread_sanitizer then
    pending "the thread sanitizer ends processes that start others while threads run"
    return
  end
  local root, file, sweep, expected

  local function mapgrad(name, out, ...)
    return command.mapgrad { name, file, "--out", root .. "/" .. out, ... }
  end

  -- The documents that --jsonl prints.
  local function documents(...)
    local result, list = mapgrad("plan", ...), {}
    assert.equal(0, result.code, result.err)
    for line in result.out:gmatch "[^\n]+" do list[#list + 1] = assert(data.json.decode(line)) end
    return list
  end

  setup(function()
    root = command.folder()
    file = command.write(root .. "/an 'experiment'.lua", EXPERIMENT)
    local quoted = {}
    for i, label in ipairs(LABELS) do
      local quote = label:find('"', 1, true) and "'" or '"'
      quoted[i] = quote .. label .. quote
    end
    sweep = "label=" .. table.concat(quoted, ",")
    local result = mapgrad("run", "run", "-q", "--set", sweep, "--variants", "one", "--seeds", "1")
    assert.equal(0, result.code, result.err)
    expected = support.numbers(root .. "/run")
  end)
  teardown(function() command.remove(root) end)

  -- After the commands that `plan` printed were done into `out` by the words of a shell.
  local function assert_same(out, words)
    local result = mapgrad("plan", out, "--set", sweep, "--variants", "one", "--seeds", "1")
    assert.equal(0, result.code, result.err)
    assert.matches("^4 to do of 4 runs in ", result.err)
    command.write(root .. "/commands", result.out)
    local done = command.sh(("cd / && unset LUA_PATH LUA_CPATH && %s <'%s/commands'"):format(words, root))
    assert.equal(0, done.code, done.err)
    assert.same(expected, support.numbers(root .. "/" .. out))
  end

  it("prints commands that give the same runs with the same bytes, whatever the names", function()
    assert.equal(4, support.count(expected))
    local seen = {}
    for _, run in ipairs(store.runs(root .. "/run")) do
      seen[run.options.label] = true
      assert.equal(run.options.label, run.rows[2].label)
    end
    for _, label in ipairs(LABELS) do assert.is_true(seen[label], label) end
    assert_same("an 'out' $HOME \"of\" {} %s", "sh -e")
  end)

  it("prints commands for xargs", function()
    assert_same("of xargs", "xargs -d '\\n' -n 1 -P 2 sh -c")
  end)

  it("prints commands for GNU parallel, which compute with one thread", function()
    if command.sh("command -v parallel").code ~= 0 then return pending "there is no GNU parallel" end
    if os.getenv "MAPGRAD_SANITIZER" then return pending "perl is not made for sanitizers" end
    assert_same("of {} parallel", "parallel --will-cite -j 2")
    for _, run in ipairs(store.runs(root .. "/of {} parallel")) do assert.equal(1, run.meta.threads) end
  end)

  it("--jsonl prints a document a run, whose command does that run alone", function()
    local list = documents("lines", "--jsonl", "--seed", "7", "--threads", "2", "--time-limit", "1h")
    assert.equal(2, #list)
    for i, document in ipairs(list) do
      local config = assert(data.json.read(document.folder .. "/config.json"))
      assert.same({ version = 1, name = document.folder:match "[^/]+$", id = config.id, variant = ({ "one", "two" })[i],
        seed = 7, options = config.options, folder = ("%s/lines/%s"):format(root, document.name), state = "new",
        command = document.command }, document)
    end
    assert.equal(0, command.sh("cd / && " .. list[2].command).code)
    local runs = assert(store.runs(root .. "/lines"))
    assert.same({ "new", "finished" }, { runs[1].state, runs[2].state })
    assert.equal(2, runs[2].meta.threads)
    list = documents("lines", "--jsonl", "--seed", "7")
    assert.same({ "new", "finished" }, { list[1].state, list[2].state })
  end)

  it("does the runs of the text that was planned", function()
    local own = root .. "/edited.lua"
    command.write(own, EXPERIMENT)
    local result = command.mapgrad { "plan", own, "--out", root .. "/edited", "--variants", "one", "--seeds", "1" }
    command.write(own, "error 'edited'")
    assert.equal(0, command.sh(result.out).code)
    assert.equal("finished", store.runs(root .. "/edited")[1].state)
  end)

  it("leaves out what is done, and what failed unless told to", function()
    local function lines(...)
      local result = mapgrad("plan", "left", "--variants", "one", "--set", "fail=false,true", "--seeds", "1", ...)
      assert.equal(0, result.code, result.err)
      return select(2, result.out:gsub("\n", "")), result
    end
    local many, result = lines()
    assert.equal(2, many)
    assert.equal(1, command.sh(result.out).code) -- the last one fails
    assert.equal(0, (lines()))
    local states = {}
    for _, document in ipairs(documents("left", "--jsonl", "--variants", "one", "--set", "fail=false,true", "--seeds",
      "1")) do
      states[#states + 1] = document.state
    end
    assert.same({ "finished", "failed" }, states)
    many, result = lines "--retry-failed"
    assert.equal(1, many)
    assert.is_nil(result.err:find "left out")
    assert.equal(2, (lines "--again")) -- the failed one is a new run since --retry-failed
    assert.equal("", select(2, lines "-q").err)
  end)

  it("splits into shards", function()
    local all = {}
    for i = 1, 3 do
      for _, document in ipairs(documents("shards", "--jsonl", "--shard", i .. "/3")) do
        assert.is_nil(all[document.name])
        all[document.name] = true
      end
    end
    assert.equal(4, support.count(all))
  end)

  it("says in which precision a run is to be done", function()
    local line = documents("real", "--jsonl", "--double", "--variants", "one", "--seeds", "1")[1]
    assert.matches(" --double$", line.command)
    local single = command.mapgrad({ "work", line.folder }, "", "MAPGRAD_REAL=")
    assert.equal(66, single.code)
    assert.matches("is a run in double: add --double", single.err, 1, true)
    assert.equal(0, command.sh("unset MAPGRAD_REAL; " .. line.command).code)
  end)

  it("refuses what cannot be", function()
    assert.equal(66, command.mapgrad({ "plan", root .. "/nothing.lua" }).code)
    assert.equal(2, command.mapgrad({ "plan" }).code)
    for _, words in ipairs { { "--set", "rat=1" }, { "--variants", "three" }, { "--jobs", "2" },
      { "--threads", "999" } } do
      local result = mapgrad("plan", "refused", (table.unpack or unpack)(words))
      assert.equal(2, result.code, words[1])
      assert.equal("", result.out)
      assert.is_nil(lfs.attributes(root .. "/refused"))
    end
    local broken = mapgrad("plan", "a\nb")
    assert.equal(2, broken.code)
    assert.matches("has a line feed", broken.err)
    assert.equal(0, command.sh(documents("a\nb", "--jsonl", "--variants", "two", "--seeds", "1")[1].command).code)
  end)

  it("--help shows the options of a file", function()
    local result = mapgrad("plan", "help", "--help")
    assert.equal(0, result.code)
    assert.matches("mapgrad plan .*rate=0.1.*Variants, for %-%-variants: one, two", result.out)
    assert.matches("Examples:.*| parallel", command.mapgrad({ "plan", "--help" }).out)
  end)
end)

-- Experiments as files: plans, stores, what is cut and goes on, what is repeated.
local command = require "tests.command"
local core = require "mapgrad.real"
local data = require "mapgrad.data"
local lfs = require "lfs"
local compare = require "mapgrad.experiment.compare"
local experiment = require "mapgrad.experiment"
local plan = require "mapgrad.experiment.plan"
local store = require "mapgrad.experiment.store"

local is_thread_sanitizer = os.getenv "MAPGRAD_SANITIZER" == "thread" -- it ends processes that start others

-- A training of the whole machinery, and of nothing: linear regression behind the 2 best of 4. Each step takes
-- o.pause seconds.
local EXPERIMENT = [[
local mg = require "mapgrad"
return mg.experiment {
  title = "A training", seeds = 3, metric = "loss", sense = "min",
  options = {
    { name = "epochs", form = "count", default = 3, help = "passes" },
    { name = "step.rate", form = "positive", default = 0.1, help = "of Adam" },
    { name = "pause", form = "not_negative", default = 0, help = "seconds a step", smoke = 0 },
    { name = "fail", default = false, help = "raise in the last epoch" },
    { name = "label", form = "text", help = "any text" },
  },
  variants = { one = function() return 1 end, two = function(o) return 2 * o.epochs / o.epochs end },
  run = function(factor, record, o)
    local net = mg.nn.linear(4, 1)
    local adam = mg.optim.adam(net:parameters(), { rate = o.step.rate })
    local set = mg.data.set { x = mg.tensor.normal(40, 4), y = mg.tensor.normal(40, 1) }
    local batches = set:loader { size = 10, shuffle = true }
    local top = mg.estimator.identity { solver = mg.solver.top_k { n = 4, k = 2 }, projection = "mean" }
    for epoch in record:epochs(o.epochs, { model = net, optimizer = adam, loader = batches }) do
      for batch in batches:batches() do
        local value = adam:step(function()
          return mg.loss.squared(net(top(batch.x):reshape(-1, 4)), batch.y) * factor
        end)
        local ends = mg.clock() + o.pause
        while mg.clock() < ends do local _ = 1 end
        if record:step(value) then break end
      end
      if o.fail and epoch == o.epochs then error "planted" end
      record { epoch = epoch, loss = record:mean(), note = o.label }
    end
    print("end of", o.variant, o.seed)
  end,
}
]]

local function options_of(text)
  local list = {}
  for name, value in text:gmatch "(%S+)=(%S+)" do list[#list + 1] = { name, value } end
  return list
end

describe("an experiment", function()
  local subject = experiment {
    title = "Some Title, 2nd", run = function() end, seeds = 2,
    options = { { name = "a", default = 1, help = "x" }, { name = "b.c", form = "count", default = 2, smoke = 5 },
      { name = "t", form = "text" } },
    variants = { y = print, x = print },
  }

  local function runs(o)
    o.path, o.source = "f.lua", o.source or "text"
    return assert(plan.runs(subject, o))
  end

  it("plans every variant with every value and every seed", function()
    local list = runs { set = options_of "a=3,4 b.c=1,2,3", seeds = 4 }
    assert.equal(2 * 2 * 3 * 4, #list)
    local seen = {}
    for _, config in ipairs(list) do
      assert.is_nil(seen[config.id])
      seen[config.id] = true
    end
    assert.same({ a = 3, ["b.c"] = 1 }, list[1].options)
    assert.equal("x", list[1].variant)
    assert.equal(1, list[1].seed)
    assert.equal(4, list[#list].seed)
    assert.equal(4, #runs {}) -- two variants, the file's two seeds
    assert.equal(1, #runs { variants = { "y" }, set = options_of "seed=7" })
  end)

  it("keeps the name of a run whatever else is planned, and changes it with what makes its numbers", function()
    local function id(o) return runs(o)[1].id end
    local own = id { set = options_of "seed=1" }
    assert.equal(own, id { seeds = 9, set = options_of "a=1,2" })
    assert.equal(own, id { set = options_of "threads=3 seed=1" })
    assert.equal(own, id { set = options_of "a=1.0" })
    for _, other in ipairs {
      { set = options_of "seed=2" }, { set = options_of "a=2" }, { source = "other" }, { variants = { "y" } },
      { budget = { solver_calls = 5 } }, { limit = 3 }, { set = options_of "t=1" },
    } do
      assert.not_equal(own, id(other))
    end
  end)

  it("takes the smoke values, one seed and short passes", function()
    local list = runs { smoke = true }
    assert.equal(2, #list)
    assert.equal(5, list[1].options["b.c"])
    assert.equal(2, list[1].limit)
    assert.equal(3, runs({ smoke = true, set = options_of "b.c=3" })[1].options["b.c"])
  end)

  it("splits a plan into shards, each run in one of them", function()
    local list, seen = runs { set = options_of "a=1,2,3", seeds = 5 }, {}
    for _, count in ipairs { 1, 7, 64 } do
      local total = 0
      for index = 1, count do
        for _, config in ipairs(plan.shard(list, index, count)) do
          total = total + 1
          seen[count .. config.id] = (seen[count .. config.id] or 0) + 1
        end
      end
      assert.equal(#list, total)
    end
    for _, times in pairs(seen) do assert.equal(1, times) end
  end)

  it("plans 10,000 runs", function()
    assert.equal(10000, #runs { set = options_of "a=1,2,3,4,5,6,7,8,9,10", seeds = 500 })
  end)

  it("gives dotted options as nested tables", function()
    assert.same({ a = 1, b = { c = 2, d = { e = 3 } } }, experiment.nested { a = 1, ["b.c"] = 2, ["b.d.e"] = 3 })
  end)

  it("reads texts with commas in quotes", function()
    assert.equal("a,b", runs({ set = { { "t", '"a,b"' } } })[1].options.t)
    assert.equal(2 * 2 * 2, #runs { set = { { "t", '"a,b",c' } } })
  end)

  for _, case in ipairs {
    { { set = { { "a", "1,1" } } }, "given twice" }, { { set = { { "b.d", "1" } } }, "did you mean 'b.c'" },
    { { variants = { "z" } }, "unknown variant 'z'" }, { { variants = { "x", "x" } }, "x is given twice" },
    { { set = options_of "threads=1,2" }, "one value" },
    { { set = options_of "seed=1,2", seeds = 3 }, "leave one out" },
  } do
    it("refuses what has no sense: " .. case[2], function()
      case[1].path, case[1].source = "f.lua", ""
      local list, message = plan.runs(subject, case[1])
      assert.is_nil(list)
      assert.matches(case[2], message, 1, true)
    end)
  end

  it("refuses wrong declarations", function()
    local function refuse(declaration, text)
      declaration.title, declaration.run = "t", print
      local ok, message = pcall(experiment, declaration)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
    refuse({ variants = {} }, "there is none")
    refuse({ variants = { ["a b"] = print } }, "expected names of letters")
    refuse({ variants = { a = 1 } }, "expected a function")
    refuse({ options = { { name = "out", default = 1 } } }, "cannot be used")
    refuse({ options = { { name = "a..b", default = 1 } } }, "cannot be used")
    refuse({ options = { { name = "a" } } }, "needs a default or a form")
    refuse({ options = { { name = "a", default = { 1, 2 } } } }, "true or false, got a table")
    refuse({ options = { { name = "seed", default = 0.5 } } }, "expected an integer from 0")
    refuse({ options = { { name = "n", form = "count", default = 1, smoke = 0 } } }, "smoke: expected")
    refuse({ options = { { name = "a.b", default = 1 }, { name = "a", default = 1 } } }, "both a value and a table")
    refuse({ sense = "least" }, "expected one of min, max")
  end)
end)

describe("a store", function()
  local root
  before_each(function() root = command.folder() end)
  after_each(function() command.remove(root) end)

  it("lets one process have a run, and takes over from a dead one", function()
    assert.is_true(store.claim(root))
    assert.is_false(store.claim(root)) -- this process is alive
    local pipe = io.popen "echo $$" -- a process that ends at once
    local dead = pipe:read "*l"
    pipe:close()
    local process, host, began = core.process_self()
    command.write(root .. "/claim", ("%s %s 1 then\n"):format(host, dead))
    assert.is_true(store.claim(root))
    store.release(root)
    command.write(root .. "/claim", ("%s %d %.0f then\n"):format(host, process, began - 1)) -- its number, given again
    assert.is_true(store.claim(root))
    store.release(root)
    command.write(root .. "/claim", "another-host 1 1 then\n")
    assert.is_false(store.claim(root)) -- signs of life are fresh
    lfs.touch(root .. "/claim", os.time() - 3600)
    assert.is_true(store.claim(root))
  end)

  it("leaves the claim of a process that took over from the dead one first", function()
    local process, host, began = core.process_self()
    local live, rename = ("%s %d %.0f first\n"):format(host, process, began), os.rename
    command.write(root .. "/claim", ("%s 999999999 1 then\n"):format(host))
    rawset(os, "rename", function(...) -- the other one is quicker
      rawset(os, "rename", rename)
      command.write(root .. "/claim", live)
      return rename(...)
    end)
    local mine = store.claim(root)
    rawset(os, "rename", rename)
    assert.is_false(mine)
    assert.equal(live, data.file_read(root .. "/claim"))
  end)

  it("says what is wrong with its files", function()
    assert.matches("no such folder", select(2, store.runs(root .. "/nothing")))
    assert.matches("no runs", select(2, store.runs(root)))
    command.write(root .. "/config.json", "{}")
    assert.matches("not the configuration of a run", select(2, store.runs(root)))
    command.write(root .. "/config.json", '{"options": {}, "id": "x", "seed": 1}')
    command.write(root .. "/metrics.jsonl", '{"a": 1}\n{"a": \n')
    assert.matches("metrics.jsonl: line 2", select(2, store.runs(root)), 1, true)
    command.write(root .. "/metrics.jsonl", '{"a": 1}\n{"a": null}\n{"a": ') -- the last line was being written
    local run = assert(store.runs(root))[1]
    assert.equal(2, #run.rows)
    assert.equal(2, run.lines)
    local short = assert(store.runs(root, true))[1] -- its last row alone
    assert.equal(1, #short.rows)
    assert.equal(2, short.lines)
    assert.is_true(short.rows[1].a ~= short.rows[1].a)
    assert.is_true(run.rows[2].a ~= run.rows[2].a)
    assert.equal("new", run.state)
    command.write(root .. "/meta.json", "[")
    assert.matches("meta.json", select(2, store.runs(root)), 1, true)
  end)

  it("gives the runs that it can read, and says which it cannot", function()
    for i, text in ipairs { '{"options": {}, "id": "x", "seed": 1, "title": "t"}', "{" } do
      assert(store.make_folder(root .. "/run" .. i))
      command.write(("%s/run%d/config.json"):format(root, i), text)
    end
    command.write(root .. "/run1/metrics.jsonl", '{"loss": 1}\n')
    local runs = assert(store.runs(root))
    assert.equal(1, #runs)
    assert.equal(1, #runs.unreadable)
    assert.matches("run2/config.json", runs.unreadable[1], 1, true)
    local result = assert(compare.runs(runs, { unfinished = true }))
    assert.matches("1 run left out: files that cannot be read", table.concat(result.notes, "\n"), 1, true)
    local list = command.mapgrad { "list", root }
    assert.equal(0, list.code)
    assert.matches("left out: [^\n]*run2/config.json", list.err)
    assert.matches("run1", list.out)
  end)
end)

describe("mapgrad run", function()
  if is_thread_sanitizer then
    pending "the thread sanitizer ends processes that start others while threads run"
    return
  end
  local root, file
  setup(function()
    root = command.folder()
    file = command.write(root .. "/exp.lua", EXPERIMENT)
  end)
  teardown(function() command.remove(root) end)

  local function run(out, ...)
    return command.mapgrad { "run", file, "-q", "--out", root .. "/" .. out, ... }
  end

  -- name of the run -> bytes of its metrics.jsonl
  local function numbers(out)
    local found = {}
    for name in lfs.dir(root .. "/" .. out) do
      if name:sub(1, 1) ~= "." then
        found[name] = data.file_read(("%s/%s/%s/metrics.jsonl"):format(root, out, name)) or "none"
      end
    end
    return found
  end

  it("does each run once, in several processes or one after the other, to the same bytes", function()
    local first = run("pair", "--jobs", "2")
    assert.equal(0, first.code, first.err)
    assert.equal("6 finished, 0 failed\n", first.out)
    assert.equal("0 finished, 0 failed, 6 finished before\n", run("pair").out)
    assert.equal(0, run("single", "--threads", "2").code)
    local pair = numbers "pair"
    assert.same(pair, numbers "single")
    for name, text in pairs(pair) do
      local _, lines = text:gsub("\n", "")
      assert.equal(3, lines, name)
    end
  end)

  it("records options, state, machine and printed lines", function()
    local runs = assert(store.runs(root .. "/pair"))
    assert.equal(6, #runs)
    local one = runs[1]
    assert.equal("finished", one.state)
    assert.equal("one", one.variant)
    assert.same({ epochs = 3, ["step.rate"] = 0.1, pause = 0, fail = false }, one.options)
    assert.equal(3 * 40, one.rows[3].solves) -- a call for each row of 40, in each epoch
    assert.equal(3, #one.seconds)
    for _, name in ipairs { "code", "build", "host", "processor", "threads", "started", "ended", "command" } do
      assert.is_truthy(one.meta[name], name)
    end
    assert.matches("^mapgrad run .*pair", one.meta.command)
    assert.equal("end of\tone\t1\n", data.file_read(one.folder .. "/log.txt"))
    assert.is_nil(lfs.attributes(one.folder .. "/claim"))
  end)

  it("does one run in its own process, and shows its lines again when it is finished", function()
    local result = run("lone", "--variants", "two", "--seed", "5")
    assert.equal("end of\ttwo\t5\n", result.out)
    assert.equal("end of\ttwo\t5\n", run("lone", "--variants", "two", "--seed", "5").out)
  end)

  it("survives kill -9 at random moments: nothing finished is redone, nothing is lost, the same bytes", function()
    math.randomseed(os.time())
    local words = { "run", file, "-q", "--jobs", "2", "--save-every", "0.001", "--set", "pause=0.002", "--out" }
    local function with(out)
      local list = { (table.unpack or unpack)(words) }
      list[#list + 1] = root .. "/" .. out
      return list
    end
    assert.equal(0, command.mapgrad(with "whole").code)
    local finished = {}
    for _ = 1, 5 do
      command.kill(with "killed", 0.02 + 0.2 * math.random())
      for name, at in pairs(finished) do
        assert.equal(at, lfs.attributes(("%s/killed/%s/meta.json"):format(root, name), "modification"))
      end
      for _, one in ipairs(store.runs(root .. "/killed") or {}) do
        if one.state == "finished" then
          finished[one.name] = lfs.attributes(one.folder .. "/meta.json", "modification")
        end
      end
    end
    local last
    for _ = 1, 20 do -- those that died a moment ago may still count as alive
      last = command.mapgrad(with "killed")
      if last.code ~= 75 then break end
      core.pause(0.05)
    end
    assert.equal(0, last.code, last.err)
    assert.same(numbers "whole", numbers "killed")
  end)

  it("does each run once when two runners are at the same store", function()
    local words = { "run", file, "-q", "--jobs", "2", "--set", "pause=0.02", "--out", root .. "/both" }
    for _, result in ipairs(command.mapgrad_all { { "", words }, { "", words } }) do
      assert.is_true(result.code == 0 or result.code == 75, result.err) -- 75: the other one has some
    end
    local runs = assert(store.runs(root .. "/both"))
    assert.equal(6, #runs)
    for _, one in ipairs(runs) do
      assert.equal("finished", one.state)
      assert.equal(1, one.meta.starts, one.name)
      assert.equal(("end of\t%s\t%d\n"):format(one.variant, one.seed), data.file_read(one.folder .. "/log.txt"))
    end
    local before = lfs.attributes(runs[1].folder .. "/metrics.jsonl", "modification")
    assert.equal(0, command.mapgrad({ "work", runs[1].folder, "-q" }).code)
    assert.equal(1, store.meta(runs[1].folder).starts)
    assert.equal(before, lfs.attributes(runs[1].folder .. "/metrics.jsonl", "modification"))
  end)

  it("ends with 75 while another process has a run of the plan", function()
    assert.equal(75, run("shared", "--time-limit", "0.000001", "--jobs", "2").code)
    local one = assert(store.runs(root .. "/shared"))[1]
    assert.is_true(store.claim(one.folder))
    local result, again = run("shared", "--jobs", "2"), run("shared")
    store.release(one.folder)
    assert.equal("5 finished, 0 failed, 1 with another process\n", result.out)
    assert.equal(75, result.code)
    assert.equal("0 finished, 0 failed, 1 with another process, 5 finished before\n", again.out)
    assert.equal(75, again.code)
  end)

  it("ends with 74 when files cannot be written, and goes on when they can", function()
    local label = ("x"):rep(1800)
    local words = { "run", file, "-q", "--set", "label=" .. label, "--save-every", "0.001", "--variants", "one" }
    local function with(out, more)
      local list = { (table.unpack or unpack)(words) }
      for _, word in ipairs(more) do list[#list + 1] = word end
      list[#list + 1], list[#list + 2] = "--out", root .. "/" .. out
      return list
    end
    local function limited(list) -- no file has more than 5120 bytes: two lines of metrics.jsonl
      return command.sh("trap '' XFSZ; ulimit -f 10\n" .. command.line(list))
    end
    local roomy = command.mapgrad(with("roomy", { "--seeds", "2" }))
    assert.equal(0, roomy.code, roomy.err)
    local one = limited(with("full", { "--seeds", "1" }))
    assert.equal(74, one.code, one.err)
    assert.matches("metrics.jsonl: cannot be written", one.err, 1, true)
    local two = limited(with("full", { "--seeds", "2", "--jobs", "2" }))
    assert.equal(74, two.code, two.err)
    assert.matches("unsaved: ", two.err, 1, true)
    assert.equal("0 finished, 0 failed, 2 to go on with\n", two.out)
    for _, run_of in ipairs(store.runs(root .. "/full")) do assert.equal("cut", run_of.state) end
    assert.equal(0, command.mapgrad(with("full", { "--seeds", "2" })).code)
    assert.same(numbers "roomy", numbers "full")
    local full = root .. "/full"
    for _, list in ipairs { { "list", full }, { "compare", full, "--json" }, { "run", "--help" }, { "help" } } do
      local lost = command.sh(command.line(list) .. " >/dev/full")
      assert.equal(74, lost.code)
      assert.equal("error: the output cannot be written (is the disk full?)\n", lost.err)
    end
  end)

  it("is the one to start processes: a script that does never starts itself again and again", function()
    assert.equal(75, run("alone", "--variants", "one", "--seeds", "1", "--time-limit", "0.000001").code)
    local folder = assert(store.runs(root .. "/alone"))[1].folder
    local result = command.lua(([[
      local counts = require("mapgrad.experiment.pool").run({ %q }, { jobs = 1, threads = 1, quiet = true })
      print(counts.failed)]]):format(folder))
    assert.equal("1\n", result.out, result.err)
    assert.matches("pool.run: belongs to the command", data.file_read(folder .. "/log.txt"), 1, true)
  end)

  it("starts a run without a checkpoint with an empty folder", function()
    local own = command.write(root .. "/notes.lua", [[
local mg = require "mapgrad"
return mg.experiment { title = "Notes", seeds = 1, run = function(_, record)
  print "begins"
  local file = assert(io.open(record:file "notes.txt", "ab"))
  file:write "a line\n"
  file:close()
  for epoch in record:epochs(2) do record { epoch = epoch } end
end }
]])
    local words = { "run", own, "-q", "--out", root .. "/notes" }
    local limit = { "run", own, "-q", "--out", root .. "/notes", "--time-limit", "0.000001" }
    local cut = command.mapgrad(limit)
    assert.equal(75, cut.code)
    assert.matches("the same command begins it anew, as record:epochs was given no parts", cut.err, 1, true)
    assert.equal(0, command.mapgrad(words).code)
    local folder = assert(store.runs(root .. "/notes"))[1].folder
    assert.equal("a line\n", data.file_read(folder .. "/notes.txt"))
    assert.equal("begins\n", data.file_read(folder .. "/log.txt"))
  end)

  it("saves a run at its time limit, and goes on with it", function()
    local result = run("limited", "--variants", "one", "--seeds", "1", "--time-limit", "0.001")
    assert.equal(75, result.code)
    assert.matches("the time limit is reached; the same command goes on with it", result.err, 1, true)
    local one = assert(store.runs(root .. "/limited"))[1]
    assert.equal("cut", one.state)
    assert.is_truthy(lfs.attributes(one.folder .. "/checkpoint.safetensors"))
    assert.equal(0, run("limited", "--variants", "one", "--seeds", "1").code)
    local joined = numbers "limited"
    assert.equal(numbers("pair")[one.name], joined[one.name])
  end)

  it("calls no run failed that is told to end before it can save itself", function()
    for i = 1, 8 do
      local result = run("early", "--jobs", "2", "--time-limit", ("%.3f"):format(0.005 * i))
      assert.is_true(result.code == 75 or result.code == 0, result.err)
    end
    for _, one in ipairs(assert(store.runs(root .. "/early"))) do assert.are_not.equal("failed", one.state) end
  end)

  it("ends a run whose budget is spent, whatever its epochs", function()
    local result = run("budget", "--variants", "one", "--seeds", "1", "--budget", "solver_calls=155")
    assert.equal(0, result.code, result.err)
    local rows = assert(store.runs(root .. "/budget"))[1].rows
    assert.equal(160, rows[#rows].solves) -- steps of 10 calls
    assert.equal(4, #rows)
  end)

  it("shortens passes over data", function()
    assert.equal(0, run("short", "--variants", "one", "--seeds", "1", "--limit", "0.5").code)
    assert.equal(2 * 10, assert(store.runs(root .. "/short"))[1].rows[1].solves)
  end)

  it("tells of failed runs, leaves them out, and retries them when asked", function()
    local arguments = { "--set", "fail=true,false", "--seeds", "1", "--variants", "one,two" }
    local result = run("fails", (table.unpack or unpack)(arguments))
    assert.equal(1, result.code)
    assert.equal("2 finished, 2 failed\n", result.out)
    assert.matches("failed: %S+: planted\n  at %S+exp.lua:%d+\n", result.err) -- also with -q
    for _, one in ipairs(assert(store.runs(root .. "/fails"))) do
      assert.equal(one.options.fail and "failed" or "finished", one.state)
      if one.options.fail then
        assert.matches("planted", one.meta.message)
        assert.matches("exp.lua:%d+", data.file_read(one.folder .. "/log.txt"))
      end
    end
    assert.equal("0 finished, 0 failed, 2 finished before\n", run("fails", (table.unpack or unpack)(arguments)).out)
    arguments[#arguments + 1] = "--retry-failed"
    assert.equal("0 finished, 2 failed, 2 finished before\n",
      run("fails", (table.unpack or unpack)(arguments)).out)
  end)

  it("--smoke does a short run of each variant and keeps nothing", function()
    local result = command.mapgrad { "run", file, "--smoke", "--out", root .. "/smoke" }
    assert.equal(0, result.code, result.err)
    assert.equal("end of\tone\t1\nend of\ttwo\t1\n", result.out)
    assert.is_nil(lfs.attributes(root .. "/smoke"))
  end)

  it("--smoke ends at Ctrl-C, without the variants that were to come", function()
    local slow = command.write(root .. "/slow.lua", [[
      local mg = require "mapgrad"
      return mg.experiment { title = "slow", variants = { one = function() end, two = function() end },
        run = function(_, _, o)
          io.stdout:write("in ", o.variant, "\n"); io.stdout:flush()
          local ends = mg.clock() + 20
          while mg.clock() < ends do local _ = 1 end
        end }]])
    local result = command.interrupt { "run", slow, "--smoke" }
    assert.equal(130, result.code)
    assert.matches("smoke: one", result.err)
    assert.is_nil(result.err:find("smoke: two", 1, true))
  end)

  it("says when a method of the record is called with a dot", function()
    local dot = command.write(root .. "/dot.lua", (EXPERIMENT:gsub("record:epochs", "record.epochs")))
    local result = command.mapgrad { "run", dot, "-q", "--seeds", "1", "--variants", "one", "--out", root .. "/dot" }
    assert.equal(1, result.code)
    assert.matches("write record:epochs", result.err, 1, true)
    assert.matches("dot.lua:%d+", result.err)
  end)

  it("--dry-run shows the plan", function()
    local result = command.mapgrad { "run", file, "--dry-run", "--seeds", "4", "--out", root .. "/dry" }
    assert.equal(0, result.code)
    assert.matches("^8 runs in ", result.out)
    assert.matches("and 3 more", result.out)
    assert.is_nil(lfs.attributes(root .. "/dry"))
  end)

  it("shards give the same files as one process", function()
    for index = 1, 4 do
      assert.equal(0, run("shards", "--shard", index .. "/4").code)
    end
    assert.same(numbers "pair", numbers "shards")
    for _, wrong in ipairs { "0/4", "5/4", "1", "a/b" } do assert.equal(2, run("x", "--shard", wrong).code) end
  end)

  for _, case in ipairs {
    { "--threads", "0", "threads: expected" }, { "--threads", "257", "threads: expected at most 256" },
    { "--save-every", "x", "--save-every expects a number" }, { "--save-every", "-1", "--save-every expects a number" },
    { "--time-limit", "3x", "--time-limit expects" },
    { "--budget", "solver_calls=nan", "--budget expects" },
    { "--budget", "solver_calls=33.5", "N a whole number from 1, got 'solver_calls=33.5'" },
    { "--jobs", "0.5", "--jobs expects a whole number" },
  } do
    it(("refuses %s %s by name"):format(case[1], case[2]), function()
      local result = run("x", case[1], case[2])
      assert.equal(2, result.code)
      assert.is_truthy(result.err:find(case[3], 1, true), result.err)
    end)
  end

  describe("afterwards", function()
    local function name_of(variant, seed)
      for name in pairs(numbers "pair") do
        if name:find(("^%s%%-s%d%%-"):format(variant, seed)) then return ("%s/pair/%s"):format(root, name) end
      end
    end

    it("list keeps columns below each other, whatever the texts", function()
      assert.equal(0, run("texts", "--variants", "one", "--seeds", "1", "--set", "label=\"\27[31m\n\",éé,ab").code)
      local lines = {}
      for line in command.mapgrad({ "list", root .. "/texts" }).out:gmatch "[^\n]+" do lines[#lines + 1] = line end
      assert.equal(4, #lines)
      for i = 2, 4 do
        assert.is_nil(lines[i]:find "%c")
        assert.equal(lines[1]:find "last", (lines[i]:gsub("é", "e"):find "loss="))
      end
    end)

    it("list shows a budget in which runs differ", function()
      for _, calls in ipairs { "3", "5" } do
        assert.equal(0, run("budgets", "--variants", "one", "--seeds", "1", "--budget", "solver_calls=" .. calls).code)
      end
      local out = command.mapgrad({ "list", root .. "/budgets" }).out
      assert.matches("seed +budget", out)
      assert.matches(" 1 +3 ", out)
      assert.matches(" 1 +5 ", out)
    end)

    it("list shows a line a run", function()
      local result = command.mapgrad { "list", root .. "/pair" }
      assert.equal(0, result.code, result.err)
      local _, lines = result.out:gsub("\n", "")
      assert.equal(7, lines)
      local document = assert(data.json.decode(command.mapgrad({ "list", root .. "/fails", "--json", "--state",
        "failed" }).out))
      assert.equal(2, #document.runs)
      assert.equal(66, command.mapgrad({ "list", root .. "/nothing" }).code)
    end)

    it("show shows one", function()
      assert.matches("expected the folder of a run", command.mapgrad({ "show", root .. "/single" }).err)
      assert.equal(66, command.mapgrad({ "work", root .. "/single" }).code)
      for _, name in ipairs { "repeat", "work" } do
        local refused = command.mapgrad { name, name_of("two", 3), "--threads", "0" }
        assert.equal(2, refused.code)
        assert.matches("%-%-threads expects a whole number from 1 to 256", refused.err)
      end
      assert.equal(0, command.mapgrad({ "compare", root .. "/single", "--target", "-1" }).code)
      local result = command.mapgrad { "show", name_of("two", 3) }
      assert.equal(0, result.code, result.err)
      for _, text in ipairs { "A training, two, seed 3", "step.rate", "finished", "records: 3" } do
        assert.matches(text, result.out, 1, true)
      end
      local document = assert(data.json.decode(command.mapgrad({ "show", "--json", name_of("two", 3) }).out))
      assert.equal(3, #document.rows)
    end)

    it("diff shows in what two differ", function()
      local result = command.mapgrad { "diff", name_of("one", 1), name_of("two", 1) }
      assert.equal(0, result.code, result.err)
      assert.matches("variant", result.out)
      assert.matches("options: the same", result.out)
      assert.matches("code: the same", result.out)
      assert.matches("apart from record 1", result.out)
      assert.matches("the same in all 3 records", command.mapgrad({ "diff", name_of("one", 1), name_of("one", 1) }).out)
    end)

    it("repeat gives the same bytes, and says when it does not", function()
      local folder = name_of("two", 2)
      local result = command.mapgrad { "repeat", "-q", folder }
      assert.equal(0, result.code, result.err)
      assert.matches("the same: %d+ bytes", result.err)
      assert.matches("is there already", command.mapgrad({ "repeat", "-q", folder, "--out", root .. "/single" }).err)
      command.write(folder .. "/metrics.jsonl", (data.file_read(folder .. "/metrics.jsonl"):gsub('"epoch": 2',
        '"epoch": 7')))
      result = command.mapgrad { "repeat", "-q", folder }
      assert.equal(1, result.code)
      assert.matches("differs from line 2", result.err)
    end)

    it("gc leaves what waits while another run is at work", function()
      assert.equal(75, run("waits", "--time-limit", "0.000001", "--jobs", "2").code)
      local runs = assert(store.runs(root .. "/waits"))
      assert.equal(6, #runs)
      assert.is_true(store.claim(runs[1].folder))
      assert.matches("0 of 6 runs", command.mapgrad({ "gc", root .. "/waits" }).err)
      store.release(runs[1].folder)
      assert.matches("6 of 6 runs", command.mapgrad({ "gc", root .. "/waits" }).err)
    end)

    it("calls a run failed whose folder was removed, and goes on", function()
      local result = command.lua(([[
        local counts = require("mapgrad.experiment.pool").run({ %q }, { jobs = 1, threads = 1, quiet = true })
        print(counts.failed)]]):format(root .. "/removed"))
      assert.equal("1\n", result.out, result.err)
      assert.matches("was its folder removed", result.err)
    end)

    it("gc removes failed runs when told to", function()
      local result = command.mapgrad { "gc", root .. "/fails" }
      assert.equal(0, result.code)
      assert.matches("2 of 4 runs", result.err)
      assert.equal(4, #store.runs(root .. "/fails"))
      assert.equal(0, command.mapgrad({ "gc", root .. "/fails", "--yes" }).code)
      assert.equal(2, #store.runs(root .. "/fails"))
    end)
  end)
end)

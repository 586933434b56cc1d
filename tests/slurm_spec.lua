-- Runs shared out: shards, GNU parallel, a Slurm that is played by scripts, and a real one of one machine.
local command = require "tests.command"
local data = require "mapgrad.data"
local engine = require "mapgrad.experiment.engine"
local lfs = require "lfs"
local plan = require "mapgrad.experiment.plan"
local slurm = require "mapgrad.experiment.slurm"
local store = require "mapgrad.experiment.store"
local support = require "tests.support"
local work = require "mapgrad.experiment.work"

-- Each step takes $PAUSE seconds, or those of the seed $SLOW do.
local EXPERIMENT = [[
local mg = require "mapgrad"
local pause, slow = tonumber(os.getenv "PAUSE" or 0), tonumber(os.getenv "SLOW")
return mg.experiment {
  title = "An array", seeds = 20, metric = "loss", sense = "min",
  options = { { name = "epochs", form = "count", default = 4 } },
  run = function(_, record, o)
    local net = mg.nn.linear(4, 1)
    local adam = mg.optim.adam(net:parameters(), { rate = 0.1 })
    local set = mg.data.set { x = mg.tensor.normal(8, 4), y = mg.tensor.normal(8, 1) }
    local batches = set:loader { size = 4, shuffle = true }
    for epoch in record:epochs(o.epochs, { model = net, optimizer = adam, loader = batches }) do
      for batch in batches:batches() do
        local loss = adam:step(function() return mg.loss.squared(net(batch.x), batch.y) end)
        if pause > 0 and o.seed == (slow or o.seed) then require("mapgrad.real").pause(pause) end
        record:step(loss)
      end
      record { epoch = epoch, loss = record:mean() }
    end
  end,
}
]]

-- sbatch: does the tasks of a script one after the other, some in $FAKE_SIGNAL get the signal of their time limit once
-- they have written a number; a task that asks scontrol for it is done again.
local SBATCH = [[
#!/bin/sh
case "$1" in --parsable) ;; *) echo "sbatch: unknown option $1" >&2; exit 1 ;; esac
[ -z "$FAKE_REFUSES" ] || { echo "sbatch: error: invalid partition" >&2; exit 1; }
last=$(sed -n 's/^#SBATCH --array=1-//p' "$2")
cd "$(sed -n 's/^#SBATCH --chdir=//p' "$2")" || exit 1
export SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT=$last SLURM_ARRAY_TASK_MIN=1
export SLURM_CPUS_PER_TASK=1
for SLURM_ARRAY_TASK_ID in $(seq "$last"); do
  sh "$2" >"$FAKE/log_$SLURM_ARRAY_TASK_ID" 2>&1 & pid=$!
  if [ "$SLURM_ARRAY_TASK_ID" = "$FAKE_SIGNAL" ]; then
    until [ -s "$FAKE_WAITS" ]; do sleep 0.02; done
    kill -USR1 $pid
  fi
  wait $pid; echo "$SLURM_ARRAY_TASK_ID $?" >>"$FAKE/codes"
  while [ -s "$FAKE/requeued" ]; do
    cat "$FAKE/requeued" >>"$FAKE/all_requeued"; rm "$FAKE/requeued"
    SLURM_RESTART_COUNT=1 sh "$2" >>"$FAKE/log_$SLURM_ARRAY_TASK_ID" 2>&1
    echo "$SLURM_ARRAY_TASK_ID $?" >>"$FAKE/codes"
  done
done
echo "77;toy"
]]
local SCONTROL = '#!/bin/sh\necho "$@" >"$FAKE/requeued"\n'

local numbers, count = support.numbers, support.count

local function environment(t)
  return function(name) return t[name] end
end

describe("the environment of an engine", function()
  -- id, first, last, count, step -> index of count (Slurm: job_array.html, "Job array support")
  for _, case in ipairs {
    { "1 1 20 20 1", 1 }, { "20 1 20 20 1", 20 }, { "0 0 4 5", 1 }, { "4 0 4 5", 5 }, { "7 1 13 5 3", 3 },
    { "10 10 10 1 1", 1 },
  } do
    it("names the shard of the ids " .. case[1], function()
      local id, first, last, tasks, step = case[1]:match "(%d+) (%d+) (%d+) (%d+) ?(%d*)"
      local getenv = environment {
        SLURM_ARRAY_TASK_ID = id, SLURM_ARRAY_TASK_MIN = first, SLURM_ARRAY_TASK_MAX = last,
        SLURM_ARRAY_TASK_COUNT = tasks, SLURM_ARRAY_TASK_STEP = step ~= "" and step or nil,
      }
      assert.same({ case[2], tonumber(tasks) }, engine.shard(getenv))
    end)
  end

  it("is no shard outside an array, and not clear where ids are listed", function()
    assert.is_nil(engine.shard(environment {}))
    local shard, message = engine.shard(environment {
      SLURM_ARRAY_TASK_ID = "3", SLURM_ARRAY_TASK_MIN = "3", SLURM_ARRAY_TASK_MAX = "7", SLURM_ARRAY_TASK_COUNT = "2",
    })
    assert.is_nil(shard)
    assert.matches("--shard", message, 1, true)
  end)

  it("divides the processors", function()
    assert.equal(8, engine.processors(8, environment {}))
    assert.equal(4, engine.processors(8, environment { SLURM_CPUS_PER_TASK = "4", SLURM_CPUS_ON_NODE = "6" }))
    assert.equal(6, engine.processors(8, environment { SLURM_CPUS_ON_NODE = "6" }))
    assert.equal(8, engine.processors(8, environment { SLURM_CPUS_PER_TASK = "64" }))
    assert.equal(1, engine.processors(8, environment { PARALLEL_SEQ = "3" }))
  end)

  it("gives a task several runs, and no array too many tasks", function()
    assert.equal(1, slurm.tasks(1))
    assert.equal(1, slurm.tasks(4))
    assert.equal(5, slurm.tasks(20))
    assert.equal(1000, slurm.tasks(1e6))
  end)
end)

describe("runs that are shared out", function()
  local root, file, subject, configs, plain

  -- Does the shards one after the other in this process; numbers(...) of their runs.
  local function in_shards(shards)
    local out = ("%s/shards-%d"):format(root, shards)
    for index = 1, shards do
      for _, config in ipairs(plan.shard(configs, index, shards)) do
        local folder = assert(store.create(out, config, EXPERIMENT))
        assert.equal("finished", work.run(folder, { subject = subject, quiet = true }))
      end
    end
    return numbers(out)
  end

  -- Asserts that a store has so many of the runs, with the bytes of `plain`.
  local function assert_same_runs(expected, out)
    local got = numbers(out)
    assert.equal(expected, count(got))
    for name, bytes in pairs(got) do assert.equal(plain[name], bytes) end
  end

  setup(function()
    root = command.folder()
    file = command.write(root .. "/exp.lua", EXPERIMENT)
    subject = assert(work.load(EXPERIMENT, file))
    configs = assert(plan.runs(subject, { path = file, source = EXPERIMENT }))
    plain = in_shards(1)
    lfs.mkdir(root .. "/bin")
    command.write(root .. "/bin/sbatch", SBATCH)
    command.write(root .. "/bin/scontrol", SCONTROL)
    os.execute("chmod +x " .. root .. "/bin/*")
  end)
  teardown(function() command.remove(root) end)

  it("give the same bytes in 1, 8 and 64 shards", function()
    assert.equal(20, count(plain))
    for _, shards in ipairs { 8, 64 } do assert.same(plain, in_shards(shards)) end
  end)

  if os.getenv "MAPGRAD_SANITIZER" then
    pending "a sanitizer looks at the programs of others too"
    return
  end

  it("are done by GNU parallel", function()
    if command.sh("command -v parallel").code ~= 0 then return pending "there is no GNU parallel" end
    local out = root .. "/parallel"
    local line = command.line { "run", file, "-q", "--out", out, "--seeds", "5", "--shard" }
    line = "'" .. line:gsub("'", "'\\''") .. "'"
    local result = command.sh(("seq 3 | parallel --will-cite -j 2 %s {}/3"):format(line))
    assert.equal(0, result.code, result.err)
    assert_same_runs(5, out)
    assert.equal(1, store.runs(out)[1].meta.threads)
  end)

  -- `mapgrad run --slurm`, with the Slurm that is played by scripts
  local function submit(out, settings, ...)
    local fake = root .. "/" .. out .. "-fake"
    lfs.mkdir(fake)
    local result = command.mapgrad({ "run", file, "--slurm", "--out", root .. "/" .. out, ... }, nil,
      ("PATH=%s/bin:$PATH FAKE=%s %s"):format(root, fake, settings or ""))
    result.fake = function(name) return data.file_read(fake .. "/" .. name) end
    return result
  end

  it("are an array of Slurm's", function()
    local result = submit("array", "", "--seeds", "6")
    assert.equal(0, result.code, result.err)
    assert.equal("77\n", result.out)
    for _, text in ipairs { "job 77: 6 runs in 2 tasks", "squeue -j 77", "scancel 77", "slurm-77_*.log" } do
      assert.matches(text, result.err, 1, true)
    end
    assert.equal("1 0\n2 0\n", result.fake "codes")
    assert.matches("3 finished, 0 failed", result.fake "log_2", 1, true)
    assert_same_runs(6, root .. "/array")
    assert.equal(1, store.runs(root .. "/array")[1].meta.threads)
    local again = submit("array", "", "--seeds", "6")
    assert.equal(0, again.code)
    assert.equal("", again.out)
    assert.matches("all 6 runs are done", again.err, 1, true)
  end)

  it("are saved before the time limit of a task and go on when it is queued again, --again or not", function()
    local first = plan.name(configs[2])
    local result = submit("requeue", ("PAUSE=0.05 FAKE_SIGNAL=2 FAKE_WAITS=%s/requeue/%s/metrics.jsonl"):format(root,
      first), "--tasks", "3", "--seeds", "3", "--again")
    assert.equal(0, result.code, result.err)
    assert.equal("requeue 77_2\n", result.fake "all_requeued")
    assert.matches("1 0\n2 75\n2 0\n3 0\n", result.fake "codes", 1, true)
    assert.matches("stopped: asked to stop by a signal", result.fake "log_2", 1, true)
    assert_same_runs(3, root .. "/requeue")
    assert.equal(2, store.read(root .. "/requeue/" .. first).meta.starts)
  end)

  it("go on after a time limit of mapgrad's own", function()
    local result = submit("limit", "PAUSE=0.04", "--seeds", "1", "--time-limit", "0.1")
    assert.equal(0, result.code, result.err)
    assert.matches("^1 75\n.*1 0\n$", result.fake "codes")
    assert_same_runs(1, root .. "/limit")
  end)

  it("run the code that was there when they were submitted", function()
    local result = submit("copy", "", "--dry-run")
    assert.equal(0, result.code, result.err)
    assert.is_nil(lfs.attributes(root .. "/copy"))
    local copy = result.out:match "%-%-text (%S+)"
    lfs.mkdir(root .. "/copy")
    command.write(copy, EXPERIMENT)
    local other = command.write(root .. "/exp2.lua", "this has changed since")
    local script = result.out:gsub("run %S+", "run " .. other .. " --seeds 1 -q")
    local ran = command.sh("export SLURM_ARRAY_TASK_ID=1\n" .. script)
    assert.equal(0, ran.code, ran.err)
    assert.equal(1, #store.runs(root .. "/copy"))
  end)

  it("are saved but not queued again when the job is cancelled", function()
    local out = root .. "/cancelled"
    local script = submit("cancelled", "", "--dry-run", "--seeds", "1").out
    lfs.mkdir(out)
    command.write(script:match "%-%-text (%S+)", EXPERIMENT)
    local result = command.sh(([[
      export PATH=%s/bin:$PATH FAKE=%s SLURM_ARRAY_TASK_ID=1 PAUSE=0.05
      sh %s & pid=$!
      until cat %s/*/metrics.jsonl 2>/dev/null | grep -q .; do sleep 0.02; done
      kill -TERM $pid; wait $pid]]):format(root, out, command.write(out .. "/script.sh", script), out))
    assert.equal(75, result.code, result.err)
    assert.equal("cut", store.runs(out)[1].state)
    assert.is_nil(lfs.attributes(out .. "/requeued"))
    assert.is_truthy(lfs.attributes(store.runs(out)[1].folder .. "/checkpoint.safetensors"))
  end)

  it("hand their words, but not those of --slurm, on to the tasks", function()
    local result = command.mapgrad { "run", file, "--slurm", "--dry-run", "--tasks=3", "--slurm-options",
      "--time=01:00:00 -p x", "--set", "epochs=2,3", "--double", "--out=a b%" }
    assert.equal(0, result.code, result.err)
    assert.matches("\n#SBATCH --time=01:00:00 -p x\n", result.out, 1, true)
    assert.matches("\n#SBATCH --array=1-3\n", result.out, 1, true)
    assert.matches("\n#SBATCH --output='a b%%/slurm-%A_%a.log'\n", result.out, 1, true)
    assert.matches("\n#SBATCH --signal=B:USR1@120\n", result.out, 1, true)
    local line = result.out:match "\n([^\n]*) \\\n  %-%-shard \"$SLURM_ARRAY_TASK_ID/3\" &\n"
    assert.matches(("run %s --set epochs=2,3 --double '--out=a b%%' --text 'a b%%/slurm-"):format(file), line, 1, true)
    assert.equal(0, command.sh(result.out, "sh -n").code)
  end)

  for _, case in ipairs {
    { { "--slurm", "--shard", "1/2" }, "do not go together" }, { { "--slurm", "--smoke" }, "do not go together" },
    { { "--tasks", "2" }, "with --slurm only" }, { { "--slurm-options", "-p x" }, "with --slurm only" },
    { { "--slurm", "--tasks", "0" }, "whole number from 1" },
    { { "--slurm", "--slurm-options", "-p x\ny" }, "one line" },
  } do
    it("refuse " .. table.concat(case[1], " "):gsub("\n", " "), function()
      local result = command.mapgrad { "run", file, "--out", root .. "/refused", (table.unpack or unpack)(case[1]) }
      assert.equal(2, result.code)
      assert.matches(case[2], result.err, 1, true)
      assert.is_nil(lfs.attributes(root .. "/refused"))
    end)
  end

  it("tell where sbatch is missing or refuses", function()
    local words = { "run", file, "--slurm", "--out", root .. "/missing" }
    local result = command.mapgrad(words, nil, "PATH=" .. root)
    assert.equal(1, result.code)
    assert.matches("there is no sbatch on this machine", result.err, 1, true)
    local script = result.err:match "sbatch (%S+%.sh)"
    assert.equal(0, command.sh("sh -n " .. script).code)
    result = submit("missing", "FAKE_REFUSES=1")
    assert.equal(1, result.code)
    assert.equal("", result.out)
    assert.matches("invalid partition", result.err, 1, true)
    assert.matches("sbatch did not take", result.err, 1, true)
  end)

  it("survive a signal that comes twice", function() -- from a batch system to all processes, and from a script
    local out = root .. "/twice"
    local result = command.sh(([[
      PAUSE=0.3 %s & pid=$!
      until cat %s/*/meta.json >/dev/null 2>&1; do sleep 0.02; done
      sleep 0.1; kill -TERM $pid; sleep 0.05; kill -TERM $pid; kill -USR1 $pid; wait $pid]]):format(
      command.line { "run", file, "--seed", "1", "--out", out }, out))
    assert.equal(75, result.code, result.err)
    assert.equal("cut", store.runs(out)[1].state)
  end)

  it("are not failed when they are stopped before they can hear that", function()
    local out = root .. "/early"
    local result = command.mapgrad({ "run", file, "--seeds", "2", "--time-limit", "0.1", "--out", out }, nil,
      [[LUA_INIT='if arg and arg[1] == "work" then while true do end end']])
    assert.equal(75, result.code, result.err)
    for _, one in ipairs(store.runs(out)) do assert.equal("new", one.state) end
    assert.equal(0, command.mapgrad({ "run", file, "-q", "--seeds", "2", "--out", out }).code)
    assert_same_runs(2, out)
  end)

  -- the real one

  local function missing()
    local result = command.sh [[
      PATH=$PATH:/usr/sbin
      for p in munged slurmctld slurmd sbatch scontrol squeue setpriv; do
        command -v $p >/dev/null || { echo "there is no $p"; exit; }
      done
      [ "$(id -u)" = 0 ] || echo "Slurm's daemons need root"]]
    return result.out:match "[^\n]+"
  end

  -- Prints the job's number, then what Slurm knows of task 3.
  local JOB = [[
    export PAUSE=0.15 SLOW=3
    job=$(%s) || exit 1
    echo $job
    until cat %s/run-s3-*/metrics.jsonl 2>/dev/null | grep -q .; do sleep 0.05; done
    scancel --batch --signal=USR1 ${job}_3 # as --signal=B:USR1@120 does when a limit is near
    tries=0
    until scontrol show job ${job}_3 | grep -q Reason=BeginTime; do
      sleep 0.05; tries=$((tries + 1)); [ $tries -lt 200 ] || exit 1
    done
    sleep 1 # while Slurm clears up after the first start: another one too early fails, without a word
    tries=0
    while squeue -h | grep -q .; do
      squeue -h -t pending | grep -q . && scontrol update jobid=${job}_3 starttime=now # it would wait two minutes
      sleep 0.1; tries=$((tries + 1)); [ $tries -lt 300 ] || exit 1
    done
    scontrol show job ${job}_3 | grep -oE '(JobState|Restarts|ExitCode)=[^ ]*'
  ]]

  it("are an array of a real Slurm's, one task of which is queued again", function()
    if support.is_double then return end -- Slurm does not see the numbers: once is enough
    local reason = missing()
    if reason then return pending(reason) end
    local out, folder = root .. "/real", root .. "/daemons"
    lfs.mkdir(folder)
    local result = command.sh(JOB:format(command.line { "run", file, "--slurm", "--out", out, "--save-every", "100" },
      out), "sh tests/slurm.sh " .. folder .. " sh")
    assert.equal(0, result.code, result.out .. result.err)
    local job = result.out:match "^(%d+)\n"
    local log = data.file_read(("%s/slurm-%s_3.log"):format(out, job))
    assert.is_truthy(result.out:find("JobState=COMPLETED\nRestarts=1\nExitCode=0:0\n", 1, true), result.out .. log)
    assert.same(plain, numbers(out))
    assert.matches("to go on with", log, 1, true)
    assert.equal(2, select(2, log:gsub("An array: %d runs", "")))
    local starts = 0
    for _, one in ipairs(store.runs(out)) do starts = starts + one.meta.starts end
    assert.equal(21, starts) -- one run was cut and went on
    assert.not_equal(0, command.sh("pgrep -f " .. folder).code) -- no daemon is left
  end)
end)

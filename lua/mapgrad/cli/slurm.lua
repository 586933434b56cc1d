--- `mapgrad run --slurm`: the runs of a plan as an array of tasks.
-- @module mapgrad.cli.slurm
local slurm = {}

-- Words of the command line that are not a task's: name -> how many words follow.
local OWN = { ["--slurm"] = 0, ["--dry-run"] = 0, ["--tasks"] = 1, ["--slurm-options"] = 1 }

--- A message if the arguments do not go together.
function slurm.conflict(arguments)
  for _, name in ipairs { "tasks", "slurm_options" } do
    if arguments[name] and not arguments.slurm then
      return ("--%s is of use with --slurm only"):format((name:gsub("_", "-")))
    end
  end
  if not arguments.slurm then return nil end
  for _, name in ipairs { "shard", "smoke" } do
    if arguments[name] then return ("--slurm and --%s do not go together: leave one out"):format(name) end
  end
  if arguments.slurm_options and arguments.slurm_options:find "%c" then
    return "--slurm-options expects one line"
  end
end

-- The words of a task: those of this command but its own, the experiment's text from a copy.
local function words_of_task(given, copy)
  local words, skip = require("mapgrad.experiment.pool").own_words(), 0
  for _, word in ipairs(given) do
    local own = OWN[word]
    if skip > 0 then
      skip = skip - 1
    elseif own then
      skip = own
    elseif not OWN[word:match "^(%-%-[%w-]+)=" or ""] then
      words[#words + 1] = word
    end
  end
  words[#words + 1] = "--text"
  words[#words + 1] = copy
  return words
end

-- The runs that are to be done yet.
local function open_runs(configs, root, arguments)
  local store, plan = require "mapgrad.experiment.store", require "mapgrad.experiment.plan"
  local count = 0
  for _, config in ipairs(configs) do
    local state = store.state(root .. "/" .. plan.name(config))
    local is_left = (state == "finished" and not arguments.again) or (state == "failed" and not arguments.retry_failed)
    if not is_left then count = count + 1 end
  end
  return count
end

local function complain(message, code)
  io.stderr:write("error: ", message, "\n")
  return code
end

local function say_next(job, path, o)
  local quote = require("mapgrad.experiment.shell").quote
  local lines = {
    { "squeue -j " .. job, ("its tasks; they write to %s/slurm-%s_*.log"):format(o.root, job) },
    { "mapgrad list " .. quote(o.root), "the runs" },
    { "scancel " .. job, "ends it; the same command goes on later" },
  }
  local counts = ("%d run%s in %d task%s"):format(o.runs, o.runs == 1 and "" or "s", o.tasks,
    o.tasks == 1 and "" or "s")
  io.stderr:write(("job %s: %s, by %s\nnext:\n"):format(job, counts, path))
  for _, line in ipairs(lines) do io.stderr:write(("  %-30s  %s\n"):format(line[1], line[2])) end
end

-- Writes script and copy, submits.
local function submit(text, source, copy, o, codes)
  local core, engine = require "mapgrad.real", require "mapgrad.experiment.slurm"
  local path = ("%s/slurm-%s.sh"):format(o.root, core.text_hash(text):sub(1, 8))
  local ok, message = require("mapgrad.experiment.store").make_folder(o.root)
  if ok then ok, message = core.file_write(copy, source) end
  if ok then ok, message = core.file_write(path, text) end
  if not ok then return complain(message, codes.cannot_create) end
  if not engine.is_there() then
    return complain(("there is no sbatch on this machine; expected a node of a Slurm cluster\n"
      .. "  there: sbatch %s"):format(path), codes.failed)
  end
  local job = engine.submit(path)
  if not job then return complain(("sbatch did not take %s"):format(path), codes.failed) end
  print(job)
  if not o.quiet then say_next(job, path, o) end
  return codes.ok
end

--- Submits the runs, or prints the script (--dry-run).
-- @param subject    the experiment
-- @param source     its text
-- @param configs    of plan.runs
-- @param arguments  of the command line
-- @param o.root, o.quiet, o.command  folder of the runs, whether to be quiet, the command as a text
-- @return the exit code
function slurm.run(subject, source, configs, arguments, o, codes)
  local engine, core = require "mapgrad.experiment.slurm", require "mapgrad.real"
  local runs = open_runs(configs, o.root, arguments)
  if runs == 0 then
    io.stderr:write(("all %d runs are done; --again or --retry-failed does them anew\n"):format(#configs))
    return codes.ok
  end
  local copy = ("%s/slurm-%s.lua"):format(o.root, core.text_hash(source):sub(1, 8))
  local tasks = math.min(arguments.tasks or engine.tasks(runs), #configs)
  local text = engine.script {
    words = words_of_task(rawget(_G, "arg") or {}, copy), tasks = tasks, name = subject:slug(), root = o.root,
    folder = require("lfs").currentdir(), options = arguments.slurm_options, command = o.command,
  }
  if arguments.dry_run then
    io.stdout:write(text)
    return codes.ok
  end
  return submit(text, source, copy, { root = o.root, runs = runs, tasks = tasks, quiet = o.quiet }, codes)
end

return slurm

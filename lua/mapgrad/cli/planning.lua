--- What `mapgrad run` and `mapgrad plan` share: from the words about an experiment to the runs that are to be done.
-- @module mapgrad.cli.planning
local outcome = require "mapgrad.cli.outcome"
local values = require "mapgrad.cli.values"

local planning = {}

--- The file and the options that say which runs, where, and how each of them is done.
function planning.declare(parser)
  parser:argument("file", "a Lua file that returns mg.experiment { ... }"):args "?"
  parser:option("--set", "set an option; several values are a sweep"):argname "<name=value>":count "*"
    :convert(values.pair "--set")
  parser:option("--seeds", "number of seeds (the file's)"):argname "<N>":convert(values.whole("--seeds", 1, 1e6))
  parser:option("--seed", "the first seed, same as --set seed=N"):argname "<N>"
  parser:option("--variants", "some of the file's variants"):argname "<x,y>":convert(values.list)
  parser:option("--budget", "equal work in place of epochs"):argname "<solver_calls=N>":convert(values.budget)
  parser:option("--limit", "at most N batches a pass over data, or a share"):argname "<N>":convert(values.limit)
  parser:option("--shard", "part i of n of the runs"):argname "<i/n>":convert(values.shard)
  parser:option("--out", "folder of the runs (build/results/<title>)"):argname "<dir>"
  parser:flag("--retry-failed", "also the runs that failed before")
  parser:flag("--again", "also the runs that are finished")
  parser:option("--threads", "threads of a run (processors / jobs)"):argname "<N>"
  parser:option("--time-limit", "save and end after so long: 90, 30m, 3h50m"):argname "<time>"
    :convert(values.time "--time-limit")
  parser:option("--save-every", "seconds between checkpoints (30)"):argname "<s>"
    :convert(values.positive "--save-every")
  parser:flag("--double", "compute in double precision")
  parser:flag("-q --quiet", "no progress, only results")
end

--- Tells of a failure.
function planning.complain(message)
  io.stderr:write("error: ", message, "\n")
end

--- Tells what is no result, unless it is to be quiet.
function planning.say(quiet, ...)
  if not quiet then io.stderr:write(...) end
end

-- The experiment that the file returns and the file's text, which may lie in another place; or nil and the exit code.
local function load_experiment(path, place, codes)
  local text, message, reason = require("mapgrad.experiment.source").read(place)
  if not text then
    planning.complain(message)
    return nil, reason == "missing" and codes.no_input or codes.failed
  end
  local subject, caught = require("mapgrad.experiment.work").load(text, path)
  if subject then return subject, text end
  outcome.explain(caught, path)
  return nil, require("mapgrad.failure").is_interrupt(caught) and codes.interrupted or codes.failed
end

local function file_help(path, subject, name)
  return ("%s\n\nExamples:\n  mapgrad %s %s\n  mapgrad %s %s --set seed=2\n\n%s\n%s"):format(
    subject.title, name, path, name, path, "Options, for --set name=value, with their defaults:", subject:describe())
end

--- The experiment of a command line, and its text.
-- @param arguments  of the command line
-- @param help_text  of the command
-- @param cli        the commands' module
-- @param name       of the command
-- @return them; nil and the exit code where help was asked for or the file is wrong
function planning.open(arguments, help_text, cli, name)
  local codes, path = cli.codes, arguments.file
  if not path then
    if not arguments.help then return nil, cli.usage_error("which file?", name) end
    io.stdout:write(help_text, "\n")
    return nil, codes.ok
  end
  local subject, source = load_experiment(path, arguments.text or path, codes)
  if subject and arguments.help then
    print(file_help(path, subject, name))
    return nil, codes.ok
  end
  return subject, source
end

-- What the flags set, as options are set.
local function texts_of(arguments)
  local texts = {}
  for _, entry in ipairs(arguments.set) do texts[#texts + 1] = entry end
  for _, name in ipairs { "seed", "threads" } do
    if arguments[name] then texts[#texts + 1] = { name, arguments[name] } end
  end
  return texts
end

-- The shard that is asked for, by the command line or the environment: {i, n}; nil; or nil and a message.
local function shard_of(arguments)
  if arguments.slurm or arguments.shard then return arguments.shard end
  local part, message = require("mapgrad.experiment.engine").shard()
  if part then planning.say(arguments.quiet, ("task of a Slurm array: shard %d/%d\n"):format(part[1], part[2])) end
  return part, message
end

--- The runs that a command line asks for.
-- @return list of configurations, and the threads of each if they are given; or nil and a message
function planning.configs(subject, source, arguments)
  local plan = require "mapgrad.experiment.plan"
  local configs, threads = plan.runs(subject, {
    path = arguments.file, source = source, set = texts_of(arguments), seeds = arguments.seeds,
    variants = arguments.variants, budget = arguments.budget, limit = arguments.limit, smoke = arguments.smoke,
  })
  if not configs then return nil, threads end
  if (threads or 1) > values.MOST_THREADS then
    return nil, ("threads: expected at most %d, got %.0f"):format(values.MOST_THREADS, threads)
  end
  local part, message = shard_of(arguments)
  if message then return nil, message end
  return part and plan.shard(configs, part[1], part[2]) or configs, threads
end

--- The folder of the runs.
function planning.root(subject, arguments)
  return ((arguments.out or "build/results/" .. subject:slug()):gsub("(.)/+$", "%1"))
end

--- Makes the folders of the runs and sorts out those to do.
-- @param configs  of plan.runs
-- @param root     folder of the runs
-- @param source   the experiment's text
-- @param o.again  also the finished ones, anew
-- @param o.retry  also the failed ones, anew
-- @return list of folders; counts of those left out by state; the states of all runs. Or nil and a message
function planning.to_do(configs, root, source, o)
  local store = require "mapgrad.experiment.store"
  local folders, left, states = {}, { finished = 0, failed = 0, running = 0 }, {}
  for i, config in ipairs(configs) do
    local folder, message = store.create(root, config, source)
    if not folder then return nil, message end
    local state = store.state(folder)
    if (state == "finished" and o.again) or (state == "failed" and o.retry) then
      store.clear(folder)
      state = "new"
    end
    states[i] = state
    if left[state] then
      left[state] = left[state] + 1
    else
      folders[#folders + 1] = folder
    end
  end
  return folders, left, states
end

--- Tells of the runs that are left out and not finished.
function planning.tell_left(left, quiet)
  if left.failed > 0 then
    planning.say(quiet, ("%d failed before and %s left out; --retry-failed does them\n"):format(left.failed,
      left.failed == 1 and "is" or "are"))
  end
  if left.running > 0 then
    planning.say(quiet, ("%d %s being done by another process\n"):format(left.running,
      left.running == 1 and "is" or "are"))
  end
end

return planning

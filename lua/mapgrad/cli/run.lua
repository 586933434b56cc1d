--- `mapgrad run`: the runs of an experiment file.
-- @module mapgrad.cli.run
local outcome = require "mapgrad.cli.outcome"
local planning = require "mapgrad.cli.planning"
local values = require "mapgrad.cli.values"

local run = {
  name = "run", summary = "run an experiment file",
  own_help = true, -- with a file, --help shows the options of the file
  examples = {
    { "mapgrad run exp.lua" },
    { "mapgrad run exp.lua --help", "the options and variants of exp.lua" },
    { "mapgrad run exp.lua --set rate=0.1,0.01 --seeds 10 --jobs 2" },
    { "mapgrad run exp.lua --variants imle,identity --budget solver_calls=1e6" },
    { "mapgrad run exp.lua --smoke", "a short look at each variant, nothing is kept" },
  },
}

function run.declare(parser)
  planning.declare(parser)
  parser:option("--jobs", "runs at a time"):argname "<N>":convert(values.whole "--jobs")
  parser:flag("--slurm", "as an array job of Slurm, by sbatch")
  parser:option("--tasks", "tasks of the array (4 runs each)"):argname "<N>":convert(values.whole "--tasks")
  parser:option("--slurm-options", "for sbatch: \"--time=1:00:00 --mem=4G\""):argname "<text>"
  parser:option("--text", "read FILE's text from here"):argname "<file>":hidden(true)
  parser:flag("--smoke", "a short run of each variant; nothing is kept")
  parser:flag("--dry-run", "show what would be run")
end

local complain, say = planning.complain, planning.say

local function describe(config)
  local parts, names = {}, {}
  for name in pairs(config.options) do names[#names + 1] = name end
  table.sort(names)
  if config.variant then parts[1] = config.variant end
  parts[#parts + 1] = ("seed %.0f"):format(config.seed)
  for _, name in ipairs(names) do
    local value = config.options[name]
    parts[#parts + 1] = ("%s=%s"):format(name, type(value) == "number" and ("%.14g"):format(value) or tostring(value))
  end
  return table.concat(parts, "  ")
end

local function show_plan(configs, root)
  local plan = require "mapgrad.experiment.plan"
  print(("%d run%s in %s"):format(#configs, #configs == 1 and "" or "s", root))
  for i = 1, math.min(#configs, 5) do print(("  %s  %s"):format(plan.name(configs[i]), describe(configs[i]))) end
  if #configs > 5 then print(("  ... and %d more"):format(#configs - 5)) end
end

-- The printed lines of a run that was finished before.
local function replay(folder)
  local file = io.open(folder .. "/log.txt", "rb")
  if not file then return end
  io.stdout:write(file:read "*a")
  file:close()
end

-- One run, in this process.
local function run_here(subject, folder, path, o, codes)
  local state, caught = require("mapgrad.experiment.work").run(folder, {
    subject = subject, command = o.command, ends_at = o.ends_at, save_every = o.save_every, quiet = o.quiet,
    tee = true, ranks = o.ranks, begin = o.begin, agree = o.agree,
  })
  if caught then outcome.explain(caught, path) end
  return outcome.code_of(state, caught, codes)
end

local function print_counts(counts, open, elsewhere, before)
  print(("%d finished, %d failed%s%s%s"):format(counts.finished, counts.failed,
    open > 0 and (", %d to go on with"):format(open) or "",
    elsewhere > 0 and (", %d with another process"):format(elsewhere) or "",
    before > 0 and (", %d finished before"):format(before) or ""))
end

-- Many runs, each in a process of its own.
local function run_many(folders, left, o, codes)
  local words = { "--command", o.command }
  if o.double then words[#words + 1] = "--double" end
  if o.save_every then
    words[#words + 1] = "--save-every"
    words[#words + 1] = ("%g"):format(o.save_every)
  end
  local counts, message = require("mapgrad.experiment.pool").run(folders, {
    jobs = math.min(o.jobs, #folders), threads = o.threads, words = words, ends_at = o.ends_at, quiet = o.quiet,
    label = "runs",
  })
  if not counts then
    complain(message)
    return codes.failed
  end
  local open, elsewhere = #folders + left.running - counts.finished - counts.failed, counts.running + left.running
  print_counts(counts, open - elsewhere, elsewhere, left.finished)
  if counts.is_interrupted then return codes.interrupted end
  if counts.failed > 0 then return codes.failed end
  if counts.unsaved > 0 then return codes.unwritten end
  return open > 0 and codes.again or codes.ok
end

local function perform(subject, path, source, configs, arguments, o, codes)
  local is_first = not require("mapgrad.experiment.engine").is_restart()
  local folders, left = planning.to_do(configs, o.root, source,
    { again = is_first and arguments.again, retry = (is_first and arguments.retry_failed) or #configs == 1 })
  if not folders then
    complain(left)
    return codes.cannot_create
  end
  planning.tell_left(left, o.quiet)
  if #configs == 1 and #folders == 1 then
    say(o.quiet, ("%s: seed %.0f, %d threads, results in %s\n"):format(subject.title, configs[1].seed,
      require("mapgrad").threads(), folders[1]))
    return run_here(subject, folders[1], path, o, codes)
  elseif #configs == 1 and left.finished == 1 then
    local folder = o.root .. "/" .. require("mapgrad.experiment.plan").name(configs[1])
    say(o.quiet, ("finished before: %s; --again does it anew\n"):format(folder))
    replay(folder)
    return codes.ok
  elseif #folders == 0 then
    print_counts({ finished = 0, failed = 0 }, 0, left.running, left.finished)
    return left.failed > 0 and codes.failed or left.running > 0 and codes.again or codes.ok
  end
  say(o.quiet, ("%s: %d runs, %d at a time with %d thread%s each, results in %s\n"):format(subject.title, #folders,
    math.min(o.jobs, #folders), o.threads, o.threads == 1 and "" or "s", o.root))
  local code = run_many(folders, left, o, codes)
  if left.failed > 0 and code == codes.ok then code = codes.failed end
  if code == codes.ok then say(o.quiet, ("next: mapgrad compare %s\n"):format(o.root)) end
  return code
end

-- One run by several ranks: the first one does it, the others take part when it says so.
local function perform_together(subject, path, source, configs, arguments, o, codes)
  local mpi, work = require "mapgrad.mpi", require "mapgrad.experiment.work"
  local state, caught, code
  o.ranks = mpi.size()
  function o.agree(reason)
    reason = mpi.broadcast(reason or "")
    return reason ~= "" and reason or nil
  end
  if mpi.rank() == 0 then
    local has_begun = false
    function o.begin() has_begun = mpi.broadcast(true) end
    code = perform(subject, path, source, configs, arguments, o, codes)
    if not has_begun then
      mpi.broadcast(false)
      mpi.broadcast(code)
    end
  elseif mpi.broadcast(false) then
    local folder = o.root .. "/" .. require("mapgrad.experiment.plan").name(configs[1])
    state, caught = work.follow(folder, configs[1], { subject = subject, agree = o.agree })
    code = outcome.code_of(state, caught, codes)
    if state == "failed" then
      io.stderr:write(("rank %d of %d: "):format(mpi.rank(), mpi.size()))
      outcome.explain(caught, path)
    end
  else
    code = mpi.broadcast(0)
  end
  if code ~= codes.failed then mpi.finish() end
  return code
end

-- Short runs in a folder that goes away.
local function smoke(subject, path, source, configs, o, codes)
  local store, plan = require "mapgrad.experiment.store", require "mapgrad.experiment.plan"
  local root, code = os.tmpname(), codes.ok
  os.remove(root)
  for _, config in ipairs(configs) do
    local folder, message = store.create(root, config, source)
    if not folder then
      complain(message)
      return codes.cannot_create
    end
    say(o.quiet, ("smoke: %s\n"):format(plan.name(config)))
    local state, caught = require("mapgrad.experiment.work").run(folder, { subject = subject, quiet = true,
      command = o.command, tee = true })
    if caught then outcome.explain(caught, path) end
    code = math.max(code, outcome.code_of(state, caught, codes))
    if state == "cut" then break end -- Ctrl-C, or a signal to end
  end
  store.remove(root)
  return code
end

local function command_text()
  return "mapgrad " .. require("mapgrad.experiment.shell").line(rawget(_G, "arg") or {})
end

function run.run(arguments, help_text, cli)
  local codes, path = cli.codes, arguments.file
  local subject, source = planning.open(arguments, help_text, cli, "run")
  if not subject then return source end
  local configs, threads
  local wrong = require("mapgrad.cli.slurm").conflict(arguments)
  if not wrong then configs, threads = planning.configs(subject, source, arguments) end
  if not configs then return cli.usage_error(wrong or threads, "run " .. path) end
  local mg, core = require "mapgrad", require "mapgrad.real"
  local jobs = arguments.jobs or 1
  local processors = require("mapgrad.experiment.engine").processors(core.processors())
  local share = math.max(1, math.min(math.floor(processors / jobs), values.MOST_THREADS))
  local o = {
    root = planning.root(subject, arguments), quiet = arguments.quiet,
    jobs = jobs, threads = threads or share, double = arguments.double, command = command_text(),
    save_every = arguments.save_every,
    ends_at = arguments.time_limit and core.clock() + arguments.time_limit,
  }
  if arguments.slurm then
    return require("mapgrad.cli.slurm").run(subject, source, configs, arguments, o, codes)
  elseif arguments.dry_run then
    show_plan(configs, o.root)
    return codes.ok
  elseif #configs == 0 then
    say(o.quiet, "this shard has no runs\n")
    return codes.ok
  end
  local is_together = subject.mpi and mg.mpi.supervise()
  if not is_together or threads then mg.threads(o.threads) end
  core.stop_signals()
  if is_together then
    if #configs > 1 or arguments.smoke then
      if mg.mpi.rank() == 0 then
        cli.usage_error("several ranks do one run: choose a seed and a variant, without --smoke", "run " .. path)
      end
      mg.mpi.finish()
      return codes.usage
    end
    return perform_together(subject, path, source, configs, arguments, o, codes)
  end
  if arguments.smoke then return smoke(subject, path, source, configs, o, codes) end
  return perform(subject, path, source, configs, arguments, o, codes)
end

return run

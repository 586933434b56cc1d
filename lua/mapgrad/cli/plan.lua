--- `mapgrad plan`: the runs of an experiment file as shell commands, for any program that shares out work.
--
-- It does what `mapgrad run` does but for the runs themselves: their folders are made, with configuration and code, and
-- each command is `mapgrad work` of a folder. So no option has to survive a shell, and the file may be edited while
-- commands wait.
-- @module mapgrad.cli.plan
local planning = require "mapgrad.cli.planning"

local command = {
  name = "plan", summary = "print the runs of a file as shell commands",
  own_help = true,
  examples = {
    { "mapgrad plan exp.lua --set rate=0.1,0.01 | parallel" },
    { "mapgrad plan exp.lua | xargs -d '\\n' -n 1 -P 8 sh -c" },
    { "mapgrad plan exp.lua --jsonl", "every run, its state and command" },
  },
}

local VERSION = 1 -- of a line of --jsonl

function command.declare(parser)
  planning.declare(parser)
  parser:flag("--jsonl", "a JSON document a run, also of those done")
end

-- The words of `mapgrad work` that are the same for all runs.
local function work_words(arguments, threads)
  local words = {}
  local function add(flag, value)
    words[#words + 1] = flag
    words[#words + 1] = value
  end
  if threads then add("--threads", ("%d"):format(threads)) end
  if arguments.time_limit then add("--time-limit", ("%.14g"):format(arguments.time_limit)) end
  if arguments.save_every then add("--save-every", ("%.14g"):format(arguments.save_every)) end
  if require("mapgrad.real").info().real_bytes == 8 then add "--double" end
  if arguments.quiet then add "--quiet" end
  return words
end

-- A function folder -> the shell line that does its run, from anywhere.
local function line_maker(words)
  local shell, engine = require "mapgrad.experiment.shell", require "mapgrad.experiment.engine"
  local start = { "cd " .. shell.quote(require("lfs").currentdir()) .. " &&" }
  for _, row in ipairs(engine.handed_on()) do start[#start + 1] = ("%s=%s"):format(row[1], shell.quote(row[2])) end
  start[#start + 1] = shell.line(require("mapgrad.experiment.pool").own_words())
  local before, after = table.concat(start, " ") .. " work ", #words > 0 and " " .. shell.line(words) or ""
  return function(folder) return before .. shell.quote((folder:gsub("^%-", "./-"))) .. after end
end

local function print_lines(folders, line_of)
  for _, folder in ipairs(folders) do io.stdout:write(line_of(folder), "\n") end
end

local function print_documents(configs, states, root, line_of)
  local json, plan = require "mapgrad.data.json", require "mapgrad.experiment.plan"
  for i, config in ipairs(configs) do
    local name = plan.name(config)
    local folder = root .. "/" .. name
    io.stdout:write(json.encode {
      version = VERSION, name = name, id = config.id, variant = config.variant, seed = config.seed,
      options = config.options, folder = folder, state = states[i], command = line_of(folder),
    }, "\n")
  end
end

function command.run(arguments, help_text, cli)
  local codes = cli.codes
  local subject, source = planning.open(arguments, help_text, cli, "plan")
  if not subject then return source end
  local configs, threads = planning.configs(subject, source, arguments)
  if not configs then return cli.usage_error(threads, "plan " .. arguments.file) end
  local root, line_of = planning.root(subject, arguments), line_maker(work_words(arguments, threads))
  if not arguments.jsonl and line_of(root):find "[\r\n]" then
    return cli.usage_error("a name of a folder has a line feed, which one line a command cannot hold; --jsonl can",
      "plan")
  end
  local folders, left, states = planning.to_do(configs, root, source,
    { again = arguments.again, retry = arguments.retry_failed })
  if not folders then
    planning.complain(left)
    return codes.cannot_create
  end
  planning.tell_left(left, arguments.quiet)
  planning.say(arguments.quiet, ("%d to do of %d run%s in %s\n"):format(#folders, #configs, #configs == 1 and "" or "s",
    root))
  if arguments.jsonl then
    print_documents(configs, states, root, line_of)
  else
    print_lines(folders, line_of)
  end
  return codes.ok
end

return command

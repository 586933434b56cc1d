--- `mapgrad run`: one run of an experiment file.
-- @module mapgrad.cli.run
local failure = require "mapgrad.failure"
local source = require "mapgrad.experiment.source"

local run = {
  name = "run", summary = "run an experiment file",
  own_help = true, -- with a file, --help shows the options of the file
  examples = {
    { "mapgrad run exp.lua" },
    { "mapgrad run exp.lua --help", "the options of exp.lua" },
    { "mapgrad run exp.lua --set epochs=5 --set rate=0.01" },
    { "mapgrad run exp.lua --seed 2 --threads 1 --out build/two" },
  },
}

function run.declare(parser)
  parser:argument("file", "a Lua file that returns mg.experiment { ... }"):args "?"
  parser:option("--set", "set an option of the file"):argname "<key=value>":count "*"
    :convert(function(text)
      local key, value = text:match("^([^=]+)=(.*)$")
      if not key then return nil, ("--set expects key=value, got '%s'"):format(text) end
      return { key, value }
    end)
  parser:option("--seed", "same as --set seed=N"):argname "<N>"
  parser:option("--threads", "same as --set threads=N"):argname "<N>"
  parser:option("--out", "folder of the results (build/results/<title>)"):argname "<dir>"
  parser:flag("--double", "compute in double precision")
  parser:flag("-q --quiet", "no progress, only results")
end

local function complain(message)
  io.stderr:write("error: ", message, "\n")
end

-- Shows what went wrong in the user's code, at least the file it is in (a tail call leaves no line);
-- the exit code.
local function report(caught, path, codes)
  require("mapgrad.progress").break_line()
  io.stdout:flush()
  if failure.is_interrupt(caught) then
    io.stderr:write("interrupted\n")
    return codes.interrupted
  end
  caught.place = caught.place or path
  io.stderr:write(failure.text(caught), "\n")
  return codes.failed
end

-- The experiment that the file returns; or nil and the exit code.
local function load_experiment(path, codes)
  local chunk, message, reason = source.load_text(path)
  if not chunk then
    complain(message)
    return nil, reason == "missing" and codes.no_input or codes.failed
  end
  local ok, value = failure.catch(chunk, path)
  if not ok then return nil, report(value, path, codes) end
  if not require("mapgrad.experiment").is(value) then
    complain(("%s returns no experiment; it should end in: return mg.experiment { ... }"):format(path))
    return nil, codes.failed
  end
  return value
end

local function file_help(path, subject)
  return ("%s\n\nExamples:\n  mapgrad run %s\n  mapgrad run %s --set seed=2\n\n%s\n%s"):format(
    subject.title, path, path, "Options, for --set name=value, with their defaults:", subject:describe())
end

-- Makes a folder and those above it; true, or nil and a message.
local function make_folder(path)
  local lfs = require "lfs"
  local made = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch("[^/]+") do
    made = made .. part
    local ok, message = lfs.mkdir(made)
    if not ok and lfs.attributes(made, "mode") ~= "directory" then
      return nil, ("%s: %s"):format(made, message)
    end
    made = made .. "/"
  end
  return true
end

-- The options by their texts, flags of the command included.
local function settings_of(subject, arguments)
  local texts = {}
  for _, pair in ipairs(arguments.set) do texts[#texts + 1] = pair end
  for _, name in ipairs { "seed", "threads" } do
    if arguments[name] then texts[#texts + 1] = { name, arguments[name] } end
  end
  return subject:settings(texts)
end

local function start(subject, path, options, codes)
  local mg = require "mapgrad"
  local write, close = require("mapgrad.experiment.record").open(options.out)
  if not write then
    complain(close)
    return codes.failed
  end
  mg.random.seed(options.seed)
  if options.threads then mg.threads(options.threads) end
  if not options.quiet then
    io.stderr:write(("%s: seed %d, %d threads, results in %s\n"):format(subject.title, options.seed,
      mg.threads(), options.out))
  end
  local ok, caught = failure.catch(subject.run, options, write)
  close()
  if not ok then return report(caught, path, codes) end
  return codes.ok
end

function run.run(arguments, help_text, cli)
  local codes, path = cli.codes, arguments.file
  if not path then
    if not arguments.help then return cli.usage_error("which file?", "run") end
    print(help_text)
    return codes.ok
  end
  local subject, code = load_experiment(path, codes)
  if not subject then return code end
  if arguments.help then
    print(file_help(path, subject))
    return codes.ok
  end
  local options, message = settings_of(subject, arguments)
  if not options then return cli.usage_error(message, "run " .. path) end
  options.out = arguments.out or "build/results/" .. subject:slug()
  options.quiet = arguments.quiet or false
  local ok, reason = make_folder(options.out)
  if not ok then
    complain(reason)
    return codes.failed
  end
  return start(subject, path, options, codes)
end

return run

--- `mapgrad repeat`: a run once more from its own record, and whether its numbers are the same.
-- @module mapgrad.cli.repeat
local outcome = require "mapgrad.cli.outcome"
local show_runs = require "mapgrad.cli.show_runs"
local values = require "mapgrad.cli.values"

local command = {
  name = "repeat", summary = "do a run again from its record, compare the bytes",
  examples = {
    { "mapgrad repeat build/results/five/imle-s1-0f1e2d3c" },
    { "mapgrad repeat RUN --out build/again", "keep what was repeated" },
  },
}

function command.declare(parser)
  parser:argument("run", "folder of a finished run")
  parser:option("--threads", "threads (all processors); changes no number"):argname "<N>"
    :convert(values.threads)
  parser:option("--out", "keep the repeated run below this folder"):argname "<dir>"
  parser:flag("-q --quiet", "no progress")
end

-- Line of the first difference of two texts.
local function line_apart(a, b)
  local line, from = 1, 1
  while true do
    local x, y = a:match("([^\n]*)\n?", from), b:match("([^\n]*)\n?", from)
    if x ~= y or from > #a or from > #b then return line end
    from, line = from + #x + 1, line + 1
  end
end

local function do_it(run, root, arguments)
  local store, source = require "mapgrad.experiment.store", require "mapgrad.experiment.source"
  local folder, message = store.create(root, run.config, assert(source.read(run.folder .. "/experiment.lua")))
  if not folder then return nil, message end
  if store.state(folder) == "finished" then return nil, folder .. ": is there already; --out names another folder" end
  local state, caught = require("mapgrad.experiment.work").run(folder, {
    command = "mapgrad repeat " .. run.folder, quiet = arguments.quiet, tee = true,
  })
  if caught then outcome.explain(caught, run.config.file) end
  return folder, state, caught
end

local function verdict(run, folder)
  local store, source = require "mapgrad.experiment.store", require "mapgrad.experiment.source"
  local a, b = assert(source.read(run.folder .. "/metrics.jsonl")), assert(source.read(folder .. "/metrics.jsonl"))
  if a == b then
    io.stderr:write(("the same: %d bytes of metrics.jsonl\n"):format(#a))
    return true
  end
  io.stderr:write(("metrics.jsonl differs from line %d on\n"):format(line_apart(a, b)))
  for _, name in ipairs { "mapgrad", "build", "interpreter", "processor" } do
    local x, y = run.meta[name], store.meta(folder)[name]
    if x ~= y then io.stderr:write(("  %s: %s then, %s now\n"):format(name, tostring(x), tostring(y))) end
  end
  return false
end

function command.run(arguments, _, cli)
  local codes, core = cli.codes, require "mapgrad.real"
  local run, message = show_runs.one(arguments.run)
  if not run then return show_runs.complain(message, codes) end
  if run.state ~= "finished" then
    return show_runs.complain(("%s: expected a finished run, this one is %s"):format(run.folder, run.state), codes)
  end
  local wrong = show_runs.wrong_real(run.folder, run.config.real)
  if wrong then return show_runs.complain(wrong, codes) end
  require("mapgrad").threads(arguments.threads or math.min(core.processors(), values.MOST_THREADS))
  core.stop_signals()
  local root = arguments.out or os.tmpname()
  if not arguments.out then os.remove(root) end
  local folder, state, caught = do_it(run, root, arguments)
  local is_same = state == "finished" and verdict(run, folder)
  if not arguments.out then require("mapgrad.experiment.store").remove(root) end
  if not folder then return show_runs.complain(state, codes) end
  if state ~= "finished" then return outcome.code_of(state, caught, codes) end
  return is_same and codes.ok or codes.failed
end

return command

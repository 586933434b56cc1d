--- `mapgrad work`: one run, of its folder.
-- @module mapgrad.cli.work
local outcome = require "mapgrad.cli.outcome"
local show_runs = require "mapgrad.cli.show_runs"
local values = require "mapgrad.cli.values"

local work = {
  name = "work", summary = "do the run of a folder (`run` starts these)",
  examples = {
    { "mapgrad work build/results/five/imle-s1-0f1e2d3c", "go on with it, or start it" },
  },
}

function work.declare(parser)
  parser:argument("folder", "of a run: with config.json and experiment.lua")
  parser:option("--threads", "threads (all processors)"):argname "<N>":convert(values.threads)
  parser:option("--time-limit", "save and end after so long: 90, 30m, 3h50m"):argname "<time>"
    :convert(values.time "--time-limit")
  parser:option("--save-every", "seconds between checkpoints (30)"):argname "<s>"
    :convert(values.positive "--save-every")
  parser:option("--command", "that asked for the run"):argname "<text>":target "command_text":hidden(true)
  parser:flag("--parent", "end with the process that started this one; progress goes to a file")
  parser:flag("--double", "compute in double precision")
  parser:flag("-q --quiet", "no progress")
end

-- A file-like object whose last line stands in a file.
local function progress_file(path)
  return {
    write = function(_, ...)
      local text = table.concat { ... }:gsub("[\r\n]", ""):gsub("%s+$", "")
      local file = io.open(path, "wb")
      if file then
        file:write(text, "\n")
        file:close()
      end
    end,
  }
end

function work.run(arguments, _, cli)
  local core, codes = require "mapgrad.real", cli.codes
  if arguments.parent then core.process_follow() end
  core.stop_signals()
  local mg = require "mapgrad"
  mg.threads(arguments.threads or
    math.min(require("mapgrad.experiment.engine").processors(core.processors()), values.MOST_THREADS))
  local folder, limit = arguments.folder:gsub("(.)/+$", "%1"), arguments.time_limit
  if not require("mapgrad.experiment.store").is_run(folder) then
    return show_runs.complain(show_runs.no_run(folder), codes)
  end
  local config = require("mapgrad.data.json").read(folder .. "/config.json")
  local wrong = type(config) == "table" and show_runs.wrong_real(folder, config.real)
  if wrong then return show_runs.complain(wrong, codes) end
  local state, caught = require("mapgrad.experiment.work").run(folder, {
    command = arguments.command_text or "mapgrad work " .. folder,
    ends_at = limit and core.clock() + limit, save_every = arguments.save_every,
    quiet = arguments.quiet, tee = not arguments.parent,
    progress = arguments.parent and progress_file(folder .. "/progress") or nil,
  })
  if arguments.parent and state ~= "running" then os.remove(folder .. "/progress") end
  if state == "running" then
    if arguments.parent then return codes.again end -- what is written here goes to the log of that run
    io.stderr:write(("%s: another process is at this run\n"):format(folder))
  elseif caught then
    outcome.explain(caught, folder .. "/experiment.lua")
  end
  return outcome.code_of(state, caught, codes)
end

return work

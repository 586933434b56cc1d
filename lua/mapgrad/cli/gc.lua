--- `mapgrad gc`: removes runs that are no longer of use.
-- @module mapgrad.cli.gc
local show_runs = require "mapgrad.cli.show_runs"

local gc = {
  name = "gc", summary = "remove failed and cut runs, or those of older code",
  examples = {
    { "mapgrad gc build/results/five", "show what would be removed" },
    { "mapgrad gc build/results/five --yes", "remove it" },
    { "mapgrad gc build/results/five --older --yes", "also finished runs of older code" },
  },
}

function gc.declare(parser)
  parser:argument("store", "folder of runs")
  parser:flag("--older", "also finished runs whose code or version is not that of the newest run")
  parser:flag("--checkpoints", "of kept runs, remove the checkpoints (cut runs then start anew)")
  parser:flag("-y --yes", "remove; without it nothing is touched")
end

-- The run that was started last.
local function newest(runs)
  local best
  for _, run in ipairs(runs) do
    local started = run.meta.started or ""
    if not best or started > (best.meta.started or "") then best = run end
  end
  return best
end

-- Why a run is to go; nil if it stays. While runs are at work those that wait may be in the same plan.
local function reason_of(run, last, older, is_busy)
  if run.state == "failed" then return run.state end
  if run.state == "new" and not is_busy then return run.state end
  if run.state == "cut" and not is_busy and not require("mapgrad.experiment.store").can_resume(run.folder) then
    return "cut, without a checkpoint"
  end
  local is_older = run.meta.code ~= last.meta.code or run.meta.mapgrad ~= last.meta.mapgrad
  if older and run.state == "finished" and is_older then return "of older code" end
end

function gc.run(arguments, _, cli)
  local codes, store = cli.codes, require "mapgrad.experiment.store"
  local root = arguments.store:gsub("(.)/+$", "%1")
  if store.is_run(root) then return show_runs.complain(root .. ": is a run; expected a folder of runs", codes) end
  local runs, message = store.runs(root)
  if not runs then return show_runs.complain(message, codes) end
  show_runs.tell_unreadable(runs)
  local last, count, is_busy = newest(runs), 0, false
  for _, run in ipairs(runs) do is_busy = is_busy or run.state == "running" end
  local verb = arguments.yes and "removed" or "would be removed"
  local function take(path, why, remove)
    if arguments.yes then
      local ok, problem = remove(path)
      if not ok then return problem end
    end
    count = count + 1
    print(("%s: %s (%s)"):format(path, verb, why))
  end
  for _, run in ipairs(runs) do
    local why, problem = reason_of(run, last, arguments.older, is_busy), nil
    local checkpoint = store.checkpoint(run.folder)
    if why then
      problem = take(run.folder, why, store.remove)
    elseif arguments.checkpoints and run.state ~= "running" and store.can_resume(run.folder) then
      problem = take(checkpoint, "checkpoint", os.remove)
    end
    if problem then
      io.stderr:write("error: ", problem, "\n")
      return codes.failed
    end
  end
  io.stderr:write(("%d of %d runs%s\n"):format(count, #runs, arguments.yes and "" or "; --yes removes them"))
  return codes.ok
end

return gc

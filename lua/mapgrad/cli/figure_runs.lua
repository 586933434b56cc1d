--- What `plot` and `report` share: the runs and what to compare.
-- @module mapgrad.cli.figure_runs
local show_runs = require "mapgrad.cli.show_runs"

local figure_runs = {}

--- Declares the stores and how runs are compared.
function figure_runs.declare(parser)
  parser:argument("store", "folders of runs (the newest below build/results)"):args "*"
  parser:option("--metric", "what to look at (what the experiment names)"):argname "<name>"
  parser:option("--sense", "whether small or large is good (the experiment's)"):choices { "min", "max" }
  parser:option("--where", "only runs such as 'rate<0.1'; may be repeated"):argname "<condition>":count "*"
  parser:option("--at", "row that counts: last, best, epoch=N, seconds=N or solves=N (last)"):argname "<row>"
  parser:option("--by", "options, joined by commas, that make the groups"):argname "<names>"
  parser:flag("--unfinished", "runs that have not finished too")
end

--- The options of compare.runs.
function figure_runs.options(arguments)
  local by = {}
  for name in (arguments.by or ""):gmatch "[^,]+" do by[#by + 1] = name end
  return {
    metric = arguments.metric, sense = arguments.sense, where = arguments.where, by = by,
    baseline = arguments.baseline, at = arguments.at, unfinished = arguments.unfinished or false,
  }
end

--- The runs that the arguments name.
-- @return list; or nil and the exit code, when the reason has been told
function figure_runs.read(arguments, cli)
  local runs, message = show_runs.all(arguments.store)
  if not runs then return nil, show_runs.complain(message, cli.codes) end
  return runs
end

return figure_runs

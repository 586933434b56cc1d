--- `mapgrad list`: the runs of a store, a line each.
-- @module mapgrad.cli.list
local show_runs = require "mapgrad.cli.show_runs"

local list = {
  name = "list", summary = "list runs: state, options that differ, last numbers",
  examples = {
    { "mapgrad list", "of the results that changed last" },
    { "mapgrad list build/results/five --state failed" },
    { "mapgrad list build/results/* --json" },
  },
}

local STATES = { "new", "running", "finished", "failed", "cut" }

function list.declare(parser)
  parser:argument("store", "folders of runs (the newest below build/results)"):args "*"
  parser:option("--state", "only new, running, finished, failed or cut ones"):argname "<state>":choices(STATES)
  parser:flag("--json", "one JSON document")
end

local function row_of(run, options)
  local where = require "mapgrad.experiment.where"
  local metric = show_runs.metric(run)
  local last = run.rows[#run.rows]
  local row = { run.name, run.state, run.variant or "-", ("%.0f"):format(run.seed) }
  for _, name in ipairs(options) do row[#row + 1] = show_runs.text(where.field(run, name)) end
  row[#row + 1] = metric and last and ("%s=%s"):format(metric, show_runs.text(last[metric])) or "-"
  row[#row + 1] = show_runs.text(run.meta.seconds and tonumber(("%.1f"):format(run.meta.seconds)))
  return row
end

function list.run(arguments, _, cli)
  local runs, message = show_runs.all(arguments.store, true)
  if not runs then return show_runs.complain(message, cli.codes) end
  if arguments.state then
    local some = {}
    for _, run in ipairs(runs) do
      if run.state == arguments.state then some[#some + 1] = run end
    end
    runs = some
  end
  if arguments.json then
    local records = require("mapgrad.data.json").list {}
    for i, run in ipairs(runs) do records[i] = show_runs.record(run) end
    show_runs.print_json { runs = records }
    return cli.codes.ok
  end
  local options, rows = show_runs.differing(runs), {}
  local head = { "run", "state", "variant", "seed" }
  for _, name in ipairs(options) do head[#head + 1] = name end
  head[#head + 1], head[#head + 2] = "last", "seconds"
  rows[1] = head
  for _, run in ipairs(runs) do rows[#rows + 1] = row_of(run, options) end
  print(show_runs.columns(rows))
  return cli.codes.ok
end

return list

--- What `plot` and `report` share: the runs, the metric and its sense.
-- @module mapgrad.cli.figure_runs
local check = require "mapgrad.check"
local show_runs = require "mapgrad.cli.show_runs"

local figure_runs = {}

--- Declares the stores, --metric and --sense.
function figure_runs.declare(parser)
  parser:argument("store", "folders of runs (the newest below build/results)"):args "*"
  parser:option("--metric", "what to compare (what the experiment names)"):argname "<name>"
  parser:option("--sense", "whether small or large is good (the experiment's; min)"):choices { "min", "max" }
end

-- The names of numbers in the records of runs, sorted.
local function metrics_of(runs)
  local names = {}
  for _, run in ipairs(runs) do
    for _, row in ipairs(run.rows) do
      for name, value in pairs(row) do
        if type(value) == "number" then names[name] = true end
      end
    end
  end
  return show_runs.names(names)
end

local function has(list, name)
  for _, entry in ipairs(list) do
    if entry == name then return true end
  end
  return false
end

-- What the first run that says something of it names.
local function first(runs, of)
  for _, run in ipairs(runs) do
    local value = of(run)
    if value ~= nil then return value end
  end
  return nil
end

--- The runs that the arguments name, the metric and its sense.
-- @return {runs, metric, sense, metrics = all names}; or nil and the exit code, when the reason has been told
function figure_runs.read(arguments, command, cli)
  local runs, message = show_runs.all(arguments.store)
  if not runs then return nil, show_runs.complain(message, cli.codes) end
  local names = metrics_of(runs)
  if #names == 0 then return nil, show_runs.complain("no run has a record with a number yet", cli.codes) end
  local metric = arguments.metric or first(runs, show_runs.metric)
  if not has(names, metric) then
    return nil, cli.usage_error(("no run has the metric '%s'%s"):format(tostring(metric),
      check.hint(tostring(metric), names)), command)
  end
  local sense = arguments.sense or first(runs, function(run) return run.sense end) or "min"
  return { runs = runs, metric = metric, sense = sense, metrics = names }
end

return figure_runs

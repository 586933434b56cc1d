--- `mapgrad compare`: groups of runs beside each other, with intervals and tests.
-- @module mapgrad.cli.compare
local show_runs = require "mapgrad.cli.show_runs"
local values = require "mapgrad.cli.values"

local compare = {
  name = "compare", summary = "compare groups of runs: means, intervals, tests",
  examples = {
    { "mapgrad compare", "of the results that changed last" },
    { "mapgrad compare build/results/five --baseline identity --md" },
    { "mapgrad compare --where 'rate<0.1' --by variant --target 0.05" },
  },
}

local FORMATS = { "json", "csv", "md", "tex" }

local function names(text)
  local list = {}
  for name in text:gmatch "[^,%s]+" do list[#list + 1] = name end
  return #list > 0 and list or nil, ("--by expects names of options, got '%s'"):format(text)
end

local function number(flag)
  return function(text)
    local value = tonumber(text)
    if value and value == value and math.abs(value) < math.huge then return value end
    return nil, ("%s expects a number, got '%s'"):format(flag, text)
  end
end

local function share(text)
  local value = tonumber(text)
  if value and value > 0 and value < 1 then return value end
  return nil, ("--level expects a number between 0 and 1, got '%s'"):format(text)
end

function compare.declare(parser)
  parser:argument("store", "folders of runs (the newest below build/results)"):args "*"
  parser:option("--metric", "what to compare (as the experiment declares)"):argname "<name>"
  parser:option("--sense", "min or max: which is better"):choices { "min", "max" }:argname "<sense>"
  parser:option("--at", "last (default), best, epoch=N, seconds=N, solves=N"):argname "<row>"
  parser:option("--by", "group by these only, as variant,rate"):argname "<names>":convert(names)
  parser:option("--where", "only runs such as 'rate<0.1', variant=imle"):argname "<test>":count "*"
  parser:option("--baseline", "the group to compare with (the best mean)"):argname "<name>"
  parser:option("--problem", "pool scores over the values of this option"):argname "<name>"
  parser:option("--target", "also: seconds and solver calls to reach it"):argname "<value>":convert(number "--target")
  parser:option("--axis", "seconds or solves, one of these"):choices { "seconds", "solves" }:argname "<what>"
  parser:option("--sort", "a column; --sort=-column for descending order"):argname "<column>"
  parser:option("--interval", "t, percentile or bca"):choices { "t", "percentile", "bca" }:argname "<kind>"
  parser:option("--level", "coverage of intervals (0.95)"):argname "<share>":convert(share)
  parser:option("--resamples", "of bootstraps (2000; pooled 50000)"):argname "<n>"
    :convert(values.whole("--resamples", 1, 1e7))
  parser:flag("--unfinished", "count failed, cut and running runs too")
  parser:flag("--unpaired", "never pair runs by seed")
  parser:mutex(parser:flag("--json", "one JSON document"), parser:flag("--csv", "one line a group, 17 digits"),
    parser:flag("--md", "a table in Markdown"), parser:flag("--tex", "a LaTeX table (booktabs)"))
end

function compare.run(arguments, _, cli)
  local runs, message = show_runs.all(arguments.store)
  if not runs then return show_runs.complain(message, cli.codes) end
  local options = { aggregate_resamples = arguments.resamples }
  for _, name in ipairs { "metric", "sense", "at", "by", "where", "baseline", "problem", "target", "axis", "sort",
    "interval", "level", "resamples", "unfinished", "unpaired" } do
    options[name] = arguments[name]
  end
  local result, reason = require("mapgrad.experiment.compare").runs(runs, options)
  if not result then return cli.usage_error(reason, "compare") end
  local format = "text"
  for _, name in ipairs(FORMATS) do
    if arguments[name] then format = name end
  end
  print(require("mapgrad.experiment.compare.output")[format](result))
  if format == "csv" then
    for _, note in ipairs(result.notes) do io.stderr:write("note: ", note, "\n") end
  end
  return cli.codes.ok
end

return compare

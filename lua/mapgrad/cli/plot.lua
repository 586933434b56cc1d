--- `mapgrad plot`: figures of runs.
-- @module mapgrad.cli.plot
local figure_runs = require "mapgrad.cli.figure_runs"

local plot = {
  name = "plot", summary = "draw runs: curves, bars, heat maps, profiles, scatter plots",
  examples = {
    { "mapgrad plot", "curves of the newest results, as text" },
    { "mapgrad plot build/results/five --axis solves --out regret.svg" },
    { "mapgrad plot STORE --kind bars --metric loss --out loss.png" },
    { "mapgrad plot STORE --kind heat --x rate --y layer.samples" },
    { "mapgrad plot STORE --script figure", "data and gnuplot script, to restyle it" },
  },
}

local KINDS = { "curves", "bars", "heat", "profile", "scatter" }

function plot.declare(parser)
  figure_runs.declare(parser)
  parser:option("--kind", "curves (mean over seeds, 95 % band), bars, heat, profile or scatter"):choices(KINDS)
    :default "curves"
  parser:option("--axis", "of curves: epoch, solves (solver calls) or seconds"):choices { "epoch", "solves", "seconds" }
    :default "epoch"
  parser:option("--x", "of heat: an option; of scatter: an option or a metric"):argname "<name>"
  parser:option("--y", "of heat: another option"):argname "<name>"
  parser:option("--out", "file to write, .svg or .png (none: text here)"):argname "<file>"
  parser:option("--script", "folder to write data and gnuplot script into"):argname "<dir>"
  parser:option("--title", "heading of the figure"):argname "<text>"
  parser:flag("--log-x", "logarithmic x axis"):target "log_x"
  parser:flag("--log-y", "logarithmic y axis"):target "log_y"
  parser:flag("--points", "of bars: markers, and an axis that need not begin at 0")
end

-- A message for what is missing or unknown among --x and --y; nil if all is there.
local function lacking(arguments, subject, metrics)
  local check = require "mapgrad.check"
  local wanted = arguments.kind == "heat" and { "x", "y" } or arguments.kind == "scatter" and { "x" } or {}
  local names = {}
  for i, name in ipairs(subject.names) do names[i] = name end
  if arguments.kind == "scatter" then
    for _, name in ipairs(metrics) do names[#names + 1] = name end
  end
  for _, axis in ipairs(wanted) do
    local value, known = arguments[axis], false
    local differing = #subject.differing > 0 and "the runs differ in " .. table.concat(subject.differing, ", ")
      or "the runs differ in no option"
    if not value then return ("--kind %s needs --%s; %s"):format(arguments.kind, axis, differing) end
    for _, name in ipairs(names) do known = known or name == value end
    if not known then
      return ("--%s: no run has '%s'%s"):format(axis, value, check.hint(value, names))
    end
  end
  return nil
end

local function draw(arguments, subject, output)
  local figure = require "mapgrad.experiment.figure"
  if arguments.kind == "curves" then return figure.curves(subject, arguments.axis, output) end
  if arguments.kind == "heat" then return figure.heat(subject, arguments.x, arguments.y, output) end
  if arguments.kind == "scatter" then return figure.scatter(subject, arguments.x, output) end
  output.points = arguments.kind == "bars" and arguments.points or nil
  return figure[arguments.kind](subject, output)
end

function plot.run(arguments, _, cli)
  if arguments.out and not (arguments.out:find "%.svg$" or arguments.out:find "%.png$") then
    return cli.usage_error(("--out: expected a name ending in .svg or .png, got '%s'"):format(arguments.out), "plot")
  end
  local found, code = figure_runs.read(arguments, "plot", cli)
  if not found then return code end
  local subject = require("mapgrad.experiment.report.summary").of(found.runs, found.metric, found.sense)
  local message = lacking(arguments, subject, found.metrics)
  if message then return cli.usage_error(message, "plot") end
  local output = {
    file = arguments.out, script = arguments.script, title = arguments.title or tostring(found.runs[1].title or ""),
    x_log = arguments.log_x or nil, y_log = arguments.log_y or nil,
  }
  local ok, reason = draw(arguments, subject, output)
  if ok then return cli.codes.ok end
  io.stderr:write("error: ", reason, "\n")
  if arguments.script and arguments.out then
    io.stderr:write(("  the data and the script are in %s\n"):format(arguments.script))
  end
  return cli.codes.failed
end

return plot

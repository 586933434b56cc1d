--- `mapgrad plot`: figures of runs.
-- @module mapgrad.cli.plot
local figure_runs = require "mapgrad.cli.figure_runs"

local plot = {
  name = "plot", summary = "draw runs: curves, bars, heat maps, profiles",
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

-- The names that --x or --y may have: options; of scatter plots also what was recorded.
local function names_of(arguments, runs)
  local names = require("mapgrad.experiment.where").names(runs)
  if arguments.kind ~= "scatter" then return names end
  local seen = { seconds = true }
  for _, run in ipairs(runs) do
    for _, row in ipairs(run.rows) do
      for name, value in pairs(row) do seen[name] = seen[name] or type(value) == "number" end
    end
  end
  for _, name in ipairs(require("mapgrad.cli.show_runs").names(seen)) do names[#names + 1] = name end
  return names
end

-- A message for what is missing or unknown among --x and --y; nil if all is there.
local function lacking(arguments, runs, comparison)
  local wanted = arguments.kind == "heat" and { "x", "y" } or arguments.kind == "scatter" and { "x" } or {}
  local names = names_of(arguments, runs)
  for _, axis in ipairs(wanted) do
    local value, known = arguments[axis], false
    if not value then
      return ("--kind %s needs --%s; the runs differ in %s"):format(arguments.kind, axis,
        #comparison.columns > 0 and table.concat(comparison.columns, ", ") or "no option")
    end
    for _, name in ipairs(names) do known = known or name == value end
    if not known then
      return ("--%s: no run has '%s'%s"):format(axis, value, require("mapgrad.check").hint(value, names))
    end
  end
  return nil
end

local function draw(arguments, comparison, output)
  local figure = require "mapgrad.experiment.figure"
  if arguments.kind == "curves" then return figure.curves(comparison, arguments.axis, output) end
  if arguments.kind == "heat" then return figure.heat(comparison, arguments.x, arguments.y, output) end
  if arguments.kind == "scatter" then return figure.scatter(comparison, arguments.x, output) end
  output.points = arguments.kind == "bars" and arguments.points or nil
  return figure[arguments.kind](comparison, output)
end

function plot.run(arguments, _, cli)
  if arguments.out and not (arguments.out:find "%.svg$" or arguments.out:find "%.png$") then
    return cli.usage_error(("--out: expected a name ending in .svg or .png, got '%s'"):format(arguments.out), "plot")
  end
  local runs, code = figure_runs.read(arguments, cli)
  if not runs then return code end
  local comparison, reason = require("mapgrad.experiment.compare").runs(runs, figure_runs.options(arguments))
  if not comparison then return cli.usage_error(reason, "plot") end
  local message = lacking(arguments, runs, comparison)
  if message then return cli.usage_error(message, "plot") end
  local output = {
    file = arguments.out, script = arguments.script, title = arguments.title or tostring(comparison.title or ""),
    x_log = arguments.log_x or nil, y_log = arguments.log_y or nil,
  }
  local ok, kind
  ok, reason, kind = draw(arguments, comparison, output)
  if ok then return cli.codes.ok end
  if arguments.script and arguments.out then reason = ("%s\n  data and script: %s"):format(reason, arguments.script) end
  io.stderr:write("error: ", reason, "\n")
  return kind == "unwritten" and cli.codes.cannot_create or cli.codes.failed
end

return plot

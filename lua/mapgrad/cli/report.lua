--- `mapgrad report`: runs as one HTML file.
-- @module mapgrad.cli.report
local figure_runs = require "mapgrad.cli.figure_runs"

local report = {
  name = "report", summary = "write runs as one HTML file: table, figures",
  examples = {
    { "mapgrad report", "of the newest results, into their folder" },
    { "mapgrad report build/results/five --out report.html" },
    { "mapgrad report STORE1 STORE2 --metric accuracy --sense max" },
  },
}

function report.declare(parser)
  figure_runs.declare(parser)
  parser:option("--baseline", "group that others are compared with (the best mean)"):argname "<name>"
  parser:option("--out", "file to write (report.html in the first store)"):argname "<file>"
  parser:option("--title", "heading (the experiment's title)"):argname "<text>"
end

-- The command that makes the same page.
local function command_of(arguments, stores, out)
  local words = { "mapgrad", "report" }
  for _, store in ipairs(stores) do words[#words + 1] = store end
  local function add(name, value) words[#words + 1], words[#words + 2] = name, value end
  for _, name in ipairs { "metric", "sense", "at", "by", "baseline", "title" } do
    if arguments[name] then add("--" .. name, arguments[name]) end
  end
  for _, condition in ipairs(arguments.where) do add("--where", condition) end
  if arguments.unfinished then words[#words + 1] = "--unfinished" end
  add("--out", out)
  local quoted = require("mapgrad.experiment.report.again").quoted
  for i, word in ipairs(words) do words[i] = quoted(word) end
  return table.concat(words, " ")
end

function report.run(arguments, _, cli)
  local runs, code = figure_runs.read(arguments, cli)
  if not runs then return code end
  local stores = require("mapgrad.cli.show_runs").roots(arguments.store)
  local out = arguments.out or (stores[1]:gsub("(.)/+$", "%1")) .. "/report.html"
  local text, message = require("mapgrad.experiment.report").page(runs, {
    compare = figure_runs.options(arguments), title = arguments.title, command = command_of(arguments, stores, out),
  })
  if not text then return cli.usage_error(message, "report") end
  local ok, reason = require("mapgrad.real").file_write(out, text)
  if not ok then
    io.stderr:write("error: ", reason, "\n")
    return cli.codes.cannot_create
  end
  print(out)
  return cli.codes.ok
end

return report

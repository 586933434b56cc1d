--- `mapgrad report`: runs as one HTML file.
-- @module mapgrad.cli.report
local figure_runs = require "mapgrad.cli.figure_runs"

local report = {
  name = "report", summary = "write runs as one HTML file: table, figures, environment",
  examples = {
    { "mapgrad report", "of the newest results, into their folder" },
    { "mapgrad report build/results/five --out report.html" },
    { "mapgrad report STORE1 STORE2 --metric accuracy --sense max" },
  },
}

function report.declare(parser)
  figure_runs.declare(parser)
  parser:option("--out", "file to write (report.html in the first store)"):argname "<file>"
  parser:option("--title", "heading (the experiment's title)"):argname "<text>"
end

-- A word as it is typed in a shell.
local function quoted(word)
  if word:find "^[%w_./=:,+-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The command that makes the same page.
local function command_of(arguments, stores, found, out)
  local words = { "mapgrad", "report" }
  for _, store in ipairs(stores) do words[#words + 1] = store end
  for _, pair in ipairs { { "metric", found.metric }, { "sense", found.sense }, { "title", arguments.title },
    { "out", out } } do
    if pair[2] then words[#words + 1], words[#words + 2] = "--" .. pair[1], pair[2] end
  end
  for i, word in ipairs(words) do words[i] = quoted(word) end
  return table.concat(words, " ")
end

function report.run(arguments, _, cli)
  local found, code = figure_runs.read(arguments, "report", cli)
  if not found then return code end
  local stores = require("mapgrad.cli.show_runs").roots(arguments.store)
  local out = arguments.out or (stores[1]:gsub("(.)/+$", "%1")) .. "/report.html"
  local text = require("mapgrad.experiment.report").page(found.runs, {
    metric = found.metric, sense = found.sense, title = arguments.title,
    command = command_of(arguments, stores, found, out),
  })
  local ok, message = require("mapgrad.real").file_write(out, text)
  if not ok then
    io.stderr:write("error: ", message, "\n")
    return cli.codes.cannot_create
  end
  print(out)
  return cli.codes.ok
end

return report

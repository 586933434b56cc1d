--- `mapgrad show`: one run in full.
-- @module mapgrad.cli.show
local show_runs = require "mapgrad.cli.show_runs"
local values = require "mapgrad.cli.values"

local show = {
  name = "show", summary = "show a run: options, state, machine, numbers",
  examples = {
    { "mapgrad show build/results/five/imle-s1-0f1e2d3c" },
    { "mapgrad show RUN --lines 20", "its last 20 records" },
  },
}

function show.declare(parser)
  parser:argument("run", "folder of a run")
  parser:option("--lines", "how many of the last records (5)"):argname "<N>":convert(values.whole "--lines")
  parser:flag("--json", "one JSON document")
end

local META = { "state", "message", "place", "command", "started", "ended", "seconds", "solves", "starts", "threads",
  "real", "mapgrad", "interpreter", "build", "host", "processor", "cores", "code" }

local function pairs_of(t, names)
  local rows = {}
  for _, name in ipairs(names) do
    if t[name] ~= nil then rows[#rows + 1] = ("  %-16s %s"):format(name, show_runs.text(t[name])) end
  end
  return table.concat(rows, "\n")
end

local function last_rows(run, count)
  local names, rows = {}, {}
  local first = math.max(1, #run.rows - count + 1)
  for i = first, #run.rows do
    for name in pairs(run.rows[i]) do names[name] = true end
  end
  local head = show_runs.names(names)
  rows[1] = head
  for i = first, #run.rows do
    local row = {}
    for c, name in ipairs(head) do row[c] = show_runs.text(run.rows[i][name]) end
    rows[#rows + 1] = row
  end
  return #head > 0 and show_runs.columns(rows) or "  none"
end

-- The metric over the run, on one line.
local function course_of(run)
  local metric, course = show_runs.metric(run), {}
  for _, row in ipairs(run.rows) do
    if type(row[metric]) == "number" then course[#course + 1] = row[metric] end
  end
  if #course < 2 then return nil end
  return ("  %-16s %s  %s to %s"):format(metric, require("mapgrad.plot").sparkline(course),
    show_runs.text(course[1]), show_runs.text(course[#course]))
end

function show.run(arguments, _, cli)
  local run, message = show_runs.one(arguments.run)
  if not run then return show_runs.complain(message, cli.codes) end
  if arguments.json then
    local document = show_runs.record(run)
    document.meta, document.config = run.meta, run.config
    document.rows = require("mapgrad.data.json").list {}
    for i, row in ipairs(run.rows) do document.rows[i] = show_runs.finite(row) end
    show_runs.print_json(document)
    return cli.codes.ok
  end
  print(("%s\n%s%s, seed %.0f"):format(run.name, run.title, run.variant and ", " .. run.variant or "", run.seed))
  print("options\n" .. pairs_of(run.options, show_runs.names(run.options)))
  run.meta.state = run.state
  print("run\n" .. pairs_of(run.meta, META))
  print(("records: %d"):format(#run.rows))
  local course = course_of(run)
  if course then print(course) end
  print(last_rows(run, arguments.lines or 5))
  return cli.codes.ok
end

return show

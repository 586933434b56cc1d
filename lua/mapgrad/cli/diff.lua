--- `mapgrad diff`: in what two runs differ.
-- @module mapgrad.cli.diff
local show_runs = require "mapgrad.cli.show_runs"

local diff = {
  name = "diff", summary = "show in what two runs differ: options, code, numbers",
  examples = { { "mapgrad diff RUN OTHER" }, { "mapgrad diff RUN OTHER --json" } },
}

function diff.declare(parser)
  parser:argument("run", "folder of a run")
  parser:argument("other", "folder of another")
  parser:flag("--json", "one JSON document")
end

-- Fields in which two tables differ: list of {name, a, b}.
local function differences(a, b)
  local all, list = {}, {}
  for name in pairs(a) do all[name] = true end
  for name in pairs(b) do all[name] = true end
  for _, name in ipairs(show_runs.names(all)) do
    local x, y = a[name], b[name]
    local same = x == y or (x ~= x and y ~= y)
    if not same then list[#list + 1] = { name, x, y } end
  end
  return list
end

-- What makes the numbers, beside the options.
local function setting_of(run)
  return {
    title = run.title, variant = run.variant, seed = run.seed, real = run.config.real, limit = run.config.limit,
    budget = run.config.budget and run.config.budget.solver_calls,
  }
end

-- Lines of the code that one has and the other lacks, at most `most`, without regard to order.
local function changed_lines(a, b, most)
  local count, list = {}, {}
  for line in (b .. "\n"):gmatch "([^\n]*)\n" do count[line] = (count[line] or 0) + 1 end
  for line in (a .. "\n"):gmatch "([^\n]*)\n" do
    if (count[line] or 0) > 0 then
      count[line] = count[line] - 1
    elseif #list < most then
      list[#list + 1] = line
    end
  end
  return list
end

local function first_row_apart(a, b)
  for i = 1, math.max(#a.rows, #b.rows) do
    if not a.rows[i] or not b.rows[i] or #differences(a.rows[i], b.rows[i]) > 0 then return i end
  end
end

local function print_part(title, rows, names)
  if #rows == 0 then
    print(title .. ": the same")
    return
  end
  print(title)
  local lines = { names }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = { "  " .. row[1], show_runs.text(row[2]), show_runs.text(row[3]) }
  end
  print(show_runs.columns(lines))
end

local function as_objects(rows)
  local list = require("mapgrad.data.json").list {}
  for i, row in ipairs(rows) do
    local values = show_runs.finite { a = row[2], b = row[3] }
    list[i] = { name = row[1], a = values.a, b = values.b }
  end
  return list
end

function diff.run(arguments, _, cli)
  local runs, texts = {}, {}
  for i, path in ipairs { arguments.run, arguments.other } do
    local message
    runs[i], message = show_runs.one(path)
    if not runs[i] then return show_runs.complain(message, cli.codes) end
    texts[i], message = require("mapgrad.experiment.source").read(runs[i].folder .. "/experiment.lua")
    if not texts[i] then return show_runs.complain(message, cli.codes) end
  end
  local a, b = runs[1], runs[2]
  local settings, options = differences(setting_of(a), setting_of(b)), differences(a.options, b.options)
  local last = differences(a.rows[#a.rows] or {}, b.rows[#b.rows] or {})
  local apart = first_row_apart(a, b)
  if arguments.json then
    show_runs.print_json { a = a.name, b = b.name, settings = as_objects(settings), options = as_objects(options),
      same_code = texts[1] == texts[2], first_record_apart = apart, last = as_objects(last) }
    return cli.codes.ok
  end
  local head = { "", a.name, b.name }
  print_part("settings", settings, head)
  print_part("options", options, head)
  if texts[1] == texts[2] then
    print "code: the same"
  else
    print "code"
    for _, line in ipairs(changed_lines(texts[1], texts[2], 20)) do print("  - " .. line) end
    for _, line in ipairs(changed_lines(texts[2], texts[1], 20)) do print("  + " .. line) end
  end
  if not apart then
    print(("numbers: the same in all %d records"):format(#a.rows))
  else
    print(("numbers: %d and %d records, apart from record %d on; the last ones"):format(#a.rows, #b.rows, apart))
    print_part("last", last, head)
  end
  return cli.codes.ok
end

return diff

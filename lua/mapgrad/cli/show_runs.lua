--- What the commands about finished runs share: finding runs, printing columns, values as texts.
-- What the C module is needed for is loaded when it is used, so that --help is quick.
-- @module mapgrad.cli.show_runs
local words = require "mapgrad.experiment.words"

local function json() return require "mapgrad.data.json" end

local show_runs = {}

local ROOT = "build/results"

--- The stores that a command is about: its arguments, or the one below build/results that was changed last.
-- @return list of folders; or nil and a message
function show_runs.roots(given)
  if #given > 0 then return given end
  local lfs = require "lfs"
  local newest, at = nil, -1
  if lfs.attributes(ROOT, "mode") == "directory" then
    for name in lfs.dir(ROOT) do
      local path = ROOT .. "/" .. name
      local changed = name:sub(1, 1) ~= "." and lfs.attributes(path, "mode") == "directory"
        and lfs.attributes(path, "modification")
      if changed and changed > at then newest, at = path, changed end
    end
  end
  if not newest then return nil, ROOT .. ": there are no runs; name their folder" end
  return { newest }
end

--- What to say of a folder that is not a run's.
function show_runs.no_run(folder)
  return folder .. ": expected the folder of a run, there is no config.json; `mapgrad list` shows runs"
end

--- The run in a folder.
-- @return store.read; or nil and a message
function show_runs.one(folder)
  local store = require "mapgrad.experiment.store"
  folder = folder:gsub("(.)/+$", "%1")
  if not store.is_run(folder) then return nil, show_runs.no_run(folder) end
  return store.read(folder)
end

--- Tells which runs of a list are left out as their files cannot be read.
function show_runs.tell_unreadable(runs)
  for _, message in ipairs(runs.unreadable) do io.stderr:write("left out: ", message, "\n") end
end

--- What to say of a run that is of the other precision; nil if it is not.
-- @param real  "float" or "double", of its configuration
function show_runs.wrong_real(folder, real)
  local is_double = require("mapgrad.real").info().real_bytes == 8
  if real == nil or (real == "double") == is_double then return nil end
  return ("%s: is a run in %s: %s"):format(folder, real, is_double and "leave --double and MAPGRAD_REAL=double out"
    or "add --double")
end

--- The runs of some stores. What cannot be read is told and left out.
-- @return list as of store.runs; or nil and a message
function show_runs.all(given, is_last)
  local roots, message = show_runs.roots(given)
  if not roots then return nil, message end
  local list = { unreadable = {} }
  for _, root in ipairs(roots) do
    local runs, reason = require("mapgrad.experiment.store").runs(root:gsub("(.)/+$", "%1"), is_last)
    if not runs then return nil, reason end
    for _, run in ipairs(runs) do list[#list + 1] = run end
    for _, problem in ipairs(runs.unreadable) do list.unreadable[#list.unreadable + 1] = problem end
  end
  show_runs.tell_unreadable(list)
  return list
end

--- A value as people read it.
function show_runs.text(value)
  if value == nil or value == json().null then return "-" end
  if type(value) ~= "number" then return words.clean(tostring(value)) end
  if value ~= value then return "nan" end
  if value == math.floor(value) and math.abs(value) < 1e15 then return ("%.0f"):format(value) end
  return ("%.5g"):format(value)
end

--- Rows of texts as aligned columns; numbers to the right.
-- @param rows  lists of texts, the first the headings
function show_runs.columns(rows)
  local widths, numeric, lines = {}, {}, {}
  for r, row in ipairs(rows) do
    for c, text in ipairs(row) do
      widths[c] = math.max(widths[c] or 0, words.width(text))
      if r > 1 and text ~= "-" then numeric[c] = (numeric[c] ~= false) and tonumber(text) ~= nil end
    end
  end
  for r, row in ipairs(rows) do
    local parts = {}
    for c, text in ipairs(row) do
      local space = (" "):rep(widths[c] - words.width(text))
      parts[c] = numeric[c] and space .. text or text .. space
    end
    lines[r] = table.concat(parts, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- The names of a table's fields, sorted.
function show_runs.names(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local beside = { budget = true, limit = true, real = true, smoke = true }

--- The options, and other settings such as the budget, in which runs differ, sorted.
function show_runs.differing(runs)
  local where, known, names = require "mapgrad.experiment.where", {}, {}
  for _, run in ipairs(runs) do
    for name in pairs(run.options) do known[name] = true end
  end
  for _, name in ipairs(where.names(runs)) do known[name] = known[name] or beside[name] end
  for _, name in ipairs(show_runs.names(known)) do
    for _, run in ipairs(runs) do
      if where.field(run, name) ~= where.field(runs[1], name) then
        names[#names + 1] = name
        break
      end
    end
  end
  return names
end

--- The metric to show of a run: what the file names, else what `compare` would look at; nil without any.
function show_runs.metric(run)
  return run.metric or (require("mapgrad.experiment.compare.rows").metric { run })
end

--- A run as a table for --json.
function show_runs.record(run)
  return {
    name = run.name, folder = run.folder, title = run.title, variant = run.variant, seed = run.seed, id = run.id,
    state = run.state, options = run.options, seconds = run.meta.seconds, solves = run.meta.solves,
    message = run.meta.message, lines = run.lines, last = show_runs.finite(run.rows[#run.rows]),
  }
end

--- A row with null for what JSON lacks.
function show_runs.finite(row)
  if not row then return nil end
  local copy = {}
  for name, value in pairs(row) do
    local is_bad = type(value) == "number" and (value ~= value or value == math.huge or value == -math.huge)
    copy[name] = is_bad and json().null or value
  end
  return copy
end

--- Prints one JSON document.
function show_runs.print_json(document)
  document.version = 1
  print(json().encode(document, { indent = 1 }))
end

--- Tells of a failure of the outside world.
-- @return the exit code
function show_runs.complain(message, codes)
  io.stderr:write("error: ", message, "\n")
  return codes.no_input
end

return show_runs

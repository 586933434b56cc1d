--- Reports: runs as one HTML file that needs no network and no script.
-- Equal runs give equal bytes: nothing of the day or the machine that makes the report is in it.
-- @module mapgrad.experiment.report
local again = require "mapgrad.experiment.report.again"
local check = require "mapgrad.check"
local compare = require "mapgrad.experiment.compare"
local curve = require "mapgrad.experiment.curve"
local figure = require "mapgrad.experiment.figure"
local figures = require "mapgrad.experiment.report.figures"
local html = require "mapgrad.experiment.report.html"
local page = require "mapgrad.experiment.report.page"
local tables = require "mapgrad.experiment.report.table"
local where = require "mapgrad.experiment.where"
local words = require "mapgrad.experiment.words"

local report = {}

local element, escape, plural = html.element, html.escape, words.plural

local DRAWN = 7       -- groups in figures: as many as there are colours
local MOST_NOTES = 20 -- lines below the table

-- ------------------------------------------------------------------ what is said

-- Texts in the order of their first appearance, with how often each appears.
local function counted(texts)
  local list, counts = {}, {}
  for _, text in ipairs(texts) do
    if not counts[text] then list[#list + 1] = text end
    counts[text] = (counts[text] or 0) + 1
  end
  return list, counts
end

-- Options with the texts of their values: those that differ first.
local function option_rows(runs, differing)
  local seen, names = {}, {}
  for _, name in ipairs(differing) do seen[name] = true; names[#names + 1] = name end
  local rest = {}
  for _, run in ipairs(runs) do
    for name in pairs(run.options) do
      if not seen[name] then seen[name] = true; rest[#rest + 1] = name end
    end
  end
  table.sort(rest)
  for _, name in ipairs(rest) do names[#names + 1] = name end
  local rows = {}
  for i, name in ipairs(names) do
    local texts = figure.values(runs, name)
    for k, value in ipairs(texts) do texts[k] = where.text(value) end
    rows[i] = { name = name, values = texts }
  end
  return rows
end

-- The values of a field of meta.json over runs, "a (3 runs), b (2 runs)" if there are several.
local function fact(runs, name)
  local texts = {}
  for _, run in ipairs(runs) do
    local value = run.meta[name]
    if type(value) == "string" or type(value) == "number" then texts[#texts + 1] = where.text(value) end
  end
  local list, counts = counted(texts)
  if #list < 2 then return list[1] end
  for i, text in ipairs(list) do
    list[i] = ("%s (%d run%s)"):format(text, counts[text], counts[text] == 1 and "" or "s")
  end
  return table.concat(list, "; ")
end

local fields = {
  { "mapgrad", "mapgrad" }, { "built with", "build" }, { "interpreter", "interpreter" }, { "numbers", "real" },
  { "code", "code" }, { "machine", "host" }, { "processor", "processor" }, { "cores", "cores" },
  { "threads", "threads" },
}

local function facts_of(runs)
  local facts = {}
  for _, field in ipairs(fields) do
    local text = fact(runs, field[2])
    if text then facts[#facts + 1] = { field[1], text } end
  end
  local first, last
  for _, run in ipairs(runs) do
    local started, ended = run.meta.started, run.meta.ended
    if type(started) == "string" and (not first or started < first) then first = started end
    if type(ended) == "string" and (not last or ended > last) then last = ended end
  end
  if first then facts[#facts + 1] = { "first run began", first } end
  if last then facts[#facts + 1] = { "last run ended", last } end
  return facts
end

local function has_solves(runs)
  for _, run in ipairs(runs) do
    if (tonumber(run.meta.solves) or 0) > 0 then return true end
  end
  return false
end

-- What differs among groups, without the variant, whose column comes first.
local function without_variant(columns)
  local list = {}
  for _, name in ipairs(columns) do
    if name ~= "variant" then list[#list + 1] = name end
  end
  return list
end

local function run_entries(runs, comparison)
  local entries = {}
  for i, run in ipairs(runs) do
    local x, y = curve.points(run, comparison.metric, "epoch")
    entries[i] = {
      run = run, value = compare.value(run, comparison.metric, comparison.sense, comparison.at),
      points = curve.thin({ x = x, y = y }, 24),
    }
  end
  return entries
end

-- Everything that the sections show: the comparison's fields and more.
local function subject_of(runs, comparison, o)
  local columns = without_variant(comparison.columns)
  for _, group in ipairs(comparison.groups) do group.low, group.high = figure.interval(comparison, group) end
  local subject = {
    comparison = comparison, title = o.title, command = o.command, has_solves = has_solves(runs),
    has_variants = comparison.groups[1].options.variant ~= nil, drawn = math.min(#comparison.groups, DRAWN),
    options_differing = {}, option_columns = columns, facts = facts_of(runs), runs = run_entries(runs, comparison),
  }
  for _, name in ipairs(columns) do
    if name ~= "title" then table.insert(subject.options_differing, name) end
  end
  if not subject.has_variants then subject.option_columns = {} end
  subject.options = option_rows(runs, subject.options_differing)
  function subject.fields(run)
    return setmetatable({}, { __index = function(_, name) return where.field(run, name) end })
  end
  return setmetatable(subject, { __index = comparison })
end

-- ------------------------------------------------------------------ sections

local function lead(subject)
  local groups, best = subject.groups, subject.groups_by_name[subject.best]
  local parts = { plural(#subject.runs, "run"), plural(#groups, "group"),
    ("%s, %s values are better"):format(subject.metric, subject.sense == "min" and "small" or "large") }
  local text = element("p", { class = "muted" }, escape(table.concat(parts, " · ")))
  if #groups > 1 and best.n > 0 then
    text = text .. element("p", { class = "lead" }, ("Best mean: <strong>%s</strong> with %s %s%s."):format(
      escape(best.name), escape(subject.metric), html.number(best.mean), best.low
      and (" (95 %% interval %s to %s, %s)"):format(html.number(best.low), html.number(best.high),
        plural(best.n, "run")) or ", one run"))
  end
  return text
end

-- The comparison's notes, and what became of runs that have not finished.
local function notes(subject)
  local items, others = {}, 0
  for i, note in ipairs(subject.notes) do items[i] = element("li", nil, escape(note)) end
  for _, entry in ipairs(subject.runs) do
    local run = entry.run
    if run.state ~= "finished" and #items < MOST_NOTES then
      local message = run.meta.message
      items[#items + 1] = element("li", nil, ("<strong>%s</strong> is %s%s"):format(escape(run.name),
        escape(run.state), type(message) == "string" and message ~= "" and ": " .. escape(message) or ""))
    elseif run.state ~= "finished" then
      others = others + 1
    end
  end
  if others > 0 then
    items[#items + 1] = element("li", nil, ("%d more have not finished; the list of runs shows them"):format(others))
  end
  if #items == 0 then return "" end
  return element("ul", { class = "notes", ["aria-label"] = "What to know before believing the table" },
    table.concat(items))
end

local function repeating(subject)
  local runs, parts = {}, {}
  for i, entry in ipairs(subject.runs) do runs[i] = entry.run end
  local function add(text, commands)
    parts[#parts + 1] = ('<p>%s</p><pre tabindex="0"><code>%s</code></pre>'):format(text, escape(commands))
  end
  local sweep, recorded = again.sweep(runs), again.recorded(runs)
  if sweep then
    add("All these runs:", sweep)
  elseif #recorded > 0 then
    add("The runs were made by:", table.concat(recorded, "\n"))
  end
  add("One run again from its own record, with the same bytes in its metrics:",
    "mapgrad repeat " .. again.quoted(runs[1].folder))
  if subject.command then add("This page:", subject.command) end
  return table.concat(parts)
end

local function section(id, heading, contents)
  return ('<section id="%s" aria-labelledby="%s-heading">\n<h2 id="%s-heading">%s</h2>\n%s\n</section>\n'):format(id,
    id, id, escape(heading), contents)
end

local function body(subject)
  local drawn = figures.section(subject) -- first: it finds the markers that swatches use
  local sections = {
    { "comparison", "Comparison", tables.comparison(subject) .. notes(subject) },
    { "figures", "Figures", drawn },
    { "options", "Options", tables.options(subject) },
    { "environment", "Environment", tables.facts("Environment", subject.facts) },
    { "repeat", "How to repeat", repeating(subject) },
    { "runs", "Runs", tables.runs(subject) },
  }
  local links, parts = {}, {}
  for i, row in ipairs(sections) do
    links[i] = ('<li><a href="#%s">%s</a></li>'):format(row[1], escape(row[2]))
    parts[i] = section(row[1], row[2], row[3])
  end
  parts[3], parts[4] = '<div class="pair">\n' .. parts[3], parts[4] .. "</div>\n" -- side by side where there is room
  return table.concat {
    subject.markers or "", "<header>\n<h1>", escape(subject.title), "</h1>\n", lead(subject),
    '\n<nav aria-label="Sections"><ul>', table.concat(links), "</ul></nav>\n</header>\n<main>\n",
    table.concat(parts), "</main>\n<footer><p>Made by mapgrad from the records of the runs.</p></footer>\n",
  }
end

--- The page of runs.
-- @param runs             list of runs, as of store.runs; not empty
-- @param options.title    heading (default: that of the first run)
-- @param options.compare  options of compare.runs: metric, sense, baseline, where, by, ... (default {})
-- @param options.command  how the page was made, to be shown (default: not shown)
-- @return HTML; or nil and a message if there is nothing to compare
function report.page(runs, options)
  if type(runs) ~= "table" or #runs == 0 then check.fail("MG-ARGUMENT", "report.page: no runs") end
  local o = check.options("report.page", options, {
    title = check.text(where.text(runs[1].title)), compare = check.any {}, command = check.optional(check.text()),
  })
  local comparison, message = compare.runs(runs, o.compare)
  if not comparison then return nil, message end
  local chosen = where.filter(runs, o.compare.where or {})
  return page.whole(o.title, body(subject_of(chosen, comparison, o)))
end

return report

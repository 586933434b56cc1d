--- The tables of a report: groups with their numbers, options, runs.
-- @module mapgrad.experiment.report.table
local html = require "mapgrad.experiment.report.html"
local is_finite = require("mapgrad.plot.gnuplot").is_finite
local style = require "mapgrad.plot.style"
local where = require "mapgrad.experiment.where"

local tables = {}

local element, escape, number = html.element, html.escape, html.number

-- Dashes as gnuplot draws them at a width of 2.
local dashes = { nil, "5 8", "2 4", "8 4 2 4", "8 4 2 4 2 4" }

--- The line of a series as a small picture; none for groups that are in no figure.
-- @param has_markers  whether the page defines gnuplot's markers
function tables.swatch(index, has_markers)
  local place = style.place(index)
  local dash = dashes[(index - 1) % 5 + 1]
  return ('<svg class="swatch" viewBox="0 0 38 14" aria-hidden="true"><path d="M0,7H38" '
    .. 'stroke="var(--series-%d)" stroke-width="2"%s/>%s</svg>'):format(place,
    dash and (' stroke-dasharray="%s"'):format(dash) or "",
    has_markers and ('<use href="#gpPt%d" transform="translate(19,7) scale(3.6)" color="var(--series-%d)"/>'):format(
      style.markers[place] - 1, place) or "")
end

--- Seconds as people say them.
function tables.duration(seconds)
  if type(seconds) ~= "number" or seconds ~= seconds then return "–" end
  if seconds < 0.01 then return "< 0.01 s" end
  if seconds < 100 then return ("%.3g s"):format(seconds) end
  local minutes = math.floor(seconds / 60 + 0.5)
  if minutes < 100 then return ("%d min"):format(minutes) end
  return ("%d h %02d min"):format(math.floor(minutes / 60), minutes % 60)
end

-- A table in a frame that scrolls by itself where the window is narrow.
local function framed(label, class, contents)
  return element("div", { class = "scroll", role = "region", tabindex = "0", ["aria-label"] = label },
    element("table", { class = class }, contents), "")
end

-- The class of names that only fit broken within a word; others are broken between words alone.
local function name_class(name)
  return name:find(("%S"):rep(25)) and "long" or nil
end

local function head(columns)
  local cells = {}
  for i, column in ipairs(columns) do
    cells[i] = element("th", { scope = "col", class = column.number and "number" or name_class(column.name) },
      escape(column.name))
  end
  return "<thead><tr>" .. table.concat(cells) .. "</tr></thead>\n"
end

local function cell(contents, class)
  return element("td", { class = class }, contents)
end

-- The interval of a group on the scale of all.
local function interval_picture(group, low, high)
  local function x(value) return 6 + 108 * (high > low and (value - low) / (high - low) or 0.5) end
  local line = group.low and ('<path d="M%.1f,9H%.1fM%.1f,5V13M%.1f,5V13" stroke="currentColor" '
    .. 'stroke-width="1.5"/>'):format(x(group.low), x(group.high), x(group.low), x(group.high)) or ""
  return ('<svg class="interval" viewBox="0 0 120 18" aria-hidden="true"><path d="M0,9H120" '
    .. 'stroke="var(--grid)"/>%s<circle cx="%.1f" cy="9" r="3.6" fill="currentColor"/></svg>'):format(line,
    x(group.mean))
end

-- The range of all means and intervals.
local function ends(groups)
  local low, high = math.huge, -math.huge
  for _, group in ipairs(groups) do
    if group.n > 0 then
      low, high = math.min(low, group.low or group.mean), math.max(high, group.high or group.mean)
    end
  end
  return low, high
end

-- Digits after the point so that the narrowest of intervals shows two of its own; nil if there is none.
local function digits(halves)
  local least = math.huge
  for _, half in ipairs(halves) do
    if half > 0 then least = math.min(least, half) end
  end
  if least == math.huge then return nil end
  return math.max(0, math.min(1 - math.floor(math.log(least) / math.log(10)), 9))
end

local function decimals_of(groups)
  local halves = {}
  for _, group in ipairs(groups) do
    if group.low then halves[#halves + 1] = (group.high - group.low) / 2 end
  end
  return digits(halves)
end

-- The same of the changes from the baseline, at most two digits more than those of the means.
local function decimals_of_changes(subject, decimals)
  local halves = {}
  for _, group in ipairs(subject.groups) do
    local pair = group.against and group.against.interval[subject.interval]
    if pair then halves[#halves + 1] = (pair[2] - pair[1]) / 2 end
  end
  local own = digits(halves)
  return own and decimals and math.min(own, decimals + 2) or own
end

local function mean_meta(group, name)
  local sum, count = 0, 0
  for _, run in ipairs(group.kept) do
    local value = tonumber((run.meta or {})[name])
    if value then sum, count = sum + value, count + 1 end
  end
  return count > 0 and sum / count or nil
end

-- The cells of the options that differ.
local function option_cells(subject, options)
  local cells = {}
  for i, name in ipairs(subject.option_columns) do cells[i] = cell(escape(where.text(options[name])), "text") end
  return table.concat(cells)
end

local function group_columns(subject)
  local columns = { { name = subject.has_variants and "variant" or "group" } }
  local function add(name, is_number) columns[#columns + 1] = { name = name, number = is_number } end
  for _, name in ipairs(subject.option_columns) do add(name) end
  add("runs", true)
  add("mean, 95 % interval", true)
  add "on one scale"
  add("std", true)
  if #subject.groups > 1 then
    add(("change from %s"):format(subject.baseline_is_given and subject.baseline or "the best"), true)
    add("p", true)
  end
  add(subject.has_solves and "solver calls, time" or "time", true)
  return columns
end

local function span(low, high, decimals)
  if not low then return "" end
  return ('<br><span class="muted">%s to %s</span>'):format(number(low, decimals), number(high, decimals))
end

-- The difference from the baseline, with its interval, and p after Holm's correction.
local function test_cells(subject, group, decimals)
  local test = group.against
  if not test then return cell("baseline", "number muted") .. cell("", "number") end
  local pair = test.interval[subject.interval]
  local sign = test.difference > 0 and "+" or ""
  local p = test.p_holm
  return cell(("%s%s%s"):format(sign, number(test.difference, decimals),
    span(pair[1] == pair[1] and pair[1] or nil, pair[2], decimals)), "number")
    .. cell(p == nil and "–" or p < 0.001 and "&lt; 0.001" or number(p, 3), "number")
end

local function group_row(subject, group, i, low, high, decimals, changes)
  local name = subject.has_variants and where.text(group.options.variant) or group.name
  local swatch = i <= subject.drawn and tables.swatch(i, subject.markers ~= nil) or ""
  local is_best = group.name == subject.best and #subject.groups > 1
  local cells = {
    element("th", { scope = "row", class = name_class(name) }, element("span", { class = "group" }, swatch,
      "<span>" .. escape(name) .. (is_best and ' <span class="tag">best mean</span>' or "") .. "</span>")),
    option_cells(subject, group.options), cell(("%d"):format(group.n), "number"),
    cell(number(group.mean, decimals) .. span(group.low, group.high, decimals), "number"),
    cell(group.n > 0 and interval_picture(group, low, high) or ""), cell(number(group.std, decimals), "number"),
  }
  if #subject.groups > 1 then cells[#cells + 1] = test_cells(subject, group, changes) end
  local time = escape(tables.duration(mean_meta(group, "seconds")))
  cells[#cells + 1] = cell(subject.has_solves
    and ('%s<br><span class="muted">%s</span>'):format(html.count(mean_meta(group, "solves")), time) or time, "number")
  return element("tr", { class = is_best and "best" or nil }, table.concat(cells)) .. "\n"
end

local kinds = { t = "Student's", percentile = "percentile bootstrap", bca = "BCa bootstrap" }

local places = { last = "at the end of a run", best = "at its best in a run" }

-- What the columns mean.
local function legend(subject)
  local text = ("%s %s, %s values are better. Means over the finished runs of a group, which differ by their seed; "
    .. "intervals are %s."):format(subject.metric, places[subject.at] or "at " .. subject.at,
    subject.sense == "min" and "small" or "large", kinds[subject.interval])
  if #subject.groups > 1 then
    text = text .. (" Changes are from %s, over pairs of equal seeds where both have them; p is of the sign-flip or "
      .. "Welch's test, after Holm's correction for all rows."):format(subject.baseline)
  end
  return text
end

--- The comparison: a row for each group, the best mean first.
function tables.comparison(subject)
  local low, high = ends(subject.groups)
  local rows, decimals = {}, decimals_of(subject.groups)
  local changes = decimals_of_changes(subject, decimals)
  for i, group in ipairs(subject.groups) do rows[i] = group_row(subject, group, i, low, high, decimals, changes) end
  return framed("Comparison of groups", "wide", head(group_columns(subject))
    .. element("tbody", nil, table.concat(rows))) .. element("p", { class = "muted" }, escape(legend(subject)))
end

--- Options: those that differ with their values, then those that all runs share.
function tables.options(subject)
  if #subject.options == 0 then return '<p class="muted">The experiment has none.</p>' end
  local rows = {}
  local function add(name, values)
    rows[#rows + 1] = ("<tr>%s%s</tr>\n"):format(element("th", { scope = "row", class = name_class(name) },
      escape(name)), cell(values, "text"))
  end
  for _, row in ipairs(subject.options) do
    local texts = {}
    for i, value in ipairs(row.values) do texts[i] = "<code>" .. escape(value) .. "</code>" end
    add(row.name, table.concat(texts, ", "))
  end
  return framed("Options", nil, head { { name = "option" }, { name = "values" } }
    .. element("tbody", nil, table.concat(rows)))
end

-- A metric over a run as a small picture.
local function sparkline(points)
  local low, high = math.huge, -math.huge
  for _, y in ipairs(points.y) do
    if is_finite(y) then low, high = math.min(low, y), math.max(high, y) end
  end
  if high < low or #points.y < 2 then return "" end
  local lines, line = {}, {}
  local function close()
    if #line > 0 then lines[#lines + 1] = ('<polyline points="%s"/>'):format(table.concat(line, " ")) end
    line = {}
  end
  for i, y in ipairs(points.y) do
    if not is_finite(y) then
      close()
    else
      line[#line + 1] = ("%.4g,%.3g"):format(2 + 106 * (i - 1) / (#points.y - 1),
        2 + 20 * (high > low and (high - y) / (high - low) or 0.5))
    end
  end
  close()
  return '<svg class="spark" viewBox="0 0 110 24" aria-hidden="true">'
    .. table.concat(lines) .. "</svg>"
end

local marks = { finished = "✓ ", failed = "✗ ", cut = "◼ ", running = "… " }

local function run_row(subject, entry, decimals)
  local run = entry.run
  local cells = { element("th", { scope = "row", class = name_class(run.name) }, escape(run.name)) }
  if subject.has_variants then cells[#cells + 1] = cell(escape(where.text(run.variant)), "text") end
  cells[#cells + 1] = option_cells(subject, subject.fields(run))
  cells[#cells + 1] = cell(escape(where.text(run.seed)), "number")
  cells[#cells + 1] = cell(("<span class=\"state %s\">%s%s</span>"):format(escape(run.state), marks[run.state] or "",
    escape(run.state)))
  cells[#cells + 1] = cell(number(entry.value, decimals), "number")
  cells[#cells + 1] = cell(sparkline(entry.points))
  if subject.has_solves then cells[#cells + 1] = cell(html.count(tonumber(run.meta.solves)), "number") end
  cells[#cells + 1] = cell(escape(tables.duration(run.meta.seconds)), "number")
  return "<tr>" .. table.concat(cells) .. "</tr>\n"
end

--- All runs, with their states and the course of the metric.
function tables.runs(subject)
  local columns, rows, decimals = { { name = "run" } }, {}, decimals_of(subject.groups)
  if subject.has_variants then columns[2] = { name = "variant" } end
  for _, name in ipairs(subject.option_columns) do columns[#columns + 1] = { name = name } end
  columns[#columns + 1] = { name = "seed", number = true }
  columns[#columns + 1] = { name = "state" }
  columns[#columns + 1] = { name = subject.metric, number = true }
  columns[#columns + 1] = { name = "course" }
  if subject.has_solves then columns[#columns + 1] = { name = "solver calls", number = true } end
  columns[#columns + 1] = { name = "time", number = true }
  for i, entry in ipairs(subject.runs) do rows[i] = run_row(subject, entry, decimals) end
  local note = ("%s %s; course: how it got there, each on its own scale."):format(subject.metric,
    places[subject.at] or "at " .. subject.at)
  return element("p", { class = "muted" }, escape(note))
    .. framed("Runs", "wide runs", head(columns) .. element("tbody", nil, table.concat(rows)))
end

--- Rows of a name and its values.
function tables.facts(label, facts)
  if #facts == 0 then return '<p class="muted">The runs have recorded nothing of it.</p>' end
  local rows = {}
  for i, fact in ipairs(facts) do
    rows[i] = ("<tr>%s%s</tr>\n"):format(element("th", { scope = "row" }, escape(fact[1])),
      cell(escape(fact[2]), "text"))
  end
  return framed(label, nil, element("tbody", nil, table.concat(rows)))
end

return tables

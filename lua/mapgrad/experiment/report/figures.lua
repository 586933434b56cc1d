--- The figures of a report, drawn by gnuplot and put into the page.
-- @module mapgrad.experiment.report.figures
local figure = require "mapgrad.experiment.figure"
local html = require "mapgrad.experiment.report.html"
local svg = require "mapgrad.experiment.report.svg"
local tables = require "mapgrad.experiment.report.table"

local figures = {}

local element, escape = html.element, html.escape

local LONGEST = 26 -- bytes of a name beside a bar

-- The comparison with the groups that are drawn.
local function first_groups(subject)
  local few = setmetatable({ groups = {} }, { __index = subject.comparison })
  for i = 1, subject.drawn do few.groups[i] = subject.groups[i] end
  return few
end

-- The same with names that leave room beside them; colours and markers tell groups apart.
local function with_short_names(comparison)
  local short = setmetatable({ groups = {} }, { __index = comparison })
  for i, group in ipairs(comparison.groups) do
    local name = html.valid(group.name)
    local cut = name:sub(1, LONGEST):gsub("[\192-\255][\128-\191]*$", "") -- not in the middle of a letter
    short.groups[i] = setmetatable({ name = #name > LONGEST and cut .. "…" or name }, { __index = group })
  end
  return short
end

local function is_number_in_all(subject, name)
  for _, group in ipairs(subject.groups) do
    if type(group.options[name]) ~= "number" then return false end
  end
  return true
end

-- What to draw: heading, caption, what is drawn in words, and the function that draws.
local function plan(subject)
  local few, metric = first_groups(subject), subject.metric
  local list = {}
  local function add(heading, caption, draw) list[#list + 1] = { heading, caption, draw } end
  local band = "Mean over the runs of a group; bands are its 95 % intervals."
  add(metric .. " over epochs", band, function(o) return figure.curves(few, "epoch", o) end)
  if subject.has_solves then
    add(metric .. " over solver calls", "What a solver call buys: " .. band:sub(1, 1):lower() .. band:sub(2),
      function(o) return figure.curves(few, "solves", o) end)
  end
  add(metric .. " over time", "Seconds since a run began; comparable only if all ran on like machines.",
    function(o) return figure.curves(few, "seconds", o) end)
  if #few.groups > 1 then
    add(metric .. " at the end", "Means with 95 % intervals.", function(o)
      o.points = true
      return figure.bars(with_short_names(few), o)
    end)
    add("Performance profile", ("Share of a group's runs whose %s is at %s the threshold; higher is better."):format(
      metric, subject.sense == "min" and "most" or "least"), function(o) return figure.profile(few, o) end)
  end
  if #subject.options_differing == 2 then
    local x, y = subject.options_differing[1], subject.options_differing[2]
    add(("%s over %s and %s"):format(metric, x, y), "Means over all runs with these values.",
      function(o) return figure.heat(subject.comparison, x, y, o) end)
  elseif #subject.options_differing == 1 and is_number_in_all(subject, subject.options_differing[1]) then
    local x = subject.options_differing[1]
    add(("%s over %s"):format(metric, x), "A point for each run.", function(o) return figure.scatter(few, x, o) end)
  end
  return list
end

local function legend(subject)
  local items = {}
  for i = 1, subject.drawn do
    local group = subject.groups[i]
    items[i] = element("li", { class = "group" }, tables.swatch(i, subject.markers ~= nil),
      "<span>" .. escape(group.name) .. "</span>")
  end
  return element("ul", { class = "legend", ["aria-label"] = "Legend" }, table.concat(items))
end

--- The figures; sets subject.markers, the definitions that they use.
-- @return HTML
function figures.section(subject)
  local parts, missing = {}, {}
  for _, row in ipairs(plan(subject)) do
    local text, message = row[3] { format = "svg", width = 520, height = 330, key = false }
    if text then
      subject.markers = subject.markers or svg.markers(text)
      local caption = element("figcaption", nil, element("h3", nil, escape(row[1])), escape(row[2]))
      parts[#parts + 1] = ("<figure>%s%s</figure>\n"):format(caption, svg.inline(text, row[1] .. ". " .. row[2]))
    else
      missing[#missing + 1] = element("li", nil, escape(("%s: %s"):format(row[1], message)))
    end
  end
  local drawn = #parts > 0 and legend(subject) .. element("div", { class = "figures" }, table.concat(parts)) or ""
  if subject.drawn < #subject.groups and drawn ~= "" then
    drawn = ('<p class="muted">The best %d of %d groups; the table has all.</p>'):format(subject.drawn,
      #subject.groups) .. drawn
  end
  if #missing > 0 then drawn = drawn .. element("ul", { class = "notes" }, table.concat(missing)) end
  return drawn
end

return figures

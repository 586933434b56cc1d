--- What compare.runs found, as text of 80 columns, JSON, CSV, Markdown and LaTeX.
-- @module mapgrad.experiment.compare.output
local columns_of = require "mapgrad.experiment.compare.columns"
local json = require "mapgrad.data.json"
local show = require "mapgrad.show"
local words = require "mapgrad.experiment.words"

local output = {}

local clean, width_of = words.clean, words.width

local WIDTH = 80
local LABELS = 34 -- columns of text that names of groups may take

local interval_names = { t = "t", percentile = "percentile bootstrap", bca = "BCa bootstrap" }
local test_names = { sign_flip = "sign-flip test of pairs", welch = "Welch's test" }

-- ------------------------------------------------------------------ text

-- A list of words on lines of at most WIDTH, later lines indented.
local function wrap(text, indent) return show.wrap(clean(text), WIDTH, indent, width_of) end

local function column_width(c)
  local width = width_of(c.title)
  for _, cell in ipairs(c.cells) do width = math.max(width, width_of(clean(cell))) end
  return width
end

local function aligned(text, width, left)
  text = clean(text)
  local space = (" "):rep(width - width_of(text))
  return left and text .. space or space .. text
end

local function lines_of(columns)
  local widths, lines = {}, {}
  for i, c in ipairs(columns) do widths[i] = column_width(c) end
  for r = 0, #columns[1].cells do
    local parts = {}
    for i, c in ipairs(columns) do parts[i] = aligned(r == 0 and c.title or c.cells[r], widths[i], c.left) end
    lines[#lines + 1] = ("  " .. table.concat(parts, "  ")):gsub("%s+$", "")
  end
  return lines
end

local function total_width(columns)
  local sum = 0
  for _, c in ipairs(columns) do sum = sum + column_width(c) + 2 end
  return sum
end

-- Tables of at most WIDTH: as many columns as fit beside the labels, the others below, again beside them.
local function pages(labels, columns)
  local texts, page, used = {}, {}, total_width(labels)
  local function flush()
    if #page == 0 then return end
    local all = {}
    for _, c in ipairs(labels) do all[#all + 1] = c end
    for _, c in ipairs(page) do all[#all + 1] = c end
    texts[#texts + 1] = table.concat(lines_of(all), "\n")
    page, used = {}, total_width(labels)
  end
  for _, c in ipairs(columns) do
    local width = column_width(c) + 2
    if used + width > WIDTH then flush() end
    page[#page + 1], used = c, used + width
  end
  flush()
  return table.concat(texts, "\n\n")
end

-- Labels that fit: the values themselves, or numbers that a legend explains.
local function text_labels(result)
  local is_wide = total_width(columns_of.labels(result, result.groups)) > LABELS
  local number, legend = {}, {}
  for i, group in ipairs(result.groups) do
    number[group] = ("#%d"):format(i)
    legend[i] = wrap(("  #%d  %s"):format(i, group.name):gsub("^%s+", ""), "    ")
  end
  return function(groups)
    if not is_wide then return columns_of.labels(result, groups) end
    return columns_of.numbers(groups, number)
  end, is_wide and table.concat(legend, "\n") or nil
end

local function at_text(at)
  if at == "last" then return "last row of each run" end
  if at == "best" then return "best row of each run" end
  local field, number = at:match "^([%w_]+)=(.*)$"
  if field == "seconds" or field == "solves" then return ("last row within %s %s"):format(number, field) end
  return ("row with %s of each run"):format(at)
end

local function head_of(result)
  return wrap(("%s: %s, %s is better, %s; %d run%s in %d group%s; intervals: %s"):format(result.title or "runs",
    result.metric, result.sense == "min" and "lower" or "higher", at_text(result.at), result.runs,
    result.runs == 1 and "" or "s", #result.groups, #result.groups == 1 and "" or "s",
    interval_names[result.interval]), "  ")
end

-- "against X (the best mean), sign-flip test of pairs, Holm's correction over 3 tests; ..."
local function against_text(result, groups)
  local kinds, seen = {}, {}
  for _, group in ipairs(groups) do
    local name = test_names[group.against.test]
    if name and not seen[name] then seen[name], kinds[#kinds + 1] = true, name end
  end
  return ("against %s%s: %s%s; d: effect size; P(better): chance that a run is better")
    :format(result.baseline, result.baseline_is_given and "" or " (the best mean)",
    #kinds > 0 and table.concat(kinds, ", ") or "no test",
    #groups > 1 and (", p corrected for %d tests"):format(#groups) or "")
end

-- Whether any group is starred.
local function has_star(groups)
  for _, group in ipairs(groups) do
    if group.against.significant then return true end
  end
  return false
end

--- Text for a terminal, at most 80 columns.
-- @tparam table result  of compare.runs
-- @treturn string
function output.text(result)
  local labels, legend = text_labels(result)
  local parts = { head_of(result), pages(labels(result.groups), columns_of.groups(result, "±")) }
  if legend then parts[#parts + 1] = legend end
  if result.problem then
    parts[#parts + 1] = wrap(("over the values of %s; shares of runs within a score:"):format(result.problem), "  ")
    parts[#parts + 1] = pages(labels(result.groups), columns_of.problems(result))
  end
  local compared = columns_of.others(result)
  if #compared > 0 then
    local star = has_star(compared) and ("; *: below %.14g"):format(1 - result.level) or ""
    parts[#parts + 1] = wrap(against_text(result, compared) .. star, "  ")
    parts[#parts + 1] = pages(labels(compared), columns_of.against(result, compared, true))
  end
  if #result.notes > 0 then
    local lines = {}
    for i, note in ipairs(result.notes) do lines[i] = wrap("note: " .. note, "  ") end
    parts[#parts + 1] = table.concat(lines, "\n")
  end
  return table.concat(parts, "\n\n")
end

-- ------------------------------------------------------------------ JSON

local function clean_number(v)
  if v == nil then return nil end
  return columns_of.is_finite(v) and v or json.null
end

-- A copy for JSON: null for what is no finite number.
local function clean_value(value)
  if type(value) == "number" then return clean_number(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, entry in pairs(value) do copy[key] = clean_value(entry) end
  return #value > 0 and copy or (next(copy) == nil and json.list {} or copy)
end

local GROUP_FIELDS = { "name", "n", "seeds", "values", "mean", "std", "median", "iqm", "best", "interval", "not_finite",
  "reached", "seconds", "solves", "problems", "aggregate", "against" }
local RESULT_FIELDS = { "title", "metric", "sense", "at", "level", "interval", "baseline", "best", "columns",
  "left_out",  "runs", "target", "axis", "problem", "notes" }

--- One JSON document with a version; numbers with 17 digits, null for what is not finite.
-- @tparam table result  of compare.runs
-- @treturn string
function output.json(result)
  local document = { version = 1, groups = json.list {} }
  for _, name in ipairs(RESULT_FIELDS) do document[name] = clean_value(result[name]) end
  for i, group in ipairs(result.groups) do
    local record = { options = {} }
    for _, name in ipairs(GROUP_FIELDS) do record[name] = clean_value(group[name]) end
    for name, value in pairs(group.options) do record.options[name] = clean_value(value) end
    document.groups[i] = record
  end
  return json.encode(document, { indent = 1 })
end

-- ------------------------------------------------------------------ CSV

local function csv_cell(text)
  if text:find '[",\r\n]' or text:find "^%s" or text:find "%s$" then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

--- Comma-separated values, quoted as RFC 4180 says, numbers with 17 digits, nothing where there is no finite number.
-- The notes are not in it.
-- @tparam table result  of compare.runs
-- @treturn string
function output.csv(result)
  local columns, lines = columns_of.exact(result), {}
  for r = 0, #result.groups do
    local cells = {}
    for i, c in ipairs(columns) do cells[i] = csv_cell(r == 0 and c.title or c.cells[r]) end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------ Markdown and LaTeX

local function escape_md(text)
  return (clean(text):gsub("[\\`*_%[%]|~#]", "\\%0"):gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;"))
end

--- A table in Markdown (GitHub's), the notes as a list below it.
-- @tparam table result  of compare.runs
-- @treturn string
function output.md(result)
  local columns = columns_of.wide(result, "±")
  local lines = { escape_md(head_of(result):gsub("\n%s*", " ")), "" }
  for r = 0, #result.groups do
    local cells, rule = {}, {}
    for i, c in ipairs(columns) do
      cells[i] = escape_md(r == 0 and c.title or c.cells[r])
      rule[i] = c.left and "---" or "---:"
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
    if r == 0 then lines[#lines + 1] = "| " .. table.concat(rule, " | ") .. " |" end
  end
  local compared = columns_of.others(result)
  lines[#lines + 1] = ""
  if #compared > 0 then lines[#lines + 1] = "- " .. escape_md(against_text(result, compared)) end
  for _, note in ipairs(result.notes) do lines[#lines + 1] = "- " .. escape_md(note) end
  if lines[#lines] == "" then lines[#lines] = nil end
  return table.concat(lines, "\n")
end

local tex_words = {
  ["\\"] = "\\textbackslash{}", ["{"] = "\\{", ["}"] = "\\}", ["$"] = "\\$", ["&"] = "\\&", ["#"] = "\\#",
  ["_"] = "\\_", ["%"] = "\\%", ["^"] = "\\textasciicircum{}", ["~"] = "\\textasciitilde{}",
  ["<"] = "\\textless{}", [">"] = "\\textgreater{}", ["|"] = "\\textbar{}",
}

local function escape_tex(text)
  return (clean(text):gsub("[\\{}$&#_%%^~<>|]", tex_words):gsub("±", "$\\pm$"))
end

-- Numbers in text mode lack a minus sign.
local function tex_cell(text)
  return (escape_tex(text):gsub("%f[%d%-]%-(%d)", "$-$%1"))
end

--- A LaTeX table of package booktabs; the notes are comments above it.
-- @tparam table result  of compare.runs
-- @treturn string
function output.tex(result)
  local columns, shape, lines = columns_of.wide(result, "±"), {}, {}
  local function remark(text) lines[#lines + 1] = "% " .. clean(text) end
  remark((head_of(result):gsub("\n%s*", " ")))
  local compared = columns_of.others(result)
  if #compared > 0 then remark(against_text(result, compared)) end
  for _, note in ipairs(result.notes) do remark("note: " .. note) end
  for i, c in ipairs(columns) do shape[i] = c.left and "l" or "r" end
  lines[#lines + 1] = "\\begin{tabular}{" .. table.concat(shape) .. "}"
  lines[#lines + 1] = "\\toprule"
  for r = 0, #result.groups do
    local cells = {}
    for i, c in ipairs(columns) do
      cells[i] = r == 0 and escape_tex(c.title) or c.left and escape_tex(c.cells[r]) or tex_cell(c.cells[r])
    end
    if cells[1]:find "^[%*%[]" then cells[1] = "{}" .. cells[1] end -- or \\ above would take it for its own
    lines[#lines + 1] = table.concat(cells, " & ") .. " \\\\"
    if r == 0 then lines[#lines + 1] = "\\midrule" end
  end
  lines[#lines + 1] = "\\bottomrule"
  lines[#lines + 1] = "\\end{tabular}"
  return table.concat(lines, "\n")
end

return output

--- What compare.runs found, as text of 80 columns, JSON, CSV, Markdown and LaTeX.
-- @module mapgrad.experiment.compare_output
local json = require "mapgrad.data.json"
local where = require "mapgrad.experiment.where"

local output = {}

local WIDTH = 80
local LABELS = 34 -- columns of text that names of groups may take

local interval_names = { t = "t", percentile = "percentile bootstrap", bca = "BCa bootstrap" }
local test_names = { sign_flip = "sign-flip test of pairs", welch = "Welch's test" }

-- ------------------------------------------------------------------ numbers

local function is_finite(v) return v and v == v and v ~= math.huge and v ~= -math.huge end

-- A format of a number; what lies halfway is rounded away from 0 (C and LuaJIT differ there, as in %.3f of 0.0625).
local function rounded(form, v) return form:format(v + v * 2 ^ -52) end

-- nan, inf and -inf as words; nil as "-".
local function word_of(v)
  if v == nil then return "-" end
  if v ~= v then return "nan" end
  return v > 0 and "inf" or "-inf"
end

-- Digits after the point that show two digits of a typical deviation, or four of the largest value.
local function decimals_of(values, deviations)
  local sizes, largest = {}, 0
  for _, v in ipairs(values) do
    if is_finite(v) then largest = math.max(largest, math.abs(v)) end
  end
  for _, v in ipairs(deviations) do
    if is_finite(v) and v > 0 then sizes[#sizes + 1] = v end
  end
  table.sort(sizes)
  local typical = sizes[math.floor((#sizes + 1) / 2)]
  local function exponent(v) return tonumber((rounded("%.0e", v):match "e(.*)$")) end
  if largest == 0 then return 4 end
  local digits = typical and 1 - exponent(typical) or 3 - exponent(largest)
  digits = math.max(0, math.min(digits, 8 - exponent(largest)))
  return (digits > 7 or exponent(largest) > 7) and -1 or digits -- -1: in scientific notation
end

-- A maker of number -> text with so many digits after the point.
local function fixed(decimals)
  return function(v)
    if not is_finite(v) then return word_of(v) end
    local text = rounded(decimals < 0 and "%.3e" or "%." .. decimals .. "f", v)
    return text:find "^%-[0.]+$" and text:sub(2) or text -- no minus before zero
  end
end

-- Four significant digits at most.
local function short(v)
  if not is_finite(v) then return word_of(v) end
  return rounded("%.4g", v)
end

local function p_text(p)
  if not is_finite(p) then return word_of(p) end
  if p < 0.0001 then return "<0.0001" end
  return rounded(p < 0.001 and "%.4f" or "%.3f", p)
end

local function interval_text(pair, number)
  if not is_finite(pair[1]) or not is_finite(pair[2]) then return "-" end
  return ("[%s, %s]"):format(number(pair[1]), number(pair[2]))
end

-- 17 digits, as few as whole numbers need.
local function exact(v)
  if v == nil or v ~= v then return "" end
  if v == math.huge or v == -math.huge then return word_of(v) end
  if v == math.floor(v) and math.abs(v) < 2 ^ 53 then return ("%.0f"):format(v) end
  return ("%.17g"):format(v)
end

-- ------------------------------------------------------------------ columns: title, alignment, cells

local function column(title, cells, left) return { title = title, cells = cells, left = left } end

local function cells_of(groups, f)
  local cells = {}
  for i, group in ipairs(groups) do cells[i] = f(group) end
  return cells
end

-- The values that tell groups apart.
local function label_columns(result, groups)
  local list = {}
  for _, name in ipairs(result.columns) do
    local numeric = true
    local cells = cells_of(groups, function(group)
      local value = group.options[name]
      numeric = numeric and (value == nil or type(value) == "number")
      return where.text(value)
    end)
    list[#list + 1] = column(name, cells, not numeric)
  end
  if #list == 0 then list[1] = column("group", cells_of(groups, function(group) return group.name end), true) end
  return list
end

local function number_format(result)
  local values, deviations = {}, {}
  for _, group in ipairs(result.groups) do
    values[#values + 1], deviations[#deviations + 1] = group.mean, group.std
  end
  return fixed(decimals_of(values, deviations))
end

local function percent(level) return ("%.14g"):format(100 * level) .. " %" end

-- Columns about each group by itself; with_sign joins mean and deviation.
local function group_columns(result, with_sign)
  local groups, number = result.groups, number_format(result)
  local function of(name)
    return cells_of(groups, function(group) return number(group[name]) end)
  end
  local list = {
    column("n", cells_of(groups, function(group) return ("%d"):format(group.n) end)),
    column("mean " .. with_sign .. " std", cells_of(groups, function(group)
      return ("%s %s %s"):format(number(group.mean), with_sign, is_finite(group.std) and number(group.std) or "-")
    end)),
    column(percent(result.level) .. " interval", cells_of(groups, function(group)
      return interval_text(group.interval[result.interval], number)
    end)),
    column("median", of "median"), column("IQM", of "iqm"), column("best", of "best"),
  }
  if result.target then
    list[#list + 1] = column("reached", cells_of(groups, function(group)
      return is_finite(group.reached) and rounded("%.0f %%", 100 * group.reached) or "-"
    end))
    for _, name in ipairs { "seconds", "solves" } do
      if not result.axis or result.axis == name then
        list[#list + 1] = column(name, cells_of(groups, function(group)
          return is_finite(group[name]) and short(group[name]) or "-"
        end))
      end
    end
  end
  return list
end

-- The groups that are compared with the baseline.
local function others(result)
  local list = {}
  for _, group in ipairs(result.groups) do
    if group.against then list[#list + 1] = group end
  end
  return list
end

-- Columns of comparisons; text has no room for the interval of P(better).
local function against_columns(result, groups, is_text)
  local number = number_format(result)
  local function of(f)
    return cells_of(groups, function(group) return f(group.against) end)
  end
  return {
    column("difference", of(function(test) return number(test.difference) end)),
    column(percent(result.level) .. " interval", of(function(test)
      return interval_text(test.interval[result.interval], number)
    end)),
    column("p (Holm)", of(function(test) return p_text(test.p_holm) .. (test.significant and " *" or "") end)),
    column("d", of(function(test)
      local is_usual = is_finite(test.effect) and math.abs(test.effect) < 1000
      return is_usual and rounded("%.2f", test.effect) or short(test.effect)
    end)),
    column("P(better)", of(function(test)
      local text = is_finite(test.improvement) and rounded("%.2f", test.improvement) or "-"
      local pair = test.improvement_interval
      if is_text or not is_finite(pair[1]) then return text end
      return ("%s [%s, %s]"):format(text, rounded("%.2f", pair[1]), rounded("%.2f", pair[2]))
    end)),
  }
end

local function problem_columns(result)
  local groups, number = result.groups, number_format(result)
  local list = {
    column("problems", cells_of(groups, function(group) return ("%d"):format(#group.problems) end)),
    column("IQM", cells_of(groups, function(group)
      return group.aggregate and number(group.aggregate.iqm) or "-"
    end)),
    column(percent(result.level) .. " interval", cells_of(groups, function(group)
      return group.aggregate and interval_text(group.aggregate.interval, number) or "-"
    end)),
  }
  if result.target then
    list[#list + 1] = column("gap", cells_of(groups, function(group)
      return group.aggregate and number(group.aggregate.optimality_gap) or "-"
    end))
  end
  local taus = result.groups[1].aggregate and result.groups[1].aggregate.taus or {}
  local sign = result.sense == "min" and "<=" or ">="
  for _, i in ipairs { 1, 3, 5, 7, 9 } do
    if taus[i] then
      list[#list + 1] = column(sign .. number(taus[i]), cells_of(groups, function(group)
        return group.aggregate and rounded("%.2f", group.aggregate.profile[i]) or "-"
      end))
    end
  end
  return list
end

-- ------------------------------------------------------------------ text

-- How wide a text is: characters of UTF-8, not bytes.
local function width_of(text)
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

-- No control characters: they would move the cursor.
local function clean(text) return (text:gsub("%c", "?")) end

-- A list of words on lines of at most WIDTH, later lines indented.
local function wrap(text, indent)
  local lines, line = {}, nil
  for word in clean(text):gmatch "%S+" do
    if line and width_of(line) + 1 + width_of(word) <= WIDTH then
      line = line .. " " .. word
    else
      lines[#lines + 1] = line
      line = line and indent .. word or word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

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
  local is_wide = total_width(label_columns(result, result.groups)) > LABELS
  local number, legend = {}, {}
  for i, group in ipairs(result.groups) do
    number[group] = ("#%d"):format(i)
    legend[i] = wrap(("  #%d  %s"):format(i, group.name):gsub("^%s+", ""), "    ")
  end
  return function(groups)
    if not is_wide then return label_columns(result, groups) end
    return { column("group", cells_of(groups, function(group) return number[group] end), true) }
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
  local parts = { head_of(result), pages(labels(result.groups), group_columns(result, "±")) }
  if legend then parts[#parts + 1] = legend end
  if result.problem then
    parts[#parts + 1] = wrap(("over the values of %s; shares of runs within a score:"):format(result.problem), "  ")
    parts[#parts + 1] = pages(labels(result.groups), problem_columns(result))
  end
  local compared = others(result)
  if #compared > 0 then
    local star = has_star(compared) and ("; *: below %.14g"):format(1 - result.level) or ""
    parts[#parts + 1] = wrap(against_text(result, compared) .. star, "  ")
    parts[#parts + 1] = pages(labels(compared), against_columns(result, compared, true))
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
  return is_finite(v) and v or json.null
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
local RESULT_FIELDS = { "title", "metric", "sense", "at", "level", "interval", "baseline", "best", "columns", "left_out",
  "runs", "target", "axis", "problem", "notes" }

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

-- Columns with numbers as they are.
local function exact_columns(result)
  local groups, list = result.groups, label_columns(result, result.groups)
  for _, name in ipairs { "n", "mean", "std", "median", "iqm", "best" } do
    list[#list + 1] = column(name, cells_of(groups, function(group) return exact(group[name]) end))
  end
  for _, kind in ipairs { "t", "percentile", "bca" } do
    for i, suffix in ipairs { "_low", "_high" } do
      list[#list + 1] = column(kind .. suffix, cells_of(groups, function(group)
        return exact(group.interval[kind][i])
      end))
    end
  end
  if result.target then
    for _, name in ipairs { "reached", "seconds", "solves" } do
      list[#list + 1] = column(name, cells_of(groups, function(group) return exact(group[name]) end))
    end
  end
  local function add(title, f)
    list[#list + 1] = column(title, cells_of(groups, function(group)
      local value = group.against and f(group.against)
      return type(value) == "string" and value or exact(value or nil)
    end))
  end
  add("against", function() return result.baseline end)
  add("test", function(test) return test.test or "" end)
  for _, name in ipairs { "difference", "p", "p_holm", "effect", "improvement" } do
    add(name, function(test) return test[name] end)
  end
  local ends = { "_low", "_high" }
  for i, suffix in ipairs(ends) do
    add("difference" .. suffix, function(test) return test.interval[result.interval][i] end)
  end
  for i, suffix in ipairs(ends) do
    add("improvement" .. suffix, function(test) return test.improvement_interval[i] end)
  end
  return list
end

--- Comma-separated values, quoted as RFC 4180 says, numbers with 17 digits, nothing where there is no finite number.
-- The notes are not in it.
-- @tparam table result  of compare.runs
-- @treturn string
function output.csv(result)
  local columns, lines = exact_columns(result), {}
  for r = 0, #result.groups do
    local cells = {}
    for i, c in ipairs(columns) do cells[i] = csv_cell(r == 0 and c.title or c.cells[r]) end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------ Markdown and LaTeX

-- Labels, groups and comparisons side by side; the baseline's cells of comparisons are empty.
local function wide_columns(result, sign)
  local list = label_columns(result, result.groups)
  for _, c in ipairs(group_columns(result, sign)) do list[#list + 1] = c end
  local compared = others(result)
  if #compared == 0 then return list end
  local place = {}
  for i, group in ipairs(compared) do place[group] = i end
  for _, c in ipairs(against_columns(result, compared)) do
    list[#list + 1] = column(c.title, cells_of(result.groups, function(group)
      return place[group] and c.cells[place[group]] or ""
    end))
  end
  return list
end

local function escape_md(text)
  return (clean(text):gsub("[\\`*_%[%]|~#]", "\\%0"):gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;"))
end

--- A table in Markdown (GitHub's), the notes as a list below it.
-- @tparam table result  of compare.runs
-- @treturn string
function output.md(result)
  local columns = wide_columns(result, "±")
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
  local compared = others(result)
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
  local columns, shape, lines = wide_columns(result, "±"), {}, {}
  local function remark(text) lines[#lines + 1] = "% " .. clean(text) end
  remark((head_of(result):gsub("\n%s*", " ")))
  local compared = others(result)
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

--- The columns of compare's tables: titles, alignment, cells as texts.
-- @module mapgrad.experiment.compare.columns
local compare_rows = require "mapgrad.experiment.compare.rows"

--- A column is {title, cells = texts, left = whether they start at the left}.
local columns = {}

-- ------------------------------------------------------------------ numbers

--- Whether it is a number, and finite.
columns.is_finite = compare_rows.is_finite

-- A format of a number; what lies halfway is rounded away from 0 (C and LuaJIT differ there, as in %.3f of 0.0625).
local function rounded(form, v) return form:format(v + v * 2 ^ -52) end

-- inf and -inf as words; what there is not, as a test of two runs, as "-".
local function word_of(v)
  if v == nil or v ~= v then return "-" end
  return v > 0 and "inf" or "-inf"
end

-- Digits after the point that show two digits of a typical deviation, or four of the largest value.
local function decimals_of(values, deviations)
  local sizes, largest = {}, 0
  for _, v in ipairs(values) do
    if columns.is_finite(v) then largest = math.max(largest, math.abs(v)) end
  end
  for _, v in ipairs(deviations) do
    if columns.is_finite(v) and v > 0 then sizes[#sizes + 1] = v end
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
    if not columns.is_finite(v) then return word_of(v) end
    local text = rounded(decimals < 0 and "%.3e" or "%." .. decimals .. "f", v)
    return text:find "^%-[0.]+$" and text:sub(2) or text -- no minus before zero
  end
end

-- Four significant digits at most.
local function short(v)
  if not columns.is_finite(v) then return word_of(v) end
  return rounded("%.4g", v)
end

local function p_text(p)
  if not columns.is_finite(p) then return word_of(p) end
  if p < 0.0001 then return "<0.0001" end
  return rounded(p < 0.001 and "%.4f" or "%.3f", p)
end

local function interval_text(pair, number)
  if not columns.is_finite(pair[1]) or not columns.is_finite(pair[2]) then return "-" end
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

-- f(group) of each.
local function cells_of(groups, f)
  local cells = {}
  for i, group in ipairs(groups) do cells[i] = f(group) end
  return cells
end

--- The values that tell groups apart.
function columns.labels(result, groups)
  local list = {}
  for _, name in ipairs(result.columns) do
    local numeric = true
    local cells = cells_of(groups, function(group)
      local value = group.options[name]
      numeric = numeric and (value == nil or type(value) == "number")
      return group.labels[name]
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

--- One column of labels: a text for each group.
function columns.numbers(groups, number)
  return { column("group", cells_of(groups, function(group) return number[group] end), true) }
end

--- Columns about each group by itself; with_sign joins mean and deviation.
function columns.groups(result, with_sign)
  local groups, number = result.groups, number_format(result)
  local function of(name)
    return cells_of(groups, function(group) return number(group[name]) end)
  end
  local list = {
    column("n", cells_of(groups, function(group) return ("%d"):format(group.n) end)),
    column("mean " .. with_sign .. " std", cells_of(groups, function(group)
      local std = columns.is_finite(group.std) and number(group.std) or "-"
      return ("%s %s %s"):format(number(group.mean), with_sign, std)
    end)),
    column(percent(result.level) .. " interval", cells_of(groups, function(group)
      return interval_text(group.interval[result.interval], number)
    end)),
    column("median", of "median"), column("IQM", of "iqm"), column("best", of "best"),
  }
  if result.target then
    list[#list + 1] = column("reached", cells_of(groups, function(group)
      return columns.is_finite(group.reached) and rounded("%.0f %%", 100 * group.reached) or "-"
    end))
    for _, name in ipairs { "seconds", "solves" } do
      if not result.axis or result.axis == name then
        list[#list + 1] = column(name, cells_of(groups, function(group)
          return columns.is_finite(group[name]) and short(group[name]) or "-"
        end))
      end
    end
  end
  return list
end

--- The groups that are compared with the baseline.
function columns.others(result)
  local list = {}
  for _, group in ipairs(result.groups) do
    if group.against then list[#list + 1] = group end
  end
  return list
end

--- Columns of comparisons; text has no room for the interval of P(better).
function columns.against(result, groups, is_text)
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
      local is_usual = columns.is_finite(test.effect) and math.abs(test.effect) < 1000
      return is_usual and rounded("%.2f", test.effect) or short(test.effect)
    end)),
    column("P(better)", of(function(test)
      local text = columns.is_finite(test.improvement) and rounded("%.2f", test.improvement) or "-"
      local pair = test.improvement_interval
      if is_text or not columns.is_finite(pair[1]) then return text end
      return ("%s [%s, %s]"):format(text, rounded("%.2f", pair[1]), rounded("%.2f", pair[2]))
    end)),
  }
end

--- Columns about scores pooled over problems.
function columns.problems(result)
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

--- Labels, groups and comparisons side by side; the baseline's cells of comparisons are empty.
function columns.wide(result, sign)
  local list = columns.labels(result, result.groups)
  for _, c in ipairs(columns.groups(result, sign)) do list[#list + 1] = c end
  local compared = columns.others(result)
  if #compared == 0 then return list end
  local place = {}
  for i, group in ipairs(compared) do place[group] = i end
  for _, c in ipairs(columns.against(result, compared)) do
    list[#list + 1] = column(c.title, cells_of(result.groups, function(group)
      return place[group] and c.cells[place[group]] or ""
    end))
  end
  return list
end

--- Columns with numbers as they are.
function columns.exact(result)
  local groups, list = result.groups, columns.labels(result, result.groups)
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

return columns

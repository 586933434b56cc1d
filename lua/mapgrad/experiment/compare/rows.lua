--- Which number a run counts with: metric, sense, row; and when it reaches a target.
-- @module mapgrad.experiment.compare.rows
local check = require "mapgrad.check"

local compare_rows = {}

local nan = 0 / 0
local huge = math.huge

-- Fields of rows that count work: no metric by default.
local bookkeeping = { epoch = true, step = true, solves = true, seconds = true, batch = true, iteration = true }

--- Whether a value is a finite number.
function compare_rows.is_finite(v) return type(v) == "number" and v == v and v ~= huge and v ~= -huge end
local is_finite = compare_rows.is_finite

-- The numeric fields that every run has in some row, sorted.
local function common_fields(runs)
  local counts, names = {}, {}
  for _, run in ipairs(runs) do
    local seen = {}
    for _, row in ipairs(run.rows or {}) do
      for name, value in pairs(row) do
        if type(value) == "number" and not seen[name] then
          seen[name] = true
          counts[name] = (counts[name] or 0) + 1
        end
      end
    end
  end
  for name, count in pairs(counts) do
    if count == #runs then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- All fields of all rows, sorted.
local function all_fields(runs)
  local seen, names = {}, {}
  for _, run in ipairs(runs) do
    for _, row in ipairs(run.rows or {}) do
      for name in pairs(row) do
        if not seen[name] then
          seen[name], names[#names + 1] = true, name
        end
      end
    end
  end
  table.sort(names)
  return names
end

-- What the experiment files declare: metric, sense; nil if they disagree.
local function declared(runs)
  local metric, sense
  for _, run in ipairs(runs) do
    local config = run.config or {}
    if type(config.metric) == "string" then
      if metric and metric ~= config.metric then return nil end
      metric, sense = config.metric, config.sense
    end
  end
  return metric, (sense == "min" or sense == "max") and sense or nil
end

--- The metric and its sense: as asked for, else as the experiment declares, else the last numeric field (by name) that
-- all runs have, less being better.
-- @tparam table runs
-- @tparam ?string metric
-- @tparam ?string sense  "min" or "max"
-- @treturn string metric; or nil and a message
-- @treturn string sense
-- @treturn table notes: what was guessed, in words
function compare_rows.metric(runs, metric, sense)
  local own, own_sense = declared(runs)
  local notes = {}
  if metric or own then
    local fields, found = all_fields(runs), false
    metric = metric or own
    for _, name in ipairs(fields) do found = found or name == metric end
    if not found then
      if #fields == 0 then return nil, ("metric: no run has recorded '%s', or anything else"):format(metric) end
      return nil, ("metric: no run has recorded '%s'%s%s"):format(metric,
        metric == own and ", which the experiment declares" or "", check.hint(metric, fields))
    end
  else
    local names = {}
    for _, name in ipairs(common_fields(runs)) do
      if not bookkeeping[name] then names[#names + 1] = name end
    end
    if #names == 0 then
      return nil, "metric: the runs have no number in common; --metric names one"
    end
    metric = names[#names]
    notes[1] = ("the experiment declares no metric: this is %s%s"):format(metric,
      #names > 1 and ("; --metric chooses among " .. table.concat(names, ", ")) or "")
  end
  if not sense then
    sense = metric == own and own_sense or nil
    if not sense then
      sense = "min"
      notes[#notes + 1] = ("lower %s is taken as better; --sense max says otherwise"):format(metric)
    end
  end
  return metric, sense, notes
end

--- {kind = "last" | "best"} or {field, number}; nil and a message.
function compare_rows.parse_at(text)
  text = text or "last"
  if text == "last" or text == "best" then return { kind = text } end
  local field, number = text:match "^([%w_]+)=(.+)$"
  if not field or not tonumber(number) then
    return nil, ("at: expected last, best or a field and a number such as epoch=10, got '%s'"):format(text)
  end
  return { kind = "field", field = field, number = tonumber(number) }
end

--- The index of the row that counts; nil if there is none.
function compare_rows.row_index(run, metric, sense, at)
  local found
  for i, row in ipairs(run.rows or {}) do
    local value = row[metric]
    if value ~= nil then
      if at.kind == "last" then
        found = i
      elseif at.kind == "best" then
        local best = found and run.rows[found][metric]
        local better = is_finite(value)
          and (not is_finite(best) or (sense == "min" and value < best) or (sense == "max" and value > best))
        if better or not found then found = i end
      else
        local mark = row[at.field]
        if at.field == "seconds" then mark = (run.seconds or {})[i] end
        local is_budget = at.field == "seconds" or at.field == "solves"
        if is_budget and type(mark) == "number" and mark <= at.number then found = i end
        if not is_budget and mark == at.number then found = i end
      end
    end
  end
  return found
end

--- The number a run counts with.
-- @tparam table run
-- @tparam string metric
-- @tparam string sense  "min" or "max"
-- @tparam ?string at    "last" row that has the metric (default), "best", "epoch=N" (any field), "seconds=N" or
--   "solves=N": the last row within that budget
-- @treturn ?number nil where there is no such row; NaN where its value is not a finite number
-- @treturn ?number index of the row
function compare_rows.value(run, metric, sense, at)
  local place, message = compare_rows.parse_at(at)
  if not place then check.fail("MG-ARGUMENT", "compare.value: %s", message) end
  local i = compare_rows.row_index(run, metric, sense, place)
  if not i then return nil end
  local value = run.rows[i][metric]
  return is_finite(value) and value or nan, i
end

--- When a run first reaches a target.
-- @tparam table run
-- @tparam string metric
-- @tparam string sense
-- @tparam number target
-- @treturn ?number index of the row, nil if it never does
-- @treturn ?number seconds, if known
-- @treturn ?number solver calls, if known
function compare_rows.reach(run, metric, sense, target)
  for i, row in ipairs(run.rows or {}) do
    local value = row[metric]
    if type(value) == "number" and ((sense == "min" and value <= target) or (sense == "max" and value >= target)) then
      return i, (run.seconds or {})[i], type(row.solves) == "number" and row.solves or nil
    end
  end
  return nil
end

return compare_rows

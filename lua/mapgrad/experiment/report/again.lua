--- How to repeat runs: the commands, as they are typed.
-- @module mapgrad.experiment.report.again
local again = {}

local MOST = 10 -- recorded commands that are shown

--- A word as it is typed in a shell.
function again.quoted(word)
  if word:find "^[%w_./=:,+-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The shortest text that reads as the same number.
local function number(value)
  if value == math.floor(value) and math.abs(value) < 1e15 then return ("%.0f"):format(value) end
  for digits = 1, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text end
  end
  return nil
end

-- A value as `--set` takes it; nil for texts with signs that mean something there.
local function setting(value)
  if type(value) == "number" then return number(value) end
  local text = tostring(value)
  return not text:find "[,'\"%c]" and text ~= "" and text or nil
end

-- The values that runs have, in the order of their first appearance.
local function distinct(runs, of)
  local seen, list = {}, {}
  for _, run in ipairs(runs) do
    local value = of(run)
    if value ~= nil and not seen[value] then
      seen[value] = true
      list[#list + 1] = value
    end
  end
  return list
end

local function ascending(list)
  table.sort(list, function(a, b)
    if type(a) == "number" and type(b) == "number" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return list
end

-- " --set name=values" for each option and the size of their grid; nil if one cannot be written.
local function settings(runs)
  local names, words, size = {}, {}, 1
  for _, run in ipairs(runs) do
    for name in pairs(run.options) do names[name] = true end
  end
  local sorted = {}
  for name in pairs(names) do sorted[#sorted + 1] = name end
  for _, name in ipairs(ascending(sorted)) do
    local values = ascending(distinct(runs, function(run) return run.options[name] end))
    for i, value in ipairs(values) do
      values[i] = setting(value)
      if not values[i] then return nil end
    end
    words[#words + 1] = " --set " .. again.quoted(name .. "=" .. table.concat(values, ","))
    size = size * #values
  end
  return table.concat(words), size
end

-- The one value of a field of config.json in all runs.
local function shared(runs, name)
  local value = (runs[1].config or {})[name]
  for _, run in ipairs(runs) do
    if (run.config or {})[name] ~= value then return nil end
  end
  return value
end

local function budget_of(run) return run.config.budget and run.config.budget.solver_calls end

--- The command that makes all runs: there is one if they are all combinations of their options, variants and seeds,
-- under one budget.
-- @return a text, or nil
function again.sweep(runs)
  local file, real = shared(runs, "file"), shared(runs, "real")
  if type(file) ~= "string" then return nil end
  local budget = budget_of(runs[1])
  for _, run in ipairs(runs) do
    if budget_of(run) ~= budget or run.config.limit ~= nil or type(run.seed) ~= "number" then return nil end
  end
  local sets, size = settings(runs)
  local variants = ascending(distinct(runs, function(run) return run.variant end))
  local seeds = ascending(distinct(runs, function(run) return run.seed end))
  if not sets or seeds[#seeds] - seeds[1] + 1 ~= #seeds then return nil end
  if size * #seeds * math.max(#variants, 1) ~= #runs then return nil end
  return ("mapgrad run %s%s%s%s --seeds %d%s%s"):format(again.quoted(file),
    #variants > 0 and " --variants " .. again.quoted(table.concat(variants, ",")) or "", sets,
    seeds[1] ~= 1 and (" --seed %.0f"):format(seeds[1]) or "", #seeds,
    budget and (" --budget solver_calls=%.0f"):format(budget) or "", real == "double" and " --double" or "")
end

--- The commands that the runs have recorded, each once; none if there are many.
-- @return list of texts
function again.recorded(runs)
  local list = distinct(runs, function(run)
    local command = run.meta.command
    return type(command) == "string" and command or nil
  end)
  return #list <= MOST and list or {}
end

return again

--- What a report says, before it is a page: groups of runs with their numbers.
-- @module mapgrad.experiment.report.summary
local statistics = require "mapgrad.statistics"

local summary = {}

--- Mean of numbers and Student's 95 % interval; of one number itself.
-- @return mean, low, high
function summary.interval(values)
  local mean = statistics.mean(values)
  if #values < 2 then return mean, mean, mean end
  return mean, statistics.t_interval(values)
end

function summary.final(run, metric)
  for i = #run.rows, 1, -1 do
    local value = run.rows[i][metric]
    if type(value) == "number" then return value end
  end
  return nil
end

local skipped = { seed = true, threads = true, out = true, quiet = true }

local function names_of(runs)
  local seen, list = {}, {}
  for _, run in ipairs(runs) do
    for name in pairs(run.options) do
      if not seen[name] and not skipped[name] then seen[name] = true; list[#list + 1] = name end
    end
  end
  table.sort(list)
  return list
end

function summary.of(runs, metric, sense)
  local names, groups, by_key = names_of(runs), {}, {}
  local differing = {}
  for _, name in ipairs(names) do
    for _, run in ipairs(runs) do
      if run.options[name] ~= runs[1].options[name] then differing[#differing + 1] = name; break end
    end
  end
  for _, run in ipairs(runs) do
    local key = { run.variant or "" }
    for _, name in ipairs(names) do key[#key + 1] = tostring(run.options[name]) end
    key = table.concat(key, "\0")
    local group = by_key[key]
    if not group then
      local label = { run.variant }
      for _, name in ipairs(differing) do label[#label + 1] = name .. "=" .. tostring(run.options[name]) end
      group = { label = table.concat(label, " "), runs = {}, values = {}, variant = run.variant, options = run.options }
      by_key[key] = group
      groups[#groups + 1] = group
    end
    local value = summary.final(run, metric)
    if run.state == "finished" and value then
      group.runs[#group.runs + 1] = run
      group.values[#group.values + 1] = value
    end
  end
  for _, group in ipairs(groups) do
    group.mean, group.low, group.high = math.huge, math.huge, math.huge
    if #group.values > 0 then
      group.mean, group.low, group.high = summary.interval(group.values)
      group.std = statistics.std(group.values)
    end
  end
  table.sort(groups, function(a, b)
    if sense == "min" then return a.mean < b.mean end
    return a.mean > b.mean
  end)
  return { groups = groups, differing = differing, names = names, metric = metric, sense = sense }
end

return summary

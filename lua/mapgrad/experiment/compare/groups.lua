--- Groups of runs that are the same but for the seed, with the number that each run counts with.
-- @module mapgrad.experiment.compare.groups
local compare_rows = require "mapgrad.experiment.compare.rows"
local where = require "mapgrad.experiment.where"

local compare_groups = {
  --- Seeds below which nothing is called significant.
  FEW = 5,
}

-- Options of a run that change no result, or that groups are not made of.
local apart = { seed = true, threads = true, out = true, quiet = true }

-- Whether runs of one title come from several versions of the code.
local function is_code_mixed(runs)
  local code_of = {}
  for _, run in ipairs(runs) do
    local title, code = where.text(run.title), run.meta and run.meta.code
    if code and code_of[title] and code_of[title] ~= code then return true end
    code_of[title] = code_of[title] or code
  end
  return false
end

-- Whether a name of where.names is not an option but one of the names beside them that make no groups by themselves.
local function is_beside(runs, name)
  if name ~= "state" and name ~= "title" and name ~= "code" then return false end
  for _, run in ipairs(runs) do
    if run.options and run.options[name] ~= nil then return false end
  end
  return true
end

-- Names that tell groups apart: everything but the seed, or those of --by.
local function key_names(runs, by, problem)
  local names, titles = {}, {}
  if by and #by > 0 then
    for i, name in ipairs(by) do names[i] = name end
    return names
  end
  for _, name in ipairs(where.names(runs)) do
    local skipped = apart[name] or name == "variant" or name == problem or is_beside(runs, name)
    if not skipped then names[#names + 1] = name end
  end
  for _, run in ipairs(runs) do
    if run.variant ~= nil then
      table.insert(names, 1, "variant")
      break
    end
  end
  if is_code_mixed(runs) then names[#names + 1] = "code" end
  for _, run in ipairs(runs) do titles[where.text(run.title)] = true end
  if next(titles) and next(titles, (next(titles))) then table.insert(names, 1, "title") end
  return names
end

local function key_of(run, names)
  local parts = {}
  for i, name in ipairs(names) do
    local value = where.field(run, name)
    parts[i] = type(value) .. ":" .. where.text(value)
  end
  return table.concat(parts, "\0")
end

-- The names whose values differ among groups.
local function differing(groups, names)
  local list = {}
  for _, name in ipairs(names) do
    local first = groups[1] and groups[1].options[name]
    for _, group in ipairs(groups) do
      if group.options[name] ~= first then
        list[#list + 1] = name
        break
      end
    end
  end
  return list
end

-- Fills labels of groups: numbers with six digits where these still tell the values apart.
local function label(groups, name)
  local full_of, is_apart = {}, true
  for _, group in ipairs(groups) do
    local value = group.options[name]
    local full = where.text(value)
    group.labels[name] = type(value) == "number" and #full > 8 and ("%.6g"):format(value) or full
    local short = group.labels[name]
    is_apart = is_apart and (full_of[short] or full) == full
    full_of[short] = full
  end
  if is_apart then return end
  for _, group in ipairs(groups) do group.labels[name] = where.text(group.options[name]) end
end

local function name_of(group, columns)
  local parts = {}
  for _, name in ipairs(columns) do
    local text = group.labels[name]
    parts[#parts + 1] = (name == "variant" or name == "title") and text or ("%s=%s"):format(name, text)
  end
  return #parts > 0 and table.concat(parts, " ") or "all runs"
end

--- Groups of runs that are the same but for the seed.
-- @tparam table runs
-- @tparam ?table options  by: names of options (and "variant", "title") to group by those only; problem: an option that
--   does not make groups
-- @treturn table list of {name, options = {name -> value}, labels = {name -> text} of what differs, runs}, in the order
--   of their first run
-- @treturn table names whose values differ between groups
-- @treturn table all names that were looked at
function compare_groups.of(runs, options)
  options = options or {}
  local names = key_names(runs, options.by, options.problem)
  local groups, by_key = {}, {}
  for _, run in ipairs(runs) do
    local key = key_of(run, names)
    local group = by_key[key]
    if not group then
      group = { options = {}, runs = {} }
      for _, name in ipairs(names) do group.options[name] = where.field(run, name) end
      by_key[key], groups[#groups + 1] = group, group
    end
    group.runs[#group.runs + 1] = run
  end
  local columns = differing(groups, names)
  for _, group in ipairs(groups) do group.labels = {} end
  for _, name in ipairs(columns) do label(groups, name) end
  for _, group in ipairs(groups) do group.name = name_of(group, columns) end
  return groups, columns, names
end

--- What a run of one group has in common with its pair in another: the seed and all options that make no groups.
function compare_groups.pair_names(runs, names)
  local used, list = {}, { "seed" }
  for _, name in ipairs(names) do used[name] = true end
  for _, name in ipairs(where.names(runs)) do
    if not used[name] and not apart[name] and name ~= "state" and name ~= "code" then list[#list + 1] = name end
  end
  return list
end

--- Runs that finished; counts of the others.
function compare_groups.finished(runs, with_all)
  local kept, out = {}, { failed = 0, cut = 0, running = 0, new = 0, rowless = 0 }
  for _, run in ipairs(runs) do
    local state = run.state or "finished"
    if state == "finished" or with_all then
      kept[#kept + 1] = run
    else
      out[state] = (out[state] or 0) + 1
    end
  end
  return kept, out
end

--- Fills values, seeds, keys of each group.
-- @treturn number how many runs have a value
function compare_groups.measure(groups, o, names, left_out)
  local at, counted = compare_rows.parse_at(o.at), 0
  for _, group in ipairs(groups) do
    group.values, group.seeds, group.keys, group.by_key, group.not_finite = {}, {}, {}, {}, 0
    group.seed_count = 0 -- different ones: over several problems each counts once
    local seen = {}
    group.kept, group.measured = {}, {} -- runs that count; those and the ones without a finite number
    for _, run in ipairs(group.runs) do
      local i = compare_rows.row_index(run, o.metric, o.sense, at)
      local value = i and run.rows[i][o.metric]
      if i then group.measured[#group.measured + 1] = run end
      if not i then
        left_out.rowless = left_out.rowless + 1
      elseif not compare_rows.is_finite(value) then
        group.not_finite = group.not_finite + 1
      else
        local key = key_of(run, names)
        group.values[#group.values + 1], group.kept[#group.kept + 1] = value + 0.0, run
        group.seeds[#group.seeds + 1] = run.seed
        if run.seed == nil or not seen[run.seed] then group.seed_count = group.seed_count + 1 end
        if run.seed ~= nil then seen[run.seed] = true end
        group.repeated = group.repeated or group.by_key[key] ~= nil
        if not group.by_key[key] then group.keys[#group.keys + 1] = key end
        group.by_key[key] = value + 0.0
        counted = counted + 1
      end
    end
  end
  return counted
end

return compare_groups

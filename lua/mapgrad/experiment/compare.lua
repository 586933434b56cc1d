--- Comparing groups of runs: one number a run, statistics of each group, tests against a baseline, and what a reader
-- should know before believing them.
--
-- A run is a table as `store.runs` gives it; hand-made ones need options, seed and rows.
-- @module mapgrad.experiment.compare
local check = require "mapgrad.check"
local statistics = require "mapgrad.statistics"
local where = require "mapgrad.experiment.where"

local compare = {}

--- Version of the document that --json writes.
compare.VERSION = 1

--- Seeds below which nothing is called significant.
compare.FEW = 5

local nan = 0 / 0
local huge = math.huge

-- Options of a run that change no result, or that groups are not made of.
local apart = { seed = true, threads = true, out = true, quiet = true }

-- Fields of rows that count work: no metric by default.
local bookkeeping = { epoch = true, step = true, solves = true, seconds = true, batch = true, iteration = true }

-- States of runs that are left out unless asked for.
local unfinished = { "failed", "cut", "running", "new" }

local function is_finite(v) return type(v) == "number" and v == v and v ~= huge and v ~= -huge end

local function plural(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

-- "a, b and c"; the rest of long lists as a number.
local function listing(names, most, last_comma)
  local shown, count = {}, #names
  most = most or 4
  for i = 1, math.min(count, count > most + 1 and most or count) do shown[i] = names[i] end
  if count > #shown then return ("%s and %d others"):format(table.concat(shown, ", "), count - #shown) end
  if count < 2 then return shown[1] or "" end
  local last = table.remove(shown)
  return ("%s%s %s"):format(table.concat(shown, ", "), last_comma or " and", last)
end

-- ------------------------------------------------------------------ one number a run

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
function compare.metric(runs, metric, sense)
  local own, own_sense = declared(runs)
  local notes = {}
  if metric then
    local fields, found = all_fields(runs), false
    for _, name in ipairs(fields) do found = found or name == metric end
    if not found then
      if #fields == 0 then return nil, ("metric: no run has recorded '%s', or anything else"):format(metric) end
      return nil, ("metric: no run has recorded '%s'%s"):format(metric, check.hint(metric, fields))
    end
  elseif own then
    metric = own
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

-- {kind = "last" | "best"} or {field, number}; nil and a message.
local function parse_at(text)
  text = text or "last"
  if text == "last" or text == "best" then return { kind = text } end
  local field, number = text:match "^([%w_]+)=(.+)$"
  if not field or not tonumber(number) then
    return nil, ("at: expected last, best or a field and a number such as epoch=10, got '%s'"):format(text)
  end
  return { kind = "field", field = field, number = tonumber(number) }
end

-- The index of the row that counts; nil if there is none.
local function row_index(run, metric, sense, at)
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
function compare.value(run, metric, sense, at)
  local place, message = parse_at(at)
  if not place then check.fail("MG-ARGUMENT", "compare.value: %s", message) end
  local i = row_index(run, metric, sense, place)
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
function compare.reach(run, metric, sense, target)
  for i, row in ipairs(run.rows or {}) do
    local value = row[metric]
    if type(value) == "number" and ((sense == "min" and value <= target) or (sense == "max" and value >= target)) then
      return i, (run.seconds or {})[i], type(row.solves) == "number" and row.solves or nil
    end
  end
  return nil
end

-- ------------------------------------------------------------------ groups

-- Names that tell groups apart: everything but the seed, or those of --by.
local function key_names(runs, by, problem)
  local names, titles = {}, {}
  if by and #by > 0 then
    for i, name in ipairs(by) do names[i] = name end
    return names
  end
  for _, name in ipairs(where.names(runs)) do
    local skipped = apart[name] or name == "state" or name == "title" or name == "variant" or name == problem
    if not skipped then names[#names + 1] = name end
  end
  for _, run in ipairs(runs) do
    if run.variant ~= nil then
      table.insert(names, 1, "variant")
      break
    end
  end
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

local function name_of(group, columns)
  local parts = {}
  for _, name in ipairs(columns) do
    local text = where.text(group.options[name])
    parts[#parts + 1] = (name == "variant" or name == "title") and text or ("%s=%s"):format(name, text)
  end
  return #parts > 0 and table.concat(parts, " ") or "all runs"
end

--- Groups of runs that are the same but for the seed.
-- @tparam table runs
-- @tparam ?table options  by: names of options (and "variant", "title") to group by those only; problem: an option that
--   does not make groups
-- @treturn table list of {name, options = {name -> value}, runs}, in the order of their first run
-- @treturn table names whose values differ between groups
-- @treturn table all names that were looked at
function compare.groups(runs, options)
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
  for _, group in ipairs(groups) do group.name = name_of(group, columns) end
  return groups, columns, names
end

-- What a run of one group has in common with its pair in another: the seed and all options that make no groups.
local function pair_names(runs, names)
  local used, list = {}, { "seed" }
  for _, name in ipairs(names) do used[name] = true end
  for _, name in ipairs(where.names(runs)) do
    if not used[name] and not apart[name] and name ~= "state" then list[#list + 1] = name end
  end
  return list
end

-- ------------------------------------------------------------------ statistics of a group

local function describe(group, o)
  local values = group.values
  group.n = #values
  if group.n == 0 then
    for _, name in ipairs { "mean", "std", "median", "iqm", "best" } do group[name] = nan end
    group.interval = { t = { nan, nan }, percentile = { nan, nan }, bca = { nan, nan } }
    return
  end
  local s = statistics.summary(values)
  group.mean, group.std, group.median, group.iqm = s.mean, s.std, s.median, s.iqm
  group.best = o.sense == "min" and s.least or s.most
  local boot = statistics.bootstrap(values, { level = o.level, resamples = o.resamples })
  group.interval = { t = { statistics.t_interval(values, o.level) }, percentile = boot.percentile, bca = boot.bca }
end

-- Share of runs that reach the target, of all that have a row, and what it took those that do.
local function reach_of(group, o)
  local reached, sums, counts = 0, { seconds = 0, solves = 0 }, { seconds = 0, solves = 0 }
  for _, run in ipairs(group.measured) do
    local i, seconds, solves = compare.reach(run, o.metric, o.sense, o.target)
    if i then
      reached = reached + 1
      for name, value in pairs { seconds = seconds, solves = solves } do
        sums[name], counts[name] = sums[name] + value, counts[name] + 1
      end
    end
  end
  group.reached = #group.measured > 0 and reached / #group.measured or nan
  for _, name in ipairs { "seconds", "solves" } do
    group[name] = counts[name] > 0 and sums[name] / counts[name] or nan
  end
end

-- Values by problem, problems in order.
local function by_problem(group, problem)
  local lists, names = {}, {}
  for i, run in ipairs(group.kept) do
    local name = where.text(where.field(run, problem))
    if not lists[name] then
      lists[name], names[#names + 1] = {}, name
    end
    table.insert(lists[name], group.values[i])
  end
  table.sort(names)
  local strata = {}
  for i, name in ipairs(names) do strata[i] = lists[name] end
  return strata, names, lists
end

local function aggregate_of(group, o, taus)
  local strata, names = by_problem(group, o.problem)
  group.problems = names
  if #strata == 0 then return end
  local iqm = statistics.aggregate(strata, { level = o.level, resamples = o.aggregate_resamples })
  group.aggregate = { iqm = iqm.estimate, interval = iqm.percentile, taus = taus,
    profile = statistics.profile(strata, taus, { sense = o.sense }) }
  if o.target then
    group.aggregate.optimality_gap = statistics.optimality_gap(group.values, o.target, { sense = o.sense })
  end
end

-- Nine quantiles of all scores, from 10 to 90 %.
local function taus_of(groups)
  local all, taus = {}, {}
  for _, group in ipairs(groups) do
    for _, v in ipairs(group.values) do all[#all + 1] = v end
  end
  if #all == 0 then return taus end
  for i = 1, 9 do taus[i] = statistics.quantile(all, i / 10) end
  return taus
end

-- ------------------------------------------------------------------ a group against the baseline

-- Both lists of values over the pairs that two groups share; how many runs have no partner.
local function pairs_of(group, base)
  local x, y = {}, {}
  for _, key in ipairs(group.keys) do
    if base.by_key[key] then
      x[#x + 1], y[#y + 1] = group.by_key[key], base.by_key[key]
    end
  end
  return x, y, (#group.keys - #x) + (#base.keys - #x)
end

-- The chance that a run of the group is better than one of the baseline; over problems, the mean of theirs.
local function improvement_of(group, base, o)
  if not o.problem then
    local result = statistics.improvement_interval(group.values, base.values,
      { sense = o.sense, level = o.level, resamples = o.resamples })
    return result.estimate, result.percentile
  end
  local _, names, lists = by_problem(group, o.problem)
  local _, _, others = by_problem(base, o.problem)
  local list = {}
  for _, name in ipairs(names) do
    if others[name] then
      list[#list + 1] = statistics.improvement(lists[name], others[name], { sense = o.sense })
    end
  end
  return #list > 0 and statistics.mean(list) or nan, { nan, nan }
end

-- Compares by pairs if the groups share at least half of each one's seeds, and no seed is there twice.
local function against(group, base, o)
  local x, y, alone = pairs_of(group, base)
  local is_paired = not o.unpaired and #x >= 2 and not group.repeated and not base.repeated
    and 2 * #x >= math.max(#group.keys, #base.keys)
  local result = { paired = is_paired, alone = alone }
  if group.n == 0 or base.n == 0 then
    return { paired = false, n = 0, alone = alone, difference = nan, p = nan, effect = nan, improvement = nan,
      improvement_interval = { nan, nan }, interval = { t = { nan, nan }, percentile = { nan, nan },
        bca = { nan, nan } } }
  end
  local options = { level = o.level, resamples = o.resamples }
  if is_paired then
    options.draws = o.draws
    local test = statistics.paired(x, y, options)
    result.test, result.p, result.n = "sign_flip", test.sign_flip, #x
    result.sign_flip, result.wilcoxon = test.sign_flip, test.wilcoxon
    result.difference, result.effect, result.interval = test.difference, test.effect, test.interval
  else
    local test = statistics.welch(group.values, base.values, o.level)
    local boot = statistics.difference(group.values, base.values, options)
    result.test, result.p, result.n = "welch", test.p, math.min(group.n, base.n)
    result.welch, result.mann_whitney = test.p, (statistics.mann_whitney(group.values, base.values))
    result.difference, result.effect = group.mean - base.mean, statistics.cohen_d(group.values, base.values)
    result.interval = { t = { test.low, test.high }, percentile = boot.percentile, bca = boot.bca }
  end
  result.relative = base.mean ~= 0 and result.difference / math.abs(base.mean) or nan
  result.improvement, result.improvement_interval = improvement_of(group, base, o)
  return result
end

-- Holm over the table; significant only with five seeds or more on both sides.
local function correct(groups, o)
  local list, tested = {}, {}
  for _, group in ipairs(groups) do
    if group.against then
      tested[#tested + 1] = group.against
      list[#list + 1] = group.against.p
    end
  end
  for i, p in ipairs(statistics.holm(list)) do
    local test = tested[i]
    test.p_holm = p
    test.significant = p < 1 - o.level and test.n >= compare.FEW
  end
end

-- The group that is meant by a name: the whole name, or words each of which is a value or option=value.
local function find_baseline(groups, text)
  local names, found = {}, {}
  for i, group in ipairs(groups) do
    names[i] = group.name
    if group.name == text then return group end
    local all = text:find "%S" ~= nil
    for word in text:gmatch "%S+" do
      local is_in = false
      for name, value in pairs(group.options) do
        local v = where.text(value)
        is_in = is_in or v == word or ("%s=%s"):format(name, v) == word
      end
      all = all and is_in
    end
    if all then found[#found + 1] = group end
  end
  if #found == 1 then return found[1] end
  if #found > 1 then
    local fits = {}
    for i, group in ipairs(found) do fits[i] = group.name end
    return nil, ("baseline: '%s' fits %d groups, name one: %s"):format(text, #found, listing(fits, 8))
  end
  return nil, ("baseline: no group '%s'%s"):format(text, check.hint(text, names))
end

local function better(a, b, sense)
  if a ~= a or b ~= b then return a == a and b ~= b end
  if sense == "min" then return a < b end
  return a > b
end

-- ------------------------------------------------------------------ what a reader should know

local function names_where(groups, test)
  local names = {}
  for _, group in ipairs(groups) do
    local text = test(group)
    if text then names[#names + 1] = text end
  end
  return names
end

local function note_left_out(result, add)
  local out, parts = result.left_out, {}
  local total = 0
  for _, state in ipairs(unfinished) do
    if out[state] > 0 then parts[#parts + 1] = ("%d %s"):format(out[state], state) end
    total = total + out[state]
  end
  if total > 0 then
    add(("%s left out as not finished: %s (--unfinished counts them)"):format(plural(total, "run"),
      table.concat(parts, ", ")))
  end
  if out.rowless > 0 then
    add(("%s left out: no row with %s%s"):format(plural(out.rowless, "run"), result.metric,
      result.at ~= "last" and result.at ~= "best" and " at " .. result.at or ""))
  end
end

local function note_numbers(result, add)
  for _, group in ipairs(result.groups) do
    if group.not_finite > 0 then
      add(("%s: %s of %d with a %s that is not a finite number, left out; its mean is of the others and so too good")
        :format(group.name, plural(group.not_finite, "run"), group.not_finite + group.n, result.metric))
    end
    if group.repeated then
      add(("%s: a seed is there more than once, so its runs are not paired"):format(group.name))
    end
  end
end

-- The exact test of n pairs cannot give less than 2 / 2^n, nor Holm's least one less than that times the tests.
local function note_power(result, add)
  local tests, most = 0, 0
  for _, group in ipairs(result.groups) do
    local test = group.against
    if test and test.p == test.p then
      tests = tests + 1
      most = math.max(most, test.paired and test.n or huge)
    end
  end
  if tests == 0 or most < compare.FEW or most > 30 then return end
  local least = 2 * tests / 2 ^ most
  if least < 1 - result.level then return end
  add(("with %s and %s no p can fall below %.3g: take more seeds%s"):format(plural(most, "pair"), plural(tests, "test"),
    math.min(1, least * (1 + 2 ^ -52)), tests > 1 and ", or compare fewer groups" or ""))
end

local function note_seeds(result, add)
  local few = names_where(result.groups, function(group)
    return group.n < compare.FEW and ("%s: %d"):format(group.name, group.n)
  end)
  if #few > 0 then
    add(("fewer than %d seeds (%s): intervals and tests say little, nothing is called significant"):format(compare.FEW,
      listing(few, 4, ",")))
  end
  local base = result.baseline
  local shared = names_where(result.groups, function(group)
    local test = group.against
    return test and test.paired and test.alone > 0 and ("%s (%d pairs)"):format(group.name, test.n)
  end)
  if #shared > 0 then
    add(("seeds are unequal: differences from %s are over the seeds that both have: %s"):format(base, listing(shared)))
  end
  local unpaired = names_where(result.groups, function(group)
    return group.against and not group.against.paired and group.name
  end)
  if #unpaired > 0 and not result.unpaired then
    add(("seeds differ from those of %s: compared as unpaired samples: %s"):format(base, listing(unpaired)))
  end
  note_power(result, add)
end

local function overlap(a, b) return a[1] <= b[2] and b[1] <= a[2] end

local function note_intervals(result, add)
  local best = result.groups_by_name[result.best]
  if not best then return end
  local own = best.interval[result.interval]
  local others = names_where(result.groups, function(group)
    local i = group.interval[result.interval]
    return group ~= best and overlap(own, i) and group.name
  end)
  if #others > 0 then
    add(("the interval of %s, the best mean, overlaps with %s of %s: the order may be chance; look at the difference")
      :format(best.name, #others == 1 and "that" or "those", listing(others)))
  end
end

-- Values of a field of meta that differ.
local function note_origin(runs, add)
  for _, row in ipairs { { "code", "versions of the experiment's code" }, { "mapgrad", "versions of mapgrad" } } do
    local seen, count = {}, 0
    for _, run in ipairs(runs) do
      local value = run.meta and run.meta[row[1]]
      if value ~= nil and not seen[value] then seen[value], count = true, count + 1 end
    end
    if count > 1 then add(("the runs come from %d %s"):format(count, row[2])) end
  end
end

local function note_target(result, add)
  if not result.target then return end
  local some = names_where(result.groups, function(group) return group.reached < 1 and group.name end)
  if #some > 0 then
    add(("seconds and solves are means of the runs that reach %s; not all of %s do"):format(where.text(result.target),
      listing(some)))
  end
end

local function note_problems(result, add)
  if not result.problem then return end
  local all, count = {}, 0
  for _, group in ipairs(result.groups) do
    for _, name in ipairs(group.problems) do
      if not all[name] then all[name], count = true, count + 1 end
    end
  end
  local lacking = names_where(result.groups, function(group)
    return #group.problems < count and ("%s has %d of %d"):format(group.name, #group.problems, count)
  end)
  if #lacking > 0 then add(("not every group has every %s: %s"):format(result.problem, listing(lacking))) end
  add(("scores of %s are pooled as they are: they should have one scale"):format(plural(count, "problem")))
end

local function notes_of(result, runs, notes)
  local function add(text) notes[#notes + 1] = text end
  note_left_out(result, add)
  note_numbers(result, add)
  note_seeds(result, add)
  if result.at == "best" then
    add(("each run counts with its best row, chosen by %s itself: that is better than what one gets; choose rows by "
      .. "another metric, or --at last"):format(result.metric))
  end
  note_intervals(result, add)
  note_target(result, add)
  note_problems(result, add)
  note_origin(runs, add)
  if #result.groups == 1 then add "one group only: nothing to compare it with" end
  return notes
end

-- ------------------------------------------------------------------ the table

-- Runs that finished; counts of the others.
local function finished(runs, with_all)
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

-- Fills values, seeds, keys of each group.
local function measure(groups, o, names, left_out)
  local at = parse_at(o.at)
  for _, group in ipairs(groups) do
    group.values, group.seeds, group.keys, group.by_key, group.not_finite = {}, {}, {}, {}, 0
    group.kept, group.measured = {}, {} -- runs that count; those and the ones without a finite number
    for _, run in ipairs(group.runs) do
      local i = row_index(run, o.metric, o.sense, at)
      local value = i and run.rows[i][o.metric]
      if i then group.measured[#group.measured + 1] = run end
      if not i then
        left_out.rowless = left_out.rowless + 1
      elseif not is_finite(value) then
        group.not_finite = group.not_finite + 1
      else
        local key = key_of(run, names)
        group.values[#group.values + 1], group.kept[#group.kept + 1] = value + 0.0, run
        group.seeds[#group.seeds + 1] = run.seed
        group.repeated = group.repeated or group.by_key[key] ~= nil
        if not group.by_key[key] then group.keys[#group.keys + 1] = key end
        group.by_key[key] = value + 0.0
      end
    end
  end
end

local columns_to_sort = { n = true, mean = true, std = true, median = true, iqm = true, best = true, name = true,
  reached = true, seconds = true, solves = true, p = true, difference = true, effect = true, improvement = true }

local function sort_value(group, column)
  if column == "p" then return group.against and group.against.p_holm end
  if column == "difference" or column == "effect" or column == "improvement" then
    return group.against and group.against[column]
  end
  if column == "name" then return group.name end
  if columns_to_sort[column] then return group[column] end
  return group.options[column]
end

-- Numbers before texts, what is missing or NaN last.
local function rank(value)
  if value == nil or value ~= value then return 4 end
  return type(value) == "number" and 1 or 2
end

local function sort(groups, column, sense, names)
  local descending = false
  if column and column:sub(1, 1) == "-" then column, descending = column:sub(2), true end
  column = column or "mean"
  local known = {}
  for name in pairs(columns_to_sort) do known[#known + 1] = name end
  for _, name in ipairs(names) do known[#known + 1] = name end
  table.sort(known)
  local found = false
  for _, name in ipairs(known) do found = found or name == column end
  if not found then return nil, ("sort: no column '%s'%s"):format(column, check.hint(column, known)) end
  if sense == "max" and (column == "mean" or column == "median" or column == "iqm" or column == "best") then
    descending = not descending -- the best first
  end
  for i, group in ipairs(groups) do group.place = i end
  table.sort(groups, function(a, b)
    local v, w = sort_value(a, column), sort_value(b, column)
    local i, j = rank(v), rank(w)
    if i ~= j then return i < j end
    if i == 2 then v, w = where.text(v), where.text(w) end
    if i == 4 or v == w then return a.place < b.place end
    if descending then return v > w end
    return v < w
  end)
  return true
end

local rules = {
  metric = check.optional(check.text()), sense = check.optional(check.choice { "min", "max" }),
  at = check.text "last", by = check.list {}, where = check.list {}, baseline = check.optional(check.text()),
  sort = check.optional(check.text()), axis = check.optional(check.choice { "seconds", "solves" }),
  target = check.optional(check.real()), problem = check.optional(check.text()),
  unfinished = check.flag(false), unpaired = check.flag(false),
  level = { preset = 0.95, required = false, expected = "a number between 0 and 1", test = function(v)
    if type(v) == "number" and v > 0 and v < 1 then return v end
  end },
  interval = check.optional(check.choice { "t", "percentile", "bca" }),
  resamples = check.count(2000), aggregate_resamples = check.count(50000),
}

-- That names of --by and --problem exist.
local function check_names(runs, o)
  local names = where.names(runs)
  local wanted = { o.problem }
  for _, name in ipairs(o.by) do wanted[#wanted + 1] = name end
  for _, name in ipairs(wanted) do
    local found = false
    for _, known in ipairs(names) do found = found or known == name end
    if not found then return nil, ("by: no run has an option '%s'%s"):format(name, check.hint(name, names)) end
  end
  return true
end

local function best_of(groups, sense)
  local best
  for _, group in ipairs(groups) do
    if not best or better(group.mean, best.mean, sense) then best = group end
  end
  return best
end

-- Runs -> groups with values; nil and a message.
local function prepare(runs, o)
  local chosen, message = where.filter(runs, o.where)
  if not chosen then return nil, message end
  if #chosen == 0 then
    return nil, #runs == 0 and "there are no runs" or ("none of %s meets the conditions"):format(plural(#runs, "run"))
  end
  local kept, left_out = finished(chosen, o.unfinished)
  if #kept == 0 then
    return nil, ("none of %s has finished: %d failed, %d cut, %d running, %d new; --unfinished compares them as they are")
      :format(plural(#chosen, "run"), left_out.failed, left_out.cut, left_out.running, left_out.new)
  end
  local notes
  o.metric, o.sense, notes = compare.metric(kept, o.metric, o.sense)
  if not o.metric then return nil, o.sense end
  local place, at_message = parse_at(o.at)
  if not place then return nil, at_message end
  local ok, name_message = check_names(kept, o)
  if not ok then return nil, name_message end
  if o.axis and not o.target then return nil, ("axis: %s to what? --target gives the value"):format(o.axis) end
  local groups, columns, names = compare.groups(kept, o)
  measure(groups, o, pair_names(kept, names), left_out)
  return { groups = groups, columns = columns, names = names, runs = kept, left_out = left_out, notes = notes }
end

local function any_few(groups)
  for _, group in ipairs(groups) do
    if group.n < compare.FEW then return true end
  end
  return false
end

--- Compares runs.
-- @tparam table runs  a list as store.runs gives it
-- @tparam ?table options
--   metric, sense ("min", "max"): as the experiment declares unless given;
--   at: "last" (default), "best", "epoch=N", "seconds=N", "solves=N";
--   where: list of conditions; by: names to group by; problem: an option over whose values scores are pooled;
--   baseline: name of a group (default: the best mean); unpaired: never by pairs; unfinished: count those too;
--   target: the metric's value whose time is measured; axis: "seconds" or "solves", one of its columns only;
--   sort: a column, "-column" for descending order (default: best mean first);
--   level (0.95); interval: "t", "percentile", "bca" (default, "t" where a group has fewer than 5 runs);
--   resamples (2000), aggregate_resamples (50000)
-- @treturn table {title, metric, sense, at, level, interval, baseline, baseline_is_given, best, columns = names that
--   differ, groups, notes = texts, left_out = {failed, cut, running, new, rowless}, runs = how many}; a group: {name, options,
--   n, seeds, values, mean, std, median, iqm, best, interval = {t, percentile, bca}, not_finite, reached, seconds, solves,
--   aggregate, against = {paired, test, n, p, p_holm, significant, difference, relative, interval, effect,
--   improvement, improvement_interval, sign_flip, wilcoxon, welch, mann_whitney}}, against of all but the baseline;
--   or nil and a message
-- @usage local result = compare.runs(store.runs "build/results/paths", { baseline = "identity" })
function compare.runs(runs, options)
  local o = check.options("compare", options, rules)
  local data, message = prepare(runs, o)
  if not data then return nil, message end
  local groups = data.groups
  for _, group in ipairs(groups) do
    describe(group, o)
    if o.target then reach_of(group, o) end
  end
  if o.problem then
    local taus = taus_of(groups)
    for _, group in ipairs(groups) do aggregate_of(group, o, taus) end
  end
  local best = best_of(groups, o.sense)
  local base = best
  if o.baseline then
    base, message = find_baseline(groups, o.baseline)
    if not base then return nil, message end
  end
  o.draws = math.floor(math.max(20000, math.min(100000, 1e6 / #groups))) -- a table of many groups is still quick
  for _, group in ipairs(groups) do
    if group ~= base then group.against = against(group, base, o) end
  end
  correct(groups, o)
  local ok, reason = sort(groups, o.sort, o.sense, data.names)
  if not ok then return nil, reason end
  local result = { title = data.runs[1].title, metric = o.metric, sense = o.sense, at = o.at, level = o.level,
    interval = o.interval or (any_few(groups) and "t" or "bca"), baseline = base.name,
    baseline_is_given = o.baseline ~= nil, best = best.name, columns = data.columns, groups = groups,
    left_out = data.left_out, runs = #data.runs, target = o.target, axis = o.axis, problem = o.problem,
    unpaired = o.unpaired, groups_by_name = {} }
  for _, group in ipairs(groups) do result.groups_by_name[group.name] = group end
  result.notes = notes_of(result, data.runs, data.notes)
  return result
end

return compare

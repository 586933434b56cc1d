--- Comparing groups of runs: one number a run, statistics of each group, tests against a baseline, and what a reader
-- should know before believing them.
--
-- A run is a table as `store.runs` gives it; hand-made ones need options, seed and rows.
-- @module mapgrad.experiment.compare
local check = require "mapgrad.check"
local compare_groups = require "mapgrad.experiment.compare.groups"
local compare_notes = require "mapgrad.experiment.compare.notes"
local compare_rows = require "mapgrad.experiment.compare.rows"
local statistics = require "mapgrad.statistics"
local where = require "mapgrad.experiment.where"
local words = require "mapgrad.experiment.words"

local compare = {
  --- Which number a run counts with; see compare_rows.
  metric = compare_rows.metric, value = compare_rows.value, reach = compare_rows.reach,
  --- Groups of runs that are the same but for the seed; see compare_groups.
  groups = compare_groups.of,
}

--- Seeds below which nothing is called significant.
compare.FEW = compare_groups.FEW

local nan = 0 / 0

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
  local seeds = math.min(group.seed_count, base.seed_count)
  local result = { paired = is_paired, alone = alone, seeds = seeds }
  if group.n == 0 or base.n == 0 then
    return { paired = false, n = 0, alone = alone, seeds = 0, difference = nan, p = nan, effect = nan,
      improvement = nan, improvement_interval = { nan, nan }, interval = { t = { nan, nan }, percentile = { nan, nan },
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
    test.significant = p < 1 - o.level and test.n >= compare.FEW and test.seeds >= compare.FEW
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
        for _, v in ipairs { where.text(value), group.labels[name] } do
          is_in = is_in or v == word or ("%s=%s"):format(name, v) == word
        end
      end
      all = all and is_in
    end
    if all then found[#found + 1] = group end
  end
  if #found == 1 then return found[1] end
  if #found > 1 then
    local fits = {}
    for i, group in ipairs(found) do fits[i] = group.name end
    return nil, ("baseline: '%s' fits %d groups, name one: %s"):format(text, #found, words.listing(fits, 8))
  end
  return nil, ("baseline: no group '%s'%s"):format(text, check.hint(text, names))
end

local function better(a, b, sense)
  if a ~= a or b ~= b then return a == a and b ~= b end
  if sense == "min" then return a < b end
  return a > b
end

-- ------------------------------------------------------------------ the table

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
    if #runs == 0 then return nil, "there are no runs" end
    return nil, ("none of %s meets the conditions"):format(words.plural(#runs, "run"))
  end
  local kept, left_out = compare_groups.finished(chosen, o.unfinished)
  if #kept == 0 then
    return nil, ("none of %s has finished: %d failed, %d cut, %d running, %d new; --unfinished compares them so")
      :format(words.plural(#chosen, "run"), left_out.failed, left_out.cut, left_out.running, left_out.new)
  end
  local notes
  o.metric, o.sense, notes = compare_rows.metric(kept, o.metric, o.sense)
  if not o.metric then return nil, o.sense end
  local place, at_message = compare_rows.parse_at(o.at)
  if not place then return nil, at_message end
  local ok, name_message = check_names(kept, o)
  if not ok then return nil, name_message end
  if o.axis and not o.target then return nil, ("axis: %s to what? --target gives the value"):format(o.axis) end
  local groups, columns, names = compare_groups.of(kept, o)
  local counted = compare_groups.measure(groups, o, compare_groups.pair_names(kept, names), left_out)
  if counted == 0 then
    return nil, ("none of %s has a finite number as its %s (--at %s)"):format(words.plural(#kept, "run"), o.metric,
      o.at)
  end
  left_out.unreadable = #(runs.unreadable or {})
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
--   differ, groups, notes = texts, left_out = {failed, cut, running, new, rowless, unreadable}, runs = how many}; or
--   nil and a message. A group: {name, options, n, seeds, values, mean, std, median, iqm, best,
--   interval = {t, percentile, bca}, not_finite, reached, seconds, solves, problems,
--   aggregate = {iqm, interval, taus, profile, optimality_gap}, against}; against, of all but the baseline:
--   {paired, test, n, alone, seeds, p, p_holm, significant, difference,
--   relative, interval, effect, improvement, improvement_interval, sign_flip, wilcoxon, welch, mann_whitney}
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
  o.draws = math.floor(math.max(20000, math.min(100000, 6e5 / #groups))) -- many groups are still quick
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
  result.notes = compare_notes(result, data.runs, data.notes)
  return result
end

return compare

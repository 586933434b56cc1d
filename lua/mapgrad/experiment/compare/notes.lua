--- What a reader should know before believing a table of compare: in plain words, one sentence a fact.
-- @module mapgrad.experiment.compare.notes
local compare_groups = require "mapgrad.experiment.compare.groups"
local where = require "mapgrad.experiment.where"
local words = require "mapgrad.experiment.words"

local listing, plural = words.listing, words.plural

local FEW = compare_groups.FEW

-- States of runs that are left out unless asked for.
local unfinished = { "failed", "cut", "running", "new" }

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
  if out.unreadable > 0 then
    add(("%s left out: files that cannot be read"):format(plural(out.unreadable, "run")))
  end
  if out.rowless > 0 then
    add(("%s left out: no row with %s%s"):format(plural(out.rowless, "run"), result.metric,
      result.at ~= "last" and result.at ~= "best" and " at " .. result.at or ""))
  end
end

local function note_numbers(result, add)
  for _, group in ipairs(result.groups) do
    if group.not_finite > 0 then
      add(("%s: %s of %d with a %s that is not a finite number, left out%s"):format(group.name,
        plural(group.not_finite, "run"), group.not_finite + group.n, result.metric,
        group.n > 0 and "; its mean is of the others and so too good" or ""))
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
      most = math.max(most, test.paired and test.n or math.huge)
    end
  end
  if tests == 0 or most < FEW or most > 30 then return end
  local least = 2 * tests / 2 ^ most
  if least < 1 - result.level then return end
  add(("with %s and %s no p can fall below %.3g: take more seeds%s"):format(plural(most, "pair"), plural(tests, "test"),
    math.min(1, least * (1 + 2 ^ -52)), tests > 1 and ", or compare fewer groups" or ""))
end

local function note_seeds(result, add)
  local few = names_where(result.groups, function(group)
    return group.seed_count < FEW and ("%s: %d"):format(group.name, group.seed_count)
  end)
  if #few > 0 then
    add(("fewer than %d seeds (%s): intervals and tests say little, nothing is called significant"):format(FEW,
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
    local test = group.against
    return test and not test.paired and test.alone > 0 and group.name
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

local origins = {
  { "code", "versions of the experiment's code: --where code=... keeps those of one, mapgrad gc --older the newest" },
  { "mapgrad", "versions of mapgrad" },
}

-- Values of a field of meta that differ among runs of one title: experiments of their own have code of their own.
local function note_origin(runs, add)
  for _, row in ipairs(origins) do
    local seen, counts, most = {}, {}, 0
    for _, run in ipairs(runs) do
      local title, value = where.text(run.title), run.meta and run.meta[row[1]]
      local key = value ~= nil and title .. "\0" .. value
      if key and not seen[key] then
        seen[key], counts[title] = true, (counts[title] or 0) + 1
        most = math.max(most, counts[title])
      end
    end
    if most > 1 then add(("the runs come from %d %s"):format(most, row[2])) end
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

--- The notes on a table.
-- @tparam table result  of compare.runs, as far as it is made
-- @tparam table runs    that count
-- @tparam table notes   those there are already
-- @treturn table notes
return function(result, runs, notes)
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

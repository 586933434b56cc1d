--- Measures of rankings, exact and summed in double: metric.recall and metric.average_precision.
-- Scores and relevance (0/1) are [batch..., n], a list along the last axis; rank 1 is the largest score, ties go to the
-- smaller index. Lists without a relevant item are left out; how many is the second result.
-- @module mapgrad.metric
local check = require "mapgrad.check"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local rank = {}

-- For each list with a relevant item: the ranks of its relevant items, ascending, and the number of other lists.
local function relevant_ranks(name, scores, relevance)
  check.value(name .. ": scores", scores, check.tensor)
  check.value(name .. ": relevance", relevance, check.tensor)
  local shape = show.shape(scores:shape())
  if shape ~= show.shape(relevance:shape()) then
    check.fail("MG-SHAPE", "%s: the scores have shape %s, the relevance %s", name, shape,
      show.shape(relevance:shape()))
  end
  if scores:axes() == 0 or scores:count() == 0 then
    check.fail("MG-SHAPE", "%s: no lists: the scores have shape %s", name, shape)
  end
  local n, lists, left_out = scores:size(-1), {}, 0
  local flat, marks = scores:detach():reshape(-1, n), relevance:detach():reshape(-1, n)
  for i = 1, flat:size(1) do
    local s, mark, order, ranks = flat:rows(i, i):to_list(), marks:rows(i, i):to_list(), {}, {}
    for j = 1, n do
      if s[j] ~= s[j] then check.fail("MG-NUMBER", "%s: list %d has a score that is NaN", name, i) end
      order[j] = j
    end
    table.sort(order, function(a, b) return s[a] > s[b] or (s[a] == s[b] and a < b) end)
    for position, j in ipairs(order) do
      if mark[j] > 0.5 then ranks[#ranks + 1] = position end
    end
    if #ranks > 0 then lists[#lists + 1] = ranks else left_out = left_out + 1 end
  end
  return lists, left_out
end

-- The mean of f(ranks) over the lists; nil without any.
local function mean_over(lists, left_out, f)
  local sum = 0
  for _, ranks in ipairs(lists) do sum = sum + f(ranks) end
  return #lists > 0 and sum / #lists or nil, left_out
end

--- Recall at K, the share of the lists with a relevant item among the first K; refined: the mean over lists of the
-- share of relevant items with fewer than K irrelevant ones above them.
-- @function recall
-- @param scores
-- @param relevance
-- @param options.k        K
-- @param options.refined  (default false)
-- @return number in 0..1, nil if no list has a relevant item; number of lists left out
function rank.recall(scores, relevance, options)
  local o = check.options("metric.recall", options, { k = check.count(), refined = check.flag(false) })
  local lists, left_out = tensor.scope(relevant_ranks, "metric.recall", scores, relevance)
  return mean_over(lists, left_out, function(ranks)
    if not o.refined then return ranks[1] <= o.k and 1 or 0 end
    local count = 0
    for i, position in ipairs(ranks) do
      if position - i < o.k then count = count + 1 end
    end
    return count / #ranks
  end)
end

--- Mean average precision: the mean over lists of the mean over their relevant items of rank among the relevant / rank.
-- @function average_precision
-- @param scores
-- @param relevance
-- @return number in 0..1, nil if no list has a relevant item; number of lists left out
function rank.average_precision(scores, relevance)
  local lists, left_out = tensor.scope(relevant_ranks, "metric.average_precision", scores, relevance)
  return mean_over(lists, left_out, function(ranks)
    local sum = 0
    for i, position in ipairs(ranks) do sum = sum + i / position end
    return sum / #ranks
  end)
end

return rank

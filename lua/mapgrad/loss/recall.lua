--- Recall loss: the mean over the relevant items of a list of weight(r), r = rank - rank among the relevant = number
-- of irrelevant items above; then the mean over lists. It is the sum over K of w_K (1 - share of relevant items with
-- r < K), w_K ~ 1 / K for "log", 1 / (K log K) for "loglog". Never negative, 0 for a perfect ranking.
-- Source: Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius 2020 (RaMBO). Their code undoes the normalisation of
-- ranks by the number of lists, and its memory appends lists, not items: both are right here.
-- @function recall
-- @param options.lambda           step of the ranks' blackbox gradient (published: 0.2)
-- @param options.weight           "log": log(1 + r); "loglog" (default): log(1 + log(1 + r)); "linear": r
-- @param options.average          "queries" (default): over lists; "entries": over all relevant items of all lists
-- @param options.margin           relevant scores less half of it, irrelevant ones plus half (default 0)
-- @param options.memory           number of former calls whose scores lengthen the lists, as constants (default 0)
-- @param options.axis             axis along which a list runs (default -1)
-- @param options.normalised       true (default): lambda counts for rank / n
-- @param options.divisor_epsilon  added to lambda in the divisor (default 0; 1e-8 in the published code)
-- @usage loss.recall { lambda = 0.2, margin = 0.02 }(queries:matmul(items:transpose()), relevance):backward()
local check = require "mapgrad.check"

local WEIGHTS = {
  linear = function(r) return r end,
  log = function(r) return (r + 1):log() end,
  loglog = function(r) return ((r + 1):log() + 1):log() end,
}

local rules = {
  weight = check.choice({ "log", "loglog", "linear" }, "loglog"),
  average = check.choice({ "queries", "entries" }, "queries"),
}

return require("mapgrad.loss.ranked").loss("recall", rules, function(self, s, relevance)
  local ranks, among = self:ranks(s, relevance)
  local above = (ranks - among) * relevance -- not for irrelevant items, where it means nothing
  local weighted = WEIGHTS[self.options.weight](above)
  if self.options.average == "queries" then return self:mean_over_lists(weighted, relevance) end
  return (weighted * relevance):sum() * (1 / math.max(relevance:sum():item(), 1))
end)

--- Average precision loss: 1 - the mean over the relevant items of a list of rank among the relevant / rank; the mean
-- over lists (mAP). interclass: its share of the same loss of one list of all scores together (APC), without memory.
-- In 0..1, 0 for a perfect ranking.
-- Source: Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius 2020 (RaMBO); for detection, mAP : APC = 2 : 1.
-- @function average_precision
-- @param options.lambda           step of the ranks' blackbox gradient (published: 0.5)
-- @param options.interclass       weight of APC, 0 to 1 (default 0)
-- @param options.margin           relevant scores less half of it, irrelevant ones plus half (default 0)
-- @param options.deviations       function (shape) -> factors of the margin from 0, drawn at each call: first for
--   [lists, n], lists lengthened by the memory, then for [1, all scores] if interclass is not 0 (default: ones; the
--   published code takes absolute normal numbers)
-- @param options.ap_epsilon       added to the number of relevant items (default 0; 1e-5 in the published code)
-- @param options.memory           number of former calls whose scores lengthen the lists, as constants (default 0)
-- @param options.axis             axis along which a list runs (default -1); 1 for scores [batch, classes]
-- @param options.normalised       true (default): lambda counts for rank / n
-- @param options.divisor_epsilon  added to lambda in the divisor (default 0; 1e-8 in the published code)
-- @usage loss.average_precision { lambda = 0.5, axis = 1, interclass = 1 / 3 }(class_scores, labels):backward()
local check = require "mapgrad.check"

local rules = {
  interclass = check.not_negative(0), deviations = check.optional(check.callable()),
  ap_epsilon = check.not_negative(0),
}

-- 1 - mean average precision of rows; 0 where no list has a relevant item.
local function precision_loss(self, s, relevance)
  local draw = self.options.deviations
  local ranks, among = self:ranks(s, relevance, draw and draw(s:shape()):detach())
  local has_any = relevance:max():item()
  return has_any - self:mean_over_lists(among / ranks, relevance, self.options.ap_epsilon)
end

return require("mapgrad.loss.ranked").loss("average_precision", rules, function(self, s, relevance, scores, given)
  local share = self.options.interclass
  if share > 1 then
    check.fail("MG-OPTION", "loss.average_precision: interclass: expected a number in 0..1, got %g", share)
  end
  local classes = precision_loss(self, s, relevance)
  if share == 0 then return classes end
  local all = precision_loss(self, scores:reshape(1, -1), given:detach():reshape(1, -1))
  return classes * (1 - share) + all * share
end)

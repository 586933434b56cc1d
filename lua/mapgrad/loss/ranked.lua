--- The frame of losses over ranks: loss.NAME { lambda = 0.2, ... } makes one, called as f(scores, relevance) with
-- relevance 0/1 of the scores' shape. Every line of the scores along one axis is a list; rank 1 is the largest score,
-- ties go to the smaller index. Ranks pass gradients by blackbox interpolation; relevant items are lowered by half of
-- the margin and irrelevant ones raised, before ranking.
-- Lists without a relevant item are left out and counted: f.left_out in the last call, of f.lists lists.
-- Sorts: 1 forward, 1 for the ranks among the relevant, 1 backward.
-- Source: Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius 2020 (RaMBO).
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local estimator = require "mapgrad.estimator"
local show = require "mapgrad.show"
local solver = require "mapgrad.solver"
local tensor = require "mapgrad.tensor"

local ranked = {}

local methods = {}
local Loss = { __name = "mapgrad.loss", __index = methods }

local function shared_rules()
  return {
    lambda = check.positive(), normalised = check.flag(true), divisor_epsilon = check.not_negative(0),
    margin = check.not_negative(0), memory = check.whole(0), axis = check.integer(-1),
  }
end

local function ranking(n)
  return solver.ranking { n = n }
end

-- t with its lists as rows [lists, n].
local function as_rows(t, axis)
  local order, axes = {}, t:axes()
  for i = 1, axes do
    if i ~= axis then order[#order + 1] = i end
  end
  order[axes] = axis
  return (axis == axes and t or t:permute(order)):reshape(-1, t:size(axis))
end

-- Scores, recorded, and relevance as rows of lists.
local function lists_of(self, scores, relevance)
  scores = check.value(self.name .. ": scores", scores, check.tensor)
  relevance = check.value(self.name .. ": relevance", relevance, check.tensor):detach()
  local shape = show.shape(scores:shape())
  if shape ~= show.shape(relevance:shape()) then
    check.fail("MG-SHAPE", "%s: the scores have shape %s, the relevance %s", self.name, shape,
      show.shape(relevance:shape()))
  end
  if scores:axes() == 0 or scores:count() == 0 then
    check.fail("MG-SHAPE", "%s: no lists: the scores have shape %s", self.name, shape)
  end
  if (relevance * (1 - relevance)):ne(0):sum():item() > 0 then
    check.fail("MG-ARGUMENT", "%s: the relevance is not 0 or 1 everywhere", self.name)
  end
  local axis = tensor.axis_of(scores, self.options.axis, self.name) + 1
  return as_rows(scores, axis), as_rows(relevance, axis)
end

-- Lists with those of the last calls behind them, oldest first; the new ones are remembered.
local function with_memory(self, s, relevance)
  local kept = self.kept
  if self.options.memory == 0 then return s, relevance end
  local own = { tensor.keep(s:detach():clone()), tensor.keep(relevance:clone()) }
  local all, all_relevance = { s }, { relevance }
  for i, old in ipairs(kept) do
    if old[1]:size(1) ~= s:size(1) then
      check.fail("MG-SHAPE", "%s: %d lists after %d: memory joins lists of several calls; call forget() between them",
        self.name, s:size(1), old[1]:size(1))
    end
    all[i + 1], all_relevance[i + 1] = old[1], old[2]
  end
  kept[#kept + 1] = own
  if #kept > self.options.memory then table.remove(kept, 1) end
  return tensor.concat(all, 2), tensor.concat(all_relevance, 2)
end

Loss.__call = function(self, scores, relevance)
  local s, r = lists_of(self, scores, relevance)
  local long, long_relevance = with_memory(self, s, r)
  self.lists = long:size(1)
  self.left_out = self.lists - long_relevance:max(2):sum():item()
  return self.value(self, long, long_relevance, scores, relevance)
end

Loss.__tostring = function(self)
  local o = self.options
  return ("%s  lambda %g  margin %g  memory %d"):format(self.name, o.lambda, o.margin, o.memory)
end

--- Forgets the scores of former calls.
function methods.forget(self)
  self.kept = {}
end

--- Ranks of rows after the margin, recorded, and those among the relevant items, right for these only.
-- @param s           [lists, n]
-- @param relevance   of s's shape
-- @param deviations  factors of the margin, of s's shape, or nil
function methods.ranks(self, s, relevance, deviations)
  local o, n = self.options, s:size(2)
  local shift = (relevance - 0.5) * o.margin
  if deviations then shift = shift * deviations end
  local scale = o.normalised and n or 1 -- a step lambda on rank / n is a step n lambda on the rank
  local layer = estimator.blackbox {
    solver = ranking(n), lambda = o.lambda * scale, divisor_epsilon = o.divisor_epsilon * scale,
  }
  local ranks = layer(s - shift):reshape(s:shape())
  local among = autograd.pause(function() -- the irrelevant ones behind all relevant ones, all apart
    return ranking(n)(-(ranks:detach() + (1 - relevance) * n))
  end)
  return ranks, among
end

--- The mean of x [lists, n] over relevant items of each list (their number plus epsilon), then over the lists that
-- have one; 0 without any.
function methods.mean_over_lists(_, x, relevance, epsilon)
  local counts = relevance:sum(2)
  local lists = counts:gt(0):sum():item()
  local weights = relevance / (counts + (epsilon or 0) + counts:eq(0)):unsqueeze(2)
  return (x * weights):sum() * (1 / math.max(lists, 1))
end

--- Makes the constructor of a loss.
-- @param name   for messages, without "loss."
-- @param rules  of further options
-- @param value  function (self, s, relevance, scores, relevance as given) -> tensor of one entry; s, relevance: rows
--   [lists, n], lengthened by the memory
function ranked.loss(name, rules, value)
  name = "loss." .. name
  return function(options)
    local all = shared_rules()
    for key, rule in pairs(rules) do all[key] = rule end
    return setmetatable({
      name = name, options = check.options(name, options, all), value = value, kept = {}, lists = 0, left_out = 0,
    }, Loss)
  end
end

return ranked

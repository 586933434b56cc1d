--- The network that rates a text by its chosen words in the published learning-to-explain experiments.
-- Source: Chen, Song, Wainwright, Jordan 2018; Niepert, Minervini, Franceschi 2021.
local check = require "mapgrad.check"
local initial = require "mapgrad.nn.initial"
local linear = require "mapgrad.nn.linear"
local module = require "mapgrad.nn.module"
local relu = require "mapgrad.nn.relu"
local sequential = require "mapgrad.nn.sequential"
local show = require "mapgrad.show"
local sigmoid = require "mapgrad.nn.sigmoid"
local weight = require "mapgrad.nn.weight"

local HIDDEN = 250

local function forward(self, x, mask)
  check.value("nn.l2x_predictor: input", x, check.tensor)
  check.value("nn.l2x_predictor: mask", mask, check.tensor)
  local shape = x:shape()
  if #shape ~= 3 or mask:axes() < 2 or mask:size(-1) ~= shape[2] or mask:size(-2) ~= shape[1] then
    check.fail("MG-SHAPE", "nn.l2x_predictor: expected [batch, words, features] and a mask "
      .. "[..., batch, words], got %s and %s", show.shape(shape), show.shape(mask:shape()))
  end
  local chosen = (x * mask:unsqueeze(-1)):sum(-2) * (1 / self.k)     -- [..., B, features]
  local y = self.body(chosen)
  shape = y:shape()
  shape[#shape] = nil
  return y:reshape(shape)
end

--- Ratings in (0, 1), called as layer(x, mask): embedded words x [B, words, features] and a mask
-- [batch..., B, words] of k ones each, with the samples of a layer in front or not -> [batch..., B]. The
-- chosen words are summed and divided by k; linear of 250, ReLU, linear of 1, sigmoid. 50,501 parameters
-- with 200 features.
-- @param options.k         words that are chosen
-- @param options.features  of an embedded word (default 200)
-- @param options.initial   law of the weights, see nn.initial (default "xavier_uniform"); biases start
--   at 0
-- @return a module
return function(options)
  local o = check.options("nn.l2x_predictor", options, {
    k = check.count(), features = check.count(200), initial = weight.option(initial.xavier_uniform),
  })
  local start = { initial = o.initial, bias_initial = 0 }
  local self = module {
    title = ("l2x_predictor, k %d"):format(o.k), forward = forward,
    children = { { "body", sequential {
      linear(o.features, HIDDEN, start), relu(), linear(HIDDEN, 1, start), sigmoid(),
    } } },
  }
  self.k = o.k
  return self
end

--- The network that scores words in the published learning-to-explain experiments.
-- Source: Chen, Song, Wainwright, Jordan 2018; Niepert, Minervini, Franceschi 2021.
local check = require "mapgrad.check"
local conv1d = require "mapgrad.nn.conv1d"
local dropout = require "mapgrad.nn.dropout"
local initial = require "mapgrad.nn.initial"
local linear = require "mapgrad.nn.linear"
local module = require "mapgrad.nn.module"
local relu = require "mapgrad.nn.relu"
local sequential = require "mapgrad.nn.sequential"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"
local weight = require "mapgrad.nn.weight"

local FILTERS = 100

local function forward(self, x)
  check.value("nn.l2x_selector: input", x, check.tensor)
  local shape = x:shape()
  if #shape ~= 3 or shape[3] ~= self.features then
    check.fail("MG-SHAPE", "nn.l2x_selector: expected [batch, words, %d], got %s", self.features, show.shape(shape))
  end
  local first = self.first(x:transpose())                            -- [B, 100, words]
  local text = self.text(first:max(-1)):unsqueeze(-1)                -- [B, 100, 1]
  local repeated = text + tensor.zeros(1, 1, shape[2])
  local both = tensor.concat({ repeated, self.words(first) }, 2)     -- [B, 200, words]
  return self.scores(both):reshape(shape[1], shape[2])
end

--- Embedded words [B, words, features] -> logits [B, words] of choosing each: a convolution of width 3
-- and 100 filters; from it (a) the maximum over words through a linear layer of 100 and (b) two more such
-- convolutions; (a) at each word beside (b), dropout 0.2, convolutions of width 1 to 100 and to 1; ReLU
-- after all but the last. 150,601 parameters with 200 features.
-- @param options.features  of an embedded word (default 200)
-- @param options.initial   law of the weights, see nn.initial (default "xavier_uniform"); biases start
--   at 0
-- @return a module with the children first, text, words and scores
-- @usage local words = nn.embedding(count, 200, { initial = function() return vectors end }):freeze()
-- local logits = nn.l2x_selector()(words(tokens))
return function(options)
  local o = check.options("nn.l2x_selector", options, {
    features = check.count(200), initial = weight.option(initial.xavier_uniform),
  })
  local function convolution(inputs, outputs, kernel)
    return conv1d {
      inputs, outputs, kernel = kernel, pad = (kernel - 1) / 2, initial = o.initial, bias_initial = 0,
    }
  end
  local dense = linear(FILTERS, FILTERS, { initial = o.initial, bias_initial = 0 })
  local self = module {
    title = ("l2x_selector, %d features"):format(o.features), forward = forward,
    children = {
      { "first", sequential { convolution(o.features, FILTERS, 3), relu() } },
      { "text", sequential { dense, relu() } },
      { "words", sequential {
        convolution(FILTERS, FILTERS, 3), relu(), convolution(FILTERS, FILTERS, 3), relu(),
      } },
      { "scores", sequential {
        dropout(0.2), convolution(2 * FILTERS, FILTERS, 1), relu(), convolution(FILTERS, 1, 1),
      } },
    },
  }
  self.features = o.features
  return self
end

--- Gated recurrent units along time.
-- Source: Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio 2014.
local recurrent = require "mapgrad.nn.recurrent"

--- y, h' = layer(x, h): x [batch..., time, inputs] -> y [batch..., time, hidden], the outputs of the
-- last layer, and h' [batch..., layers, hidden], the last state of each layer; h, where to begin, has
-- the shape of h' (default 0). The equations are those of nn.gru_cell and PyTorch's.
-- With bidirectional a second cell of each layer runs backwards: y [..., 2 hidden] has forward and
-- backward outputs side by side, h' [..., 2 layers, hidden] the states in the order of layers, forward
-- first; the backward state is the one at time 1. nn.sequential hands on y alone.
-- @param inputs                 features of x
-- @param hidden                 features of a state
-- @param options.layers         cells above each other (default 1)
-- @param options.bidirectional  (default false)
-- @param options.dropout        rate of dropout between layers, in training (default 0)
-- @param options.bias           whether cells have biases (default true)
-- @param options.initial        law of the weights, see nn.initial (default: uniform on +-1/sqrt(hidden))
-- @return a module with the cells layer1, layer1_reverse, layer2, ... as children
-- @usage local layer = nn.gru(8, 16)
-- local y, h = layer(x)
-- y, h = layer(next_x, h:detach())   -- goes on; gradients stop here
return function(inputs, hidden, options)
  return recurrent.layer("gru", inputs, hidden, options)
end

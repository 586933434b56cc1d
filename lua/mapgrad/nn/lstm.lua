--- Long short-term memory along time.
-- Source: Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000.
local recurrent = require "mapgrad.nn.recurrent"

--- y, h', c' = layer(x, h, c): x [batch..., time, inputs] -> y [batch..., time, hidden], the outputs of
-- the last layer, and h', c' [batch..., layers, hidden], the last states of each layer; h and c, where
-- to begin, have their shape (default 0). The equations are those of nn.lstm_cell and PyTorch's.
-- With bidirectional as in nn.gru.
-- @param inputs                 features of x
-- @param hidden                 features of a state
-- @param options.layers         cells above each other (default 1)
-- @param options.bidirectional  (default false)
-- @param options.dropout        rate of dropout between layers, in training (default 0)
-- @param options.bias           whether cells have biases (default true)
-- @param options.initial        law of the weights, see nn.initial (default: uniform on +-1/sqrt(hidden))
-- @return a module with the cells layer1, layer1_reverse, layer2, ... as children
-- @usage local y, h, c = nn.lstm(8, 16, { layers = 2 })(x)
return function(inputs, hidden, options)
  return recurrent.layer("lstm", inputs, hidden, options)
end

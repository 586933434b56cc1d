--- One step of a gated recurrent unit.
-- Source: Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio 2014.
local recurrent = require "mapgrad.nn.recurrent"

--- h' = cell(x, h): x [batch..., inputs], h [batch..., hidden] (default 0) -> h' [batch..., hidden].
-- r = sigmoid(W_r x + b_r + U_r h + c_r), z likewise, n = tanh(W_n x + b_n + r (U_n h + c_n)),
-- h' = (1 - z) n + z h, as in PyTorch; weight_input [3 hidden, inputs] holds W, weight_state U,
-- bias_input b and bias_state c, rows in the order r, z, n. All start uniform on +-1/sqrt(hidden).
-- @param inputs           features of x
-- @param hidden           features of h
-- @param options.bias     whether there are biases (default true)
-- @param options.initial  law of both weights, see nn.initial
-- @return a module
return function(inputs, hidden, options)
  return recurrent.cell("gru", inputs, hidden, options)
end

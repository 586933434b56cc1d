--- One step of a long short-term memory.
-- Source: Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000.
local recurrent = require "mapgrad.nn.recurrent"

--- h', c' = cell(x, h, c): x [batch..., inputs], h and c [batch..., hidden] (default 0).
-- With gates i, f, o = sigmoid(W x + b + U h + c) and g = tanh of the same with its own rows:
-- c' = f c + i g, h' = o tanh(c'), as in PyTorch; weight_input [4 hidden, inputs] holds W,
-- weight_state U, bias_input and bias_state the biases, rows in the order i, f, g, o. All start
-- uniform on +-1/sqrt(hidden).
-- @param inputs           features of x
-- @param hidden           features of h and c
-- @param options.bias     whether there are biases (default true)
-- @param options.initial  law of both weights, see nn.initial
-- @return a module
return function(inputs, hidden, options)
  return recurrent.cell("lstm", inputs, hidden, options)
end

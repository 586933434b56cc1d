--- Recorded methods and arithmetic of tensors, from the rules, a file a topic.
local core = require "mapgrad.real"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods = tensor.methods

--- Makes t a leaf that wants a gradient; returns t.
methods.watch = tape.watch

--- Gradients for all watched tensors that t depends on; see autograd.
methods.backward = tape.backward

--- The same numbers (shared memory) without history.
function methods.detach(t)
  return tensor.wrap(core.reshape(t.handle, core.shape(t.handle)))
end

for _, topic in ipairs { "elementwise", "reduce", "softmax", "index", "sort", "network", "norm" } do
  require("mapgrad.autograd.methods." .. topic)
end

return methods

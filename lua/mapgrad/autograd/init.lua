--- Automatic differentiation: operations on watched tensors are recorded and replayed backwards.
--
--   local x = tensor { 1, 2, 3 }:watch()
--   (x * x):sum():backward()
--   print(x.grad)              --> 2 4 6
local tape = require "mapgrad.autograd.tape"
require "mapgrad.autograd.methods"

return {
  --- Calls f(...) without recording.
  pause = tape.pause,
  --- Whether operations are recorded now.
  is_recording = tape.is_recording,
  --- Makes a tensor a leaf.
  watch = tape.watch,
  --- Gradients of a tensor for all watched ones it depends on.
  backward = tape.backward,
  --- Makes an operation from a forward and a backward function.
  operation = require "mapgrad.autograd.operation",
  --- Compares gradients with central differences.
  check = require "mapgrad.autograd.check",
  --- The rules table.
  rules = require "mapgrad.autograd.rules",
}

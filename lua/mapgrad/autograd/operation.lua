--- Operations of the user's own: a forward and a backward function.
local check = require "mapgrad.check"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local function pullback(saved, gradient)
  local gradients = { saved.operation.backward(saved.user, tensor.wrap(gradient)) }
  local result = {}
  for i, position in ipairs(saved.positions) do
    local g = gradients[position]
    if g ~= nil and g ~= false then
      if not tensor.is(g) then
        check.fail("MG-TYPE", "%s: backward returned a %s for argument %d, expected a tensor",
          saved.operation.name, check.type_of(g), position)
      end
      local expected, got = saved.shapes[i], table.concat(g:shape(), "x")
      if got ~= expected then
        check.fail("MG-SHAPE", "%s: backward returned shape %s for argument %d, expected %s",
          saved.operation.name, got, position, expected)
      end
      result[i] = g.handle
    else
      result[i] = false
    end
  end
  return result
end

--- Makes an operation.
-- @param row.name      for messages
-- @param row.forward   function (saved, ...) -> tensor; not recorded; saved is a fresh table
-- @param row.backward  function (saved, dy) -> a gradient for each argument that is a tensor, in the
--                      places of the arguments (nil where there is none)
-- @return function (...) -> tensor
-- @usage local double = autograd.operation { name = "double",
--   forward = function(saved, x) return x * 2 end,
--   backward = function(saved, dy) return dy * 2 end }
return function(row)
  local operation = check.options("autograd.operation", row, {
    name = check.text(), forward = check.callable(), backward = check.callable(),
  })
  local rule = { name = operation.name, pullback = pullback }
  return function(...)
    local user, inputs, positions, shapes = {}, {}, {}, {}
    for i = 1, select("#", ...) do
      local argument = (select(i, ...))
      if tensor.is(argument) then
        inputs[#inputs + 1], positions[#positions + 1] = argument, i
        shapes[#shapes + 1] = table.concat(argument:shape(), "x")
      end
    end
    local result = tape.pause(operation.forward, user, ...)
    if not tensor.is(result) then
      check.fail("MG-TYPE", "%s: forward returned a %s, expected a tensor", operation.name, check.type_of(result))
    end
    result = result:detach() -- it may be an input, or kept by forward: its own history is not touched
    local saved = { operation = operation, user = user, positions = positions, shapes = shapes }
    return tape.record(rule, result, inputs, saved)
  end
end

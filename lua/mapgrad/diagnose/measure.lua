--- Gradients of layers and of losses over a solver, as lists of numbers.
local check = require "mapgrad.check"
local tensor = require "mapgrad.tensor"

local measure = {}

--- Whether a value is a loss over a solver, called as value(x, target, context).
function measure.is_loss(value) return check.type_of(value) == "mapgrad.loss" end

--- One gradient.
-- @param it       a layer, a layer with a method loss, a loss over a solver, or a callable as a layer
-- @param x        [batch..., shape]
-- @param what     {loss = f, target = of a loss over a solver, context =, factor = of the value, default 1}
-- @return the gradient, a tensor
function measure.gradient(it, x, what)
  local leaf = x:clone():watch()
  local value
  if measure.is_loss(it) then
    value = it(leaf, what.target, what.context)
  elseif type(it) == "table" and it.loss then
    value = it:loss(leaf, what.loss, what.context)
  else
    value = what.loss(it(leaf, what.context)):mean()
  end
  local factor = what.factor or 1
  if factor ~= 1 then value = value * factor end
  value:backward()
  local gradient = leaf.grad or tensor.zeros(x:shape())
  return factor ~= 1 and gradient * (1 / factor) or gradient
end

--- count gradients of one instance.
-- @param tick  called after each, or nil
-- @return lists
function measure.gradients(it, x, what, count, tick)
  local rows = {}
  for r = 1, count do
    rows[r] = measure.gradient(it, x, what):reshape(-1):to_list()
    if tick then tick() end
  end
  return rows
end

--- Options of a layer or loss, {} for others.
function measure.options_of(it)
  return type(it) == "table" and type(rawget(it, "options")) == "table" and it.options or {}
end

--- Solver calls so far of a layer's or loss's solver.
function measure.solves(it)
  local solver = type(it) == "table" and it.solver or nil
  return solver and solver.solves or 0
end

return measure

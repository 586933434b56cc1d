--- Reductions over axes, recorded.
local check = require "mapgrad.check"
local rules = require "mapgrad.autograd.rules"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1 = tensor.methods, tape.apply1

-- The axes as runs of neighbours, from the last: {first from 0, count}.
local function runs(t, axes, name)
  local list = {}
  for i, axis in ipairs(axes) do list[i] = tensor.axis_of(t, axis, name) end
  table.sort(list)
  local result = {}
  for i, axis in ipairs(list) do
    local last = result[#result]
    if i > 1 and axis == list[i - 1] then check.fail("MG-SHAPE", "%s: axis %d is named twice", name, axis + 1) end
    if last and last[1] + last[2] == axis then
      last[2] = last[2] + 1
    else
      result[#result + 1] = { axis, 1 }
    end
  end
  return result
end

for _, name in ipairs { "sum", "mean", "max", "min" } do
  local rule = rules["reduce_" .. name]
  methods[name] = function(t, ...)
    if select("#", ...) == 0 then return apply1(rule, t, { 0, t:axes() }) end
    local list = runs(t, { ... }, name)
    for i = #list, 1, -1 do t = apply1(rule, t, list[i]) end
    return t
  end
end

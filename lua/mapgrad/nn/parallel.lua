--- Layers side by side.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local layers_of = require "mapgrad.nn.layers"
local module = require "mapgrad.nn.module"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

-- n equal parts of x along an axis.
local function parts_of(x, n, axis)
  local parts, extent = {}, x:size(axis)
  if extent % n ~= 0 then
    check.fail("MG-SHAPE", "nn.parallel: axis %d of %s does not split into %d equal parts", axis,
      show.shape(x:shape()), n)
  end
  for i = 1, n do parts[i] = x:slice(axis, (i - 1) * extent / n + 1, i * extent / n) end
  return parts
end

local JOINS = {}

function JOINS.concat(results, axis)
  return tensor.concat(results, axis)
end

function JOINS.sum(results)
  local y = results[1]
  for i = 2, #results do y = y + results[i] end
  return y
end

function JOINS.none(results)
  return compat.unpack(results)
end

--- Applies layers to one input, or each to its part of it, and joins the results.
-- @param layers         list of modules; functions and other callable values become `nn.lambda`
-- @param options.join   "concat" (default): side by side along an axis; "sum"; "none": y1, y2, ...
-- @param options.axis   where concat joins (default 2, the channels of [batch, channels, ...])
-- @param options.split  axis along which layer i gets the i-th of equal parts (default: all get x)
-- @return a module; its children are named "1", "2", ...
-- @usage nn.parallel({ nn.linear(8, 4), nn.linear(8, 2) })   -- [B, 8] -> [B, 6]
return function(layers, options)
  local children = layers_of("nn.parallel", layers)
  if #children == 0 then check.fail("MG-TYPE", "nn.parallel: expected a list of layers in braces, got none") end
  local o = check.options("nn.parallel", options, {
    join = check.choice({ "concat", "sum", "none" }, "concat"), axis = check.real(2),
    split = check.optional(check.real()),
  })
  return module {
    title = "parallel, " .. o.join, children = children,
    forward = function(self, x)
      local n, results = #self.children, {}
      check.value("nn.parallel: input", x, check.tensor)
      local parts = o.split and parts_of(x, n, o.split)
      for i = 1, n do results[i] = self[i](parts and parts[i] or x) end
      return JOINS[o.join](results, o.axis)
    end,
  }
end

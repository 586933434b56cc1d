--- Sorting along an axis, recorded. Of equal entries the first stays the first; NaN comes last in both orders.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods = tensor.methods

local OPTIONS = { descending = check.flag(false) }

-- What core's order, from 0, names for Lua.
local function places(order)
  return tensor.wrap(core.affine(order, 1, 1))
end

local function values_and_places(t, axis, order)
  return tape.apply2(rules.sort, t, tensor.wrap(order), axis), places(order)
end

-- The order of t along an axis, and that axis from 0.
local function order_of(name, t, axis, options)
  local zero_based = tensor.axis_of(t, axis or -1, name)
  local o = check.options(name, options, OPTIONS)
  return core.sort_order(t.handle, zero_based, core.extent(t.handle, zero_based), o.descending), zero_based
end

--- Sorts along an axis.
-- @param axis                default the last
-- @param options.descending  largest first (default false)
-- @return the sorted entries, in t's shape; gradients go back to where the entries came from
-- @return where each stood along the axis, from 1; no gradient
-- @usage local values, indices = t:sort(-1, { descending = true })
function methods.sort(t, axis, options)
  local order, zero_based = order_of("sort", t, axis, options)
  return values_and_places(t, zero_based, order)
end

--- The decreasing row nearest to each row along the last axis, by pooling adjacent violators; O(n) a row. Equal
-- entries are blocks, over which gradients are averaged.
-- Source: Best, Chakravarti 1990.
function methods.isotonic(t)
  return tape.apply1(rules.isotonic, t)
end

--- The second result of sort alone.
function methods.argsort(t, axis, options)
  return places((order_of("argsort", t, axis, options)))
end

--- The k largest entries along an axis (default the last), largest first; NaN only where there are fewer numbers.
-- @return those entries: t's shape with extent k along the axis; gradients go back to where they came from
-- @return where each stood along the axis, from 1; no gradient
function methods.top_k(t, k, axis)
  k = check.value("top_k: k", k, check.whole())
  local zero_based = tensor.axis_of(t, axis or -1, "top_k")
  if k > core.extent(t.handle, zero_based) then
    check.fail("MG-ARGUMENT", "top_k: k = %d of axis %d of a tensor of shape %s", k, zero_based + 1,
      show.shape(t:shape()))
  end
  return values_and_places(t, zero_based, core.sort_order(t.handle, zero_based, k, true))
end

--- Reductions over axes, recorded.
--
-- All are called as t:sum(axis, axis2, ..., options): over the named axes, in any order, negative ones from
-- the end; over all if none is named. Options: {keep = true} keeps the axes in the shape, with extent 1.
local check = require "mapgrad.check"
local rules = require "mapgrad.autograd.rules"
local show = require "mapgrad.show"
local tape = require "mapgrad.autograd.tape"
local tensor = require "mapgrad.tensor"

local methods, apply1 = tensor.methods, tape.apply1

-- The rules of a method's options, and what holds without any.
local function options_of(option_rules)
  return { rules = option_rules, presets = check.options("reduce", nil, option_rules) }
end

-- The axes named, from 0 and sorted, and the options.
local function arguments(t, name, known, ...)
  local given, count, options, list = { ... }, select("#", ...), nil, {}
  if type(given[count]) == "table" then
    options = given[count]
    count = count - 1
  end
  options = options and check.options(name, options, known.rules) or known.presets
  for i = 1, count do list[i] = tensor.axis_of(t, given[i], name) end
  table.sort(list)
  for i = 2, #list do
    if list[i] == list[i - 1] then check.fail("MG-SHAPE", "%s: axis %d is named twice", name, list[i] + 1) end
  end
  if #list == 0 then
    for axis = 0, t:axes() - 1 do list[#list + 1] = axis end
  end
  return list, options
end

-- Sorted axes as runs of neighbours: {first from 0, count}.
local function runs(axes)
  local result = {}
  for _, axis in ipairs(axes) do
    local last = result[#result]
    if last and last[1] + last[2] == axis then
      last[2] = last[2] + 1
    else
      result[#result + 1] = { axis, 1 }
    end
  end
  return result
end

-- t with the given axes last, in their order.
local function moved_last(t, axes)
  local is_moved, order = {}, {}
  for _, axis in ipairs(axes) do is_moved[axis] = true end
  for axis = 0, t:axes() - 1 do
    if not is_moved[axis] then order[#order + 1] = axis + 1 end
  end
  for _, axis in ipairs(axes) do order[#order + 1] = axis + 1 end
  return t:permute(order)
end

-- Applies a rule over sorted axes. steps: it may be done run by run.
local function reduced(rule, t, axes, steps, keep)
  local shape, result, list = t:shape(), t, runs(axes)
  if #list == 0 then
    result = apply1(rule, t, { 0, 0 })
  elseif #list == 1 or steps then
    for i = #list, 1, -1 do result = apply1(rule, result, list[i]) end
  else
    result = apply1(rule, moved_last(t, axes), { t:axes() - #axes, #axes })
  end
  if not keep then return result end
  for _, axis in ipairs(axes) do shape[axis + 1] = 1 end
  return result:reshape(shape)
end

local KEEP = options_of { keep = check.flag(false) }

-- A method of one rule.
local function method(name, steps)
  local rule = rules["reduce_" .. name]
  return function(t, ...)
    if select("#", ...) == 0 then return apply1(rule, t, { 0, t:axes() }) end
    local axes, o = arguments(t, name, KEEP, ...)
    return reduced(rule, t, axes, steps, o.keep)
  end
end

--- Sum; 0 of nothing.
methods.sum = method("sum", true)
--- Mean; NaN of nothing.
methods.mean = method("mean", true)
--- Largest entry; of nothing: an error. NaN wins; the gradient goes to the first of equal entries.
methods.max = method("max", true)
--- Smallest entry, as max.
methods.min = method("min", true)
--- Product; 1 of nothing. The gradient is right where entries are 0.
methods.prod = method("prod")
--- log(sum(exp(t))) without overflow; -inf where all entries are -inf (the gradient is 0 there), and of nothing.
methods.logsumexp = method("logsumexp", true)
--- 1 if an entry is not 0 (NaN is not), else 0. No gradient.
methods.any = method("any", true)
--- 1 if no entry is 0, else 0. No gradient.
methods.all = method("all", true)
--- Where the largest entry stands, from 1, in row-major order along the axes; the first of equal ones, the
-- first NaN if there is one. No gradient; of nothing: an error.
methods.argmax = method("argmax")
--- Where the smallest entry stands, as argmax.
methods.argmin = method("argmin")

-- A method of the rules name (over n - 1) and name_biased (over n).
local function spread(name)
  local known = options_of { keep = check.flag(false), unbiased = check.flag(true) }
  return function(t, ...)
    local axes, o = arguments(t, name, known, ...)
    return reduced(rules["reduce_" .. name .. (o.unbiased and "" or "_biased")], t, axes, false, o.keep)
  end
end

--- Variance: squared distances from the mean over n - 1, or over n with {unbiased = false}. NaN of one entry
-- (unbiased) and of nothing.
methods.var = spread "var"
--- Standard deviation, the square root of var with the same options; its gradient is 0 where it is 0.
methods.std = spread "std"

local NORM_RULES = { [1] = "reduce_norm_1", [2] = "reduce_norm_2", [math.huge] = "reduce_norm_inf" }
local NORM = options_of { keep = check.flag(false), p = check.any(2) }

--- Vector norm over the axes: {p = 1}, {p = 2} (the default) or {p = math.huge}. 0 of nothing; the gradient is 0
-- at the zero vector; that of the largest |entry| goes to the first of equal ones.
function methods.norm(t, ...)
  local axes, o = arguments(t, "norm", NORM, ...)
  local rule = rules[NORM_RULES[o.p]]
  if not rule then
    check.fail("MG-ARGUMENT", "norm: expected p of 1, 2 or math.huge, got %s (shape %s)", tostring(o.p),
      show.shape(t:shape()))
  end
  return reduced(rule, t, axes, true, o.keep)
end

--- Measures of solutions, summed in double. None is a loss: nothing is recorded.
--
-- z is [batch, n...] or [1, batch, n...]. The truth is a data set or a table with the fields
-- `costs` and `path` (or `solution`), tensors [batch, n...]; c is a row of the true costs, z* one
-- of the optimal solutions. With `sense = "max"` the costs are gains. Functions that only compare
-- entries also take the label itself.
-- @usage metric.optimal_rate(solver(costs:evaluate(test.image)), test)
-- @module mapgrad.metric
require "mapgrad.autograd"
local check = require "mapgrad.check"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local metric = {}

--- The names of the measures of (z, data), in the order of this file.
metric.names = {
  "optimal_rate", "match_rate", "regret", "normalised_regret", "cost_ratio", "hamming", "edge_precision",
}

local function same_shape(a, b)
  return show.shape(a) == show.shape(b)
end

-- z without a leading axis of one sample, checked against the label's shape.
local function unsampled(name, z, label)
  check.value(name .. ": z", z, check.tensor)
  local shape, wanted = z:shape(), label:shape()
  if #wanted == 0 or wanted[1] == 0 then
    check.fail("MG-SHAPE", "%s: no instances: the labels have shape %s", name,
      show.shape(wanted))
  end
  if same_shape(shape, wanted) then return z:detach() end
  if shape[1] == 1 and #shape == #wanted + 1 then
    table.remove(shape, 1)
    if same_shape(shape, wanted) then return z:detach():reshape(shape) end
  end
  return check.fail("MG-SHAPE", "%s: expected z of shape %s, one sample before it at most, got %s",
    name, show.shape(wanted), show.shape(z:shape()))
end

local function field(name, data, ...)
  for i = 1, select("#", ...) do
    local value = data[(select(i, ...))]
    if tensor.is(value) then return value end
  end
  return check.fail("MG-ARGUMENT", "%s: the true data have no tensor '%s'", name,
    table.concat({ ... }, "' or '"))
end

local function label_of(name, data)
  if tensor.is(data) then return data end
  return field(name, check.value(name .. ": true data", data, check.any()), "path", "solution")
end

-- Calls visit(i, rows...) for each instance with the entries of its row of each tensor [batch,
-- n...].
local function each_instance(tensors, visit)
  local batch = tensors[1]:size(1)
  local n, flat, rows = tensors[1]:count() / batch, {}, {}
  for k, t in ipairs(tensors) do flat[k] = t:detach():reshape(batch, n) end
  for i = 1, batch do
    for k, t in ipairs(flat) do rows[k] = t:rows(i, i):to_list() end
    visit(i, rows[1], rows[2], rows[3])
  end
  return batch
end

local function dot(a, b)
  local sum = 0
  for i = 1, #a do
    if a[i] ~= 0 and b[i] ~= 0 then sum = sum + a[i] * b[i] end -- an obstacle beside the path costs nothing
  end
  return sum
end

-- Calls visit(i, value, best, regret) for each instance: <c, z>, <c, z*>, and how much worse z is.
-- Returns the number of instances.
local function each_value(name, z, data, sense, visit)
  check.value(name .. ": true data", data, check.any())
  local label, costs = label_of(name, data), field(name, data, "costs")
  if not same_shape(costs:shape(), label:shape()) then
    check.fail("MG-SHAPE", "%s: the true costs have shape %s, the solutions %s", name,
      show.shape(costs:shape()), show.shape(label:shape()))
  end
  local sign = sense == "max" and -1 or 1
  return each_instance({ unsampled(name, z, label), label, costs }, function(i, row, best_row, c)
    local value, best = dot(c, row), dot(c, best_row)
    visit(i, value, best, sign * (value - best))
  end)
end

-- Wraps a measure f(name, z, data, options...): frees what it makes.
local function define(name, f)
  local full = "metric." .. name
  metric[name] = function(...) return tensor.scope(f, full, ...) end
end

local function sense_of(name, options)
  return check.options(name, options, { sense = check.choice({ "min", "max" }, "min") }).sense
end

-- A function (i) -> whether row i of z is feasible, from the option; nil without one.
local function feasibility(name, z, data, is_feasible)
  if not is_feasible then return nil end
  local solutions = unsampled(name, z, label_of(name, data))
  if type(is_feasible) == "function" then
    return function(i) return is_feasible(solutions[i]) end
  end
  if not is_feasible.is_feasible then
    check.fail("MG-TYPE", "%s: is_feasible: expected a function or a solver, got a %s", name,
      check.type_of(is_feasible))
  end
  return function(i) return is_feasible:is_feasible(solutions[i]) end
end

--- Share of the instances whose z is feasible and optimal under the true costs: <c, z> / <c, z*> -
-- 1 below the tolerance (where the optimum is 0: the regret itself below it).
-- Costs that were stored rounded can move it: also print the rate at 1e-4.
-- @function optimal_rate
-- @param z
-- @param data
-- @param options.tolerance    (default 1e-6)
-- @param options.is_feasible  function (one solution, tensor [n...]) -> boolean, or a solver whose
--   method is_feasible does that. Without it z is taken for a solver's answer, but one that beats
--   the optimum by more than the tolerance cannot be feasible and does not count
-- @param options.sense        "min" (default) or "max"
-- @return number in 0..1
define("optimal_rate", function(name, z, data, options)
  local o = check.options(name, options, {
    tolerance = check.positive(1e-6), is_feasible = check.optional(check.any()),
    sense = check.choice({ "min", "max" }, "min"),
  })
  local feasible = feasibility(name, z, data, o.is_feasible)
  local optimal = 0
  local count = each_value(name, z, data, o.sense, function(i, _, best, regret)
    local gap = best ~= 0 and regret / math.abs(best) or regret
    local is_valid = gap > -o.tolerance
    if feasible then is_valid = feasible(i) end
    if is_valid and gap < o.tolerance then optimal = optimal + 1 end
  end)
  return optimal / count
end)

local function differing(row, best_row)
  local count = 0
  for i = 1, #row do
    if row[i] ~= best_row[i] then count = count + 1 end
  end
  return count
end

--- Share of the instances whose z equals the label in every entry. Where optima tie it is far below
-- the optimal rate.
-- @function match_rate
-- @param z
-- @param data  the truth, or the labels themselves
-- @return number in 0..1
define("match_rate", function(name, z, data)
  local label, matches = label_of(name, data), 0
  local count = each_instance({ unsampled(name, z, label), label }, function(_, row, best_row)
    if differing(row, best_row) == 0 then matches = matches + 1 end
  end)
  return matches / count
end)

--- Mean over instances of <c, z> - <c, z*>; with sense "max" of <c, z*> - <c, z>. From 0 for
-- feasible z.
-- @function regret
-- @param z
-- @param data
-- @param options  {sense = "min"}
-- @return number
define("regret", function(name, z, data, options)
  local sum = 0
  local count = each_value(name, z, data, sense_of(name, options), function(_, _, _, regret)
    sum = sum + regret
  end)
  return sum / count
end)

--- Sum of the regrets over the sum of |<c, z*>|, both over all instances.
-- @function normalised_regret
-- @param z
-- @param data
-- @param options  {sense = "min"}
-- @return number
define("normalised_regret", function(name, z, data, options)
  local sum, scale = 0, 0
  each_value(name, z, data, sense_of(name, options), function(_, _, best, regret)
    sum, scale = sum + regret, scale + math.abs(best)
  end)
  if scale == 0 then check.fail("MG-NUMBER", "%s: all optimal values are 0", name) end
  return sum / scale
end)

--- Mean over instances of <c, z> / <c, z*>; 1 is perfect.
-- @function cost_ratio
-- @param z
-- @param data
-- @return number
define("cost_ratio", function(name, z, data)
  local sum = 0
  local count = each_value(name, z, data, "min", function(i, value, best)
    if best == 0 then
      check.fail("MG-NUMBER", "%s: the optimal cost of instance %d is 0", name, i)
    end
    sum = sum + value / best
  end)
  return sum / count
end)

--- Mean over instances of the number of entries in which z and the label differ. The share of right
-- entries is 1 - hamming / n.
-- @function hamming
-- @param z
-- @param data  the truth, or the labels themselves
-- @return number
define("hamming", function(name, z, data)
  local label, sum = label_of(name, data), 0
  local count = each_instance({ unsampled(name, z, label), label }, function(_, row, best_row)
    sum = sum + differing(row, best_row)
  end)
  return sum / count
end)

--- Share of the predicted edges (or other items) that are true: the sum of z t over that of z, over all instances.
-- For trees, which all have as many edges, it is also the share of the true edges that are predicted.
-- @function edge_precision
-- @param z     0/1
-- @param data  the truth, or the labels themselves
-- @return number in 0..1, nil if nothing is predicted
define("edge_precision", function(name, z, data)
  local label, right, all = label_of(name, data), 0, 0
  each_instance({ unsampled(name, z, label), label }, function(_, row, true_row)
    right = right + dot(row, true_row)
    for i = 1, #row do all = all + row[i] end
  end)
  if all == 0 then return nil end
  return right / all
end)

--- Whether the marked cells of a grid connect its top-left with its bottom-right cell, by steps to
-- any of the 8 neighbours: what makes a predicted path valid. For optimal_rate's is_feasible, where
-- z is not a solver's.
-- @param z  one solution [rows, cols], cells above 0.5 are marked
-- @return boolean
function metric.is_grid_path(z)
  local grid = check.value("metric.is_grid_path", z, check.tensor):to_table()
  local rows, cols = #grid, type(grid[1]) == "table" and #grid[1] or 0
  if z:axes() ~= 2 or rows * cols == 0 then
    check.fail("MG-SHAPE", "metric.is_grid_path: expected [rows, cols], got %s",
      show.shape(z:shape()))
  end
  local reached, open = {}, {}
  local function visit(r, c)
    local key = (r - 1) * cols + c
    if r < 1 or r > rows or c < 1 or c > cols or reached[key] or grid[r][c] <= 0.5 then return end
    reached[key] = true
    open[#open + 1] = { r, c }
  end
  visit(1, 1)
  while #open > 0 do
    local cell = table.remove(open)
    for dr = -1, 1 do
      for dc = -1, 1 do visit(cell[1] + dr, cell[2] + dc) end
    end
  end
  return reached[rows * cols] == true
end

for _, file in ipairs { "rank", "subset_precision", "worst_regret" } do
  for name, measure in pairs(require("mapgrad.metric." .. file)) do metric[name] = measure end
end

return metric

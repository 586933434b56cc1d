local check = require "mapgrad.check"
local expression = require "mapgrad.solver.expression"
local new_program = require "mapgrad.solver.program"
local tensor = require "mapgrad.tensor"

local NAME = "multidimensional_knapsack"

-- The rows of a matrix, lists of numbers of one length.
local function rows_of(weights)
  if tensor.is(weights) and weights:axes() == 2 then weights = weights:to_table() end
  local rows = type(weights) == "table" and not getmetatable(weights) and weights or {}
  for i, row in ipairs(rows) do
    if type(row) ~= "table" or #row ~= #rows[1] then rows = {} break end
    for _, w in ipairs(row) do
      if type(w) ~= "number" or not (w >= 0 and w < math.huge) then
        check.fail("MG-ARGUMENT", "%s: weights: expected numbers from 0, row %d has %s", NAME, i, tostring(w))
      end
    end
  end
  if #rows == 0 or #rows[1] == 0 then
    check.fail("MG-SHAPE", "%s: weights: expected a row of n numbers for each dimension", NAME)
  end
  return rows
end

--- The knapsack of several dimensions: a set of n items of the largest score whose weights fit all capacities.
-- theta [n] -> z [n] in {0,1}. An integer program (?solver.program): 1 ms to seconds an instance.
-- @param options.weights     [dimensions][n] numbers from 0
-- @param options.capacities  [dimensions]
-- @param options.time_limit  seconds for an instance, then the best so far; 0 (default): none
-- @param options.ties        "any" (default): one of the optima, always the same; "first": the lexicographically
-- largest z
-- @return a solver; its context capacities [dimensions] gives instances their own
-- @usage local s = solver.multidimensional_knapsack { weights = { { 1, 2, 3 }, { 3, 1, 1 } }, capacities = { 4, 4 } }
-- print(s(tensor { 5, 4, 4 }))     -- 1 1 0
return function(options)
  local o = check.options("solver." .. NAME, options, {
    weights = check.any(), capacities = check.any(), time_limit = check.not_negative(0),
    ties = check.choice({ "any", "first" }, "any"),
  })
  local rows, p, used = rows_of(o.weights), new_program { name = NAME }, {}
  local x = p:variables { n = #rows[1], binary = true }
  for i, row in ipairs(rows) do used[i] = x:dot(row) end
  local capacities = expression.of(p, o.capacities, "capacities")
  if #capacities.entries ~= #rows then
    check.fail("MG-SHAPE", "%s: %d capacities of %d dimensions", NAME, #capacities.entries, #rows)
  end
  p:constrain(used, "<=", capacities, "capacities")
  return p:solver { theta = x, time_limit = o.time_limit, ties = o.ties }
end

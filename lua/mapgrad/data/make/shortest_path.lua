--- Shortest paths on a grid whose costs depend on features: the usual benchmark of predict-then-optimise.
--
-- An instance has features x, standard normal, and costs of the edges of a grid, which lead a step right or down:
--     c_e = ((<B_e, x> / sqrt(features) + 3)^degree + 1) / 3.5^degree * u_e,   u_e uniform on 1 - noise .. 1 + noise
-- with a hidden matrix B [edges, features], 0 or 1 with even chances. Beyond degree 1 a linear predictor is wrong about
-- the costs, yet can be right about the paths.
-- Source: Elmachtoub, Grigas 2022, section 6.1; scaled as by Tang, Khalil 2022 (PyEPO).
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local new_set = require "mapgrad.data.set"
local solver = require "mapgrad.solver"
local source = require "mapgrad.data.source"
local tensor = require "mapgrad.tensor"

local NAME = "data.make.shortest_path"

-- Rows of costs made at once: bounds the memory of the products.
local BLOCK = 1000

-- Edges {from, to} of a grid, nodes counted row by row: the steps to the right of a row, then those down from it.
local function edges_of(rows, cols)
  local edges = {}
  for i = 0, rows - 1 do
    for j = 1, cols - 1 do edges[#edges + 1] = { i * cols + j, i * cols + j + 1 } end
    for j = 1, i < rows - 1 and cols or 0 do edges[#edges + 1] = { i * cols + j, (i + 1) * cols + j } end
  end
  return edges
end

-- Powers by products: no pow, so that the costs are the same on every processor; likewise no BLAS in costs_of.
local function power(t, degree)
  local result = t
  for _ = 2, degree do result = result * t end
  return result
end

-- Costs without noise [count, edges] of features [count, features].
local function costs_of(x, B, degree)
  local p = x:size(2)
  local product = (x:unsqueeze(2) * B):sum(3) * (1 / math.sqrt(p))
  return (power(product + 3, degree) + 1) * (1 / 3.5 ^ degree)
end

--- A data set of grids with features, and the solver of its paths.
--
--     x         [count, features]  standard normal
--     costs     [count, edges]     of the edges, above 0
--     path      [count, edges]     1 on the edges of a cheapest path from the top left to the bottom right, else 0
--     expected  [count, edges]     the costs without noise: the best that a predictor could know
--
-- Edges: those to the right of the first row, those down from it, and so on; rows (cols - 1) + (rows - 1) cols of them.
-- The hidden matrix belongs to the call: make training and test instances in one call and split them. The first
-- instances of a larger set are those of a smaller one.
-- @param options.rows      nodes of a column, from 2 (default 5)
-- @param options.cols      nodes of a row, from 2 (default 5)
-- @param options.count     number of instances (default 1000)
-- @param options.features  features of an instance (default 5)
-- @param options.degree    of the polynomial, from 1 (default 4)
-- @param options.noise     half the width of the factors, in 0..1 (default 0.5)
-- @param options.seed      integer: numbers of their own; default: the stream "data" of the common seed
-- @return data set; its solver, a dag_path; the hidden matrix [edges, features]
-- @usage local set, paths = data.make.shortest_path { count = 2000 }
--   local train, test = set:split(0.5)
return function(options)
  local o = check.options(NAME, options, {
    rows = check.count(5), cols = check.count(5), count = check.count(1000), features = check.count(5),
    degree = check.count(4), noise = check.not_negative(0.5), seed = check.optional(check.whole()),
  })
  for _, side in ipairs { "rows", "cols" } do
    if o[side] < 2 then check.fail("MG-ARGUMENT", "%s: %s: expected 2 or more, got %d", NAME, side, o[side]) end
  end
  if o.noise > 1 then
    check.fail("MG-ARGUMENT", "%s: noise: expected at most 1, got %g: costs would be negative", NAME, o.noise)
  end
  local edges = edges_of(o.rows, o.cols)
  local paths = solver.dag_path { nodes = o.rows * o.cols, edges = edges }
  local set, B = autograd.pause(tensor.scope, function()
    local numbers = source(o.seed)
    local B = numbers:uniform({ #edges, o.features }):lt(0.5)
    local x, factors = numbers:normal { o.count, o.features }, numbers:uniform { o.count, #edges }
    local expected = tensor.new(o.count, #edges)
    for first = 1, o.count, BLOCK do
      local last = math.min(first + BLOCK - 1, o.count)
      expected:rows(first, last):copy_(costs_of(x:rows(first, last), B, o.degree))
    end
    local costs = expected * ((factors * 2 - 1) * o.noise + 1)
    return new_set { x = x, costs = costs, path = paths(costs), expected = expected }, B
  end)
  return set, paths, B
end

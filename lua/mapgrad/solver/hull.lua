--- Concave maximisation over the convex hull of a solver's solutions, for estimators; not recorded.
--
-- m = argmax <theta, m> - Omega(m) by Frank-Wolfe steps with an active set: the solver answers s = argmax <q, z> for
-- q = theta - Omega'(m); the duality gap <q, s - m> bounds what is missing. Then a line search towards s and
--   "corrective"  Newton steps over the weights of the active set, exact to rounding; an atom whose weight a step
--                 would make negative leaves
--   "pairwise"    nothing more: the line search moves weight from the worst active atom to s
-- Sources: Frank, Wolfe 1956; Wolfe 1976; Lacoste-Julien, Jaggi 2015.
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local hull = {}

local NEWTON, SEARCH = 40, 100-- steps of a correction and of a line search at most
local ROUGH = 0.01            -- of a slope, before a correction
local LEAST = 1e-9            -- lighter atoms have no part in the gradient

local function dot(a, b)
  local sum = 0
  for i = 1, #a do sum = sum + a[i] * b[i] end
  return sum
end

local function difference(a, b)
  local d = {}
  for i = 1, #a do d[i] = a[i] - b[i] end
  return d
end

local function moved(m, t, d)
  local x = {}
  for i = 1, #m do x[i] = m[i] + t * d[i] end
  return x
end

-- ------------------------------------------------------------------ one instance: {theta, atoms, weights, m}

local function ascent(set, omega, m) return difference(set.theta, omega.gradient(m)) end

-- <theta - Omega'(m + t d), d>
local function slope_at(set, omega, t, d)
  if omega.slope then return omega.slope(set.theta, set.m, t, d) end
  return dot(ascent(set, omega, moved(set.m, t, d)), d)
end

-- A point between, that finds the size of small zeros soon.
local function between(low, high)
  if low == 0 then return high / 1024 end
  return high > 4 * low and math.sqrt(low) * math.sqrt(high) or (low + high) / 2
end

-- The t of 0..most that maximises along d: the zero of a slope that falls, by secants between bisections, to a slope of
-- `share` of that at 0.
local function search(set, omega, d, most, share)
  local low, high, at_low, at_high = 0, most, slope_at(set, omega, 0, d), slope_at(set, omega, most, d)
  if at_high >= 0 then return most end
  if at_low <= 0 then return 0 end
  local least = share * at_low
  for k = 1, SEARCH do
    local t = k % 2 == 1 and low + (high - low) * at_low / (at_low - at_high) or between(low, high)
    local now = slope_at(set, omega, t, d)
    if math.abs(now) <= least or high - low <= 1e-15 * high then return t end
    if now > 0 then low, at_low = t, now else high, at_high = t, now end
  end
  return low
end

-- Where a solution is not 0, kept with it.
local function places_of(z)
  if z.places then return z.places end
  local places = {}
  for i = 1, #z do
    if z[i] ~= 0 then places[#places + 1] = i end
  end
  z.places = places
  return places
end

-- to + t times each entry of z; in place.
local function add(to, t, z)
  local places = places_of(z)
  for l = 1, #places do
    local i = places[l]
    to[i] = to[i] + t * z[i]
  end
end

local function mean_of_atoms(set)
  local m, atoms, weights = {}, set.atoms, set.weights
  for i = 1, #set.theta do m[i] = 0 end
  for j = 1, #atoms do add(m, weights[j], atoms[j]) end
  return m
end

-- Drops atoms not heavier than `least`, and the one named; weights sum to 1; the heaviest atom comes first.
local function tidy(set, least, leaving)
  local atoms, weights, sum, best = {}, {}, 0, 1
  for j, w in ipairs(set.weights) do
    if j ~= leaving and w > least then
      atoms[#atoms + 1], weights[#weights + 1], sum = set.atoms[j], w, sum + w
      if w > weights[best] then best = #weights end
    end
  end
  for j = 1, #weights do weights[j] = weights[j] / sum end
  atoms[1], atoms[best], weights[1], weights[best] = atoms[best], atoms[1], weights[best], weights[1]
  set.atoms, set.weights = atoms, weights
  set.m = mean_of_atoms(set)
end

local function same(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

-- The place of a solution among the atoms; it is added with weight 0 if there is none.
local function place_of(set, z)
  for j, atom in ipairs(set.atoms) do
    if same(atom, z) then return j end
  end
  set.atoms[#set.atoms + 1], set.weights[#set.weights + 1] = z, 0
  return #set.atoms
end

-- For a vector q: a = (D' H D)^-1 D' q and D a as lists, <a, D' q> and the largest of |D' q|, of the directions D from
-- the first atom to the others and the curvature H of Omega in m; columns that depend on those before have a = 0.
local function newton_step(set, omega, q)
  if omega.diagonal then return core.hull_newton(set.atoms, omega.diagonal(set.m), q, true) end
  local D, room = {}, {}
  for j = 2, #set.atoms do
    D[j - 1] = difference(set.atoms[j], set.atoms[1])
    room[j - 1] = math.min(set.weights[j], set.weights[1]) / 2 -- m +- room * D is in the hull
  end
  return core.hull_newton(set.atoms, #D > 0 and omega.product(set.m, D, room) or {}, q, false)
end

-- A Newton step over the weights; whether there was one: not if all active atoms are alike to `enough`, and, with
-- is_last, there is nothing to gain but rounding.
local function newton(set, omega, enough, is_last)
  local q = ascent(set, omega, set.m)
  local a, d, gain, largest = newton_step(set, omega, q)
  local is_done = largest <= enough and not (is_last and gain > 1e-20 * (1 + math.abs(dot(q, set.m))))
  if gain ~= gain or gain <= 0 or is_done then return false end
  local shift, most, leaving = { 0 }, math.huge, nil
  for j = 1, #a do
    shift[j + 1], shift[1] = a[j], shift[1] - a[j]
  end
  for j, s in ipairs(shift) do
    if s < 0 and -set.weights[j] / s < most then most, leaving = -set.weights[j] / s, j end
  end
  local t = 1
  local is_good = most >= 1 and math.abs(slope_at(set, omega, 1, d)) <= 0.1 * gain
  if not is_good then t = search(set, omega, d, math.min(most, 1e3), ROUGH) end
  for j, s in ipairs(shift) do set.weights[j] = set.weights[j] + t * s end
  tidy(set, omega.least, t == most and leaving or nil)
  return t > 0
end

-- Moves weight from the worst of the first `count` atoms to the one at a place; how much.
local function exchange(set, omega, place, count)
  local worst, value = 1, math.huge
  for j = 1, count do
    local v = dot(set.query, set.atoms[j])
    if v < value then worst, value = j, v end
  end
  local most = set.weights[worst]
  local t = search(set, omega, difference(set.atoms[place], set.atoms[worst]), most, 1e-13)
  set.weights[place] = set.weights[place] + t
  set.weights[worst] = set.weights[worst] - t
  tidy(set, omega.least, t == most and worst or nil)
  return t
end

-- Newton steps until the active atoms are alike to `enough`; is_last: to rounding.
local function correct(set, omega, enough, is_last)
  for _ = 1, NEWTON do
    if not newton(set, omega, enough, is_last) then break end
  end
end

-- Takes the solution for the last query.
local function take(set, omega, z, o)
  if #set.atoms == 0 then
    set.atoms[1], set.weights[1] = z, 1
    set.m = mean_of_atoms(set)
    return
  end
  local gap, last = dot(set.query, difference(z, set.m)), set.gap or math.huge
  set.gap, set.is_done = gap, gap <= o.tolerance or gap ~= gap
  if set.is_done then
    if o.steps ~= "pairwise" then correct(set, omega, 0.1 * o.tolerance, true) end
    return
  end
  local count, place = #set.atoms, place_of(set, z)
  if o.steps == "pairwise" then
    set.is_done = exchange(set, omega, place, count) == 0
    return
  end
  local t = search(set, omega, difference(z, set.m), 1, ROUGH)
  for j = 1, #set.weights do set.weights[j] = set.weights[j] * (1 - t) end
  set.weights[place] = set.weights[place] + t
  tidy(set, omega.least)
  local is_old = place <= count and gap >= last -- an atom corrected before: to rounding, or rounding rules
  correct(set, omega, is_old and 0.1 * o.tolerance or 0.1 * gap, is_old)
  set.is_done = is_old and set.was_old
  set.was_old = is_old
end

-- ------------------------------------------------------------------ batches

--- Maximises for each instance of a batch.
-- @param solver   any
-- @param theta    scores [batch..., shape], finite
-- @param context  of the solver
-- @param omega    {gradient = function (m) -> list, product = function (m, directions, room) -> the curvature in m
--   times each direction, least = weights that leave}, of lists of n numbers; m +- room[j] directions[j] is in the
--   hull. For speed also diagonal = function (m) -> list, entries of a diagonal curvature, in place of product, and
--   slope = function (theta, m, t, d) -> <theta - gradient(m + t d), d>
-- @param o        {tolerance = of the duality gap, iterations = at most, steps = "corrective" or "pairwise"}
-- @return m [batch..., shape]; a set for each instance, for hull.pull; instances that iterations ended; the number of
--   active solutions
function hull.maximise(solver, theta, context, omega, o)
  local n, shape, sets = solver.n, theta:shape(), {}
  for r, row in ipairs(theta:reshape(-1, n):to_table()) do
    sets[r] = { theta = row, query = row, atoms = {}, weights = {} }
  end
  local open = #sets
  for _ = 1, o.iterations do
    if open == 0 then break end
    local queries = {}
    for r, set in ipairs(sets) do
      if set.m and not set.is_done then set.query = ascent(set, omega, set.m) end
      queries[r] = set.query
    end
    local z = solver:argmax(tensor.from(queries):reshape(shape), context):reshape(-1, n):to_table()
    open = 0
    for r, set in ipairs(sets) do
      if not set.is_done then take(set, omega, z[r], o) end
      open = open + (set.is_done and 0 or 1)
    end
  end
  local m, atoms = {}, 0
  for r, set in ipairs(sets) do
    m[r], atoms = set.m, atoms + #set.atoms
  end
  return #m > 0 and tensor.from(m):reshape(shape) or tensor.zeros(shape), sets, open, atoms
end

--- The product of u with the Jacobian dm/dtheta of an instance whose face stays: D (D' H D)^-1 D' u.
-- @param set    of hull.maximise
-- @param u      list of n numbers
-- @return list
function hull.pull(set, omega, u)
  tidy(set, LEAST)
  local _, g = newton_step(set, omega, u)
  return g
end

return hull

--- A regularised layer: the mean of solutions m that maximises <theta, m> - Omega(m) over the convex hull of the
-- solver's solutions, by Frank-Wolfe steps: a solver call an instance and iteration until the duality gap is at most
-- the tolerance. Answers [1, batch..., shape].
--   "quadratic"  Omega(m) = temperature / 2 |m|^2: SparseMAP; estimator.sparsemap does the same in C
--   "entropy"    Omega(m) = temperature sum_i m_i log m_i, for solutions from 0: over one-hot vectors the softmax of
--                theta / temperature. The solver is asked with scores of either sign
--   a table      {gradient = g, value = f, product = h}: of tensors m [rows, n], g(m) [rows, n] is the gradient of a
--                strictly convex Omega and f(m) [rows] its value, which is compared with g once; h(m, v) [rows, n] is
--                its second derivative times v [rows, n] (default: central differences of g)
-- Backward without solver calls: on the face found, D the differences of its active solutions and H the second
-- derivative of Omega in m, dtheta = D (D' H D)^-1 D' u. 0 where one solution is active.
-- layer.open counts instances that iterations ended; layer.atoms solutions that had weight in the last call, layer.gap
-- the largest duality gap seen there, before the last correction: no m has more than that to gain. A corrective step
-- costs O(n k^2 + k^3) with k active solutions, beside the solver call.
-- Source: Frank, Wolfe 1956; Lacoste-Julien, Jaggi 2015 (pairwise steps); Dalle, Baty, Bouvier, Parmentier 2022.
-- @param options.solver       the solver; scores must be finite
-- @param options.regulariser  "quadratic" (default), "entropy" or a table
-- @param options.temperature  of the first two, above 0 (default 1)
-- @param options.steps        "corrective" (default): after each solution Newton steps over the active ones;
--   "pairwise": one line search, more solver calls, for many active solutions
-- @param options.tolerance    of the duality gap (default 1e-4; 1e-9 in double)
-- @param options.iterations   at most (default 1000)
-- @param options.output       "samples" (default) or "mean": the same
-- @param options.evaluation   "map" (default), "mean", "samples": the mean of solutions
-- @usage estimator.frank_wolfe { solver = solver.top_k { n = 9, k = 3 }, regulariser = "entropy" }(tensor.normal(4, 9))
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local finite = require "mapgrad.estimator.finite"
local hull = require "mapgrad.solver.hull"
local layer = require "mapgrad.estimator.layer"
local tensor = require "mapgrad.tensor"

local IS_DOUBLE = core.info().real_bytes == 8
local STEP = IS_DOUBLE and 6e-6 or 5e-3 -- of central differences: the cube root of the rounding
local LEAST = 1e-13                     -- weights that leave
local TINY = 1e-300                     -- log of 0 is that of this; no score is infinite

local function map(list, f)
  local out = {}
  for i = 1, #list do out[i] = f(list[i], i) end
  return out
end

-- Of Omega(m) = sum_i f(m_i), by f' and f''.
local function separable(least, first, second)
  return {
    least = least,
    gradient = function(m) return map(m, first) end,
    diagonal = function(m) return map(m, second) end,
    slope = function(theta, m, t, d)
      local sum = 0
      for i = 1, #m do
        if d[i] ~= 0 then sum = sum + (theta[i] - first(m[i] + t * d[i])) * d[i] end
      end
      return sum
    end,
  }
end

local built_in = {
  quadratic = function(tau)
    return separable(LEAST, function(v) return tau * v end, function() return tau end)
  end,
  entropy = function(tau)
    return separable(TINY, function(v) return tau * (math.log(math.max(v, TINY)) + 1) end,
      function(v) return tau / math.max(v, TINY) end)
  end,
}

-- ------------------------------------------------------------------ a regulariser of the user's

-- What a function of tensors answers for rows of numbers, as nested lists.
local function ask(name, f, rows, ...)
  local m = tensor.from(rows)
  local answer = check.value("estimator.frank_wolfe: what " .. name .. " answers", f(m, ...), check.tensor)
  if answer:count() ~= m:count() then
    check.fail("MG-SHAPE", "estimator.frank_wolfe: regulariser: %s answers %d entries, expected %d", name,
      answer:count(), m:count())
  end
  return answer:reshape(m:shape()):to_table()
end

-- Second derivatives along directions, by central differences within the hull.
local function differences(gradient, m, directions, room)
  local points, steps = {}, {}
  for j, d in ipairs(directions) do
    local h = math.min(STEP, room[j])
    steps[j] = h
    points[2 * j - 1] = map(m, function(v, i) return v + h * d[i] end)
    points[2 * j] = map(m, function(v, i) return v - h * d[i] end)
  end
  local g = ask("gradient", gradient, points)
  return map(directions, function(d, j)
    return map(d, function(_, i) return (g[2 * j - 1][i] - g[2 * j][i]) / (2 * steps[j]) end)
  end)
end

local function own_regulariser(own)
  local o = check.options("estimator.frank_wolfe: regulariser", own, {
    gradient = check.callable(), value = check.optional(check.callable()), product = check.optional(check.callable()),
  })
  local function of_rows(m, rows)
    local points = {}
    for j = 1, #rows do points[j] = m end
    return points
  end
  return {
    value = o.value, least = LEAST,
    gradient = function(m) return ask("gradient", o.gradient, { m })[1] end,
    product = function(m, directions, room)
      if not o.product then return differences(o.gradient, m, directions, room) end
      return ask("product", o.product, of_rows(m, directions), tensor.from(directions))
    end,
  }
end

-- Compares value and gradient between the first solution and the mean found, once.
local function expect_gradient(omega, set)
  if #set.atoms < 2 then return false end
  local d, total = map(set.m, function(v, i) return set.atoms[1][i] - v end), 0
  local h = math.min(0.1, set.weights[2] / 2)
  local function at(t) return map(set.m, function(v, i) return v + t * d[i] end) end
  local values = check.value("estimator.frank_wolfe: what value answers", omega.value(tensor.from { at(0), at(h) }),
    check.tensor):to_list()
  local rows = map({ 0, 0.5, 1 }, function(t) return omega.gradient(at(t * h)) end)
  for i = 1, #d do total = total + (rows[1][i] + 4 * rows[2][i] + rows[3][i]) / 6 * h * d[i] end -- Simpson's rule
  if #values ~= 2 then
    check.fail("MG-SHAPE", "estimator.frank_wolfe: regulariser: value answers %d entries for 2 rows", #values)
  end
  local change = values[2] - values[1]
  local rounding = (IS_DOUBLE and 1e-9 or 1e-4) * (math.abs(values[1]) + math.abs(total))
  if math.abs(change - total) > 0.01 * math.abs(total) + rounding then
    check.fail("MG-ARGUMENT", "estimator.frank_wolfe: regulariser: gradient is not that of value: its change is %g, "
      .. "the integral of the gradient %g", change, total)
  end
  return true
end

local regulariser_rule = {
  preset = "quadratic", required = false, expected = "'quadratic', 'entropy' or a table of functions",
  test = function(v)
    if built_in[v] or type(v) == "table" and not getmetatable(v) then return v end
  end,
}

return function(options)
  local o = layer.options("estimator.frank_wolfe", options, {
    solver = check.solver, regulariser = regulariser_rule, temperature = check.optional(check.positive()),
    steps = check.choice({ "corrective", "pairwise" }, "corrective"), iterations = check.count(1000),
    tolerance = check.positive(IS_DOUBLE and 1e-9 or 1e-4),
  })
  local is_own = type(o.regulariser) == "table"
  if is_own and o.temperature then
    check.fail("MG-OPTION", "estimator.frank_wolfe: temperature: a regulariser of one's own has none")
  end
  o.temperature = not is_own and (o.temperature or 1) or nil
  local omega = is_own and own_regulariser(o.regulariser) or built_in[o.regulariser](o.temperature)
  local is_checked, self = not omega.value, nil

  local function forward(saved, theta, context)
    finite("estimator.frank_wolfe", theta, o.solver)
    local m, open
    m, saved.sets, open, self.atoms = hull.maximise(o.solver, theta, context, omega, o)
    self.open, self.gap, saved.shape = self.open + open, 0, theta:shape()
    for _, set in ipairs(saved.sets) do
      self.gap = math.max(self.gap, set.gap or math.huge)
      is_checked = is_checked or expect_gradient(omega, set)
    end
    return m:unsqueeze(1)
  end

  local function backward(saved, u)
    local rows, n = {}, o.solver.n
    for r, row in ipairs(u:reshape(-1, n):to_table()) do rows[r] = hull.pull(saved.sets[r], omega, row) end
    return #rows > 0 and tensor.from(rows):reshape(saved.shape) or tensor.zeros(saved.shape)
  end

  self = layer.new("estimator.frank_wolfe", o, forward, backward)
  self.open, self.atoms, self.gap = 0, 0, 0
  return self
end

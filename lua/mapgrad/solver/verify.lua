--- Solvers against enumeration of what they may answer.
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local core = require "mapgrad.real"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local MOST_TRIED = 20 -- entries of vectors that are tried one by one

-- The solutions as lists: what the predicate accepts of all 0/1 vectors, or what the solver enumerates.
local function feasible_set(s, is_feasible)
  if not is_feasible then return s:enumerate():reshape(-1, s.n):to_table() end
  if s.n > MOST_TRIED then
    check.fail("MG-ARGUMENT", "solver.verify: n = %d, enumeration goes to %d", s.n, MOST_TRIED)
  end
  local found = {}
  for number = 2 ^ s.n - 1, 0, -1 do
    local z, rest = {}, number
    for i = s.n, 1, -1 do
      z[i] = rest % 2
      rest = math.floor(rest / 2)
    end
    if is_feasible({ compat.unpack(z, 1, s.n) }) then found[#found + 1] = z end
  end
  return found
end

local function value_of(theta, z)
  local sum = 0
  for i = 1, #theta do
    if z[i] ~= 0 then sum = sum + theta[i] * z[i] end
  end
  return sum
end

local function list_text(list)
  local parts = {}
  for i, v in ipairs(list) do parts[i] = show.number(v) end
  return table.concat(parts, ", ")
end

-- Thetas to try: random ones, ones with ties, extreme ones.
local function trial(n, i)
  local t = tensor.normal({ n }, "verify")
  if i % 4 == 0 then t = tensor.wrap(core.affine(t.handle, 0, 1)) end -- all equal
  local list = t:to_list()
  for j = 1, n do
    if i % 4 == 1 then list[j] = math.floor(list[j] * 2) end
    if i % 4 == 2 then list[j] = list[j] * 1e6 end
  end
  return list
end

--- Compares a small solver with enumeration of its solutions; also s:verify(is_feasible, options).
-- @param s            solver
-- @param is_feasible  function (list of 0 and 1) -> boolean: the feasible set, of at most 20 entries; nil: what
--   s:enumerate() finds
-- @param options      {trials = 200, costs = false}: costs: try non-negative numbers only
-- @return the number of trials; an error says what differed
return function(s, is_feasible, options)
  if check.type_of(s) ~= "mapgrad.solver" then
    check.fail("MG-TYPE", "solver.verify: expected a solver, got a %s", check.type_of(s))
  end
  if is_feasible ~= nil then check.value("solver.verify: is_feasible", is_feasible, check.callable()) end
  local o = check.options("solver.verify", options, {
    trials = check.count(200), costs = check.flag(s.plan ~= nil and s.sense == "min"),
  })
  local set = feasible_set(s, is_feasible)
  if #set == 0 then check.fail("MG-ARGUMENT", "solver.verify: is_feasible accepts nothing") end
  local is_known, sign = {}, s.sense == "min" and -1 or 1
  for _, z in ipairs(set) do is_known[list_text(z)] = true end
  for i = 1, o.trials do
    local x = trial(s.n, i)
    if o.costs then
      for j = 1, s.n do x[j] = math.abs(x[j]) end
    end
    local z = s(tensor(x):reshape(s.shape)):to_list()
    if not is_known[list_text(z)] then
      check.fail("MG-SOLVER", "%s: trial %d: the answer {%s} is not feasible for {%s}", s.name, i,
        list_text(z), list_text(x))
    end
    local best = -math.huge
    for _, candidate in ipairs(set) do best = math.max(best, sign * value_of(x, candidate)) end
    local got = sign * value_of(x, z)
    if got < best - 1e-5 * (1 + math.abs(best)) then
      check.fail("MG-SOLVER", "%s: trial %d: the answer {%s} has objective %s, the best is %s, for {%s}", s.name,
        i, list_text(z), show.number(sign * got), show.number(sign * best), list_text(x))
    end
  end
  return o.trials
end

local check = require "mapgrad.check"
local core = require "mapgrad.real"
local expression = require "mapgrad.solver.expression"
local new_solver = require "mapgrad.solver.base"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local methods = {}
local Program = { __name = "mapgrad.program", __index = methods }

-- ------------------------------------------------------------------ stating

-- A bound of variables: one number for all or a number for each, infinite ones too.
local function bounds_of(self, name, value, count)
  if type(value) == "number" and value == value then return function() return value end end
  local list = tensor.is(value) and value:to_list()
    or type(value) == "table" and not getmetatable(value) and expression.flatten(value, {})
  if not list or #list ~= count then
    check.fail("MG-ARGUMENT", "%s: variables: %s: expected a number or %d numbers, got %s", self.name, name, count,
      list and #list .. " numbers" or "a " .. check.type_of(value))
  end
  for i, v in ipairs(list) do
    if type(v) ~= "number" or v ~= v then
      check.fail("MG-ARGUMENT", "%s: variables: %s: entry %d is no number", self.name, name, i)
    end
  end
  return function(i) return list[i] end
end

local variable_rules = {
  n = check.optional(check.count()), shape = check.optional(check.list()), name = check.optional(check.text()),
  binary = check.flag(false), integer = check.flag(false), lower = check.any(0), upper = check.any(math.huge),
}

local function extents_of(self, o)
  if (o.n == nil) == (o.shape == nil) then
    check.fail("MG-OPTION", "%s: variables: expected one of n and shape", self.name)
  end
  local shape = {}
  for i, extent in ipairs(o.shape or { o.n }) do
    shape[i] = check.value(("%s: variables: shape[%d]"):format(self.name, i), extent, check.count())
  end
  if #shape == 0 then check.fail("MG-SHAPE", "%s: variables: shape has no extents", self.name) end
  return shape
end

--- New variables: an array of expressions, x[i] or x[i][j] is one.
-- @param options.n        how many; or shape, a list of extents
-- @param options.binary   true: each is 0 or 1
-- @param options.integer  true: integers (default: real numbers)
-- @param options.lower    least value, a number or one for each (default 0; -math.huge: none)
-- @param options.upper    largest value (default none)
-- @param options.name     for messages
-- @usage local p = solver.program()
-- local x = p:variables { n = 5, binary = true }
-- local y = p:variables { shape = { 2, 3 }, integer = true, upper = 4, name = "y" }
function methods.variables(self, options)
  local o = check.options(self.name .. ": variables", options, variable_rules)
  local shape = extents_of(self, o)
  local count, entries = expression.product(shape), {}
  if o.binary and o.upper == math.huge then o.upper = 1 end
  local lower, upper = bounds_of(self, "lower", o.lower, count), bounds_of(self, "upper", o.upper, count)
  self.groups[#self.groups + 1] = { name = o.name or "x" .. (#self.groups + 1), first = #self.lower + 1, count = count }
  for i = 1, count do
    local place = #self.lower + 1
    self.lower[place], self.upper[place] = lower(i), upper(i)
    self.is_integer[place] = (o.binary or o.integer) and 1 or 0
    entries[i] = { constant = 0, terms = { [place] = 1 } }
  end
  return expression.new(self, shape, entries)
end

--- One variable: an expression. Options as of `variables`, without n and shape.
function methods.variable(self, options)
  local copy = { n = 1 }
  for key, value in pairs(options or {}) do copy[key] = value end
  return self:variables(copy)[1]
end

--- Expressions and numbers as one array.
-- @param list  single expressions and numbers
-- @usage p:constrain(p:array { x[1], x[4], 2 }:sum(), "<=", 3)
function methods.array(self, list)
  return expression.of(self, list, "array")
end

--- A variable's name for messages, such as "y[3]".
function methods.name_of(self, place)
  for _, group in ipairs(self.groups) do
    if place < group.first + group.count then
      return group.count == 1 and group.name or ("%s[%d]"):format(group.name, place - group.first + 1)
    end
  end
end

-- Adds a row: what is left of the relation minus what is right of it.
local function add_row(self, left, relation, right, label)
  local place, has_terms = #self.row_lower + 1, false
  for sign, side in pairs { [1] = left, [-1] = right } do
    for variable, v in pairs(side.terms) do
      local k = #self.rows + 1
      self.rows[k], self.cols[k], self.values[k] = place, variable, sign * v
      has_terms = true
    end
  end
  local bound = right.constant - left.constant
  local holds = relation == "<=" and 0 <= bound or relation == ">=" and 0 >= bound or bound == 0
  if not has_terms and not holds then
    check.fail("MG-ARGUMENT", "%s: %s holds for no values: %s %s %s", self.name, label, show.number(left.constant),
      relation, show.number(right.constant))
  end
  self.row_lower[place] = relation == "<=" and -math.huge or bound
  self.row_upper[place] = relation == ">=" and math.huge or bound
  self.offsets[place] = left.constant
end

local relations = { ["<="] = "<=", [">="] = ">=", ["=="] = "==", ["="] = "==" }

--- A constraint, or one for each entry of an array.
-- @param left      an expression, an array of them, a number, or a list of such
-- @param relation  "<=", ">=" or "=="
-- @param right     the same; the shapes must agree, or one side be single
-- @param name      for messages; and a context of that name gives instances their own constants on the right
-- @usage p:constrain(x:dot { 3, 1, 4, 1, 5 }, "<=", 7, "budget")
-- p:constrain(y:sum(2), "==", 1)
-- p:constrain(y[1][1], "<=", 2 * x[1] + x[2])
function methods.constrain(self, left, relation, right, name)
  local known = relations[relation]
  if not known then
    check.fail("MG-ARGUMENT", "%s: constrain: the relation is %s, expected \"<=\", \">=\" or \"==\"%s", self.name,
      type(relation) == "string" and ("'%s'"):format(relation) or "a " .. check.type_of(relation),
      type(relation) == "boolean" and "; write p:constrain(a, \"<=\", b), not p:constrain(a <= b)" or "")
  end
  local label = name or ("constraint %d"):format(#self.row_lower + 1)
  local a, b = expression.of(self, left, label), expression.of(self, right, label)
  local count = math.max(#a.entries, #b.entries)
  for _, side in ipairs { a, b } do
    if #side.entries ~= count and #side.shape > 0 then
      check.fail("MG-SHAPE", "%s: %s: %d expressions on the left, %d on the right", self.name, label, #a.entries,
        #b.entries)
    end
  end
  if name ~= nil then
    check.value(self.name .. ": constrain: name", name, check.text())
    if self.named[name] then check.fail("MG-ARGUMENT", "%s: there are two constraints '%s'", self.name, name) end
    self.named[name] = true
    self.named[#self.named + 1] = { name = name, first = #self.row_lower + 1, count = count, relation = known }
  end
  for i = 1, count do
    add_row(self, a.entries[#a.entries == 1 and 1 or i], known, b.entries[#b.entries == 1 and 1 or i], label)
  end
  return self
end

--- Adds terms to the objective that do not depend on theta. They are optimised with it, in the solver's sense, and
-- count in the objective that `solve` reports.
-- @param terms  an expression without a constant
-- @usage p:objective(-3 * y:sum())
function methods.objective(self, terms)
  local e = expression.of(self, terms, "objective")
  if #e.entries ~= 1 or e.entries[1].constant ~= 0 then
    check.fail("MG-ARGUMENT", "%s: objective: expected one expression without a constant%s", self.name,
      #e.entries ~= 1 and "; use :sum() or :dot()" or "")
  end
  for variable, v in pairs(e.entries[1].terms) do self.fixed[variable] = (self.fixed[variable] or 0) + v end
  return self
end

-- ------------------------------------------------------------------ the solver

-- The variables that theta scores: each entry of the array must be one.
local function chosen_of(self, theta)
  local array, list, seen = expression.of(self, theta, "theta"), {}, {}
  for i, e in ipairs(array.entries) do
    local variable, v = next(e.terms)
    if not variable or next(e.terms, variable) or v ~= 1 or e.constant ~= 0 then
      check.fail("MG-ARGUMENT", "%s: theta: entry %d is not a variable; make one and constrain it to equal the "
        .. "expression", self.name, i)
    end
    if seen[variable] then check.fail("MG-ARGUMENT", "%s: theta names %s twice", self.name, self:name_of(variable)) end
    list[i], seen[variable] = variable, true
  end
  return list, #array.shape > 0 and array.shape or { 1 }
end

-- Contexts of named constraints as the bounds of all rows: list is { name, handle, rows }, rows 1 or the batch.
local function core_contexts(self, list, batch)
  if #list == 0 then return list end
  local m, groups, values = #self.row_lower, {}, {}
  for _, group in ipairs(self.groups) do groups[group.name] = group end
  for i, given in ipairs(list) do values[i] = given[4]:to_list() end
  local lower, upper = {}, {}
  for b = 1, batch do
    local at = (b - 1) * m
    for row = 1, m do lower[at + row], upper[at + row] = self.row_lower[row], self.row_upper[row] end
    for i, given in ipairs(list) do
      local group = groups[given[1]]
      for k = 1, group.count do
        local row = group.first + k - 1
        local v = values[i][(given[3] == 1 and 0 or b - 1) * group.count + k] - self.offsets[row]
        if group.relation ~= "<=" then lower[at + row] = v end
        if group.relation ~= ">=" then upper[at + row] = v end
      end
    end
  end
  lower, upper = tensor(lower), tensor(upper)
  return { { "row_lower", lower.handle, batch, lower }, { "row_upper", upper.handle, batch, upper } }
end

-- A copy, so that the program may grow without touching its solvers.
local function copy_of(list, count)
  local copy = {}
  for i = 1, count or #list do copy[i] = list[i] or 0 end
  return copy
end

local function less_one(list)
  local copy = {}
  for i, v in ipairs(list) do copy[i] = v - 1 end
  return copy
end

--- The solver of the program as it is now: z = the values of some of its variables that make <theta, z> plus the
-- fixed objective best.
-- @param options.theta       the variables that theta scores and z holds: an array, whose shape theta has, or a list
-- @param options.sense       "max" (default): theta is scores; "min": costs
-- @param options.time_limit  seconds for an instance, then the best so far; 0 (default): none
-- @param options.ties        "any" (default): one of the optima, always the same; "first": the lexicographically
-- largest z, by further solves
-- @return a solver; named constraints are contexts of it
-- @usage local p = solver.program()
-- local x = p:variables { n = 3, binary = true }
-- p:constrain(x:dot { 2, 3, 4 }, "<=", 6, "budget")
-- local s = p:solver { theta = x }
-- print(s(tensor { 3, 4, 5 }))                     -- 1 0 1
-- print(s(tensor { 3, 4, 5 }, { budget = 4 }))     -- 0 0 1
function methods.solver(self, options)
  local o = check.options(self.name .. ": solver", options, {
    theta = check.any(), sense = check.choice({ "max", "min" }, "max"), time_limit = check.not_negative(0),
    ties = check.choice({ "any", "first" }, "any"),
  })
  local chosen, shape = chosen_of(self, o.theta)
  local count, fixed = #self.lower, {}
  for j = 1, count do fixed[j] = (self.fixed[j] or 0) * (o.sense == "min" and -1 or 1) end
  local plan = core.solver_new("ilp", {
    variables = count, constraints = #self.row_lower, rows = less_one(self.rows), cols = less_one(self.cols),
    values = copy_of(self.values), row_lower = copy_of(self.row_lower), row_upper = copy_of(self.row_upper),
    lower = copy_of(self.lower), upper = copy_of(self.upper), is_integer = copy_of(self.is_integer),
    theta = less_one(chosen), fixed = fixed, time_limit = o.time_limit, ties = o.ties,
  })
  local groups, widths = copy_of(self.named), {}
  for i, group in ipairs(groups) do widths[i] = group.count end
  local made = new_solver {
    name = self.name, sense = o.sense, shape = copy_of(shape), exact = o.time_limit == 0,
    settings = { { "variables", count }, { "constraints", #self.row_lower } }, context_rows = groups,
    plan = plan, layer_plan = plan, core_contexts = core_contexts, groups = groups,
    row_lower = copy_of(self.row_lower), row_upper = copy_of(self.row_upper), offsets = copy_of(self.offsets),
  }
  made.widths = widths
  return made
end

Program.__tostring = function(self)
  return ("%s: %d variables, %d constraints"):format(self.name, #self.lower, #self.row_lower)
end

--- An integer or mixed program, stated by variables, constraints and fixed parts of the objective; its solver chooses
-- the values of variables by scores theta. Solved by COIN-OR CBC (?solver.ilp has the numbers; 0.1 ms and more an
-- instance).
-- @param options.name  for messages (default "program")
-- @return a program with methods variables, variable, constrain, objective, solver
-- @usage -- two of four courses, at least one of them hot, at most 10 in price; theta says what is liked
-- local p = solver.program { name = "menu" }
-- local x = p:variables { n = 4, binary = true }
-- p:constrain(x:sum(), "==", 2)
-- p:constrain(x[1] + x[3], ">=", 1)
-- p:constrain(x:dot { 4, 3, 7, 6 }, "<=", 10, "price")
-- local menu = p:solver { theta = x }
-- print(menu(tensor { 1, 2, 5, 4 }))                    -- 0 1 1 0
-- print(menu(tensor { 1, 2, 5, 4 }, { price = 9 }))     -- 1 1 0 0
return function(options)
  local o = check.options("solver.program", options, { name = check.text "program" })
  return setmetatable({
    name = o.name, groups = {}, lower = {}, upper = {}, is_integer = {}, fixed = {}, named = {},
    rows = {}, cols = {}, values = {}, row_lower = {}, row_upper = {}, offsets = {},
  }, Program)
end

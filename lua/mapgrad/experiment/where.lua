--- Choosing runs: conditions such as rate<0.1 on options, variant, seed, title and state.
-- @module mapgrad.experiment.where
local check = require "mapgrad.check"

local where = {}

local plain = { variant = true, seed = true, title = true, state = true }

-- What makes a run's numbers beside its options, as config.json has it.
local settings = {
  budget = function(config) return type(config.budget) == "table" and config.budget.solver_calls or nil end,
  limit = function(config) return config.limit end,
  real = function(config) return config.real end,
  smoke = function(config) return config.smoke end,
}

--- The value of an option of a run; or of variant, seed, title, state, code (eight digits), budget (solver calls),
-- limit, real, smoke.
function where.field(run, name)
  if run.options and run.options[name] ~= nil then return run.options[name] end
  if plain[name] then return run[name] end
  if name == "code" then return run.meta and run.meta.code and run.meta.code:sub(1, 8) end
  if settings[name] and run.config then return settings[name](run.config) end
  return nil
end

--- All names that conditions and --by may use: options of any run, and the others of where.field.
-- @tparam table runs
-- @treturn table sorted list
function where.names(runs)
  local seen, names = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name], names[#names + 1] = true, name
    end
  end
  for _, run in ipairs(runs) do
    for name in pairs(run.options or {}) do add(name) end
    for _, name in ipairs { "variant", "budget", "limit", "real", "smoke" } do
      if where.field(run, name) ~= nil then add(name) end
    end
  end
  add "seed"; add "title"; add "state"; add "code"
  table.sort(names)
  return names
end

--- A value as text: the same on both interpreters; "-" for none.
function where.text(value)
  if value == nil then return "-" end
  if type(value) ~= "number" then return tostring(value) end
  if value ~= value then return "nan" end
  if value == math.floor(value) and math.abs(value) < 1e15 then return ("%d"):format(value) end
  for _, form in ipairs { "%.14g", "%.15g", "%.16g" } do
    local short = form:format(value)
    if tonumber(short) == value then return short end
  end
  return ("%.17g"):format(value)
end

local order = {
  ["<"] = function(a, b) return a < b end, ["<="] = function(a, b) return a <= b end,
  [">"] = function(a, b) return a > b end, [">="] = function(a, b) return a >= b end,
}

-- {name, operator, text} of a condition; nil and a message.
local function parse(text, names)
  local name, operator, value = text:match "^%s*([%w_.]+)%s*([<>=!]+)%s*(.-)%s*$"
  local known = { ["="] = true, ["=="] = true, ["!="] = true }
  if not name or value == "" or not (order[operator] or known[operator]) then
    return nil, ("where: expected a condition such as rate<0.1 or variant=imle (operators = != < <= > >=), got '%s'")
      :format(text)
  end
  local is_known = false
  for _, n in ipairs(names) do is_known = is_known or n == name end
  if not is_known then return nil, ("where: no run has an option '%s'%s"):format(name, check.hint(name, names)) end
  if order[operator] and not tonumber(value) then
    return nil, ("where: %s compares numbers, got '%s'"):format(operator, value)
  end
  return { name = name, operator = operator, text = value, number = tonumber(value) }
end

local function holds(run, condition)
  local value = where.field(run, condition.name)
  local test = order[condition.operator]
  if test then return type(value) == "number" and test(value, condition.number) end
  local same = where.text(value) == condition.text
  if type(value) == "number" and condition.number then same = value == condition.number end
  return same == (condition.operator ~= "!=")
end

--- The runs for which all conditions hold.
-- @tparam table runs
-- @tparam table conditions  texts such as "rate<0.1", "variant=imle", "seed!=3"
-- @treturn table list; or nil and a message for a person
function where.filter(runs, conditions)
  local names, parsed, kept = where.names(runs), {}, {}
  for i, text in ipairs(conditions or {}) do
    local condition, message = parse(text, names)
    if not condition then return nil, message end
    parsed[i] = condition
  end
  for _, run in ipairs(runs) do
    local all = true
    for _, condition in ipairs(parsed) do all = all and holds(run, condition) end
    if all then kept[#kept + 1] = run end
  end
  return kept
end

return where

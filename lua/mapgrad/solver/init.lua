--- Solvers: z = argmax <theta, z> over a fixed feasible set, for batches.
--
-- solver.top_k { n = 10, k = 3 } makes one; the kinds come from the C core. Called by a person it takes
-- what the person has, scores or (sense "min") costs, [batch..., shape], and returns solutions of the
-- same shape. Inside a layer it only ever maximises.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local new_solver = require "mapgrad.solver.base"
local tensor = require "mapgrad.tensor"

-- Numbers of nested lists or a tensor, one after the other.
local function flatten(value, list)
  if tensor.is(value) then value = value:to_list() end
  for _, v in ipairs(value) do
    if type(v) == "table" then flatten(v, list) else list[#list + 1] = v end
  end
  return list
end

-- The rule of a list of numbers, which may be nested or a tensor; indices count from 1 for people.
local function list_rule(setting)
  local offset = setting.is_index and 1 or 0
  return {
    required = setting.preset == nil, expected = "a list of numbers, which may be nested, or a tensor",
    test = function(value)
      if type(value) ~= "table" then return nil end
      local list = flatten(value, {})
      for i, v in ipairs(list) do
        if type(v) ~= "number" or v ~= v then return nil end
        list[i] = v - offset
      end
      return list
    end,
  }
end

-- The rule of one index, which counts from 1 for people.
local function index_rule(preset)
  local r = check.count(preset and tonumber(preset))
  return {
    preset = r.preset, required = r.required, expected = r.expected,
    test = function(value)
      value = r.test(value)
      return value and value - 1
    end,
  }
end

-- What a setting is inside layers when the user does not say: noise and lambda steps make costs
-- negative there, while a person's own negative cost is a mistake.
local IN_LAYERS = { negative = "clip" }

-- Rules for the options of a kind's C settings. A preset that names another setting is left to the core.
local function option_rule(setting)
  local form, preset = setting.form, setting.preset
  local choices = form:match "^choice (.*)$"
  local r
  if choices then
    local list = {}
    for word in choices:gmatch "[^|]+" do list[#list + 1] = word end
    r = check.choice(list, preset)
  elseif form == "list" then
    r = list_rule(setting)
  elseif setting.is_index then
    r = index_rule(preset)
  elseif form == "flag" then
    r = check.flag(preset and preset ~= "0")
  else
    local make = ({ count = check.count, whole = check.whole, positive = check.positive, real = check.real })[form]
    r = make(preset and tonumber(preset))
    if preset and not tonumber(preset) then r = check.optional(r) end
  end
  return r
end

local function option_rules(kind)
  local rules = {}
  for _, setting in ipairs(kind.settings) do rules[setting.name] = option_rule(setting) end
  return rules
end

-- A copy of options with the settings of IN_LAYERS replaced by `value(name)`.
local function with_rules(options, kind, value)
  local copy = {}
  for key, v in pairs(options) do copy[key] = v end
  for _, setting in ipairs(kind.settings) do
    if IN_LAYERS[setting.name] then copy[setting.name] = value(setting) end
  end
  return copy
end

-- The names of a kind's extents: "n", "rows cols", or "setting=word: names | names".
local function extents(shape, options)
  local setting, word, named, otherwise = shape:match "^(%S+)=(%S+): (.*) | (.*)$"
  if not setting then return shape end
  return options[setting] == word and named or otherwise
end

local function constructor(kind)
  local rules = option_rules(kind)
  for name in pairs(IN_LAYERS) do
    if rules[name] then rules[name] = check.optional(rules[name]) end
  end
  return function(options)
    local o = check.options("solver." .. kind.name, options, rules)
    local strict = with_rules(o, kind, function(setting) -- repairs are for layers; to allow is for all
      return o[setting.name] == "allow" and "allow" or setting.preset
    end)
    local layer = with_rules(o, kind, function(setting) return o[setting.name] or IN_LAYERS[setting.name] end)
    local shape, settings = {}, {}
    local plan = core.solver_new(kind.name, strict)
    for name in extents(kind.shape, o):gmatch "%S+" do
      shape[#shape + 1] = name == "size" and core.solver_traits(plan) or o[name]
    end
    for _, setting in ipairs(kind.settings) do
      local value = o[setting.name]
      if setting.is_index and type(value) == "number" then value = value + 1 end
      if value ~= nil then settings[#settings + 1] = { setting.name, value } end
    end
    return new_solver {
      name = kind.name, sense = kind.sense, shape = shape, settings = settings,
      exact = kind.exact and (o.time_limit or 0) == 0,
      context_rows = kind.contexts, plan = plan, layer_plan = core.solver_new(kind.name, layer),
    }
  end
end

-- What is not a kind of the core: a file each.
local own = {
  "b_matching", "cached", "command", "define", "factored", "load", "multidimensional_knapsack", "permutation",
  "program", "verify",
}

local kinds, names = {}, { "kinds" }
for _, name in ipairs(own) do names[#names + 1] = name end
for _, kind in ipairs(core.solver_kinds()) do
  kinds[kind.name] = kind
  names[#names + 1] = kind.name
end

return check.registry("solver", names, function(name)
  if name == "kinds" then return core.solver_kinds() end
  if kinds[name] then return constructor(kinds[name]) end
  return require("mapgrad.solver." .. name)
end)

--- Arguments: options tables, the one function that raises errors, suggestions for typos.
local core = require "mapgrad.real"

local check = {}

--- Raises an error at the script's line. The only function of the Lua side that raises.
-- @param code     "MG-ARGUMENT", "MG-SHAPE", "MG-TYPE", ...
-- @param message  one sentence: function: what met what
-- @param ...      values for string.format, if any
function check.fail(code, message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  return core.fail(code, message)
end

--- Damerau-Levenshtein distance of two short texts (adjacent swaps count one).
local function distance(a, b)
  local d = {}
  for i = 0, #a do d[i] = { [0] = i } end
  for j = 0, #b do d[0][j] = j end
  for i = 1, #a do
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same)
      local swapped = i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j)
      if swapped then best = math.min(best, d[i - 2][j - 2] + 1) end
      d[i][j] = best
    end
  end
  return d[#a][#b]
end

--- The name closest to a mistyped one.
-- @param name   what was typed
-- @param names  list of what there is
-- @return a name at distance 2 or less, or one that starts with it; else nil
function check.suggest(name, names)
  local best, least
  for _, candidate in ipairs(names) do
    local d = distance(name, candidate)
    if #name >= 2 and candidate:sub(1, #name) == name then d = math.min(d, 1) end
    if d <= 2 and d < #candidate and (not least or d < least) then best, least = candidate, d end
  end
  return best
end

--- ", did you mean 'x'?" or the names there are.
function check.hint(name, names)
  local suggestion = check.suggest(tostring(name), names)
  if suggestion then return (", did you mean '%s'?"):format(suggestion) end
  return "; there are: " .. table.concat(names, ", ")
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

--- The value's type as people say it: mapgrad's own types by name.
function check.type_of(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and meta.__name or type(value)
end

-- A rule for one option: test(value) -> the value to use, or nil and what was expected.
local function rule(preset, expected, test)
  return { preset = preset, required = preset == nil, expected = expected, test = test }
end

local function numeric(expected, accepts)
  return function(preset)
    return rule(preset, expected, function(v)
      if type(v) == "number" and v == v and accepts(v) then return v end
    end)
  end
end

--- Rules for check.options. The argument is the default; without one the option is required.
check.positive = numeric("a number above 0", function(v) return v > 0 and v < math.huge end)
check.not_negative = numeric("a number from 0", function(v) return v >= 0 and v < math.huge end)
check.real = numeric("a finite number", function(v) return v > -math.huge and v < math.huge end)
check.count = numeric("an integer from 1", function(v) return v >= 1 and v == math.floor(v) and v < 2 ^ 53 end)
check.integer = numeric("an integer", function(v) return v == math.floor(v) and v > -2 ^ 53 and v < 2 ^ 53 end)
check.whole = numeric("an integer from 0", function(v) return v >= 0 and v == math.floor(v) and v < 2 ^ 53 end)

function check.flag(preset)
  return rule(preset, "true or false", function(v)
    if type(v) == "boolean" then return v end
  end)
end

function check.text(preset)
  return rule(preset, "a text", function(v)
    if type(v) == "string" then return v end
  end)
end

--- A list.
function check.list(preset)
  return rule(preset, "a list", function(v)
    if type(v) == "table" and not getmetatable(v) then return v end
  end)
end

--- One of a list of texts.
function check.choice(choices, preset)
  return rule(preset, "one of " .. table.concat(choices, ", "), function(v)
    for _, choice in ipairs(choices) do
      if v == choice then return v end
    end
  end)
end

--- Anything that is not nil.
function check.any(preset)
  return rule(preset, "a value", function(v) return v end)
end

--- A value of one of mapgrad's types, named as its metatable's __name.
function check.instance(name, preset)
  return rule(preset, "a " .. name, function(v)
    if check.type_of(v) == "mapgrad." .. name then return v end
  end)
end

--- A function or a callable object.
function check.callable(preset)
  return rule(preset, "a function", function(v)
    local meta = getmetatable(v)
    if type(v) == "function" or (type(meta) == "table" and meta.__call) then return v end
  end)
end

--- Makes a rule optional: absent stays nil.
function check.optional(r)
  return { preset = nil, required = false, expected = r.expected, test = r.test }
end

--- Gives a rule a default.
function check.default(r, preset)
  return { preset = preset, required = false, expected = r.expected, test = r.test }
end

--- Rules for the parts of layers.
check.solver = check.instance("solver")
check.noise = check.instance("noise")
check.target = check.instance("target")
check.tensor = check.instance("tensor")

local function show(value)
  if type(value) == "string" then return ("'%s'"):format(value:sub(1, 40)) end
  if type(value) == "table" then return "a " .. check.type_of(value) end
  return tostring(value)
end

--- Checks one value against a rule.
-- @param name   the function's name and the option's, for the message
-- @return the value to use
function check.value(name, value, r)
  local accepted = r.test(value)
  if accepted == nil then
    check.fail("MG-ARGUMENT", "%s: expected %s, got %s", name, r.expected, show(value))
  end
  return accepted
end

--- Checks a table of options: unknown keys, missing ones, values.
-- @param name     the function's name, for messages
-- @param options  the caller's table (nil counts as {})
-- @param rules    key -> rule
-- @return a new table with all keys, defaults filled in
function check.options(name, options, rules)
  options = options == nil and {} or options
  if type(options) ~= "table" or getmetatable(options) then
    check.fail("MG-TYPE", "%s: expected a table of options, got %s", name, show(options))
  end
  local names, result = sorted_keys(rules), {}
  for _, key in ipairs(sorted_keys(options)) do
    if not rules[key] then
      check.fail("MG-OPTION", "%s: unknown option '%s'%s", name, key, check.hint(key, names))
    end
  end
  for _, key in ipairs(names) do
    local value, r = options[key], rules[key]
    if value ~= nil then
      result[key] = check.value(("%s: %s"):format(name, key), value, r)
    elseif r.required then
      check.fail("MG-OPTION", "%s: option '%s' is missing, expected %s", name, key, r.expected)
    else
      result[key] = r.preset
    end
  end
  return result
end

--- A table whose unknown fields are errors with a suggestion, for lists of constructors.
-- @param name   what it is, such as "estimator"
-- @param names  its fields
-- @param find   function (field) -> value, called at first use
function check.registry(name, names, find)
  return setmetatable({}, {
    __index = function(t, key)
      for _, known in ipairs(names) do
        if known == key then
          local value = find(key)
          rawset(t, key, value)
          return value
        end
      end
      if type(key) ~= "string" then return nil end
      return check.fail("MG-NAME", "%s.%s does not exist%s", name, key, check.hint(key, names))
    end,
    names = names,
  })
end

return check

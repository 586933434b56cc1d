--- A validator of JSON schemas, of the words that those in lua/mapgrad/schema use; another word is an error, so that no
-- schema says what is not looked at.
local dkjson = require "dkjson"

local schema = {}

--- A text as a value: objects and lists are told apart, null is schema.null.
schema.null = dkjson.null
function schema.decode(text)
  local value, _, message = dkjson.decode(text, 1, dkjson.null)
  assert(message == nil, message)
  return value
end

--- The type of a value that came from schema.decode, as JSON schema names it.
function schema.type(value)
  if value == dkjson.null then return "null" end
  if type(value) ~= "table" then return type(value) end
  return assert(getmetatable(value).__jsontype)
end

local function fits(value, name)
  local own = schema.type(value)
  return own == name or (name == "integer" and own == "number" and value == math.floor(value))
end

local function as_list(value) return type(value) == "table" and value or { value } end

-- word -> function(argument, value, say, check, whole schema); check(schema, value, place) goes down.
local words = {}

for _, name in ipairs { "$schema", "title", "description" } do words[name] = function() end end

function words.type(names, value, say)
  for _, name in ipairs(as_list(names)) do
    if fits(value, name) then return end
  end
  say(("expected %s, got %s"):format(table.concat(as_list(names), " or "), schema.type(value)))
end

function words.required(names, value, say)
  if schema.type(value) ~= "object" then return end
  for _, name in ipairs(names) do
    if value[name] == nil then say(("lacks '%s'"):format(name)) end
  end
end

function words.properties(parts, value, _, check)
  if schema.type(value) ~= "object" then return end
  for name, part in pairs(parts) do
    if value[name] ~= nil then check(part, value[name], name) end
  end
end

function words.additionalProperties(rule, value, say, check, whole)
  if schema.type(value) ~= "object" then return end
  for name, entry in pairs(value) do
    local is_known = (whole.properties or {})[name] ~= nil
    if not is_known and rule == false then
      say(("has '%s', which is not described"):format(name))
    elseif not is_known then
      check(rule, entry, name)
    end
  end
end

function words.items(rule, value, _, check)
  if schema.type(value) ~= "array" then return end
  for i, entry in ipairs(value) do check(rule, entry, i) end
end

function words.enum(values, value, say)
  for _, allowed in ipairs(values) do
    if value == allowed then return end
  end
  say(("expected one of %s, got %s"):format(table.concat(values, ", "), tostring(value)))
end

function words.const(allowed, value, say)
  if value ~= allowed then say(("expected %s, got %s"):format(tostring(allowed), tostring(value))) end
end

function words.minimum(least, value, say)
  if type(value) == "number" and value < least then say(("expected %g or more, got %g"):format(least, value)) end
end

function words.minItems(least, value, say)
  if schema.type(value) == "array" and #value < least then say(("expected %d entries or more"):format(least)) end
end

function words.maxItems(most, value, say)
  if schema.type(value) == "array" and #value > most then say(("expected %d entries or fewer"):format(most)) end
end

--- What is wrong with a value.
-- @param rules  a schema, of schema.decode
-- @param value  of schema.decode
-- @return list of texts: place, complaint
function schema.complaints(rules, value)
  local list = {}
  local function go(part, entry, place)
    local function say(text) list[#list + 1] = ("%s: %s"):format(place, text) end
    local function check(below, inner, name) go(below, inner, ("%s/%s"):format(place, name)) end
    for word, argument in pairs(part) do
      local test = words[word]
      assert(test, ("%s: the schema has the word '%s', which is not known here"):format(place, word))
      test(argument, entry, say, check, part)
    end
  end
  go(rules, value, "")
  table.sort(list)
  return list
end

return schema

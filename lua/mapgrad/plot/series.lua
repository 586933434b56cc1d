--- The check of series: lists of numbers by name.
-- @module mapgrad.plot.series
local check = require "mapgrad.check"

local function check_list(where, list, what, count)
  if type(list) ~= "table" or #list ~= count or count == 0 then
    check.fail("MG-SHAPE", "%s: expected x and %s, lists of equal length above 0", where, what)
  end
  for i = 1, count do
    if type(list[i]) ~= "number" then
      check.fail("MG-TYPE", "%s: %s %d is not a number but a %s", where, what, i, check.type_of(list[i]))
    end
  end
end

--- Checks series.
-- @param name   the function's name
-- @param given  list of {name=, x=, y=, ...}
-- @param more   names of lists that may be there, all or none
-- @return list of such tables
return function(name, given, more)
  if type(given) ~= "table" or #given == 0 then
    check.fail("MG-ARGUMENT", "%s: no series: expected a list of {name=, x={numbers}, y={numbers}}", name)
  end
  local rules, list = { name = check.text(), x = check.any(), y = check.any() }, {}
  for _, what in ipairs(more) do rules[what] = check.optional(check.any()) end
  for i, entry in ipairs(given) do
    local where = ("%s: series %d"):format(name, i)
    local o = check.options(where, entry, rules)
    local count = type(o.x) == "table" and #o.x or 0
    check_list(where, o.x, "x", count)
    check_list(where, o.y, "y", count)
    for _, what in ipairs(more) do
      if (o[what] == nil) ~= (o[more[1]] == nil) then
        check.fail("MG-ARGUMENT", "%s: %s go together", where, table.concat(more, " and "))
      end
      if o[what] then check_list(where, o[what], what, count) end
    end
    list[i] = o
  end
  return list
end

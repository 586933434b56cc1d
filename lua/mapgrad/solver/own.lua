--- What solvers of one's own share: options, answers of each instance.
local check = require "mapgrad.check"
local show = require "mapgrad.show"

local own = {}

-- The rule of the option shape; what the list holds is checked entry by entry.
local extents = {
  required = false, expected = "a list of extents",
  test = function(v)
    if type(v) == "table" and not getmetatable(v) and #v > 0 then return v end
  end,
}

--- A table name -> count, or nil.
function own.widths(v)
  if type(v) ~= "table" or getmetatable(v) then return nil end
  for name, width in pairs(v) do
    local is_count = type(width) == "number" and width >= 1 and width == math.floor(width)
    if type(name) ~= "string" or not is_count then return nil end
  end
  return v
end

--- The checked options name, n, shape, sense, exact, constant_sum and more, with n and shape both set.
-- @param name     for messages
-- @param options  what the user gave
-- @param rules    rules of the others
function own.options(name, options, rules)
  rules.name, rules.n, rules.shape = check.text(), check.optional(check.count()), extents
  rules.sense, rules.constant_sum = check.choice({ "max", "min" }, "max"), check.flag(false)
  rules.exact = check.flag(true)
  local o = check.options(name, options, rules)
  if (o.n == nil) == (o.shape == nil) then check.fail("MG-OPTION", "%s: expected one of n and shape", name) end
  o.shape = o.shape or { o.n }
  o.n = 1
  for i, extent in ipairs(o.shape) do
    check.value(("%s: shape[%d]"):format(name, i), extent, check.count())
    o.n = o.n * extent
  end
  return o
end

--- Raises an error about an instance's answer.
function own.bad_answer(self, instance, message, ...)
  check.fail("MG-SOLVER", "%s: instance %d: " .. message, self.name, instance, ...)
end

--- Refuses NaN in theta.
function own.check_entry(self, instance, v, j)
  if v ~= v then own.bad_answer(self, instance, "entry %d is NaN", j) end
end

--- Refuses answers that are not finite.
function own.check_answer(self, instance, v, j)
  if v ~= v or v == math.huge or v == -math.huge then
    own.bad_answer(self, instance, "z[%d] is %s", j, v ~= v and "NaN" or "infinite")
  end
end

--- The setting that stands for n or shape when the solver is printed.
function own.shape_text(o) return #o.shape == 1 and o.n or show.shape(o.shape) end

return own

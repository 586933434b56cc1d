--- What estimators say of scores that must be finite.
local check = require "mapgrad.check"

--- Raises unless all entries are finite; names the first that is not, counted within its instance.
-- @param name  for the message
-- @param x     [batch..., shape]
-- @param of    {n = entries of an instance, sense = "min" if x is minus the user's costs}, such as a solver
-- @param why   what there is to do, or nil
return function(name, x, of, why)
  if x:detach():abs():lt(math.huge):all():item() == 1 then return end
  for i, v in ipairs(x:detach():reshape(-1):to_list()) do
    if v ~= v or math.abs(v) == math.huge then
      local is_cost = of.sense == "min"
      local found = v ~= v and "NaN" or (v > 0) ~= is_cost and "inf" or "-inf"
      check.fail("MG-ARGUMENT", "%s: instance %d: %s at entry %d is %s, expected a finite number%s", name,
        math.ceil(i / of.n), is_cost and "cost" or "score", (i - 1) % of.n + 1, found, why and "; " .. why or "")
    end
  end
end

--- What estimators say of scores that must be finite.
local check = require "mapgrad.check"

--- Raises unless all entries are finite; names the first that is not, counted within its instance.
-- @param name  for the message
-- @param x     [batch..., shape]
-- @param n     entries of an instance
-- @param why   what there is to do, or nil
return function(name, x, n, why)
  if x:detach():abs():lt(math.huge):all():item() == 1 then return end
  for i, v in ipairs(x:detach():reshape(-1):to_list()) do
    if v ~= v or math.abs(v) == math.huge then
      local found = v ~= v and "NaN" or v > 0 and "inf" or "-inf"
      check.fail("MG-ARGUMENT", "%s: instance %d: score at entry %d is %s, expected a finite number%s", name,
        math.ceil(i / n), (i - 1) % n + 1, found, why and "; " .. why or "")
    end
  end
end

--- Readers of arguments: each returns a function (text) -> value, or nil and a message that names the flag.
-- @module mapgrad.cli.argument
local argument = {}

--- A whole number from 1.
-- @param flag  its name
-- @param most  the largest (default 2^31 - 1)
function argument.count(flag, most)
  most = most or 2 ^ 31 - 1
  return function(text)
    local value = tonumber(text)
    if value and value >= 1 and value == math.floor(value) and value <= most then return value end
    return nil, ("%s expects a whole number from 1%s, got '%s'"):format(flag,
      most < 2 ^ 31 - 1 and (" to %.0f"):format(most) or "", text)
  end
end

--- Threads of a process: as many as the core takes.
function argument.threads(flag) return argument.count(flag, 256) end

--- A finite number from 0, of seconds.
function argument.seconds(flag)
  return function(text)
    local value = tonumber(text)
    if value and value >= 0 and value < math.huge then return value end
    return nil, ("%s expects a number of seconds, got '%s'"):format(flag, text)
  end
end

return argument

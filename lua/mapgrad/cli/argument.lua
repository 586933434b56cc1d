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

-- Seconds of a text such as 90, 30m, 3h50m, 1h2m3s; nil if it is none.
local function seconds_of(text)
  if tonumber(text) then return tonumber(text) > 0 and tonumber(text) or nil end
  local sum, rest = 0, text
  for _, unit in ipairs { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } } do
    local count, after = rest:match("^([%d.]+)" .. unit[1] .. "(.*)$")
    if count and tonumber(count) then sum, rest = sum + tonumber(count) * unit[2], after end
  end
  return rest == "" and sum > 0 and sum or nil
end

--- A length of time, of seconds: 90, 30m, 3h50m.
function argument.time(flag)
  return function(text)
    local value = seconds_of(text)
    if value then return value end
    return nil, ("%s expects a time such as 90, 30m or 3h50m, got '%s'"):format(flag, text)
  end
end

return argument

--- Values of options as the command line gives them: functions text -> value, or nil and a message, for argparse.
-- @module mapgrad.cli.values
local values = {}

values.MOST_THREADS = 256 -- of the core

--- A whole number from `least` (default 1) to `most` (default: what is exact).
function values.whole(name, least, most)
  least = least or 1
  return function(text)
    local value = tonumber(text)
    local is_whole = value and value == math.floor(value) and value >= least and value < 2 ^ 53
    if is_whole and not (most and value > most) then return value end
    return nil, ("%s expects a whole number from %d%s, got '%s'"):format(name, least,
      most and (" to %d"):format(most) or "", text)
  end
end

--- A number of threads.
values.threads = values.whole("--threads", 1, values.MOST_THREADS)

--- A finite number above 0.
function values.positive(name)
  return function(text)
    local value = tonumber(text)
    if value and value > 0 and value < math.huge then return value end
    return nil, ("%s expects a number above 0, got '%s'"):format(name, text)
  end
end

--- name=value -> {name, value}
function values.pair(name)
  return function(text)
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then return nil, ("%s expects name=value, got '%s'"):format(name, text) end
    return { key, value }
  end
end

--- x,y,z -> list
function values.list(text)
  local names = {}
  for name in (text .. ","):gmatch("([^,]*),") do names[#names + 1] = name end
  return names
end

--- solver_calls=N -> {solver_calls = N}
function values.budget(text)
  local name, value = text:match("^([^=]+)=(.*)$")
  value = tonumber(value)
  if name ~= "solver_calls" or not value or not (value >= 1 and value < 2 ^ 53) or value ~= math.floor(value) then
    return nil, ("--budget expects solver_calls=N, N a whole number from 1, got '%s'"):format(text)
  end
  return { solver_calls = value }
end

--- A count of batches, or a share below 1.
function values.limit(text)
  local value = tonumber(text)
  if value and value > 0 and (value < 1 or value == math.floor(value)) and value < math.huge then return value end
  return nil, ("--limit expects a number of batches, or a share of them below 1, got '%s'"):format(text)
end

local UNITS = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } }

--- 90, 30m, 3h50m, 1h2m3s -> seconds
function values.time(name)
  return function(text)
    local sum, rest = 0, text
    for _, unit in ipairs(UNITS) do
      local count, after = rest:match("^([%d.]+)" .. unit[1] .. "(.*)$")
      if count and tonumber(count) then sum, rest = sum + tonumber(count) * unit[2], after end
    end
    local seconds = tonumber(text) or (rest == "" and sum)
    if seconds and seconds > 0 and seconds < math.huge then return seconds end
    return nil, ("%s expects a time such as 90, 30m or 3h50m, got '%s'"):format(name, text)
  end
end

--- i/n -> {i, n}
function values.shard(text)
  local index, of = text:match("^(%d+)/(%d+)$")
  index, of = tonumber(index), tonumber(of)
  if index and index >= 1 and index <= of then return { index, of } end
  return nil, ("--shard expects i/n, i from 1 to n, got '%s'"):format(text)
end

return values

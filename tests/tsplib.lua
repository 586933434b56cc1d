-- Files of TSPLIB: distances of all pairs of nodes.
local support = require "tests.support"

local tsplib = {}

-- Rounded towards zero.
local function whole(x)
  return x < 0 and math.ceil(x) or math.floor(x)
end

-- Degrees.minutes as an angle, with TSPLIB's pi.
local function angle(x)
  local degrees = whole(x)
  return 3.141592 * (degrees + 5 * (x - degrees) / 3) / 180
end

local distance = {
  EUC_2D = function(a, b) return math.floor(math.sqrt((a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2) + 0.5) end,
  ATT = function(a, b)
    local r = math.sqrt(((a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2) / 10)
    local t = math.floor(r + 0.5)
    return t < r and t + 1 or t
  end,
  GEO = function(a, b)
    local q1 = math.cos(angle(a[2]) - angle(b[2]))
    local q2, q3 = math.cos(angle(a[1]) - angle(b[1])), math.cos(angle(a[1]) + angle(b[1]))
    return whole(6378.388 * math.acos(((1 + q1) * q2 - (1 - q1) * q3) / 2) + 1)
  end,
}

-- Where the numbers of row i of an explicit matrix stand: first and last column.
local columns = {
  FULL_MATRIX = function(_, n) return 1, n end,
  LOWER_DIAG_ROW = function(i) return 1, i end,
  LOWER_ROW = function(i) return 1, i - 1 end,
  UPPER_DIAG_ROW = function(i, n) return i, n end,
  UPPER_ROW = function(i, n) return i + 1, n end,
}

local function numbers_after(text, section)
  local list, from = {}, select(2, text:find(section, 1, true)) + 1
  for word in text:sub(from):gmatch "%S+" do
    if not tonumber(word) then break end
    list[#list + 1] = tonumber(word)
  end
  return list
end

--- Number of nodes and the symmetric matrix of their distances, a list of lists.
function tsplib.read(path)
  local text = support.read_bytes(path)
  local function value(key) return text:match(key .. "%s*:%s*(%S+)") end
  local n, d = tonumber(value "DIMENSION"), {}
  for i = 1, n do d[i] = {} end
  local between = distance[value "EDGE_WEIGHT_TYPE"]
  if between then
    local list = numbers_after(text, "NODE_COORD_SECTION")
    for i = 1, n do
      for j = 1, n do d[i][j] = between({ list[3 * i - 1], list[3 * i] }, { list[3 * j - 1], list[3 * j] }) end
    end
    return n, d
  end
  local list, at = numbers_after(text, "EDGE_WEIGHT_SECTION"), 0
  for i = 1, n do
    local first, last = columns[value "EDGE_WEIGHT_FORMAT"](i, n)
    for j = first, last do
      at = at + 1
      d[i][j], d[j][i] = list[at], list[at]
    end
  end
  return n, d
end

return tsplib

-- Tours through all cities, as the sets of their edges; a tour is a list of cities from city 1 on.

-- All tours in lexicographic order of their cities, each once: the second city is smaller than the last.
local function tours(n)
  local list, tour, used = {}, { 1 }, { true }
  local function extend(place)
    if place > n then
      if tour[2] < tour[n] then
        local copy = {}
        for i, city in ipairs(tour) do copy[i] = city end
        list[#list + 1] = copy
      end
      return
    end
    for city = 2, n do
      if not used[city] then
        used[city], tour[place] = true, city
        extend(place + 1)
        used[city] = nil
      end
    end
    tour[place] = nil
  end
  extend(2)
  return list
end

local function is_matrix(settings) return settings.form == "matrix" end

-- The entries of an edge in theta: one, or two of a matrix.
local function entries(settings, i, j)
  local n = settings.cities
  if i > j then i, j = j, i end
  if is_matrix(settings) then return (i - 1) * n + j, (j - 1) * n + i end
  return (i - 1) * n - (i - 1) * i / 2 + j - i
end

local function indicator(settings, tour)
  local n, z = settings.cities, {}
  for e = 1, is_matrix(settings) and n * n or n * (n - 1) / 2 do z[e] = 0 end
  for place = 1, n do
    local one, two = entries(settings, tour[place], tour[place % n + 1])
    z[one] = 1
    if two then z[two] = 1 end
  end
  return z
end

local function enumerate(settings)
  local set = {}
  for i, tour in ipairs(tours(settings.cities)) do set[i] = indicator(settings, tour) end
  return set
end

return {
  signed = true,

  instances = {
    { settings = { cities = 3 } }, { settings = { cities = 4 } }, { settings = { cities = 5 } },
    { settings = { cities = 6 } }, { settings = { cities = 7 } }, { settings = { cities = 8 } },
    { settings = { cities = 5, form = "matrix" } }, { settings = { cities = 7, form = "matrix" } },
    { settings = { cities = 6, method = "table" } },
  },

  enumerate = enumerate,

  -- The first of the cheapest: tours are listed in lexicographic order.
  choose = function(settings, _, x)
    local least, chosen
    for _, z in ipairs(enumerate(settings)) do
      local cost = 0
      for e = 1, #x do
        if z[e] == 1 then cost = cost + x[e] end
      end
      if not least or cost < least then least, chosen = cost, z end
    end
    return chosen
  end,

  draw = function(integer)
    return { cities = integer(3, 7), form = integer(1, 2) == 1 and "pairs" or "matrix" }
  end,
}

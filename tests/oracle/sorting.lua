-- The different orders of the values.
local function values_of(settings)
  local values = {}
  for i = 1, settings.n do values[i] = settings.values and settings.values[i] or i end
  return values
end

return {
  instances = {
    { settings = { n = 1 } }, { settings = { n = 2, values = { 5, -1 } } }, { settings = { n = 3 } },
    { settings = { n = 5, values = { 1, 0, 1, 0, 0 } } }, { settings = { n = 5, values = { 9, 1, 4, 1, -2 } } },
    { settings = { n = 4, values = { 2, 2, 2, 2 } } }, { settings = { n = 6 } },
  },

  enumerate = function(settings)
    local left, kinds, set, z = {}, {}, {}, {}
    for _, v in ipairs(values_of(settings)) do
      if not left[v] then kinds[#kinds + 1] = v end
      left[v] = (left[v] or 0) + 1
    end
    local function place(j)
      if j > settings.n then
        local copy = {}
        for i = 1, settings.n do copy[i] = z[i] end
        set[#set + 1] = copy
        return
      end
      for _, v in ipairs(kinds) do
        if left[v] > 0 then
          left[v], z[j] = left[v] - 1, v
          place(j + 1)
          left[v] = left[v] + 1
        end
      end
    end
    place(1)
    return set
  end,

  -- Of equal entries the first has the largest value.
  choose = function(settings, _, x)
    local order, values, z = {}, values_of(settings), {}
    for j = 1, settings.n do order[j] = j end
    table.sort(order, function(i, j) return x[i] > x[j] or (x[i] == x[j] and i < j) end)
    table.sort(values, function(a, b) return a > b end)
    for place, j in ipairs(order) do z[j] = values[place] end
    return z
  end,

  draw = function(integer)
    local n = integer(1, 4)
    local values = {}
    for i = 1, n do values[i] = integer(-2, 3) end
    return { n = n, values = values }
  end,
}

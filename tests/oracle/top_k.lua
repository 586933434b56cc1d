-- Adds the 0/1 vectors with k ones inside of the mask to the set.
local function subsets(n, k, allowed, i, chosen, set)
  if k == 0 then
    local z = {}
    for j = 1, n do z[j] = chosen[j] and 1 or 0 end
    set[#set + 1] = z
    return set
  end
  for j = i, n do
    if allowed(j) then
      chosen[j] = true
      subsets(n, k - 1, allowed, j + 1, chosen, set)
      chosen[j] = nil
    end
  end
  return set
end

-- The fewest and the most ones.
local function bounds(settings, context)
  local function number(name)
    local value = context and context[name] or settings[name]
    return type(value) == "table" and value[1] or value
  end
  local k = number "k"
  return number "least" or k, k
end

return {
  forbids = true, -- scores of -inf

  instances = {
    { settings = { n = 1, k = 1 } }, { settings = { n = 2, k = 1 } }, { settings = { n = 6, k = 3 } },
    { settings = { n = 6, k = 6 } }, { settings = { n = 9, k = 2 } },
    { settings = { n = 7, k = 2 }, context = { k = 4 } }, { settings = { n = 7, k = 2 }, context = { k = 0 } },
    { settings = { n = 7, k = 2 }, context = { mask = { 1, 0, 1, 0, 1, 1, 0 } } },
    { settings = { n = 7, k = 2 }, context = { k = 4, mask = { 1, 0, 1, 0, 1, 1, 0 } } },
    { settings = { n = 6, k = 3, least = 0 } }, { settings = { n = 6, k = 6, least = 0 } },
    { settings = { n = 6, k = 4, least = 2 } }, { settings = { n = 5, k = 4, least = 4 } },
    { settings = { n = 6, k = 4, least = 2 }, context = { least = 1, k = 3, mask = { 1, 1, 0, 1, 0, 1 } } },
  },

  enumerate = function(settings, context)
    local mask = context and context.mask
    local function allowed(j) return not mask or mask[j] ~= 0 end
    local least, k = bounds(settings, context)
    local set = {}
    for ones = least, k do subsets(settings.n, ones, allowed, 1, {}, set) end
    return set
  end,

  choose = function(settings, context, x)
    local order, mask = {}, context and context.mask
    for j = 1, #x do
      if not mask or mask[j] ~= 0 then order[#order + 1] = j end
    end
    table.sort(order, function(i, j) return x[i] > x[j] or (x[i] == x[j] and i < j) end)
    local z, least, k = {}, bounds(settings, context)
    for j = 1, #x do z[j] = 0 end
    for place = 1, math.min(k, #order) do
      if place <= least or x[order[place]] > 0 then z[order[place]] = 1 end
    end
    return z
  end,

  draw = function(integer)
    local n = integer(1, 7)
    local settings = { n = n, k = integer(1, n) }
    if integer(0, 1) == 1 then settings.least = integer(0, settings.k) end
    local is_exact = settings.least == nil or settings.least == settings.k
    return settings, function()
      local mask, k = {}, integer(0, n)
      for j = 1, n do mask[j] = integer(0, 3) > 0 and 1 or 0 end
      return { k = { k }, least = { is_exact and k or integer(0, k) }, mask = mask }
    end
  end,
}

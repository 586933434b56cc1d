-- The 0/1 vectors with k ones inside of the mask.
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

local function k_of(settings, context)
  local k = context and context.k or settings.k
  return type(k) == "table" and k[1] or k
end

return {
  instances = {
    { settings = { n = 1, k = 1 } }, { settings = { n = 2, k = 1 } }, { settings = { n = 6, k = 3 } },
    { settings = { n = 6, k = 6 } }, { settings = { n = 9, k = 2 } },
    { settings = { n = 7, k = 2 }, context = { k = 4 } }, { settings = { n = 7, k = 2 }, context = { k = 0 } },
    { settings = { n = 7, k = 2 }, context = { mask = { 1, 0, 1, 0, 1, 1, 0 } } },
    { settings = { n = 7, k = 2 }, context = { k = 4, mask = { 1, 0, 1, 0, 1, 1, 0 } } },
  },

  enumerate = function(settings, context)
    local mask = context and context.mask
    local function allowed(j) return not mask or mask[j] ~= 0 end
    return subsets(settings.n, k_of(settings, context), allowed, 1, {}, {})
  end,

  choose = function(settings, context, x)
    local order, mask = {}, context and context.mask
    for j = 1, #x do
      if not mask or mask[j] ~= 0 then order[#order + 1] = j end
    end
    table.sort(order, function(i, j) return x[i] > x[j] or (x[i] == x[j] and i < j) end)
    local z = {}
    for j = 1, #x do z[j] = 0 end
    for place = 1, k_of(settings, context) do z[order[place]] = 1 end
    return z
  end,

  draw = function(integer)
    local n = integer(1, 7)
    return { n = n, k = integer(1, n) }, function()
      local mask = {}
      for j = 1, n do mask[j] = integer(0, 3) > 0 and 1 or 0 end
      return { k = { integer(0, n) }, mask = mask }
    end
  end,
}

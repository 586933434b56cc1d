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
    return subsets(settings.n, context and context.k or settings.k, allowed, 1, {}, {})
  end,

  tie = function(settings, context)
    local left, z = context and context.k or settings.k, {}
    for j = 1, settings.n do
      local take = left > 0 and not (context and context.mask and context.mask[j] == 0)
      z[j] = take and 1 or 0
      if take then left = left - 1 end
    end
    return z
  end,
}

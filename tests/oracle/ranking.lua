-- The orders of 1..m at the m entries of the mask, 0 elsewhere.
local function is_ranked(context, j)
  return not (context and context.mask) or context.mask[j] ~= 0
end

return {
  signed = true, forbids = false,
  solvable = true, -- every context leaves a solution

  instances = {
    { settings = { n = 1 } }, { settings = { n = 2 } }, { settings = { n = 3 } }, { settings = { n = 5 } },
    { settings = { n = 6 } }, { settings = { n = 5 }, context = { mask = { 0, 1, 1, 0, 1 } } },
    { settings = { n = 4 }, context = { mask = { 0, 0, 0, 0 } } },
    { settings = { n = 6 }, context = { mask = { 1, 1, 0, 1, 1, 1 } } },
  },

  enumerate = function(settings, context)
    local set, z, count = {}, {}, 0
    for j = 1, settings.n do
      z[j] = 0
      if is_ranked(context, j) then count = count + 1 end
    end
    local used = {}
    local function place(j)
      if j > settings.n then
        local copy = {}
        for i = 1, settings.n do copy[i] = z[i] end
        set[#set + 1] = copy
      elseif not is_ranked(context, j) then
        place(j + 1)
      else
        for rank = 1, count do
          if not used[rank] then
            used[rank], z[j] = true, rank
            place(j + 1)
            used[rank] = nil
          end
        end
        z[j] = 0
      end
    end
    place(1)
    return set
  end,

  -- One and the number of larger scores, and of equal ones before.
  choose = function(settings, context, x)
    local z = {}
    for i = 1, settings.n do
      z[i] = 0
      for j = 1, settings.n do
        if is_ranked(context, i) and is_ranked(context, j) and (x[j] > x[i] or (x[j] == x[i] and j <= i)) then
          z[i] = z[i] + 1
        end
      end
    end
    return z
  end,

  draw = function(integer)
    local n = integer(1, 4)
    return { n = n }, function()
      local mask = {}
      for j = 1, n do mask[j] = integer(0, 3) > 0 and 1 or 0 end
      return { mask = mask }
    end
  end,
}

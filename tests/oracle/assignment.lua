-- Matchings of rows to columns. The smaller side is matched; with the setting unmatched any row may stay without a
-- column unless its context is infinite.

local function has_place(settings, context, row, spare)
  if not settings.unmatched then return spare > 0 end
  return not (context and context.unmatched) or context.unmatched[row] < math.huge
end

-- All z, those of smaller columns first, no column last.
local function enumerate(settings, context)
  local rows, cols, set, taken, col_of = settings.rows, settings.cols, {}, {}, {}
  local function place(row, spare)
    if row > rows then
      local z = {}
      for i = 1, rows * cols do z[i] = 0 end
      for i = 1, rows do
        if col_of[i] then z[(i - 1) * cols + col_of[i]] = 1 end
      end
      set[#set + 1] = z
      return
    end
    for col = 1, cols do
      if not taken[col] then
        taken[col], col_of[row] = true, col
        place(row + 1, spare)
        taken[col], col_of[row] = nil, nil
      end
    end
    if has_place(settings, context, row, spare) then place(row + 1, spare - 1) end
  end
  place(1, rows - cols)
  return set
end

local inf = math.huge

return {
  signed = true,
  instances = {
    { settings = { rows = 1, cols = 1 } }, { settings = { rows = 2, cols = 2 } }, { settings = { rows = 4, cols = 4 } },
    { settings = { rows = 1, cols = 3 } }, { settings = { rows = 3, cols = 1 } }, { settings = { rows = 3, cols = 5 } },
    { settings = { rows = 5, cols = 3 } }, { settings = { rows = 3, cols = 3, unmatched = true } },
    { settings = { rows = 2, cols = 4, unmatched = true } }, { settings = { rows = 4, cols = 2, unmatched = true } },
    { settings = { rows = 3, cols = 4, unmatched = true }, context = { unmatched = { inf, 0, inf } } },
    { settings = { rows = 4, cols = 3, unmatched = true }, context = { unmatched = { 0, 0, inf, 0 } } },
    { settings = { rows = 4, cols = 4 } },
  },

  enumerate = enumerate,

  -- The first of the set, which is in lexicographic order, of least cost.
  choose = function(settings, context, costs)
    local best, chosen = inf, nil
    for _, z in ipairs(enumerate(settings, context)) do
      local cost = 0
      for i = 1, #z do
        if z[i] == 1 then cost = cost + costs[i] end
      end
      if cost < best then best, chosen = cost, z end
    end
    return chosen
  end,

  draw = function(integer)
    local rows, cols = integer(1, 4), integer(1, 4)
    local unmatched = integer(1, 3) == 1
    return { rows = rows, cols = cols, unmatched = unmatched }, unmatched and function()
      local costs = {}
      for i = 1, rows do costs[i] = integer(0, 1) == 1 and inf or 0 end
      return { unmatched = costs }
    end or nil
  end,
}

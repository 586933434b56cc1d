-- The sets of intervals of which no two overlap.
local support = require "tests.support"

local function overlap(settings, i, j)
  return settings.starts[i] < settings.ends[j] and settings.starts[j] < settings.ends[i]
end

local function enumerate(settings)
  local set, z, n = {}, {}, #settings.starts
  local function extend(i)
    if i > n then
      local copy = {}
      for j = 1, n do copy[j] = z[j] end
      set[#set + 1] = copy
      return
    end
    local is_free = true
    for j = 1, i - 1 do is_free = is_free and not (z[j] == 1 and overlap(settings, i, j)) end
    for take = is_free and 1 or 0, 0, -1 do
      z[i] = take
      extend(i + 1)
    end
  end
  extend(1)
  return set
end

return {
  signed = true,

  instances = {
    { settings = { starts = { 1 }, ends = { 2 } } }, { settings = { starts = { 1, 1 }, ends = { 2, 3 } } },
    { settings = { starts = { 1, 2, 3 }, ends = { 2, 4, 5 } } },
    { settings = { starts = { 5, 3, 1, 0, 2, 4 }, ends = { 6, 5.5, 3, 2, 3, 5 } } },
    { settings = { starts = { 0, 0, 0, 1, 1, 2, 3 }, ends = { 1, 2, 3, 2, 4, 3, math.huge } } },
    { settings = { starts = { -3, -2, -1, 0, 1, 2, 3, 4, 5 }, ends = { 0, 1, 2, 3, 4, 5, 6, 7, 8 } } },
    { settings = { starts = { 4, 3, 2, 1 }, ends = { 5, 4, 3, 2 } } },
  },

  enumerate = enumerate,

  -- The intervals of value above 0 in the order of their starts, then index: the largest answer in
  -- lexicographic order; no other interval is taken.
  choose = function(settings, _, x)
    local order = {}
    for i = 1, #x do order[i] = i end
    table.sort(order, function(i, j)
      local a, b = settings.starts[i], settings.starts[j]
      return a < b or (a == b and i < j)
    end)
    return support.largest_best(enumerate(settings), x, order)
  end,

  draw = function(integer)
    local starts, ends = {}, {}
    for i = 1, integer(1, 8) do
      starts[i] = integer(0, 9)
      ends[i] = starts[i] + integer(1, 4)
    end
    return { starts = starts, ends = ends }
  end,
}

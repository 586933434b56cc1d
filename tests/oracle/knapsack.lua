-- The sets of items within a capacity.
local support = require "tests.support"

local function number_of(value)
  return type(value) == "table" and value[1] or value
end

local function load_of(settings, context)
  return context and context.weights or settings.weights, number_of(context and context.capacity or settings.capacity)
end

local function enumerate(settings, context)
  local weights, capacity = load_of(settings, context)
  return support.zero_ones(#settings.weights, function(z)
    local sum = 0
    for i = 1, #z do
      if z[i] == 1 then sum = sum + weights[i] end
    end
    return sum <= capacity + 1e-6
  end)
end

return {
  signed = true,

  instances = {
    { settings = { weights = { 2 }, capacity = 2 } }, { settings = { weights = { 3 }, capacity = 2 } },
    { settings = { weights = { 2, 3, 4 }, capacity = 5 } },
    { settings = { weights = { 1, 1, 1, 1, 1, 1 }, capacity = 3 } },
    { settings = { weights = { 0, 2, 3, 0, 5, 7, 11 }, capacity = 13 } },
    { settings = { weights = { 4, 6, 8, 2, 10, 4, 6, 8, 12 }, capacity = 23.5 } },
    { settings = { weights = { 0.1, 0.2, 0.3, 0.4, 0.7 }, capacity = 0.6 } }, -- decimals
    { settings = { weights = { math.sqrt(2), math.pi, 1.5, math.sqrt(3), 2.2, math.exp(1) }, capacity = 6 } },
    { settings = { weights = { 5, 5, 5, 5 }, capacity = 0 } },
    { settings = { weights = { 5, 5, 0, 5 }, capacity = 1e300 } },
    { settings = { weights = { 1, 2, 3, 4 }, capacity = 5 }, context = { capacity = 7 } },
    { settings = { weights = { 1, 2, 3, 4 }, capacity = 5 }, context = { weights = { 4, math.huge, 2.5, 0 } } },
    { settings = { weights = { 1, 2, 3, 4, 5, 6, 7, 8 }, capacity = 5 },
      context = { capacity = 11.5, weights = { 1, 7, 3, 2, 5, 1, 7, 8 } } },
  },

  enumerate = enumerate,

  -- The items of value above 0 in the order of falling value per weight, then index: the largest answer in
  -- lexicographic order; no other item is taken.
  choose = function(settings, context, x)
    local weights = load_of(settings, context)
    local order = {}
    for i = 1, #x do order[i] = i end
    table.sort(order, function(i, j)
      local a, b = x[i] / weights[i], x[j] / weights[j]
      if x[i] <= 0 then a = -1 end -- these are last, in whatever order
      if x[j] <= 0 then b = -1 end
      return a > b or (a == b and i < j)
    end)
    return support.largest_best(enumerate(settings, context), x, order)
  end,

  draw = function(integer)
    local n, weights = integer(1, 7), {}
    for i = 1, n do weights[i] = integer(0, 9) end
    return { weights = weights, capacity = integer(0, 20) }, function()
      local other = {}
      for i = 1, n do other[i] = integer(0, 18) / 2 end
      return { capacity = { integer(-1, 25) }, weights = other }
    end
  end,
}

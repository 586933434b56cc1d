-- The (partial) assignments of the nodes of A to different nodes of B, with the pairs of edges they make.
local function assignments(settings)
  local list, place, used = {}, {}, {}
  local function extend(i)
    if i > settings.nodes_a then
      local copy = {}
      for k = 1, settings.nodes_a do copy[k] = place[k] end
      list[#list + 1] = copy
      return
    end
    for j = 1, settings.nodes_b do
      if not used[j] then
        used[j], place[i] = true, j
        extend(i + 1)
        used[j] = nil
      end
    end
    if settings.partial then
      place[i] = 0
      extend(i + 1)
    end
  end
  extend(1)
  return list
end

local function vector(settings, place)
  local z = {}
  for i = 1, settings.nodes_a do
    for j = 1, settings.nodes_b do z[#z + 1] = place[i] == j and 1 or 0 end
  end
  for _, a in ipairs(settings.edges_a or {}) do
    for _, b in ipairs(settings.edges_b or {}) do
      z[#z + 1] = place[a[1]] == b[1] and place[a[2]] == b[2] and 1 or 0
    end
  end
  return z
end

-- In lexicographic order, unassigned last.
local function enumerate(settings)
  local set = {}
  for i, place in ipairs(assignments(settings)) do set[i] = vector(settings, place) end
  return set
end

local function extra(settings, context, z)
  local flow = context and context.flow or settings.flow
  local distance = context and context.distance or settings.distance
  local place, sum = {}, 0
  if not flow then return 0 end
  for i = 1, settings.nodes_a do
    for j = 1, settings.nodes_b do
      if z[(i - 1) * settings.nodes_b + j] == 1 then place[i] = j end
    end
  end
  for i = 1, settings.nodes_a do -- not pairs: LuaJIT 2.1's compiler has been seen to add such sums wrongly
    for k = 1, settings.nodes_a do
      if place[i] and place[k] then sum = sum + flow[i][k] * distance[place[i]][place[k]] end
    end
  end
  return sum
end

local ring = { { 1, 2 }, { 2, 3 }, { 3, 1 } }
local both = { { 1, 2 }, { 2, 1 }, { 2, 3 }, { 3, 2 }, { 1, 3 }, { 3, 1 }, { 3, 4 }, { 4, 3 } }
local flow3 = { { 1, 2, 0 }, { 1, 0, 3 }, { -2, 1, 0 } }
local distance4 = { { 1, 2, 3, 1 }, { 0, -1, 1, 4 }, { 2, 2, 0, 1 }, { 0, 1, 2, 0 } }

return {
  signed = true,

  instances = {
    { settings = { nodes_a = 1, nodes_b = 1 } }, { settings = { nodes_a = 2, nodes_b = 3 } },
    { settings = { nodes_a = 3, nodes_b = 3, edges_a = ring, edges_b = ring } },
    { settings = { nodes_a = 4, nodes_b = 4, edges_a = both, edges_b = both } },
    { settings = { nodes_a = 3, nodes_b = 4, edges_a = { { 1, 2 }, { 2, 2 }, { 3, 2 } }, edges_b = both } },
    { settings = { nodes_a = 3, nodes_b = 4, edges_a = { { 1, 1 }, { 2, 3 } },
      edges_b = { { 2, 2 }, { 4, 1 }, { 3, 3 } } } },
    { settings = { nodes_a = 3, nodes_b = 4, flow = flow3, distance = distance4 } },
    { settings = { nodes_a = 3, nodes_b = 4, partial = true, flow = flow3, distance = distance4 } },
    { settings = { nodes_a = 4, nodes_b = 3, partial = true, edges_a = both, edges_b = ring } },
    { settings = { nodes_a = 2, nodes_b = 4, partial = true, edges_a = { { 1, 2 } }, edges_b = both } },
    { settings = { nodes_a = 3, nodes_b = 4 }, context = { flow = flow3, distance = distance4 } },
    { settings = { nodes_a = 3, nodes_b = 4, edges_a = ring, edges_b = both, flow = flow3, distance = distance4 } },
  },

  enumerate = enumerate,
  extra = extra,

  -- The first cheapest one in lexicographic order.
  choose = function(settings, context, x)
    local value, chosen = math.huge, nil
    for _, z in ipairs(enumerate(settings)) do
      local sum = extra(settings, context, z)
      for i = 1, #z do sum = sum + z[i] * x[i] end
      if sum < value then value, chosen = sum, z end
    end
    return chosen
  end,

  draw = function(integer)
    local n = integer(1, 4)
    local m = integer(n, 4)
    local function edges(nodes)
      local list = {}
      for i = 1, nodes do
        for j = 1, nodes do
          if integer(1, 2) == 1 then list[#list + 1] = { i, j } end
        end
      end
      return list
    end
    local function matrix(nodes)
      local rows = {}
      for i = 1, nodes do
        rows[i] = {}
        for j = 1, nodes do rows[i][j] = integer(-2, 3) end
      end
      return rows
    end
    local settings = { nodes_a = n, nodes_b = m, partial = integer(1, 4) == 1, edges_a = edges(n), edges_b = edges(m) }
    return settings, function()
      return { flow = matrix(n), distance = matrix(m) }
    end
  end,
}

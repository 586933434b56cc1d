-- The integer flows of small networks, by trying all.
local graphs = require "tests.oracle.graph_path"

-- The numbers of an instance: of the context, or of the settings.
local function numbers(settings, context, name, plural)
  return context and context[name] or settings[plural]
end

local function enumerate(settings, context)
  local supply = numbers(settings, context, "supply", "supplies")
  local capacity = numbers(settings, context, "capacity", "capacities")
  local set, z, left, last = {}, {}, {}, {}
  for v = 1, settings.nodes do left[v] = supply and supply[v] or 0 end
  for e, edge in ipairs(settings.edges) do last[edge[1]], last[edge[2]] = e, e end
  for v = 1, settings.nodes do
    if not last[v] and left[v] ~= 0 then return set end
  end
  local function choose(e)
    if e > #settings.edges then
      local copy = {}
      for i = 1, #z do copy[i] = z[i] end
      set[#set + 1] = copy
      return
    end
    local a, b = settings.edges[e][1], settings.edges[e][2]
    for flow = 0, capacity[e] do
      z[e] = flow
      left[a] = left[a] - flow -- a may be b
      left[b] = left[b] + flow
      if (last[a] ~= e or left[a] == 0) and (last[b] ~= e or left[b] == 0) then choose(e + 1) end
      left[a] = left[a] + flow
      left[b] = left[b] - flow
    end
  end
  choose(1)
  return set
end

return {
  signed = true,

  instances = {
    { settings = { nodes = 2, edges = { { 1, 2 } }, capacities = { 2 }, supplies = { 2, -2 } } },
    { settings = {
      nodes = 2, edges = { { 1, 2 }, { 1, 2 }, { 2, 1 } }, capacities = { 1, 2, 2 }, supplies = { 2, -2 },
    } },
    { settings = {
      nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 }, { 3, 1 } }, capacities = { 2, 3, 1, 2 },
      supplies = { 2, 0, -2 },
    } },
    { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 3, 1 }, { 2, 2 } }, capacities = { 1, 2, 3, 1 } } },
    { settings = {
      nodes = 4, edges = { { 1, 2 }, { 1, 3 }, { 2, 4 }, { 3, 4 }, { 2, 3 }, { 4, 1 } },
      capacities = { 2, 2, 2, 2, 1, 1 },
      supplies = { 2, 1, 0, -3 },
    } },
    { settings = {
      nodes = 5, edges = { { 1, 4 }, { 1, 5 }, { 2, 4 }, { 2, 5 }, { 3, 4 }, { 3, 5 }, { 4, 5 } },
      capacities = { 1, 1, 1, 1, 1, 1, 0 }, supplies = { 1, 1, 1, -2, -1 },
    } },
    { settings = {
      nodes = 4, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 1 }, { 1, 3 }, { 2, 4 }, { 4, 2 } },
      capacities = { 1, 1, 1, 1, 1, 1, 1 },
    }, context = { supply = { 1, 0, 0, -1 }, capacity = { 1, 2, 1, 1, 2, 1, 1 } } },
  },

  enumerate = enumerate,

  -- The cheapest of least weight.
  choose = function(settings, context, costs)
    local best, least
    for _, z in ipairs(enumerate(settings, context)) do
      local cost, weight, w = 0, 0, 1
      for e = 1, #z do
        w = w * 48271 % 67108859
        cost, weight = cost + costs[e] * z[e], weight + w * z[e]
      end
      if not best or cost < least.cost or (cost == least.cost and weight < least.weight) then
        best, least = z, { cost = cost, weight = weight }
      end
    end
    return best
  end,

  draw = function(integer)
    local nodes, count = integer(2, 5), integer(4, 8)
    local edges, capacities = graphs.draw_edges(integer, nodes, count), {}
    for e = 1, count do capacities[e] = integer(0, 2) end
    return { nodes = nodes, edges = edges, capacities = capacities }, function()
      local supply, capacity = {}, {}
      for v = 1, nodes do supply[v] = 0 end
      for e, edge in ipairs(edges) do
        capacity[e] = integer(0, 2)
        local flow = integer(0, capacity[e])
        supply[edge[1]] = supply[edge[1]] + flow
        supply[edge[2]] = supply[edge[2]] - flow
      end
      if integer(1, 6) == 1 then supply[1] = supply[1] + 1 end
      return { supply = supply, capacity = capacity }
    end
  end,
}

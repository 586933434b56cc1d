-- The arborescences of small graphs, and the recursion of Chu, Liu and Edmonds, all cycles of a round at
-- once.
local support = require "tests.support"

local function root_of(settings, context)
  local root = context and context.root or settings.root or 1
  return type(root) == "table" and root[1] or root
end

-- Whether each node but the root has one edge entering it, and a way from the root.
local function is_arborescence(settings, root, z)
  local from = {}
  for e, ends in ipairs(settings.edges) do
    if z[e] == 1 then
      if from[ends[2]] or ends[2] == root then return false end
      from[ends[2]] = ends[1]
    end
  end
  for v = 1, settings.nodes do
    local steps = 0
    while v and v ~= root and steps <= settings.nodes do v, steps = from[v], steps + 1 end
    if v ~= root then return false end
  end
  return true
end

local function enumerate(settings, context)
  local root = root_of(settings, context)
  return support.zero_ones(#settings.edges, function(z) return is_arborescence(settings, root, z) end)
end

-- The nodes of a cycle of from, a list, or nil.
local function cycle_of(nodes, from)
  local seen = {}
  for _, v in ipairs(nodes) do
    local way, on_way = {}, {}
    while v and not seen[v] do
      seen[v], on_way[v], way[#way + 1] = true, true, v
      v = from[v]
    end
    if v and on_way[v] then
      local cycle = { v }
      local u = from[v]
      while u ~= v do cycle[#cycle + 1], u = u, from[u] end
      return cycle
    end
  end
  return nil
end

-- edges: list of {index, from, to, cost}, ascending by index. Returns the indices of the edges taken.
local function contract(nodes, root, edges)
  local best, from = {}, {}
  for _, edge in ipairs(edges) do
    local old = best[edge.to]
    if edge.to ~= root and (not old or edge.cost < old.cost) then best[edge.to] = edge end
  end
  for v, edge in pairs(best) do from[v] = edge.from end
  local cycle, taken = cycle_of(nodes, from), {}
  if not cycle then
    for _, edge in pairs(best) do taken[edge.index] = true end
    return taken
  end
  local inside, made, rest, outer = {}, {}, {}, {}
  for _, v in ipairs(cycle) do inside[v] = true end
  for _, v in ipairs(nodes) do
    if not inside[v] then rest[#rest + 1] = v end
  end
  rest[#rest + 1] = made
  local enters = {} -- node of the cycle that an edge enters
  for _, edge in ipairs(edges) do
    local a, b = inside[edge.from], inside[edge.to]
    if b and not a then
      enters[edge.index] = edge.to
      outer[#outer + 1] = { index = edge.index, from = edge.from, to = made, cost = edge.cost - best[edge.to].cost }
    elseif not (a and b) then
      outer[#outer + 1] = { index = edge.index, from = a and made or edge.from, to = edge.to, cost = edge.cost }
    end
  end
  taken = contract(rest, root, outer)
  local entered
  for index in pairs(taken) do entered = enters[index] or entered end
  for _, v in ipairs(cycle) do
    if v ~= entered then taken[best[v].index] = true end
  end
  return taken
end

return {
  signed = true,

  instances = {
    { settings = { nodes = 2, edges = { { 1, 2 } } } },
    { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 3, 2 }, { 1, 3 } } } },
    { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 }, { 3, 1 }, { 3, 2 } } } },
    { settings = { nodes = 4, root = 2, edges = { { 2, 1 }, { 1, 3 }, { 3, 4 }, { 4, 1 }, { 2, 3 }, { 2, 4 },
      { 4, 2 } } } },
    { settings = { nodes = 4, root = 4, edges = { { 4, 1 }, { 1, 2 }, { 2, 1 }, { 2, 3 }, { 3, 2 }, { 3, 1 }, { 4, 3 },
      { 1, 3 }, { 4, 2 } } } },
    { settings = { nodes = 5, edges = { { 1, 2 }, { 2, 3 }, { 3, 2 }, { 3, 4 }, { 4, 3 }, { 4, 5 }, { 5, 4 }, { 5, 2 },
      { 1, 5 }, { 1, 4 } } } },
    { settings = { nodes = 4, edges = { { 1, 2 }, { 2, 1 }, { 2, 3 }, { 3, 2 }, { 3, 4 }, { 4, 3 }, { 4, 1 } } },
      context = { root = 3 } },
  },

  enumerate = enumerate,

  choose = function(settings, context, x)
    local nodes, edges, z = {}, {}, {}
    for v = 1, settings.nodes do nodes[v] = v end
    for e, ends in ipairs(settings.edges) do
      edges[e] = { index = e, from = ends[1], to = ends[2], cost = x[e] }
    end
    local taken = contract(nodes, root_of(settings, context), edges)
    for e = 1, #x do z[e] = taken[e] and 1 or 0 end
    return z
  end,

  draw = function(integer)
    local nodes, edges = integer(2, 4), {}
    for e = 1, integer(nodes - 1, 8) do
      local a = integer(1, nodes)
      edges[e] = { a, (a + integer(1, nodes - 1) - 1) % nodes + 1 }
    end
    return { nodes = nodes, edges = edges, root = integer(1, nodes) }, function()
      return { root = { integer(1, nodes) } }
    end
  end,
}

-- The simple paths of a directed graph, as sets of edges.
local graphs = {}

-- Start and goal of an instance.
function graphs.ends(settings, context)
  local function of(name, default)
    local value = context and context[name] or default
    return type(value) == "table" and value[1] or value
  end
  local goal = settings.goal
  if goal == nil or goal == 0 then goal = settings.nodes end
  return of("start", settings.start or 1), of("goal", goal)
end

function graphs.enumerate(settings, context)
  local set, met, z = {}, {}, {}
  local start, goal = graphs.ends(settings, context)
  for e = 1, #settings.edges do z[e] = 0 end
  local function walk(v)
    if v == goal then
      local copy = {}
      for e = 1, #z do copy[e] = z[e] end
      set[#set + 1] = copy
      return
    end
    met[v] = true
    for e, edge in ipairs(settings.edges) do
      if edge[1] == v and not met[edge[2]] then
        z[e] = 1
        walk(edge[2])
        z[e] = 0
      end
    end
    met[v] = nil
  end
  walk(start)
  return set
end

-- The cheapest of all paths: the fewest edges, then, as lists of edges from the start on, the smallest.
-- by_length = false: the second rule alone.
function graphs.choose(settings, context, costs, by_length)
  local start, goal = graphs.ends(settings, context)
  local best
  for _, z in ipairs(graphs.enumerate(settings, context)) do
    local path = { cost = 0, z = z, length = 0 }
    local v = start
    while v ~= goal do
      for e, edge in ipairs(settings.edges) do
        if z[e] == 1 and edge[1] == v then
          path[#path + 1], path.cost, path.length = e, path.cost + costs[e], path.length + 1
          v = edge[2]
          break
        end
      end
    end
    local order = 0
    if best then
      order = path.cost - best.cost
      if order == 0 and by_length ~= false then order = path.length - best.length end
      for i = 1, #path do
        if order == 0 and best[i] then order = path[i] - best[i] end
      end
    end
    if not best or order < 0 then best = path end
  end
  return best.z
end

-- Random edges; ordered: from lower to higher numbers of a random order.
function graphs.draw_edges(integer, nodes, count, ordered)
  local edges, rank = {}, {}
  for v = 1, ordered and nodes or 0 do
    local place = integer(1, v)
    table.insert(rank, place, v)
  end
  for e = 1, count do
    local a, b = integer(1, nodes), integer(1, nodes)
    if ordered then
      if a == b then a, b = 1, nodes end
      a, b = rank[math.min(a, b)], rank[math.max(a, b)]
    end
    edges[e] = { a, b }
  end
  return edges
end

graphs.instances = {
  { settings = { nodes = 2, edges = { { 1, 2 } } } },
  { settings = { nodes = 2, edges = { { 1, 2 }, { 1, 2 }, { 2, 1 } } } },
  { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } } },
  { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } }, context = { start = 2, goal = 2 } },
  { settings = {
    nodes = 4, edges = { { 4, 3 }, { 3, 1 }, { 4, 2 }, { 2, 1 }, { 2, 2 }, { 1, 4 } }, start = 4, goal = 1,
  } },
  { settings = {
    nodes = 5,
    edges = {
      { 1, 2 }, { 2, 3 }, { 3, 2 }, { 2, 4 }, { 3, 4 }, { 4, 5 }, { 1, 3 }, { 3, 5 }, { 5, 1 }, { 2, 5 }, { 4, 2 },
    },
  } },
  { settings = {
    nodes = 6, negative = "allow",
    edges = {
      { 1, 2 }, { 1, 3 }, { 2, 4 }, { 3, 4 }, { 4, 2 }, { 4, 5 }, { 2, 5 }, { 5, 6 }, { 3, 6 }, { 6, 3 }, { 2, 3 },
    },
  }, context = { start = 3, goal = 5 } },
}

function graphs.draw(integer)
  local nodes = integer(2, 5)
  return { nodes = nodes, edges = graphs.draw_edges(integer, nodes, integer(4, 9)) }, function()
    return { start = { integer(1, nodes) }, goal = { integer(1, nodes) } }
  end
end

return graphs

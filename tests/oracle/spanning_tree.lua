-- The spanning trees of small graphs: sets of nodes - 1 edges that close no cycle.
local support = require "tests.support"

local instances = {
  { settings = { nodes = 2, edges = { { 1, 2 } } } },
  { settings = { nodes = 2, edges = { { 1, 2 }, { 2, 1 }, { 1, 2 } } } },
  { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } } },
  { settings = { nodes = 4, edges = { 1, 2, 1, 3, 1, 4, 2, 3, 2, 4, 3, 4 } } },
  { settings = { nodes = 6, edges = { { 1, 2 }, { 2, 3 }, { 4, 5 }, { 5, 6 }, { 1, 4 }, { 2, 5 }, { 3, 6 } } } },
  { settings = { nodes = 5, edges = { { 5, 1 }, { 4, 1 }, { 3, 1 }, { 2, 1 } } } },
  { settings = { nodes = 5, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 5 }, { 5, 1 }, { 1, 3 }, { 3, 5 },
    { 1, 2 } } } },
}

-- The ends of the edges, a list of pairs.
local function pairs_of(settings)
  local list, edges = {}, settings.edges
  for e = 1, type(edges[1]) == "table" and #edges or #edges / 2 do
    list[e] = type(edges[1]) == "table" and edges[e] or { edges[2 * e - 1], edges[2 * e] }
  end
  return list
end

-- Whether the edges with z = 1 join all nodes without a cycle.
local function is_tree(settings, edges, z)
  local group, ones = {}, 0
  for v = 1, settings.nodes do group[v] = v end
  for e, ends in ipairs(edges) do
    if z[e] == 1 then
      local a, b = group[ends[1]], group[ends[2]]
      if a == b then return false end
      ones = ones + 1
      for v = 1, settings.nodes do
        if group[v] == a then group[v] = b end
      end
    end
  end
  return ones == settings.nodes - 1
end

local function enumerate(settings)
  local edges = pairs_of(settings)
  return support.zero_ones(#edges, function(z) return is_tree(settings, edges, z) end)
end

-- Of the trees of least cost the one that has the first edge, if one has, then the second, and so on: the
-- first in the order of enumeration.
local function choose(settings, _, x)
  local best, least
  for _, z in ipairs(enumerate(settings)) do
    local cost = 0
    for e = 1, #z do cost = cost + z[e] * x[e] end
    if not least or cost < least then best, least = z, cost end
  end
  return best
end

local function draw(integer)
  local nodes, edges = integer(2, 5), {}
  for v = 2, nodes do edges[v - 1] = { integer(1, v - 1), v } end
  for e = nodes, nodes + integer(0, 4) do
    local a = integer(1, nodes)
    edges[e] = { a, (a + integer(1, nodes - 1) - 1) % nodes + 1 }
  end
  return { nodes = nodes, edges = edges }
end

return { instances = instances, signed = true, enumerate = enumerate, choose = choose, draw = draw }

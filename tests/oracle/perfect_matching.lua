-- The perfect matchings of a graph, found by matching the first free node in all ways.
local support = require "tests.support"

local function grid(rows, cols)
  return { nodes = rows * cols, edges = support.grid_edges(rows, cols) }
end

return {
  signed = true,
  ties = "any", -- several optima: which one is not promised

  instances = {
    { settings = { nodes = 2 } }, { settings = { nodes = 4 } }, { settings = { nodes = 6 } },
    { settings = { nodes = 8 } },
    { settings = grid(2, 2) }, { settings = grid(3, 4) }, { settings = grid(4, 4) },
    -- two triangles joined by one edge; a double edge; a 5-cycle with a tail
    { settings = { nodes = 6, edges = {
      { 1, 2 }, { 2, 3 }, { 3, 1 }, { 4, 5 }, { 6, 4 }, { 5, 6 }, { 3, 4 }, { 1, 6 },
    } } },
    { settings = { nodes = 4, edges = { { 1, 2 }, { 2, 1 }, { 3, 4 }, { 1, 3 }, { 4, 2 }, { 4, 3 }, { 3, 4 } } } },
    { settings = { nodes = 6, edges = { { 1, 2 }, { 2, 3 }, { 3, 4 }, { 4, 5 }, { 5, 1 }, { 5, 6 }, { 2, 6 } } } },
  },

  enumerate = function(settings)
    local edges, set, covered, taken = settings.edges or support.complete_edges(settings.nodes), {}, {}, {}
    local function search(v)
      while covered[v] do v = v + 1 end
      if v > settings.nodes then
        local z = {}
        for i = 1, #edges do z[i] = taken[i] and 1 or 0 end
        set[#set + 1] = z
        return
      end
      covered[v] = true
      for i, edge in ipairs(edges) do
        local other = edge[1] == v and edge[2] or edge[2] == v and edge[1]
        if other and not covered[other] then
          covered[other], taken[i] = true, true
          search(v)
          covered[other], taken[i] = nil, nil
        end
      end
      covered[v] = nil
    end
    search(1)
    return set
  end,

  draw = function(integer)
    local nodes, edges = 2 * integer(1, 4), {}
    if integer(1, 4) == 1 then return { nodes = nodes } end
    for v = 1, nodes, 2 do edges[#edges + 1] = { v, v + 1 } end
    for _ = 1, integer(1, 10) do
      local i, j = integer(1, nodes), integer(1, nodes)
      if i ~= j then edges[#edges + 1] = { i, j } end
    end
    return { nodes = nodes, edges = edges }
  end,
}

-- The paths of a directed graph without cycles.
local graphs = require "tests.oracle.graph_path"

return {
  signed = true,

  instances = {
    { settings = { nodes = 2, edges = { { 1, 2 } } } },
    { settings = { nodes = 2, edges = { { 2, 1 }, { 2, 1 } }, start = 2, goal = 1 } },
    { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } } },
    { settings = { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } }, context = { start = 2, goal = 2 } },
    { settings = {
      nodes = 5, edges = { { 1, 2 }, { 2, 3 }, { 2, 4 }, { 3, 4 }, { 4, 5 }, { 1, 3 }, { 3, 5 }, { 2, 5 }, { 1, 2 } },
    } },
    { settings = {
      nodes = 6,
      edges = {
        { 6, 3 }, { 6, 5 }, { 3, 1 }, { 5, 1 }, { 1, 2 }, { 3, 2 }, { 2, 4 }, { 5, 4 }, { 6, 1 }, { 1, 4 }, { 3, 5 },
      },
    }, context = { start = 6, goal = 4 } },
  },

  enumerate = graphs.enumerate,

  choose = function(settings, context, costs)
    return graphs.choose(settings, context, costs, false)
  end,

  draw = function(integer)
    local nodes = integer(2, 6)
    return { nodes = nodes, edges = graphs.draw_edges(integer, nodes, integer(6, 12), true) }, function()
      return { start = { integer(1, nodes) }, goal = { integer(1, nodes) } }
    end
  end,
}

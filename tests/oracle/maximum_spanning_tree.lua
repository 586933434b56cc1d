-- spanning_tree of minus the scores.
local tree = require "tests.oracle.spanning_tree"

return {
  forbids = true, instances = tree.instances, enumerate = tree.enumerate, draw = tree.draw,
  choose = function(settings, context, x)
    local costs = {}
    for e = 1, #x do costs[e] = -x[e] end
    return tree.choose(settings, context, costs)
  end,
}

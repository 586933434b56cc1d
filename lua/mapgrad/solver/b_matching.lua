local check = require "mapgrad.check"
local new_program = require "mapgrad.solver.program"
local tensor = require "mapgrad.tensor"

-- The edges as pairs of nodes.
local function pairs_of(edges, nodes)
  if tensor.is(edges) and edges:axes() == 2 and edges:size(2) == 2 then edges = edges:to_table() end
  local list = {}
  for e, edge in ipairs(type(edges) == "table" and not getmetatable(edges) and edges or {}) do
    local u, v = type(edge) == "table" and edge[1], type(edge) == "table" and edge[2]
    for _, node in ipairs { u, v } do
      if type(node) ~= "number" or node < 1 or node > nodes or node ~= math.floor(node) or u == v or #edge ~= 2 then
        check.fail("MG-ARGUMENT", "b_matching: edge %d: expected two different nodes of 1..%d", e, nodes)
      end
    end
    list[e] = { u, v }
  end
  if #list == 0 then check.fail("MG-ARGUMENT", "b_matching: edges: expected a list of pairs { u, v }") end
  return list
end

--- The b-matching of largest score: a set of edges of a graph that uses each node at most `capacity` times, and at
-- least `least` times. theta [edges] -> z [edges] in {0,1}. An integer program (?solver.program).
-- @param options.nodes       how many
-- @param options.edges       a list of pairs { u, v }, nodes counted from 1
-- @param options.capacity    the most edges at a node, a number or one for each (default 1: a matching)
-- @param options.least       the fewest edges at a node (default 0)
-- @param options.time_limit  seconds for an instance, then the best so far; 0 (default): none
-- @param options.ties        "any" (default): one of the optima, always the same; "first": the lexicographically
-- largest z
-- @return a solver; its contexts capacity and least [nodes] give instances their own
-- @usage -- each of three people meets at most two others
-- local s = solver.b_matching { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } }, capacity = 2 }
-- print(s(tensor { 3, -1, 2 }))     -- 1 0 1
return function(options)
  local o = check.options("solver.b_matching", options, {
    nodes = check.count(), edges = check.any(), capacity = check.any(1), least = check.any(0),
    time_limit = check.not_negative(0), ties = check.choice({ "any", "first" }, "any"),
  })
  local edges = pairs_of(o.edges, o.nodes)
  local p, degrees, at = new_program { name = "b_matching" }, {}, {}
  local x = p:variables { n = #edges, binary = true }
  for node = 1, o.nodes do at[node] = {} end
  for e, edge in ipairs(edges) do
    for _, node in ipairs(edge) do at[node][#at[node] + 1] = x[e] end
  end
  for node = 1, o.nodes do degrees[node] = p:array(at[node]):sum() end
  p:constrain(degrees, "<=", o.capacity, "capacity")
  p:constrain(degrees, ">=", o.least, "least")
  return p:solver { theta = x, time_limit = o.time_limit, ties = o.ties }
end

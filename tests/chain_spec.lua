-- Chains of states against a Viterbi algorithm in Lua; forbidden and huge scores; contexts.
local mg = require "mapgrad"
local support = require "tests.support"
local solver, tensor, random = mg.solver, mg.tensor, mg.random

-- The best score of any sequence: nodes [t][a], step(t, a, b) from position t to t + 1.
local function viterbi(nodes, length, states, step)
  local best = {}
  for a = 1, states do best[a] = nodes and nodes[1][a] or 0 end
  for t = 1, length - 1 do
    local next_best = {}
    for b = 1, states do
      next_best[b] = -math.huge
      for a = 1, states do
        next_best[b] = math.max(next_best[b], best[a] + step(t, a, b) + (nodes and nodes[t + 1][b] or 0))
      end
    end
    best = next_best
  end
  local most = -math.huge
  for _, value in ipairs(best) do most = math.max(most, value) end
  return most
end

describe("solver.chain", function()
  it("equals Viterbi in Lua on long chains", function()
    random.seed(1)
    for _, size in ipairs { { 200, 3 }, { 50, 8 }, { 40, 29 }, { 2, 100 }, { 1000, 2 } } do
      local length, states = size[1], size[2]
      local s = solver.chain { length = length, states = states }
      local theta, transitions = tensor.normal({ 3, length, states }, "spec"), tensor.normal({ states, states }, "spec")
      local moves = transitions:to_table()
      local answers = s:solve(theta, { transitions = transitions })
      assert.same({ true, true, true }, s:is_feasible(answers.z))
      for i = 1, 3 do
        local wanted = viterbi(theta[i]:to_table(), length, states, function(_, a, b) return moves[a][b] end)
        support.assert_near(wanted, answers.objective[i], 1e-12)
      end
      local free = s(theta):to_list() -- without transitions: the largest of each position
      assert.same(theta:reshape(3 * length, states):max(2):to_list(),
        (theta * tensor(free):reshape(3, length, states)):reshape(3 * length, states):sum(2):to_list())
    end
  end)

  it("takes transitions for each instance", function()
    local s = solver.chain { length = 2, states = 2 }
    local z = s(tensor { { { 1, 0 }, { 1, 0 } }, { { 1, 0 }, { 1, 0 } } },
      { transitions = tensor { { { 0, 0 }, { 0, 0 } }, { { -5, 1 }, { 0, 0 } } } })
    assert.same({ { { 1, 0 }, { 1, 0 } }, { { 1, 0 }, { 0, 1 } } }, z:to_table())
    assert.has_error_matching(function()
      s(tensor.zeros(2, 2), { transitions = tensor.zeros(3, 3) })
    end, "context transitions has shape")
  end)

  it("keeps to allowed states and transitions", function()
    local inf = math.huge
    local s = solver.chain { length = 3, states = 2 }
    assert.same({ { 0, 1 }, { 1, 0 }, { 0, 1 } },
      s(tensor { { -inf, 0 }, { 5, 6 }, { 5, 1 } }, { transitions = { { -inf, 0 }, { 0, -inf } } }):to_table())
    assert.has_error_matching(function()
      s(tensor { { 1, -inf }, { 1, -inf }, { 1, 1 } }, { transitions = { { -inf, 0 }, { 0, -inf } } })
    end, "instance 1: no solution")
    assert.has_error_matching(function() s(tensor.zeros(3, 2), { transitions = { { 0, inf }, { 0, 0 } } }) end,
      "instance 1: the transition from state 1 to 2 is inf")
  end)

  it("adds the largest numbers", function()
    local top = support.is_double and 1.7e308 or 3.4e38
    local s = solver.chain { length = 4, states = 2 }
    assert.same({ { 0, 1 }, { 1, 0 }, { 1, 0 }, { 0, 1 } },
      s(tensor { { -top, top }, { top, 0 }, { top, -top }, { 0, top } },
        { transitions = { { 0, 1 }, { 1, 0 } } }):to_table())
  end)
end)

describe("solver.chain_edges", function()
  it("equals Viterbi in Lua on long chains", function()
    random.seed(2)
    for _, size in ipairs { { 200, 3 }, { 50, 8 }, { 20, 29 }, { 1, 60 } } do
      local steps, states = size[1], size[2]
      local theta = tensor.normal({ 2, steps, states, states }, "spec")
      local answers = solver.chain_edges { steps = steps, states = states }:solve(theta)
      for i = 1, 2 do
        local scores = theta[i]:to_table()
        local wanted = viterbi(nil, steps + 1, states, function(t, a, b) return scores[t][a][b] end)
        support.assert_near(wanted, answers.objective[i], 1e-12)
      end
    end
  end)

  it("equals the chain of states whose scores are added to the steps", function()
    random.seed(3)
    local length, states = 6, 4
    local unary, transitions = tensor.normal({ length, states }, "spec"), tensor.normal({ states, states }, "spec")
    local steps = {}
    for t = 1, length - 1 do
      steps[t] = transitions + unary[t + 1]:reshape(1, states)
      if t == 1 then steps[t] = steps[t] + unary[1]:reshape(states, 1) end
    end
    local by_edges = solver.chain_edges { steps = length - 1, states = states }:solve(tensor.stack(steps, 1))
    local by_nodes = solver.chain { length = length, states = states }:solve(unary, { transitions = transitions })
    support.assert_near(by_nodes.objective[1], by_edges.objective[1])
    local arrived = by_edges.z:sum(2):to_table() -- of each step, where it ends
    for t = 2, length do assert.same(by_nodes.z[t]:to_list(), arrived[t - 1]) end
  end)
end)

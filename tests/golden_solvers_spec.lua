-- Blackbox and Identity gradients over all solvers, and of graph matchings and clipped matchings, against recorded
-- numbers (the golden files beside the checkout; skipped where they are not); and that no golden file is left out.
local lfs = require "lfs"
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, solver, tensor = mg.estimator, mg.solver, mg.tensor
local near = support.near

local EXACT = support.is_double and 1e-10 or 1e-5
local from_one = support.from_one
local SHARED = os.getenv "MAPGRAD_SHARED" or "../shared"

local function cases(name)
  return support.golden_cases("identity/" .. name, pending)
end

-- Solvers by the names of the file, from the case's structure.
local MADE = {
  topk = function(s) return solver.top_k { n = s.n, k = s.k } end,
  ranking = function(s) return solver.ranking { n = s.n } end,
  assignment = function(s) return solver.assignment { rows = s.rows, cols = s.cols } end,
  tsp = function(s) return solver.tour { cities = s.cities } end,
  perfect_matching = function(s) return solver.perfect_matching { nodes = s.vertices, edges = from_one(s.edges) } end,
  mst = function(s) return solver.spanning_tree { nodes = s.vertices, edges = from_one(s.edges) } end,
  knapsack = function(s) return solver.knapsack { weights = s.weights, capacity = s.capacity } end,
  shortest_path = function(s)
    return solver.grid_path { rows = s.height, cols = s.width, neighbours = s.neighbours }
  end,
}

describe("golden identity/solvers_identity_blackbox", function()
  for _, case in ipairs(cases "solvers_identity_blackbox") do
    it(("replays %s, %s"):format(case.id, case.solver), function()
      support.replay_flat(case, MADE[case.solver](case.structure))
    end)
  end
end)

describe("golden identity/graph_matching", function()
  for _, case in ipairs(cases "graph_matching") do
    it("replays the gradients of " .. case.id .. ", with a margin on one side", function()
      local s = solver.quadratic_assignment { nodes_a = case.n1, nodes_b = case.n2, partial = case.partial,
        edges_a = from_one(case.edges1), edges_b = from_one(case.edges2) }
      local target, pairwise = tensor(case.target_v), tensor(case.pairwise)
      local u = tensor.concat({ (1 - target * 2):flatten(), tensor.zeros(pairwise:count()) }, 1)
      for _, row in ipairs(case.per_lambda) do
        local unary, paid = tensor(case.unary):watch(), tensor(case.pairwise):watch()
        local costs = tensor.concat({ (unary + target * case.alpha):flatten(), paid:flatten() }, 1)
        local layer = estimator.blackbox { solver = s, lambda = row.lambda, divisor_epsilon = 1e-8 }
        local z = layer(costs)
        near(case.v_with_margin, z:flatten():rows(1, case.n1 * case.n2), 0, "v")
        z:backward(u:unsqueeze(1))
        near(row.grad_unary, unary.grad, EXACT, "unary")
        near(row.grad_pairwise, paid.grad, EXACT, "pairwise")
      end
    end)
  end
end)

-- The published matching layer clips the shifted costs at 0, which a matching has no need of.
describe("golden identity/perfect_matching, clipped", function()
  for _, case in ipairs(cases "perfect_matching") do
    it("replays " .. case.id, function()
      local plain = solver.perfect_matching { nodes = case.vertices, edges = from_one(case.edges) }
      local s = solver.define { name = "clipped", n = #case.edges, sense = "min", solve = function(w, z)
        local clipped = {}
        for i = 1, #case.edges do clipped[i] = math.max(w[i], 0) end
        for i, v in ipairs(plain(tensor(clipped)):to_list()) do z[i] = v end
      end }
      for _, row in ipairs(case.per_lambda) do
        local x = tensor(case.weights):watch()
        estimator.blackbox { solver = s, lambda = row.lambda }(x):backward(tensor { case.upstream_grad })
        near(row.grad, x.grad, EXACT, "grad")
      end
    end)
  end
end)

-- Golden files that no spec reads show here. Parts that some are of:
local NEEDS = { enum_ksubset = "lua/mapgrad/distribution", sfe = "lua/mapgrad/distribution" }

describe("the golden files", function()
  for _, part in ipairs { "identity", "imle" } do
    local folder = SHARED .. "/golden/" .. part
    if not lfs.attributes(folder, "mode") then
      pending("there is no " .. folder)
    else
      it("of " .. part .. " are all replayed by some spec", function()
        local text = {}
        for name in lfs.dir "tests" do
          if name:match "_spec%.lua$" then
            local file = assert(io.open("tests/" .. name))
            text[#text + 1] = file:read "*a"
            file:close()
          end
        end
        text = table.concat(text, "\n")
        local missing = {}
        for name in lfs.dir(folder) do
          local stem = name:match "^(.*)%.json$"
          if stem and stem ~= "index" and (not NEEDS[stem] or lfs.attributes(NEEDS[stem], "mode")) then
            local is_read = false
            for _, form in ipairs { "/golden/%s/%s.json", '"%s/%s"' } do
              is_read = is_read or text:find(form:format(part, stem), 1, true)
            end
            for _, form in ipairs { 'cases "%s"', 'cases("%s"', '"%s.json"', '"/%s.json"' } do
              is_read = is_read or text:find(form:format(stem), 1, true)
            end
            if not is_read then missing[#missing + 1] = stem end
          end
        end
        assert.same({}, missing)
      end)
    end
  end
end)

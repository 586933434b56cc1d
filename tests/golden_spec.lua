-- The methods' reference implementations: recorded inputs in, recorded outputs expected. Conventions of the
-- references that differ from ours are behind named options: raw differences (scale = false), rows b S + s
-- for sample s of instance b, dy per sample (so dz = dy / S).
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, noise, solver, target, tensor = mg.estimator, mg.noise, mg.solver, mg.target, mg.tensor
local near, read_json = support.near, support.read_json

local EXACT = support.is_double and 1e-10 or 1e-5 -- gradients
local PROJECTED = support.is_double and 1e-9 or 1e-5

local function golden(name)
  return read_json("tests/golden/" .. name .. ".json").cases
end

-- [B S, ...] or [B, S, ...], instances first, as a tensor with samples first.
local function samples_first(rows, case)
  local t = tensor(rows)
  local shape = t:shape()
  local inner = {}
  for i = (shape[1] == case.B * case.S and #rows == case.B * case.S and #shape == #tensor(case.theta):shape())
    and 2 or 3, #shape do
    inner[#inner + 1] = shape[i]
  end
  local split, order = { case.B, case.S }, { 2, 1 }
  for i, extent in ipairs(inner) do
    split[i + 2] = extent
    order[i + 2] = i + 2
  end
  return t:reshape(split):permute(order)
end

local function neighbours_of(case)
  return case.neighbourhood == "4-grid" and 4 or 8
end

-- The case's solver, and the sign between its x (scores or costs) and theta.
local function solver_of(case)
  if case.n then return solver.top_k { n = case.n, k = case.k }, 1 end
  return solver.grid_path { rows = case.grid, cols = case.grid, neighbours = neighbours_of(case) }, -1
end

local function noise_of(case)
  return case.noise_kind == "none" and "none" or noise.given(samples_first(case.noise, case))
end

-- Runs a layer on a recorded case and compares solutions and gradient.
local function replay(case, layer, sign)
  local x = (tensor(case.theta) * sign):watch()
  local z = layer(x)
  near(samples_first(case.z, case), z, 0, case.name .. ": z")
  z:backward(samples_first(case.dy, case) * (1 / case.S))
  near(case.grad, x.grad * sign, EXACT, case.name .. ": grad")
end

for _, name in ipairs { "imle/imle_topk", "imle/imle_dijkstra" } do
  describe("golden " .. name, function()
    for _, case in ipairs(golden(name)) do
      it("replays " .. case.name, function()
        local s, sign = solver_of(case)
        replay(case, estimator.imle {
          solver = s, noise = noise_of(case), samples = case.S, temperature = case.t_in,
          temperature_target = case.t_tgt,
          target = target.fixed { alpha = case.alpha, lambda = case.beta, scale = false },
        }, sign)
      end)
    end
  end)
end

describe("golden imle/ste", function()
  for _, case in ipairs(golden "imle/ste") do
    it("replays " .. case.name, function()
      local s, sign = solver_of(case)
      -- the reference averages dy over samples; dz = dy / S is summed
      replay(case, estimator.straight_through {
        solver = s, noise = noise_of(case), samples = case.S, temperature = case.t,
      }, sign)
    end)
  end
end)

describe("golden identity/shortest_path_forward", function()
  for _, case in ipairs(golden "identity/shortest_path_forward") do
    it("replays " .. case.id, function()
      local s = solver.grid_path { rows = case.height, cols = case.width, neighbours = case.neighbours }
      local costs = tensor(case.weights)
      local z = s(costs)
      if case.unique then near(case.path, z, 0, case.id) end
      local cost = 0
      local flat_costs, flat_z = support.flat(case.weights), z:to_list()
      for i, w in ipairs(flat_costs) do cost = cost + w * flat_z[i] end
      near({ case.cost }, { cost }, support.is_double and 1e-12 or 1e-6, case.id .. ": cost")
      if case.neighbours == 8 then
        assert.is_true(mg.metric.is_grid_path(z) or case.height * case.width == 1)
      end
    end)
  end
end)

describe("golden identity/shortest_path_blackbox", function()
  for _, case in ipairs(golden "identity/shortest_path_blackbox") do
    it("replays " .. case.id .. ", clipping shifted costs at 0", function()
      for _, row in ipairs(case.per_lambda) do
        local s = solver.grid_path { rows = case.height, cols = case.width, neighbours = case.neighbours }
        local layer = estimator.blackbox { solver = s, lambda = row.lambda }
        local w = tensor(case.weights):watch()
        local z = layer(w)
        near(case.path, z[1], 0, case.id .. ": path")
        z:backward(tensor { case.upstream_grad })
        near(row.grad, w.grad, EXACT, case.id .. ": grad")
      end
    end)
  end
end)

describe("golden identity/identity_vectors", function()
  for _, case in ipairs(golden "identity/identity_vectors") do
    for _, row in ipairs(case.projections) do
      it(("replays %s, %s"):format(case.id, row.projection), function()
        local u, n = tensor { case.upstream_grad }, case.n
        for _, sense in ipairs { "max", "min" } do
          local s = solver.define {
            name = "keep_first", n = n, sense = sense, constant_sum = true,
            solve = function(_, z) z[1] = 1 end,
          }
          local x = tensor(case.omega):watch()
          estimator.identity {
            solver = s, projection = row.projection,
            plane = row.projection == "plane" and tensor(case.plane_unit_normal) or nil,
          }(x):backward(u)
          -- the reference's argmin gradient is -P'(w)^T u for costs w
          near(sense == "max" and row.grad_argmax or row.grad_argmin, x.grad, PROJECTED, row.projection)
        end
      end)
    end
  end
end)

describe("golden identity/topk", function()
  for _, case in ipairs(golden "identity/topk") do
    it("replays " .. case.id, function()
      near(case.mask, solver.top_k { n = case.n, k = case.k } (tensor(case.logits)), 0, case.id)
    end)
  end
end)

describe("golden identity/topk_sampler", function()
  for _, case in ipairs(golden "identity/topk_sampler") do
    it("replays " .. case.id, function()
      local layer = estimator.identity {
        solver = solver.top_k { n = case.n, k = case.k }, projection = case.projection,
        noise = noise.given(tensor { case.noise }),
      }
      local x = tensor(case.logits):watch()
      local z = layer(x)
      near(case.sample, z[1], 0, case.id .. ": sample")
      z:backward(tensor { case.upstream_grad })
      near(case.grad, x.grad, PROJECTED, case.id .. ": grad")
    end)
  end
end)

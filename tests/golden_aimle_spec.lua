-- AIMLE and the synthetic trajectories against recorded runs of the published code (the golden files beside the
-- checkout; skipped where they are not). Rows b N + s of instance b, dy a sample: dz = dy / N.
local mg = require "mapgrad"
local support = require "tests.support"
local estimator, noise, solver, target, tensor = mg.estimator, mg.noise, mg.solver, mg.target, mg.tensor
local near = support.near

local EXACT = support.is_double and 1e-10 or 1e-5

local function cases(name)
  return support.golden_cases("imle/" .. name, pending)
end

-- Rows [B N, ...] as samples first: [N, B, ...].
local function samples_first(rows, B, N)
  local t = tensor(rows)
  local shape, split, order = t:shape(), { B, N }, { 2, 1 }
  for i = 2, #shape do
    split[i + 1], order[i + 1] = shape[i], i + 1
  end
  return t:reshape(split):permute(order)
end

-- A solver of theta in the case's own sense, and the factor that makes costs of the recorded scores.
local function solver_of(case)
  if case.problem == "topk" then return solver.top_k { n = case.n, k = case.k } end
  return solver.grid_path { rows = case.grid, cols = case.grid, negative = "error" }
end

-- Noise [B, N, ...] as samples first; the published minimisation adds it to costs, ours subtracts.
local function noise_of(case, values)
  if not values then return "none" end
  local t = tensor(values):transpose(1, 2)
  return noise.given(case.minimise and -t or t)
end

-- In our sense: costs for a minimising case, else scores; a path among maximised scores has costs -theta.
local function sign_of(case) return (case.problem == "path" and not case.minimise) and -1 or 1 end

describe("golden imle/aimle_fixed_target", function()
  for _, case in ipairs(cases "aimle_fixed_target") do
    it("replays " .. case.name, function()
      local N, sign = case.S * case.M, sign_of(case)
      local make = case.method == "imle" and estimator.imle or estimator.aimle
      local layer = make {
        solver = solver_of(case), noise = noise_of(case, case.noise_kind ~= "none" and case.noise), samples = N,
        groups = case.M, temperature = case.t_in, temperature_target = case.t_tgt, symmetric = case.symmetric,
        target = target.fixed { alpha = case.alpha, scale = case.gradient_scaling,
          lambda = case.gradient_scaling and math.max(case.beta, 1e-7) or case.beta }, -- the published divisor
      }
      local x = (tensor(case.theta) * sign):watch()
      local z = layer(x)
      near(samples_first(case.z, case.B, N), z, 0, "z")
      z:backward(samples_first(case.dy, case.B, N) * (1 / N))
      near(case.grad, x.grad * sign, EXACT, "grad")
    end)
  end
end)

describe("golden imle/aimle_adaptive", function()
  for _, case in ipairs(cases "aimle_adaptive") do
    for _, scaling in ipairs { "reference", "corrected" } do
      it(("replays %s, scaling %s"):format(case.name, scaling), function()
        local N, sign = case.S * case.M, sign_of(case)
        local adaptive = target.adaptive {
          alpha = case.alpha, beta = case.initial_beta, step = case.beta_update_step,
          momentum = case.beta_update_momentum, target_norm = case.target_norm, decay = case.grad_norm_decay,
          grad_norm = case.initial_grad_norm, scaling = scaling,
        }
        for t = 1, case.steps do
          local layer = estimator.aimle {
            solver = solver_of(case), noise = noise_of(case, case.noise_kind ~= "none" and case.noise[t]), samples = N,
            groups = case.M, temperature = case.t_in, temperature_target = case.t_tgt, symmetric = case.symmetric,
            target = adaptive,
          }
          local x = (tensor(case.theta[t]) * sign):watch()
          local z = layer(x)
          near(samples_first(case.z[t], case.B, N), z, 0, "z")
          z:backward(samples_first(case.dy[t], case.B, N) * (1 / N))
          -- the published scale is smaller by sqrt(N), its gradient larger; a step of 0 stays unscaled
          local ratio = scaling == "corrected" and case.pm_perturb[t] > 0 and math.sqrt(N) or 1
          near(case.grad[t], x.grad * (sign * ratio), EXACT, "grad of step " .. t)
          near({ case.beta[t], case.grad_norm[t] }, { adaptive.beta, adaptive.grad_norm }, 2e-6, "state of step " .. t)
        end
      end)
    end
  end
end)

describe("golden imle/synth_trajectory", function()
  for _, case in ipairs(cases "synth_trajectory") do
    if case.method ~= "sfe" then -- the score function's samples are of the exact law: see its own spec
      it("replays " .. case.name, function()
        local theta, b = tensor(case.theta0):watch(), tensor(case.b)
        local velocity = tensor.zeros(case.n)
        for t = 1, case.steps do
          near(case.theta[t], theta, EXACT, "theta of step " .. t)
          local options = { solver = solver.top_k { n = case.n, k = case.k }, samples = 1,
            noise = noise.given(tensor { { case.noise[t] } }) }
          if case.method == "imle" then options.target = target.fixed { lambda = case.lambda, scale = false } end
          local layer = (case.method == "imle" and estimator.imle or estimator.straight_through)(options)
          local x = theta:detach():clone():unsqueeze(1):watch()
          local z = layer(x)
          near(case.z[t], z:reshape(case.n), 0, "z of step " .. t);
          (z - b):square():sum():backward()
          velocity = velocity * case.momentum + x.grad:reshape(case.n)
          theta = (theta:detach() - velocity * case.lr):watch()
        end
        near(case.theta_final, theta, EXACT, "the last theta")
      end)
    end
  end
end)

-- An estimator of one's own: the sign of I-MLE's difference of solutions, in place of its size.
local mg = require "mapgrad"
local autograd, diagnose, noise, random, tensor = mg.autograd, mg.diagnose, mg.noise, mg.random, mg.tensor

-- Forward: z = argmax(theta + noise). Backward: sign(z - argmax(theta - lambda dz + noise)), with the same noise.
local function signed(solver, lambda)
  local gumbel = noise.gumbel()
  local function solve(theta, draw) return solver:argmax(theta + gumbel:sample(theta:shape(), draw)) end
  return autograd.operation {
    name = "signed",
    forward = function(saved, theta)
      saved.theta, saved.draw = theta, random.draw "noise"
      saved.z = solve(theta, saved.draw)
      return saved.z
    end,
    backward = function(saved, dz) return (saved.z - solve(saved.theta - dz * lambda, saved.draw)):sign() end,
  }
end

return mg.experiment {
  title = "an estimator of one's own",
  options = { { name = "lambda", form = "positive", default = 2, help = "step of the target" } },
  run = function(_, record, o)
    local top, b = mg.solver.top_k { n = 8, k = 3 }, tensor { 1, 0, 0.5, 0.2, 0.9, 0.1, 0.4, 0.3 }
    local layer = signed(top, o.lambda)
    local function loss(z) return (z - b):square():sum(-1) end
    local theta, sum = tensor { 0.3, -1, 0.2, 0, 0.7, 0.1, -0.4, 0.5 }, tensor.zeros(8)
    for _ = 1, 1000 do
      local x = theta:reshape(1, 1, 8):watch()
      loss(layer(x)):mean():backward()
      sum = sum + x.grad:reshape(8)
    end
    local truth = diagnose.exact(top, theta, loss)
    local cosine = (truth * sum):sum():item() / (truth:norm():item() * sum:norm():item())
    print(("cosine of its mean gradient with the exact one: %.3f"):format(cosine))
    record { cosine = cosine }
  end,
}

--- The step that adapts: theta' = theta - lambda g, lambda = beta sqrt(samples) |theta| / |g|.
-- After each backward pass, with nnz the nonzero entries of the difference d of solutions a sample:
--   grad_norm <- decay grad_norm + (1 - decay) nnz
--   u <- momentum u + (step if grad_norm < target_norm, else -step);  beta <- max(beta + u, 0)
-- so that a gradient has target_norm nonzero entries on average. From beta = 0 gradients are 0 until it has
-- grown; the sign rule never settles, beta swings by a step.
-- Source: Minervini, Franceschi, Niepert 2023 (AIMLE), as in its published code.
-- @param options.beta         at the start (default 1; the published commands start at 0)
-- @param options.target_norm  wanted nonzero entries a sample (default 1)
-- @param options.step         of beta (default 1e-4)
-- @param options.momentum     of beta's changes (default 0)
-- @param options.decay        of the moving average (default 0.9)
-- @param options.grad_norm    its start (default 1)
-- @param options.alpha        weight of theta (default 1)
-- @param options.norms        "batch" (default, as published) or "instance": then an instance's step does not depend
--   on the others
-- @param options.scaling      "corrected" (default): 1 / lambda; "reference": sqrt(samples) / lambda, as published
-- @usage target.adaptive { beta = 0, step = 1e-3 }
local check = require "mapgrad.check"
local target = require "mapgrad.target.target"

local KEPT = { "beta", "grad_norm", "update" }

-- A copy of the numbers in KEPT.
local function copy(from, to)
  for _, key in ipairs(KEPT) do to[key] = from[key] end
  return to
end

return function(options)
  local o = check.options("target.adaptive", options, {
    beta = check.not_negative(1), target_norm = check.not_negative(1), step = check.not_negative(1e-4),
    momentum = check.not_negative(0), decay = check.not_negative(0.9), grad_norm = check.not_negative(1),
    alpha = check.real(1), norms = check.choice({ "batch", "instance" }, "batch"),
    scaling = check.choice({ "corrected", "reference" }, "corrected"),
  })
  if o.decay >= 1 then check.fail("MG-OPTION", "target.adaptive: decay = %g, expected a number below 1", o.decay) end
  local self
  self = target.new(function()
    return ("adaptive { beta = %.6g, grad_norm = %.4g, target_norm = %g }"):format(self.beta, self.grad_norm,
      o.target_norm)
  end, function(theta, g, _, axes)
    local step, scale, is_zero = target.step(self.beta, theta, g, o.norms == "instance" and axes or nil)
    if o.scaling == "reference" then -- its theta is not repeated for the samples; a step of 0 stays unscaled
      scale = is_zero:where(1, scale * math.sqrt(g:size(1)))
    end
    return target.scaled(theta, o.alpha) - step, scale
  end, {
    alpha = o.alpha, is_step = true, beta = o.beta, grad_norm = o.grad_norm, update = 0,
    listen = function(difference, axes)
      local shape, rows = difference:shape(), 1
      for i = 1, #shape - axes do rows = rows * shape[i] end
      local nonzero = difference:count() - difference:eq(0):sum():item()
      self.grad_norm = o.decay * self.grad_norm + (1 - o.decay) * nonzero / rows
      self.update = o.momentum * self.update + (self.grad_norm < o.target_norm and o.step or -o.step)
      self.beta = math.max(self.beta + self.update, 0)
    end,
    state = function(t) return copy(t, {}) end,
    load_state = function(t, state)
      for _, key in ipairs(KEPT) do check.value("target.adaptive: state " .. key, state[key], check.real()) end
      copy(state, t)
    end,
  })
  return self
end

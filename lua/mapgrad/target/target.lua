--- The type of targets, and what they share.
local compat = require "mapgrad.compat"
local tensor = require "mapgrad.tensor"

local methods = {}
local Target = { __name = "mapgrad.target", __index = methods }

Target.__call = function(self, theta, g, truth, axes)
  return self.shift(theta, g, truth, axes)
end

Target.__tostring = function(self)
  return type(self.text) == "function" and self.text() or self.text
end

--- What a backward pass tells its target afterwards: the difference of solutions, averaged over groups of
-- samples, [groups, batch..., shape], with `axes` axes of the shape. Most targets do not listen.
function methods.observe(self, difference, axes)
  if self.listen then self.listen(difference, axes) end
end

local target = {}

--- 0 where theta is finite, -inf where it is -inf: what a target adds that would lose forbidden entries.
function target.forbidden(theta)
  return (1 - theta:eq(-math.huge)):log()
end

--- alpha theta, forbidden entries as they are: 0 * -inf would be NaN.
function target.scaled(theta, alpha)
  return alpha == 0 and target.forbidden(theta) or theta * alpha
end

--- theta with 0 for forbidden entries.
function target.finite(theta)
  return theta:eq(-math.huge):where(0, theta)
end

-- Norms over the last `count` axes, and over axis 1 if with_samples; the axes stay with extent 1.
local function norm_over(t, count, with_samples)
  local list = { with_samples and 1 or nil }
  for i = t:axes() - count + 1, t:axes() do list[#list + 1] = i end
  list[#list + 1] = { keep = true }
  return t:norm(compat.unpack(list))
end

--- Norms of theta and g: numbers over the whole batch, or tensors [1, batch..., 1...], one an instance.
-- @param theta         [batch..., shape]; forbidden entries count as 0
-- @param g             [samples, batch..., shape]
-- @param axes          axes of the shape; nil: over the whole batch
function target.norms(theta, g, axes)
  local finite = target.finite(theta)
  if not axes then return finite:norm():item(), g:norm():item() end
  return norm_over(finite:unsqueeze(1), axes, false), norm_over(g, axes, true)
end

--- The step lambda g of length beta sqrt(samples) |theta|, beta times the norm of theta repeated for each sample; 0
-- where g is 0. Also where lambda itself or |theta| is too large, or g too small, for a number.
-- @return lambda g; 1 / lambda, which is 1 where lambda is 0; whether it is 0
function target.step(beta, theta, g, axes)
  local of_theta, of_g = target.norms(theta, g, axes)
  local lengths = of_theta * (beta * math.sqrt(g:size(1)))
  if not axes then of_g, lengths = tensor.full({ 1 }, of_g), tensor.full({ 1 }, lengths) end
  local is_zero = of_g:eq(0)
  local is_still = (is_zero + lengths:eq(0)):ne(0)
  return is_zero:where(0, g / of_g) * lengths, is_still:where(1, of_g / lengths), is_still
end

--- Makes a target.
-- @param text    how it prints; or a function that says so
-- @param shift   function (theta, g, truth, axes) -> theta', scale: a number, or a tensor to multiply samples by;
--   axes: those of the solver's shape
-- @param fields  more fields of the object: listen, state, load_state, alpha
function target.new(text, shift, fields)
  local object = { text = text, shift = shift, alpha = 1 }
  for key, value in pairs(fields or {}) do object[key] = value end
  return setmetatable(object, Target)
end

return target

--- Relaxations: layers without a solver, whose answers are smooth functions of x. Called as layer(x), x
-- [batch..., shape], they answer [samples, batch..., shape] with autograd's own gradient; layer:map(x) answers the
-- discrete state, not recorded.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

local relaxed = {}

local methods = {}
local Relaxed = { __name = "mapgrad.relaxation", __index = methods }

Relaxed.__call = function(self, x)
  return self.forward(self:rows(x))
end

Relaxed.__tostring = function(self)
  local parts, keys = {}, {}
  for key, value in pairs(self.options) do
    if type(value) ~= "table" and type(value) ~= "function" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = ("%s = %s"):format(key, tostring(self.options[key])) end
  return ("%s { %s }"):format(self.name, table.concat(parts, ", "))
end

--- x as a tensor that has at least `axes` axes.
function methods.rows(self, x)
  x = tensor.of(x, self.name)
  if x:axes() < self.axes or x:size(-1) == 0 then
    check.fail("MG-SHAPE", "%s: expected shape [batch..., %s], got %s", self.name, self.axes == 2 and "n, n" or "n",
      show.shape(x:shape()))
  end
  return x
end

--- The discrete state: [1, batch..., shape], not recorded.
function methods.map(self, x)
  return autograd.pause(function() return self.discrete(self:rows(x):detach()):unsqueeze(1) end)
end

--- What the layer answers at evaluation: the discrete state.
function methods.evaluate(self, x)
  return self:map(x)
end

--- Gumbel noise [samples, batch..., n] of a draw for x [batch..., n].
function relaxed.gumbel(x, samples, draw)
  local shape, n = x:shape(), x:size(-1)
  table.insert(shape, 1, samples)
  return require("mapgrad.noise").gumbel():sample({ samples, x:count() / n, n }, draw):reshape(shape)
end

--- 1 for the k largest entries of each row, ties to the smaller index.
function relaxed.top(x, k)
  return require("mapgrad.solver").top_k { n = x:size(-1), k = k }:argmax(x)
end

--- Makes a relaxation.
-- @param name      for messages
-- @param o         checked options
-- @param forward   function (x) -> [samples, batch..., shape], recorded
-- @param discrete  function (x) -> [batch..., shape]
-- @param axes      of the shape (default 1)
function relaxed.new(name, o, forward, discrete, axes)
  return setmetatable({ name = name, options = o, forward = forward, discrete = discrete, axes = axes or 1 }, Relaxed)
end

return relaxed

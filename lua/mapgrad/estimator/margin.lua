--- Margins: scores are made worse for the label, or blurred, while a layer trains.
--   informed  theta + (margin / 2) (1 - 2 label): loss-augmented inference for margin / 2 times the Hamming loss
--   noise     theta + xi, each xi plus or minus margin / 2 with equal chances: needs no label
-- Without one a network may shrink its scores towards 0, where the cones of all decisions meet. The gradient passes
-- a margin unchanged; layer:map and layer:evaluate have none.
-- Source: Rolinek et al. 2020 (informed); Sahoo et al. 2023 (noise).
local check = require "mapgrad.check"
local random = require "mapgrad.random"
local tensor = require "mapgrad.tensor"

local margin = {}

--- The options that layers share.
function margin.rules(rules)
  rules.margin = rules.margin or check.not_negative(0)
  rules.margin_kind = rules.margin_kind or check.choice({ "informed", "noise" }, "informed")
end

-- Plus or minus 1 for each entry of theta, a function of the draw, the instance and the entry.
local function signs(solver, theta, draw)
  local _, batch = solver:batch_of(theta)
  local normal = require("mapgrad.noise").normal():sample({ 1, batch, solver.n }, draw)
  return normal:sign():reshape(theta:shape())
end

--- What is added to theta, or nil: there is no margin.
-- @param layer  with solver, name, options
-- @param theta  scores [batch..., shape]
-- @param label  0/1 solutions of the same shape, or nil
function margin.term(layer, theta, label)
  local size = layer.options.margin
  if not size or size == 0 then return nil end
  if layer.options.margin_kind == "noise" then
    return signs(layer.solver, theta, random.draw "margin") * (size / 2)
  end
  if label == nil then
    check.fail("MG-OPTION", "%s: the informed margin needs labels: layer(x, { label = ... }), or margin_kind = 'noise'",
      layer.name)
  end
  label = tensor.of(label, layer.name .. ": label"):detach()
  layer.solver:batch_of(label, layer.name .. ": label")
  return (1 - label * 2) * (size / 2)
end

return margin

--- The frame of losses: sum over the entries of one instance, mean over instances and samples.
require "mapgrad.autograd"
local check = require "mapgrad.check"
local show = require "mapgrad.show"

local instances = {}

--- The rule of the option that all losses have: number of trailing axes that make one instance.
instances.AXES = check.optional(check.whole())

--- Whether a shape is the label's, or the label's after one axis of samples.
function instances.fits(shape, label)
  local offset = #shape - #label
  if offset ~= 0 and offset ~= 1 then return false end
  for axis, extent in ipairs(label) do
    if shape[axis + offset] ~= extent then return false end
  end
  return true
end

--- Raises unless a shape fits the label's.
function instances.expect(name, shape, label)
  if not instances.fits(shape, label) then
    check.fail("MG-SHAPE", "%s: expected z of the label's shape %s, samples before it, got %s",
      name, show.shape(label), show.shape(shape))
  end
end

--- How a shape falls into instances.
-- @param shape  of z
-- @param label  shape of the label, which fits
-- @param axes   the option instance_axes, or nil: all axes of the label but its first
-- @return number of axes of an instance, number of instances times samples, above 0
function instances.count(name, shape, label, axes)
  axes = axes or math.max(#label - 1, 0)
  if axes > #label then
    check.fail("MG-SHAPE", "%s: instance_axes = %d, but the label has shape %s", name, axes,
      show.shape(label))
  end
  local count = 1
  for axis = 1, #shape - axes do count = count * shape[axis] end
  if count == 0 then
    check.fail("MG-SHAPE", "%s: no instances: z has shape %s", name, show.shape(shape))
  end
  return axes, count
end

--- A loss that compares z with a label entry by entry.
-- @param name   for messages
-- @param entry  function (z, label, o, axes) -> losses whose sum over everything counts, such as one
--   for each entry; the label broadcasts over z's samples; axes: those of an instance
-- @param rules  of further options, for check.options
-- @return function (z, label, options) -> loss, a tensor of one entry
function instances.loss(name, entry, rules)
  name = "loss." .. name
  local all = { instance_axes = instances.AXES }
  for key, rule in pairs(rules or {}) do all[key] = rule end
  return function(z, label, options)
    check.value(name .. ": z", z, check.tensor)
    check.value(name .. ": label", label, check.tensor)
    local o = check.options(name, options, all)
    local shape, wanted = z:shape(), label:shape()
    instances.expect(name, shape, wanted)
    local axes, count = instances.count(name, shape, wanted, o.instance_axes)
    return entry(z, label, o, axes):sum() * (1 / count)
  end
end

return instances

--- The frame of losses: sum over the entries of one instance, mean over instances and samples.
require "mapgrad.autograd"
local check = require "mapgrad.check"
local show = require "mapgrad.show"

-- Whether z's shape is the label's, or the label's after one axis of samples.
local function fits(z, label)
  local offset = #z - #label
  if offset ~= 0 and offset ~= 1 then return false end
  for axis, extent in ipairs(label) do
    if z[axis + offset] ~= extent then return false end
  end
  return true
end

--- The function of a loss.
-- @param name   for messages
-- @param entry  function (z, label) -> the loss of each entry; the label broadcasts over z's
--   samples
-- @return function (z, label, options) -> loss, a tensor of one entry
return function(name, entry)
  name = "loss." .. name
  return function(z, label, options)
    check.value(name .. ": z", z, check.tensor)
    check.value(name .. ": label", label, check.tensor)
    local o = check.options(name, options, { instance_axes = check.optional(check.whole()) })
    local shape, wanted = z:shape(), label:shape()
    if not fits(shape, wanted) then
      check.fail("MG-SHAPE", "%s: expected z of the label's shape %s, samples before it, got %s",
        name, show.shape(wanted), show.shape(shape))
    end
    local axes = o.instance_axes or math.max(#wanted - 1, 0)
    if axes > #wanted then
      check.fail("MG-SHAPE", "%s: instance_axes = %d, but the label has shape %s", name, axes,
        show.shape(wanted))
    end
    local count = 1
    for axis = 1, #shape - axes do count = count * shape[axis] end
    if count == 0 then
      check.fail("MG-SHAPE", "%s: no instances: z has shape %s", name, show.shape(shape))
    end
    return entry(z, label):sum() * (1 / count)
  end
end

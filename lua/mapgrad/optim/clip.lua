--- Clipping of gradients, before an update.
-- Source: Pascanu, Mikolov, Bengio 2013.
local check = require "mapgrad.check"
local core = require "mapgrad.real"
local parameters = require "mapgrad.optim.parameters"
local show = require "mapgrad.show"

local clip = {}

--- The norm of all gradients of some entries together; raises if it is not finite.
-- @param name     of the caller, for messages
-- @param entries  as parameters.read returns them
-- @param note     end of the message
-- @return the norm; parameters without a gradient count as 0
function clip.measure(name, entries, note)
  local sum = 0
  for i, entry in ipairs(entries) do
    local gradient = parameters.gradient(entry)
    local squares = gradient and core.squares(gradient.handle) or 0
    if squares ~= squares or squares == math.huge then
      check.fail("MG-NUMBER", "%s: the norm of the gradient of %s is %s%s", name, parameters.title(i, entry),
        show.number(squares), note or "")
    end
    sum = sum + squares
  end
  if sum == math.huge then
    check.fail("MG-NUMBER", "%s: the norm of all gradients is inf%s", name, note or "")
  end
  return math.sqrt(sum)
end

--- Scales the gradients so that their norm is max, if it is more.
-- @param norm  as clip.measure returned it
function clip.scale(entries, norm, max)
  if norm <= max then return end
  for _, entry in ipairs(entries) do
    local gradient = parameters.gradient(entry)
    if gradient then core.accumulate(gradient.handle, max / norm, gradient.handle, 0) end
  end
end

--- Moves the entries of the gradients into -max..max.
function clip.limit(entries, max)
  for _, entry in ipairs(entries) do
    local gradient = parameters.gradient(entry)
    if gradient then core.clip(gradient.handle, max) end
  end
end

--- Clips gradients by their norm: where the norm of all of them together, as one vector, is more than
-- max, all are scaled by max / norm, in place. (PyTorch divides by norm + 1e-6.) Parameters without a
-- gradient are left out. A norm that is NaN or infinite is an error that names the parameter, and
-- changes nothing.
-- @param list  tensors or {name, tensor} pairs, watched
-- @param max   above 0
-- @return the norm before
-- @usage loss.squared(net(x), y):backward()
-- optim.clip_norm(net:parameters(), 1)
-- sgd:update()
function clip.norm(list, max)
  local entries = parameters.read("optim.clip_norm", list)
  max = check.value("optim.clip_norm: max", max, check.positive())
  local norm = clip.measure("optim.clip_norm", entries)
  clip.scale(entries, norm, max)
  return norm
end

--- Clips gradients entry by entry: moves each into -max..max, in place. NaN stays.
-- @param list  tensors or {name, tensor} pairs, watched
-- @param max   above 0
function clip.value(list, max)
  local entries = parameters.read("optim.clip_value", list)
  clip.limit(entries, check.value("optim.clip_value: max", max, check.positive()))
end

return clip

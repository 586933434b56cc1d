--- Mean 0 and deviation 1 for the fields of a data set.
local autograd = require "mapgrad.autograd"
local check = require "mapgrad.check"
local compat = require "mapgrad.compat"
local show = require "mapgrad.show"
local tensor = require "mapgrad.tensor"

-- The mean over all axes but the second, over the rows of a field without one; averaged axes stay as 1.
local function mean(t)
  local axes, shape = { 1 }, t:shape()
  shape[1] = 1
  for axis = 3, t:axes() do axes[#axes + 1], shape[axis] = axis, 1 end
  return t:mean(compat.unpack(axes)):reshape(shape)
end

-- The statistics of a tensor. What is constant is only shifted.
local function measure(t)
  local centre = mean(t)
  local deviation = mean((t - centre):square()):sqrt()
  return { mean = centre, deviation = deviation + deviation:eq(0) }
end

-- Statistics given by the caller, which must fit the field.
local function checked(name, t, given)
  local o = check.options("set:standardise: statistics", given, { mean = check.tensor, deviation = check.tensor })
  local shape = t:shape()
  for axis = 1, #shape do
    if axis ~= 2 then shape[axis] = 1 end
  end
  for _, part in ipairs { "mean", "deviation" } do
    if show.shape(o[part]:shape()) ~= show.shape(shape) then
      check.fail("MG-SHAPE", "set:standardise: the %s of %s has shape %s, expected %s", part, name,
        show.shape(o[part]:shape()), show.shape(shape))
    end
  end
  return o
end

--- See set:standardise.
-- @return the field's new tensor, statistics
return function(name, t, given)
  return autograd.pause(tensor.scope, function()
    if t:count() == 0 and not given then
      check.fail("MG-SHAPE", "set:standardise: %s has no entries to take a mean of", name)
    end
    local statistics = given and checked(name, t, given) or measure(t)
    return (t - statistics.mean) / statistics.deviation, statistics
  end)
end

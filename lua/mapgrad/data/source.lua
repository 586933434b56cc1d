--- Where the generators of data take their random numbers from: the stream "data" of the common seed,
-- or numbers of a seed of their own, which leave the common streams as they are.
local core = require "mapgrad.real"
local random = require "mapgrad.random"
local tensor = require "mapgrad.tensor"

local Source = {}
Source.__index = Source

local function fill(source, draw_into, shape)
  local t, draw = tensor.new(shape), source:draw()
  draw_into(t.handle, draw.seed, draw.stream, draw.index)
  return t
end

--- A tensor of a shape (a list), entries uniform on (0, 1).
function Source:uniform(shape)
  return fill(self, core.random_uniform, shape)
end

--- A tensor of a shape, entries standard normal.
function Source:normal(shape)
  return fill(self, core.random_normal, shape)
end

--- A random order of 1..n, a list.
function Source:order(n)
  local draw = self:draw()
  return core.random_order(n, draw.seed, draw.stream, draw.index)
end

--- A source.
-- @param seed  integer from 0, or nil for the stream "data" of mapgrad.random
return function(seed)
  local index = -1
  local function draw()
    if not seed then return random.draw("data") end
    index = index + 1
    return { seed = seed, stream = "data", index = index }
  end
  return setmetatable({ draw = draw }, Source)
end

--- Tensors one after the other in rows of one buffer, so that one message carries them all.
-- @module mapgrad.mpi.pack
local core = require "mapgrad.real"
local tensor = require "mapgrad.tensor"

local pack = {}

local methods = {}
local Pack = { __index = methods }

--- A buffer [rows, total] of zeros for tensors of the given shapes.
-- @param shapes  list of lists
-- @param rows    how many (default 1)
function pack.new(shapes, rows)
  local self = { rows = rows or 1, starts = {}, counts = {}, shapes = shapes, total = 0 }
  for i, shape in ipairs(shapes) do
    local count = 1
    for _, extent in ipairs(shape) do count = count * extent end
    self.starts[i], self.counts[i] = self.total, count
    self.total = self.total + count
  end
  self.flat = tensor.keep(tensor.zeros(self.rows * self.total))
  return setmetatable(self, Pack)
end

-- The handle of the place of tensor i in a row of a vector, of its shape, sharing the memory.
local function place(self, flat, row, i)
  local first = (row - 1) * self.total + self.starts[i]
  return core.reshape(core.rows(flat.handle, first, self.counts[i]), self.shapes[i])
end

--- Puts a tensor, not recorded, into its place; 0 for none.
function methods.put(self, row, i, t)
  if self.counts[i] == 0 then return end
  local to = place(self, self.flat, row, i)
  if t then core.copy(to, t.handle) else core.fill(to, 0) end
end

--- Tensor i of a row; it shares the memory.
-- @param flat  a vector that holds rows of this pack (default: its buffer)
function methods.get(self, row, i, flat)
  if self.counts[i] == 0 then return tensor.zeros(self.shapes[i]) end
  return tensor.wrap(place(self, flat or self.flat, row, i))
end

return pack

--- Parts of a batch: which rows whose. All numbers of rows count from 1, ranks from 0.
-- @module mapgrad.mpi.shards
local check = require "mapgrad.check"
local tensor = require "mapgrad.tensor"

local shards = {}

--- The i-th of `parts` parts of 1..count: in order, sizes differ by one at most.
-- @param i  from 1
-- @return first, last; last = first - 1 for a part without rows
function shards.share(count, parts, i)
  return math.floor(count * (i - 1) / parts) + 1, math.floor(count * i / parts)
end

-- Whether a value is a table of tensors and nothing else.
local function is_fields(value)
  if type(value) ~= "table" or getmetatable(value) or next(value) == nil then return false end
  for _, field in pairs(value) do
    if not tensor.is(field) then return false end
  end
  return true
end

--- The number of rows of a batch.
-- @param name   of the caller, for messages
-- @param batch  data set, tensor, table of tensors with as many rows, or the number itself
function shards.count(name, batch)
  if type(batch) == "number" then return check.value(name .. ": batch", batch, check.count()) end
  local rows
  if check.type_of(batch) == "mapgrad.set" then
    rows = batch:count()
  elseif tensor.is(batch) then
    rows = batch:axes() > 0 and batch:size(1)
  elseif is_fields(batch) then
    for key, field in pairs(batch) do
      local size = field:axes() > 0 and field:size(1)
      if rows and rows ~= size then
        check.fail("MG-SHAPE", "%s: the tensors of the batch have %s and %s rows; '%s' is one of them", name,
          tostring(rows), tostring(size), tostring(key))
      end
      rows = size
    end
  else
    check.fail("MG-TYPE", "%s: expected a data set, a tensor, a table of tensors or a number of rows, got a %s", name,
      check.type_of(batch))
  end
  if not rows or rows < 1 then check.fail("MG-SHAPE", "%s: the batch has no rows", name) end
  return rows
end

--- Rows first..last of a batch; they share memory with it. Of a number: first and last themselves.
function shards.rows(batch, first, last)
  if type(batch) == "number" then return first, last end
  if not is_fields(batch) then return batch:rows(first, last) end
  local part = {}
  for key, field in pairs(batch) do part[key] = field:rows(first, last) end
  return part
end

return shards

--- The numbers of a run: one JSON object a line, in metrics.jsonl of the run's folder.
-- @module mapgrad.experiment.record
local core = require "mapgrad.real"

local record = {}

local types = { number = true, string = true, boolean = true }

-- What JSON lacks becomes null.
local function clean(value)
  if not types[type(value)] then
    error(("record: expected numbers, texts and booleans, got a %s"):format(type(value)), 0)
  end
  if value ~= value or value == math.huge or value == -math.huge then return core.json_null end
  return value
end

--- One line of JSON: the fields of a flat table, by name.
-- @tparam table row name -> number, text or boolean; NaN and infinities become null
function record.line(row)
  local fields = {}
  for name, value in pairs(row) do
    if type(name) ~= "string" then error("record: expected named fields", 0) end
    fields[name] = clean(value)
  end
  return core.json_encode(fields, 0)
end

--- Starts metrics.jsonl anew.
-- @tparam string folder must exist
-- @treturn function record(row): appends a line, written at once
-- @treturn function close(); or nil, message instead of both
function record.open(folder)
  local file, message = io.open(folder .. "/metrics.jsonl", "w")
  if not file then return nil, message end
  local function write(row)
    assert(file:write(record.line(row), "\n"))
    assert(file:flush())
  end
  return write, function() file:close() end
end

return record

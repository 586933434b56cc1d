--- The numbers of a run: one JSON object a line, in metrics.jsonl of the run's folder.
-- @module mapgrad.experiment.record
local record = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return escapes[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

-- Whole numbers without fraction or exponent, alike on both Luas; what JSON lacks becomes null.
local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then return "null" end
  if value == math.floor(value) and math.abs(value) < 2 ^ 53 then return ("%.0f"):format(value) end
  return ("%.17g"):format(value)
end

local function encode(value)
  if type(value) == "number" then return number(value) end
  if type(value) == "boolean" then return tostring(value) end
  if type(value) == "string" then return quote(value) end
  error(("record: expected numbers, texts and booleans, got a %s"):format(type(value)), 0)
end

--- One line of JSON: the fields of a flat table, by name.
-- @tparam table row name -> number, text or boolean; NaN and infinities become null
function record.line(row)
  local names = {}
  for name in pairs(row) do
    if type(name) ~= "string" then error("record: expected named fields", 0) end
    names[#names + 1] = name
  end
  table.sort(names)
  local fields = {}
  for i, name in ipairs(names) do fields[i] = quote(name) .. ": " .. encode(row[name]) end
  return "{" .. table.concat(fields, ", ") .. "}"
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

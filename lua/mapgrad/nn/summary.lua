--- What `module:summary` returns: layers with output shapes and numbers of parameters, as a table that
-- prints.
local check = require "mapgrad.check"
local show = require "mapgrad.show"

local Summary = { __name = "mapgrad.summary" }

local summary = {}

--- The shapes of the tensors among some results, "2x3, 2x3"; "-" for none.
function summary.shapes(...)
  local parts = {}
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if check.type_of(value) == "mapgrad.tensor" then parts[#parts + 1] = show.shape(value:shape()) end
  end
  return parts[1] and table.concat(parts, ", ") or "-"
end

-- Numbers of trained and of frozen entries of a list of {name, tensor}, each tensor once.
local function count(weights, seen)
  local trained, frozen = 0, 0
  for _, entry in ipairs(weights) do
    local t = entry[2]
    if not seen[t] then
      seen[t] = true
      if t.leaf then trained = trained + t:count() else frozen = frozen + t:count() end
    end
  end
  return trained, frozen
end

local function add(self, module, label, depth, shapes, seen)
  local again = seen[module]
  local trained, frozen = count(module.weights, seen)
  self.trained, self.frozen = self.trained + trained, self.frozen + frozen
  self[#self + 1] = {
    name = label, title = module.title .. (again and " (shared)" or ""), depth = depth,
    output = shapes[module] or "-", parameters = trained + frozen, frozen = frozen,
  }
  seen[module] = true
  if again then return end
  for _, child in ipairs(module.children) do add(self, child[2], child[1], depth + 1, shapes, seen) end
end

--- The summary of a module.
-- @param module  a module
-- @param shapes  table from modules to the text of their output's shape
-- @return list of {name=, title=, depth=, output=, parameters=, frozen=}, parents first, with the
--   fields trained and frozen: numbers of entries in all
function summary.new(module, shapes)
  local self = setmetatable({ trained = 0, frozen = 0 }, Summary)
  add(self, module, "", 0, shapes, {})
  return self
end

function Summary.__tostring(self)
  local rows, wide, wider = { { "layer", "output", "parameters" } }, 0, 0
  for _, row in ipairs(self) do
    local label = row.name ~= "" and row.name .. ": " or ""
    local note = row.frozen > 0 and " (frozen)" or ""
    rows[#rows + 1] = {
      ("  "):rep(row.depth) .. label .. row.title, row.output,
      row.parameters > 0 and ("%d"):format(row.parameters) .. note or "",
    }
  end
  for _, row in ipairs(rows) do wide, wider = math.max(wide, #row[1]), math.max(wider, #row[2]) end
  local form, lines = ("%%-%ds  %%-%ds  %%s"):format(wide, wider), {}
  for i, row in ipairs(rows) do lines[i] = form:format(row[1], row[2], row[3]):gsub("%s+$", "") end
  lines[#lines + 1] = ("%d parameters, %d of them frozen"):format(self.trained + self.frozen, self.frozen)
  return table.concat(lines, "\n")
end

return summary

--- Lists of parameters: as optimizers and the clipping functions take them.
local check = require "mapgrad.check"
local tensor = require "mapgrad.tensor"

local parameters = {}

-- The name and the tensor of an entry: a tensor or {name, tensor}.
local function read(name, i, entry)
  local title = ("%s: parameter %d"):format(name, i)
  if type(entry) == "table" and not getmetatable(entry) and type(entry[1]) == "string" then
    return entry[1], check.value(("%s ('%s')"):format(title, entry[1]), entry[2], check.tensor)
  end
  return nil, check.value(title, entry, check.tensor)
end

--- Reads a list.
-- @param name  of the caller, for messages
-- @param list  tensors, or pairs {name, tensor} such as net:named_parameters(), all watched
-- @param seen  table tensor -> the list before this one that held it; none may be in two lists
-- @return list of {tensor=, name= (nil without one)}, each tensor once
function parameters.read(name, list, seen)
  if type(list) ~= "table" or getmetatable(list) then
    check.fail("MG-TYPE", "%s: expected a list of tensors, such as net:parameters(), got a %s",
      name, check.type_of(list))
  end
  local entries = {}
  seen = seen or {}
  for i, entry in ipairs(list) do
    local title, t = read(name, i, entry)
    if not t.leaf then
      check.fail("MG-AUTOGRAD", "%s: parameter %d is not watched; call t:watch() on it", name, i)
    end
    if seen[t] and seen[t] ~= list then
      check.fail("MG-ARGUMENT", "%s: parameter %d stands in two groups", name, i)
    elseif not seen[t] then
      seen[t] = list
      entries[#entries + 1] = { tensor = t, name = title }
    end
  end
  if #list == 0 then check.fail("MG-ARGUMENT", "%s: the list of parameters is empty", name) end
  return entries
end

--- "parameter 3", or "parameter 3 ('1.weight')".
function parameters.title(i, entry)
  return entry.name and ("parameter %d ('%s')"):format(i, entry.name) or ("parameter %d"):format(i)
end

--- The gradient of an entry; nil if it has none.
function parameters.gradient(entry)
  return rawget(entry.tensor, "grad")
end

--- Zeros of a parameter's shape that outlive all scopes.
function parameters.zeros(entry)
  return tensor.keep(tensor.zeros(entry.tensor:shape()))
end

return parameters

--- Values as text for the interactive prompt: sorted keys, limited depth and length. Of the parts of
-- mapgrad, whose fields are loaded when first used, the names are listed.
-- @module mapgrad.inspect
local show = require "mapgrad.show"

local DEPTH, ITEMS, COLUMNS = 3, 24, 80

local ranks = { number = 1, string = 2, boolean = 3 }

-- Numbers first, then texts, then the rest by how they print.
local function before(a, b)
  local x, y = ranks[type(a)] or 4, ranks[type(b)] or 4
  if x ~= y then return x < y end
  if x <= 2 then return a < b end
  return tostring(a) < tostring(b)
end

local reserved = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return "
  .. "then true until while"):gmatch("%l+") do reserved[word] = true end

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    if c == "\n" then return "\\n" elseif c == "\t" then return "\\t" end
    return c:find("%c") and ("\\%03d"):format(c:byte()) or "\\" .. c
  end) .. '"'
end

local function has_text(value)
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__tostring") ~= nil
end

local render

-- "key = " of an entry; nothing in front of the entries of a list.
local function label(key, length)
  if type(key) == "number" and key >= 1 and key <= length and key == math.floor(key) then return "" end
  if type(key) == "string" and key:find("^[%a_][%w_]*$") and not reserved[key] then return key .. " = " end
  return ("[%s] = "):format(render(key, 0, {}))
end

-- Entries on one line if they fit, else one on each.
local function braces(entries, depth)
  local width = 4
  for _, entry in ipairs(entries) do
    width = width + #entry + 2
    if entry:find("\n", 1, true) then width = math.huge end
  end
  if #entries == 0 then return "{}" end
  if width + 2 * depth <= COLUMNS then return "{ " .. table.concat(entries, ", ") .. " }" end
  local indent = ("  "):rep(depth)
  return "{\n" .. indent .. "  " .. table.concat(entries, ",\n" .. indent .. "  ") .. "\n" .. indent .. "}"
end

-- Names in braces, as many on a line as fit.
local function name_list(names)
  local lines, line = {}, "{"
  for i, name in ipairs(names) do
    local word = name .. (i < #names and "," or " }")
    if #line + 1 + #word > COLUMNS then
      lines[#lines + 1], line = line, " "
    end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function render_table(t, depth, open)
  if open[t] then return "<cycle>" end
  local meta = getmetatable(t)
  if type(meta) == "table" and type(meta.names) == "table" then return name_list(meta.names) end
  if depth >= DEPTH then return next(t) == nil and "{}" or "{ .. }" end
  local keys, entries = {}, {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, before)
  open[t] = true
  local length = #t
  for i, key in ipairs(keys) do
    if i > ITEMS then
      entries[i] = (".. %d more"):format(#keys - ITEMS)
      break
    end
    entries[i] = label(key, length) .. render(rawget(t, key), depth + 1, open)
  end
  open[t] = nil
  return braces(entries, depth)
end

function render(value, depth, open)
  local kind = type(value)
  if kind == "string" then return depth > 0 and quote(value) or value end
  if kind == "number" then return show.number(value, 14) end
  if kind == "table" and not has_text(value) then return render_table(value, depth, open) end
  local text = tostring(value)
  return depth > 0 and text:gsub("\n", "\n" .. ("  "):rep(depth)) or text
end

--- A value as text. Texts stand as they are on top, quoted inside tables.
return function(value)
  return (render(value, 0, {}))
end

--- HTML as text: everything that is not made here is escaped.
-- @module mapgrad.experiment.report.html
local html = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Bytes that are not UTF-8 would make the file invalid: they become the replacement character.
function html.valid(text)
  if not text:find "[\128-\255]" then return text end
  local parts, at = {}, 1
  while at <= #text do
    local byte = text:byte(at)
    local length = byte < 0x80 and 1 or byte >= 0xC2 and byte < 0xE0 and 2 or byte >= 0xE0 and byte < 0xF0 and 3
      or byte >= 0xF0 and byte < 0xF5 and 4 or 0
    local piece = text:sub(at, at + length - 1)
    if length > 0 and #piece == length and not piece:sub(2):find "[^\128-\191]" then
      parts[#parts + 1], at = piece, at + length
    else
      parts[#parts + 1], at = "\239\191\189", at + 1
    end
  end
  return table.concat(parts)
end

--- A text as HTML, in elements and in attributes.
function html.escape(text)
  return (html.valid(tostring(text)):gsub("[%z\1-\8\11\12\14-\31\127]", " "):gsub("[&<>\"']", entities))
end

--- An element: attributes are escaped, contents are HTML already.
-- @param name        such as "td"
-- @param attributes  name -> text, or nil; written in the order of names
-- @param ...         HTML
function html.element(name, attributes, ...)
  local names, parts = {}, {}
  for key in pairs(attributes or {}) do names[#names + 1] = key end
  table.sort(names)
  for _, key in ipairs(names) do parts[#parts + 1] = (' %s="%s"'):format(key, html.escape(attributes[key])) end
  return ("<%s%s>%s</%s>"):format(name, table.concat(parts), table.concat { ... }, name)
end

--- A number; what is not a number is a dash.
-- @param value     the number
-- @param decimals  digits after the point; nil: four digits that matter
function html.number(value, decimals)
  if type(value) ~= "number" or value ~= value then return "–" end
  if value == math.huge or value == -math.huge then return value > 0 and "∞" or "−∞" end
  local text = decimals and math.abs(value) < 1e7 and ("%." .. decimals .. "f"):format(value) or ("%.4g"):format(value)
  local mantissa, exponent = text:match "^(.-)e([+-]%d+)$"
  if mantissa then text = ("%s·10<sup>%d</sup>"):format(mantissa, tonumber(exponent)) end
  return (text:gsub("%-", "−"))
end

--- A count, its digits in threes.
function html.count(value)
  if type(value) ~= "number" or value ~= value or value >= 2 ^ 53 then return html.number(value) end
  local text = ("%.0f"):format(value)
  while true do
    local count
    text, count = text:gsub("^(%d+)(%d%d%d)", "%1\226\128\175%2") -- a narrow space that does not break
    if count == 0 then return text end
  end
end

return html

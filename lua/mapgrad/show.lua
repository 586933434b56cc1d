--- How shapes, numbers and tensors print.
local show = {}

--- "2x3" of {2, 3}; "scalar" of {}.
function show.shape(shape)
  if #shape == 0 then return "scalar" end
  local parts = {}
  for i, extent in ipairs(shape) do parts[i] = ("%d"):format(extent) end
  return table.concat(parts, "x")
end

--- A number as both interpreters print it: integers plain, nan and inf in small letters.
-- @param value   number
-- @param digits  significant digits (default 5)
function show.number(value, digits)
  if value ~= value then return "nan" end
  if value == math.huge then return "inf" end
  if value == -math.huge then return "-inf" end
  if value == math.floor(value) and math.abs(value) < 1e9 then return ("%d"):format(value) end
  return (("%%.%dg"):format(digits or 5)):format(value)
end

--- The words of a text on lines of at most so many columns.
-- @param indent    begins all lines but the first
-- @param width_of  columns of a text (default: its bytes)
function show.wrap(text, columns, indent, width_of)
  local lines, line = {}, nil
  width_of = width_of or string.len
  for word in text:gmatch "%S+" do
    if line and width_of(line) + 1 + width_of(word) <= columns then
      line = line .. " " .. word
    else
      lines[#lines + 1] = line
      line = line and indent .. word or word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local EDGE = 3 -- entries kept at each end of a long axis

-- The indices of an axis that are printed; 0 stands for the gap.
local function printed(extent, most)
  local list = {}
  for i = 1, extent do
    if extent <= most or i <= EDGE or i > extent - EDGE then
      list[#list + 1] = i
    elseif list[#list] ~= 0 then
      list[#list + 1] = 0
    end
  end
  return list
end

local function pad(text, width)
  return (" "):rep(width - #text) .. text
end

-- Lines of a matrix given by read(row, column).
local function matrix(read, rows, columns, indent)
  local cells, width = {}, 1
  for _, r in ipairs(printed(rows, 12)) do
    local line = {}
    for _, c in ipairs(printed(columns, 12)) do
      local text = (r == 0 or c == 0) and ".." or show.number(read(r, c), 5)
      line[#line + 1], width = text, math.max(width, #text)
    end
    cells[#cells + 1] = line
  end
  local lines = {}
  for i, line in ipairs(cells) do
    for j, text in ipairs(line) do line[j] = pad(text, width) end
    lines[i] = indent .. table.concat(line, "  ")
  end
  return lines
end

--- A tensor as text: a line with its shape, then its entries, long axes shortened.
-- @param shape  list
-- @param get    function (offset from 0) -> number
-- @param note   what else to say in the first line, or nil
function show.tensor(shape, get, note)
  local head = "tensor " .. show.shape(shape) .. (note and (" " .. note) or "")
  local size = 1
  for _, extent in ipairs(shape) do size = size * extent end
  if size == 0 then return head .. " (empty)" end
  if #shape == 0 then return head .. "\n  " .. show.number(get(0), 7) end
  local columns = shape[#shape]
  local rows = #shape >= 2 and shape[#shape - 1] or 1
  local lines, blocks = { head }, size / (rows * columns)
  for _, b in ipairs(printed(blocks, 4)) do
    if #shape > 2 then
      local place, rest = {}, b - 1
      for axis = #shape - 2, 1, -1 do
        table.insert(place, 1, ("%d"):format(rest % shape[axis] + 1))
        rest = math.floor(rest / shape[axis])
      end
      lines[#lines + 1] = b == 0 and " .." or (" [%s]"):format(table.concat(place, ", "))
    end
    local function read(r, c)
      return get(((b - 1) * rows + r - 1) * columns + c - 1)
    end
    if b > 0 then
      for _, line in ipairs(matrix(read, rows, columns, "  ")) do lines[#lines + 1] = line end
    end
  end
  return table.concat(lines, "\n")
end

return show

--- Capital letters for headings in pictures: five rows of three bits, three pixels a bit.
-- @module mapgrad.plot.letters
local letters = {}

local BIT = 3 -- pixels

local shapes = {
  A = { 2, 5, 7, 5, 5 }, B = { 6, 5, 6, 5, 6 }, C = { 3, 4, 4, 4, 3 }, D = { 6, 5, 5, 5, 6 },
  E = { 7, 4, 6, 4, 7 }, F = { 7, 4, 6, 4, 4 }, G = { 3, 4, 5, 5, 3 }, H = { 5, 5, 7, 5, 5 },
  I = { 7, 2, 2, 2, 7 }, J = { 1, 1, 1, 5, 2 }, K = { 5, 5, 6, 5, 5 }, L = { 4, 4, 4, 4, 7 },
  M = { 5, 7, 7, 5, 5 }, N = { 6, 5, 5, 5, 5 }, O = { 2, 5, 5, 5, 2 }, P = { 6, 5, 6, 4, 4 },
  Q = { 2, 5, 5, 6, 3 }, R = { 6, 5, 6, 5, 5 }, S = { 3, 4, 2, 1, 6 }, T = { 7, 2, 2, 2, 2 },
  U = { 5, 5, 5, 5, 7 }, V = { 5, 5, 5, 5, 2 }, W = { 5, 5, 7, 7, 5 }, X = { 5, 5, 2, 5, 5 },
  Y = { 5, 5, 2, 2, 2 }, Z = { 7, 1, 2, 4, 7 },
}

--- Pixels of a line.
letters.HEIGHT = 5 * BIT

--- Pixels of a text.
function letters.width(text)
  return 4 * BIT * #text
end

--- Whether the text covers the pixel (x, y), from its top left corner.
function letters.covers(text, x, y)
  local column, row = math.floor(x / BIT), math.floor(y / BIT)
  if x < 0 or y < 0 or row > 4 then return false end
  local i = math.floor(column / 4) + 1
  local bits = shapes[text:sub(i, i)]
  local bit = column % 4 -- the fourth column is the gap
  return bits ~= nil and bit < 3 and math.floor(bits[row + 1] / 2 ^ (2 - bit)) % 2 == 1
end

return letters

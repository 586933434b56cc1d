--- Counts and lists as people write them.
-- @module mapgrad.experiment.words
local words = {}

--- "1 run", "2 runs".
function words.plural(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

--- "a, b and c"; of lists of more than most + 1 (default 4) names the others as a number.
function words.listing(names, most, last_comma)
  local shown, count = {}, #names
  most = most or 4
  for i = 1, math.min(count, count > most + 1 and most or count) do shown[i] = names[i] end
  if count > #shown then return ("%s and %d others"):format(table.concat(shown, ", "), count - #shown) end
  if count < 2 then return shown[1] or "" end
  local last = table.remove(shown)
  return ("%s%s %s"):format(table.concat(shown, ", "), last_comma or " and", last)
end

--- How wide a text is: characters of UTF-8, not bytes.
function words.width(text)
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

--- A text without control characters: they would move the cursor.
function words.clean(text) return (text:gsub("%c", "?")) end

return words

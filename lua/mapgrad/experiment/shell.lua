--- Words for a shell.
-- @module mapgrad.experiment.shell
local shell = {}

--- A word as a shell reads it: in quotes where it needs them.
function shell.quote(word)
  if word:find "^[%w_./=,:@%%+-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A list of words as a line.
function shell.line(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = shell.quote(word) end
  return table.concat(quoted, " ")
end

return shell

--- Reading Lua files that a user names: as text, never as bytecode.
-- @module mapgrad.experiment.source
local compat = require "mapgrad.compat"

local source = {}

local ESCAPE = "\27" -- the first byte of compiled Lua

--- Compiles a Lua text file; a line starting with # at its head is skipped.
-- @tparam string path
-- @treturn function the chunk; or nil, message, and "missing" if the file cannot be opened
function source.load_text(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message, "missing" end
  local text, reason = file:read("*a")
  file:close()
  if not text then return nil, ("%s: %s"):format(path, reason), "missing" end
  if text:sub(1, 1) == ESCAPE then
    return nil, ("%s is compiled Lua; only text files are run"):format(path)
  end
  text = text:gsub("^#[^\n]*", "")
  return compat.load(text, "@" .. path)
end

return source

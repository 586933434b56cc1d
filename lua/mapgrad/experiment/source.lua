--- Reading Lua files that a user names: as text, never as bytecode.
-- @module mapgrad.experiment.source
local compat = require "mapgrad.compat"

local source = {}

local ESCAPE = "\27" -- the first byte of compiled Lua

--- The text of a file.
-- @return text; or nil, message, and "missing" if the file cannot be read
function source.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message, "missing" end
  local text, reason = file:read "*a"
  file:close()
  if not text then return nil, ("%s: %s"):format(path, reason), "missing" end
  return text
end

--- Compiles a Lua text; a line starting with # at its head is skipped.
-- @param text  source
-- @param path  its file, for messages
-- @param scope table of its globals (default: the usual ones)
-- @treturn function the chunk; or nil, message
function source.compile(text, path, scope)
  if text:sub(1, 1) == ESCAPE then
    return nil, ("%s is compiled Lua; only text files are run"):format(path)
  end
  return compat.load((text:gsub("^#[^\n]*", "")), "@" .. path, scope)
end

return source

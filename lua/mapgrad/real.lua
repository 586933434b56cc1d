--- The C module in use: built for float, or for double when MAPGRAD_REAL is "double".
local name = os.getenv("MAPGRAD_REAL") == "double" and "mapgrad.core_double" or "mapgrad.core"
local core = require(name)

-- Errors point at the first line outside of this folder.
local source = debug.getinfo(1, "S").source
core.root(source:match("^@(.*[/\\])real%.lua$") or "")

return core

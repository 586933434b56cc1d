--- What differs between Lua 5.4 and LuaJIT. The only Lua file that knows which one this is.
local compat = {}

--- Whether this is LuaJIT.
compat.is_luajit = type(rawget(_G, "jit")) == "table"

--- The interpreter's name and version, such as "Lua 5.4" or "LuaJIT 2.1".
compat.name = compat.is_luajit and _G.jit.version:match("^LuaJIT %d+%.%d+") or _VERSION

--- Whether a number is of the integer subtype that Lua 5.4 has.
function compat.is_integer(value)
  return math.type ~= nil and math.type(value) == "integer"
end

--- unpack(list, first, last) of both.
compat.unpack = table.unpack or _G.unpack

--- The arguments as a list with their number in field n.
function compat.pack(...)
  return { n = select("#", ...), ... }
end

--- Compiles text (never bytecode).
-- @param text   source
-- @param name   chunk name, "@path" or "=name"
-- @param scope  table of globals (default _G)
-- @return the function, or nil and the message
function compat.load(text, name, scope)
  return load(text, name, "t", scope or _G)
end

--- Stops the compiler for a function and those inside it, so that its loops can be interrupted.
function compat.interpret(f)
  if compat.is_luajit then _G.jit.off(f, true) end
  return f
end

return compat

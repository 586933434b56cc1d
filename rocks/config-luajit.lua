-- LuaRocks for LuaJIT with Debian's Lua modules in place of downloads. Without these variables LuaRocks
-- takes the headers and the interpreter of Lua 5.1.
rocks_provided = { luafilesystem = "1.8.0-1", argparse = "0.7.1-1" }
lua_interpreter = "luajit"
variables = {
  LUA = "/usr/bin/luajit",
  LUA_INCDIR = "/usr/include/luajit-2.1",
  LUA_LIBDIR = "/usr/lib/x86_64-linux-gnu",
}

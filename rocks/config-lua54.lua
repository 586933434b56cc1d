-- LuaRocks for Lua 5.4 with Debian's Lua modules in place of downloads.
rocks_provided = { luafilesystem = "1.8.0-1", argparse = "0.7.1-1" }

/* The only C file that knows which Lua this is: what Lua 5.4 has and LuaJIT lacks, or names otherwise. */
#ifndef LUA_COMPAT_H
#define LUA_COMPAT_H
#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502
static inline size_t lua_rawlen(lua_State *L, int index) { return lua_objlen(L, index); }
static inline void *compat_new_userdata(lua_State *L, size_t bytes) {
  return lua_newuserdata(L, bytes);
}
/* LuaJIT has one hook for all coroutines. */
static inline lua_State *compat_main_state(lua_State *L) { return L; }
#else
static inline void *compat_new_userdata(lua_State *L, size_t bytes) {
  return lua_newuserdatauv(L, bytes, 0);
}
/* The state whose hook the stock interpreter's Ctrl-C handler sets. */
static inline lua_State *compat_main_state(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *state = lua_tothread(L, -1);
  lua_pop(L, 1);
  return state;
}
#endif

#endif

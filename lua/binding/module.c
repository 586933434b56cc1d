/* The module: its state, errors placed at the script's line, arguments, and the list of its parts. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "binding.h"

static const char KEY = 0; /* its address names the state in the registry */

state *state_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

void open_functions(lua_State *L, const luaL_Reg *functions) {
  lua_pushlightuserdata(L, (void *)&KEY);
  lua_rawget(L, LUA_REGISTRYINDEX);
  luaL_setfuncs(L, functions, 1);
}

void open_type(lua_State *L, const char *name, lua_CFunction release) {
  if (luaL_newmetatable(L, name)) {
    const luaL_Reg methods[] = {{"__gc", release}, {NULL, NULL}};
    if (release) open_functions(L, methods);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
}

void open_names(lua_State *L, const char *field, const char *const *names, int count) {
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    lua_pushinteger(L, i);
    lua_setfield(L, -2, names[i]);
  }
  lua_setfield(L, -2, field);
}

/* Ctrl-C under the stock interpreters sets a hook on the main state: one that was not there when the
 * call began means stop. */
static int poll_hook(void *pointer) {
  const state *S = pointer;
  return lua_gethook(S->main) != S->hook;
}

/* Coroutines of Lua 5.4 do not run the main state's hook: a Ctrl-C that came between two calls shows
 * only in that this hook is new, and of the interpreter's form. */
static int came_between(lua_State *L, const state *S) {
  int all = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
  return L != S->main && lua_gethook(S->main) != S->hook && lua_gethookmask(S->main) == all &&
         lua_gethookcount(S->main) == 1;
}

void call_begin(lua_State *L, state *S) {
  if (!came_between(L, S)) {
    S->hook = lua_gethook(S->main);
    S->hook_mask = lua_gethookmask(S->main);
    S->hook_count = lua_gethookcount(S->main);
  }
  mg_interrupt_poll(poll_hook, S);
}

static const char *code_of(mg_status status) {
  switch (status) {
    case MG_BAD_ARGUMENT: return "MG-ARGUMENT";
    case MG_BAD_SHAPE: return "MG-SHAPE";
    case MG_NO_SOLUTION: return "MG-NO-SOLUTION";
    case MG_NO_MEMORY: return "MG-MEMORY";
    case MG_BAD_FILE: return "MG-FILE";
    case MG_INTERRUPTED: return "MG-INTERRUPTED";
    case MG_OK: break;
  }
  return "MG-BUG";
}

/* Whether a function is one of ours (C, or a Lua file below the root). */
static int is_ours(const state *S, const lua_Debug *ar) {
  if (strcmp(ar->what, "C") == 0 || ar->currentline < 0) return 1;
  size_t length = strlen(S->root);
  return length > 0 && ar->source[0] == '@' && strncmp(ar->source + 1, S->root, length) == 0;
}

/* Pushes "file:line: " of the innermost function that is not ours, or "". */
static void push_place(lua_State *L, const state *S) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || is_ours(S, &ar)) continue;
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

/* Raises the text on top of the stack. */
static int raise_text(lua_State *L, const char *code) {
  lua_pushlightuserdata(L, (void *)&KEY);
  lua_rawget(L, LUA_REGISTRYINDEX);
  push_place(L, lua_touserdata(L, -1));
  lua_insert(L, -3);
  lua_pop(L, 1); /* the state */
  lua_pushfstring(L, " [%s]", code);
  lua_concat(L, 3);
  return lua_error(L);
}

int raise_message(lua_State *L, const char *code, const char *format, ...) {
  char text[512];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  lua_pushstring(L, text);
  return raise_text(L, code);
}

int raise_failure(lua_State *L) {
  mg_status status = mg_last_status();
  if (status == MG_INTERRUPTED) {
    lua_pushlightuserdata(L, (void *)&KEY);
    lua_rawget(L, LUA_REGISTRYINDEX);
    const state *S = lua_touserdata(L, -1);
    lua_sethook(S->main, S->hook, S->hook_mask, S->hook_count);
    mg_interrupt_set(0);
    mg_time_limit_set(0);
    lua_pop(L, 1);
  }
  lua_pushstring(L, mg_message());
  return raise_text(L, code_of(status));
}

static void expect_type(lua_State *L, int index, int type, const char *expected) {
  if (lua_type(L, index) != type)
    raise_message(L, "MG-TYPE", "expected %s, got %s", expected, luaL_typename(L, index));
}

double check_number(lua_State *L, int index) {
  expect_type(L, index, LUA_TNUMBER, "a number");
  return (double)lua_tonumber(L, index);
}

const char *check_bytes(lua_State *L, int index, size_t *length) {
  expect_type(L, index, LUA_TSTRING, "a text");
  return lua_tolstring(L, index, length);
}

const char *check_text(lua_State *L, int index) {
  size_t length;
  const char *text = check_bytes(L, index, &length);
  if (strlen(text) != length)
    raise_message(L, "MG-ARGUMENT", "the text '%.40s' has a zero byte", text);
  return text;
}

void check_list(lua_State *L, int index) { expect_type(L, index, LUA_TTABLE, "a table"); }

int check_status(lua_State *L, mg_status status) {
  return status == MG_OK ? 0 : raise_failure(L);
}

int64_t check_integer(lua_State *L, int index) {
  expect_type(L, index, LUA_TNUMBER, "an integer");
  lua_Number value = lua_tonumber(L, index);
  if (value != floor(value) || fabs(value) > 0x1p53)
    return raise_message(L, "MG-ARGUMENT", "expected an integer, got %.17g", (double)value);
  return (int64_t)value;
}

int check_int(lua_State *L, int index) {
  int64_t value = check_integer(L, index);
  if (value < -(1 << 30) || value > 1 << 30)
    return raise_message(L, "MG-ARGUMENT", "%.17g is too large", (double)value);
  return (int)value;
}

void check_ints(lua_State *L, int index, int count, int *values) {
  check_list(L, index);
  if (lua_rawlen(L, index) != (size_t)count)
    raise_message(L, "MG-SHAPE", "expected %d numbers, got %d", count, (int)lua_rawlen(L, index));
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, index, i + 1);
    values[i] = check_int(L, -1);
    lua_pop(L, 1);
  }
}

int check_shape(lua_State *L, int index, int64_t *shape) {
  check_list(L, index);
  int axes = (int)lua_rawlen(L, index);
  if (axes > MG_MAX_AXES)
    return raise_message(L, "MG-SHAPE", "a shape of %d axes, expected at most %d", axes, MG_MAX_AXES);
  for (int i = 0; i < axes; i++) {
    lua_rawgeti(L, index, i + 1);
    shape[i] = check_integer(L, -1);
    lua_pop(L, 1);
  }
  return axes;
}

mg_draw check_draw(lua_State *L, int index) {
  mg_draw draw = {.seed = (uint64_t)check_integer(L, index),
                  .stream = mg_stream(check_text(L, index + 1)),
                  .index = (uint64_t)check_integer(L, index + 2)};
  return draw;
}

/* fail(code, message): raises at the script's line */
static int lua_fail(lua_State *L) {
  const char *code = check_text(L, 1);
  lua_pushvalue(L, 2);
  check_text(L, -1);
  return raise_text(L, code);
}

/* place(): "file:line: " of the script */
static int place(lua_State *L) {
  push_place(L, state_of(L));
  return 1;
}

/* root(folder): where the Lua modules lie */
static int set_root(lua_State *L) {
  state *S = state_of(L);
  snprintf(S->root, sizeof S->root, "%s", check_text(L, 1));
  return 0;
}

/* The state of this Lua state, made at the first call. */
static state *open_state(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&KEY);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_isnil(L, -1)) {
    lua_pushlightuserdata(L, (void *)&KEY);
    state *S = compat_new_userdata(L, sizeof *S);
    memset(S, 0, sizeof *S);
    S->main = compat_main_state(L);
    lua_pushthread(L); /* on LuaJIT `main` is L, maybe a coroutine: it stays */
    luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawset(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, (void *)&KEY);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_replace(L, -2);
  }
  state *S = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return S;
}

static int open_module(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"fail", lua_fail}, {"place", place}, {"root", set_root}, {NULL, NULL}};
  state *S = open_state(L);
  lua_newtable(L);
  open_functions(L, functions);
  open_handles(L, S);
  open_ops(L);
  open_index_ops(L);
  open_image_ops(L);
  open_losses(L);
  open_updates(L);
  open_reduce_ops(L);
  open_sort_ops(L);
  open_random(L);
  open_solvers(L);
  open_estimators(L);
  open_laws(L);
  open_data(L);
  open_json(L);
  open_stores(L);
  open_system(L);
  open_processes(L);
  open_line_edit(L);
  return 1;
}

#ifdef MG_DOUBLE
int luaopen_mapgrad_core_double(lua_State *L);
int luaopen_mapgrad_core_double(lua_State *L) { return open_module(L); }
#else
int luaopen_mapgrad_core(lua_State *L);
int luaopen_mapgrad_core(lua_State *L) { return open_module(L); }
#endif

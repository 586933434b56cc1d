/* Tensor handles: making, freeing, scopes, and the pressure that tells the collector of native bytes. */
#include <string.h>

#include "binding.h"

#ifdef MG_DOUBLE
static const char *const TYPE = "mapgrad.handle.double";
#else
static const char *const TYPE = "mapgrad.handle";
#endif
static const char BRAND;

/* The handle at a stack index, or NULL. Quicker than a look at the metatable, which is found by name. */
static handle *test_handle(lua_State *L, int index) {
  handle *h = lua_touserdata(L, index);
  return h && lua_rawlen(L, index) >= sizeof *h && h->brand == &BRAND ? h : NULL;
}

static handle *check_handle(lua_State *L, int index) {
  handle *h = test_handle(L, index);
  if (!h) raise_message(L, "MG-TYPE", "expected a tensor, got %s", luaL_typename(L, index));
  return h;
}

static int64_t largest(int64_t a, int64_t b) { return a > b ? a : b; }

/* A full collection when the bytes made since the last one pass max(16 MiB, half of what was live
 * after it): the peak stays within 1.5 times of what is in use. Not from the count of live bytes now:
 * that holds the garbage, and the limit would run ahead of the debt. */
static void pressure(lua_State *L, state *S) {
  if (S->debt <= largest(16 << 20, S->base / 2)) return;
  lua_gc(L, LUA_GCCOLLECT, 0);
  S->collections++;
  S->base = S->live;
  S->debt = 0;
}

static void unlist(state *S, handle *h) {
  if (!h->listed) return;
  if (h->newer) h->newer->older = h->older;
  else S->newest = h->older;
  if (h->older) h->older->newer = h->newer;
  h->listed = 0;
}

handle *handle_new(lua_State *L, state *S) {
  call_begin(L, S);
  pressure(L, S);
  handle *h = compat_new_userdata(L, sizeof *h);
  memset(h, 0, sizeof *h);
  h->brand = &BRAND;
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->metatable);
  lua_setmetatable(L, -2);
  h->sequence = ++S->sequence;
  h->older = S->newest;
  if (S->newest) S->newest->newer = h;
  S->newest = h;
  h->listed = 1;
  return h;
}

int handle_again(lua_State *L, handle *h, int *attempts) {
  if (h->tensor || mg_last_status() != MG_NO_MEMORY || (*attempts)++) return 0;
  lua_gc(L, LUA_GCCOLLECT, 0);
  mg_memory_trim();
  return 1;
}

int handle_done(lua_State *L, state *S, handle *h) {
  if (!h->tensor) return raise_failure(L);
  int64_t bytes = mg_tensor_bytes(h->tensor);
  S->live += bytes;
  S->debt += bytes + (int64_t)sizeof *h;
  return 1;
}

handle *handle_of_shape(lua_State *L, int index) {
  int64_t shape[MG_MAX_AXES];
  int axes = check_shape(L, index, shape), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  do h->tensor = mg_tensor_new(shape, axes);
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  return h;
}

void handle_free(state *S, handle *h) {
  unlist(S, h);
  if (!h->tensor) return;
  S->live -= mg_tensor_bytes(h->tensor);
  mg_tensor_free(h->tensor);
  h->tensor = NULL;
  if (S->live < S->base) S->base = S->live; /* less is in use than after the last collection */
}

mg_tensor *check_tensor(lua_State *L, int index) {
  handle *h = check_handle(L, index);
  if (!h->tensor)
    raise_message(L, "MG-FREED", "this tensor was freed (by free or by the end of its scope; return "
                                 "it from the scope or tensor.keep it)");
  return h->tensor;
}

mg_tensor *optional_tensor(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : check_tensor(L, index);
}

static int tensor_new(lua_State *L) {
  handle_of_shape(L, 1);
  return 1;
}

static int reshape(lua_State *L) {
  int64_t shape[MG_MAX_AXES];
  int axes = check_shape(L, 2, shape);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *t = check_tensor(L, 1); /* making the handle may collect, and a finalizer free it */
  h->tensor = mg_tensor_reshape(t, shape, axes);
  return handle_done(L, S, h);
}

/* rows(h, first, count), first from 0 */
static int rows(lua_State *L) {
  int64_t first = check_integer(L, 2), count = check_integer(L, 3);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *t = check_tensor(L, 1);
  h->tensor = mg_tensor_rows(t, first, count);
  return handle_done(L, S, h);
}

static int free_tensor(lua_State *L) {
  handle *h = check_handle(L, 1);
  handle_free(state_of(L), h);
  return 0;
}

/* free_made(h, mark): frees a tensor made since the mark that is still of its scope */
static int free_made(lua_State *L) {
  handle *h = check_handle(L, 1);
  if (h->listed && h->sequence > check_number(L, 2)) handle_free(state_of(L), h);
  return 0;
}

/* has_shape_of(h, g): whether two tensors have the same shape */
static int has_shape_of(lua_State *L) {
  mg_tensor *a = check_tensor(L, 1), *b = check_tensor(L, 2);
  int axes = mg_tensor_axes(a), same = axes == mg_tensor_axes(b);
  for (int i = 0; same && i < axes; i++) same = mg_tensor_shape(a)[i] == mg_tensor_shape(b)[i];
  lua_pushboolean(L, same);
  return 1;
}

static int is_alive(lua_State *L) {
  handle *h = test_handle(L, 1);
  lua_pushboolean(L, h && h->tensor);
  return 1;
}

static int shape(lua_State *L) {
  mg_tensor *t = check_tensor(L, 1);
  int axes = mg_tensor_axes(t);
  const int64_t *extents = mg_tensor_shape(t);
  lua_createtable(L, axes, 0);
  for (int i = 0; i < axes; i++) {
    lua_pushinteger(L, (lua_Integer)extents[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int axes(lua_State *L) {
  lua_pushinteger(L, mg_tensor_axes(check_tensor(L, 1)));
  return 1;
}

/* extent(h, axis), axis from 0 */
static int extent(lua_State *L) {
  mg_tensor *t = check_tensor(L, 1);
  int axis = check_int(L, 2);
  if (axis < 0 || axis >= mg_tensor_axes(t))
    return raise_message(L, "MG-SHAPE", "size: axis %d of a tensor with %d axes", axis + 1,
                         mg_tensor_axes(t));
  lua_pushinteger(L, (lua_Integer)mg_tensor_shape(t)[axis]);
  return 1;
}

static int size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mg_tensor_size(check_tensor(L, 1)));
  return 1;
}

static int64_t check_offset(lua_State *L, int index, mg_tensor *t) {
  int64_t offset = check_integer(L, index);
  if (offset < 0 || offset >= mg_tensor_size(t))
    raise_message(L, "MG-INDEX", "entry %.0f of %.0f is out of range", (double)offset + 1,
                  (double)mg_tensor_size(t));
  return offset;
}

static int get(lua_State *L) {
  mg_tensor *t = check_tensor(L, 1);
  lua_pushnumber(L, (lua_Number)mg_tensor_data(t)[check_offset(L, 2, t)]);
  return 1;
}

static int set(lua_State *L) {
  mg_tensor *t = check_tensor(L, 1);
  int64_t offset = check_offset(L, 2, t);
  mg_tensor_data(t)[offset] = (mg_real)check_number(L, 3);
  return 0;
}

/* write(h, offset, list): the numbers of a list into consecutive entries */
static int write_list(lua_State *L) {
  mg_tensor *t = check_tensor(L, 1);
  int64_t offset = check_integer(L, 2);
  check_list(L, 3);
  int64_t count = (int64_t)lua_rawlen(L, 3);
  if (offset < 0 || count > mg_tensor_size(t) - offset)
    return raise_message(L, "MG-SHAPE", "a list of %.0f numbers for a tensor of %.0f entries",
                         (double)count, (double)mg_tensor_size(t));
  mg_real *data = mg_tensor_data(t) + offset;
  for (int64_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)(i + 1));
    if (lua_type(L, -1) != LUA_TNUMBER)
      return raise_message(L, "MG-TYPE", "entry %d of the list is a %s, expected a number",
                           (int)(i + 1), luaL_typename(L, -1));
    data[i] = (mg_real)lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return 0;
}

/* read(h, offset, count) -> list */
static int read_list(lua_State *L) {
  mg_tensor *t = check_tensor(L, 1);
  int64_t offset = check_integer(L, 2), count = check_integer(L, 3);
  if (offset < 0 || count < 0 || count > mg_tensor_size(t) - offset)
    return raise_message(L, "MG-INDEX", "%.0f entries from entry %.0f on, there are %.0f", (double)count,
                         (double)offset + 1, (double)mg_tensor_size(t));
  lua_createtable(L, (int)count, 0); /* may collect, and a finalizer free the tensor */
  t = check_tensor(L, 1);
  for (int64_t i = 0; i < count; i++) {
    lua_pushnumber(L, (lua_Number)mg_tensor_data(t)[offset + i]);
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* scope_begin() -> mark: handles made from now on are of the scope */
static int scope_begin(lua_State *L) {
  lua_pushnumber(L, state_of(L)->sequence);
  return 1;
}

/* scope_end(mark, list): frees the tensors made since the mark but for those in the list */
static int scope_end(lua_State *L) {
  state *S = state_of(L);
  double mark = check_number(L, 1);
  check_list(L, 2);
  int count = (int)lua_rawlen(L, 2);
  for (int spare = 1; spare >= 0; spare--) {
    for (int i = 1; i <= count; i++) {
      lua_rawgeti(L, 2, i);
      handle *h = test_handle(L, -1);
      if (h) h->spared = spare;
      lua_pop(L, 1);
    }
    if (!spare) break;
    for (handle *h = S->newest, *older; h && h->sequence > mark; h = older) {
      older = h->older;
      if (!h->spared) handle_free(S, h);
    }
  }
  return 0;
}

/* keep(h): no scope frees it */
static int keep(lua_State *L) {
  unlist(state_of(L), check_handle(L, 1));
  return 0;
}

/* call(f, ...) -> as pcall. A yield inside is an error: what f changed for a while is always put back. */
static int protected_call(lua_State *L) {
  if (lua_gettop(L) < 1) return raise_message(L, "MG-TYPE", "expected a function to call");
  int failed = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0) != 0;
  luaL_checkstack(L, 1, "too many results");
  lua_pushboolean(L, !failed);
  lua_insert(L, 1);
  return lua_gettop(L);
}

/* address(h): pointer to the entries, as a light userdata */
static int address(lua_State *L) {
  lua_pushlightuserdata(L, mg_tensor_data(check_tensor(L, 1)));
  return 1;
}

static void field(lua_State *L, const char *name, int64_t value) {
  lua_pushnumber(L, (lua_Number)value);
  lua_setfield(L, -2, name);
}

/* memory() -> {live, peak, cached, allocations of the process; tensors, collections of this state} */
static int memory(lua_State *L) {
  state *S = state_of(L);
  mg_memory m;
  mg_memory_read(&m);
  lua_createtable(L, 0, 6);
  field(L, "live", m.live);
  field(L, "peak", m.peak);
  field(L, "cached", m.cached);
  field(L, "allocations", m.allocations);
  field(L, "tensors", S->live);
  field(L, "collections", S->collections);
  return 1;
}

static int memory_trim(lua_State *L) {
  (void)L;
  mg_memory_trim();
  return 0;
}

static int memory_reset_peak(lua_State *L) {
  (void)L;
  mg_memory_reset_peak();
  return 0;
}

static int memory_cache_set(lua_State *L) {
  mg_memory_cache_set(check_integer(L, 1));
  return 0;
}

static int memory_fail(lua_State *L) {
  mg_memory_fail(check_integer(L, 1), check_integer(L, 2));
  return 0;
}

void open_handles(lua_State *L, state *S) {
  static const luaL_Reg functions[] = {{"new", tensor_new},
                                       {"reshape", reshape},
                                       {"rows", rows},
                                       {"free", free_tensor},
                                       {"free_made", free_made},
                                       {"has_shape_of", has_shape_of},
                                       {"is_alive", is_alive},
                                       {"shape", shape},
                                       {"axes", axes},
                                       {"extent", extent},
                                       {"size", size},
                                       {"get", get},
                                       {"set", set},
                                       {"write", write_list},
                                       {"read", read_list},
                                       {"scope_begin", scope_begin},
                                       {"scope_end", scope_end},
                                       {"keep", keep},
                                       {"call", protected_call},
                                       {"address", address},
                                       {"memory", memory},
                                       {"memory_trim", memory_trim},
                                       {"memory_reset_peak", memory_reset_peak},
                                       {"memory_cache_set", memory_cache_set},
                                       {"memory_fail", memory_fail},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"__gc", free_tensor}, {"__close", free_tensor}, {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE)) {
    open_functions(L, methods);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  S->metatable = luaL_ref(L, LUA_REGISTRYINDEX);
  open_functions(L, functions);
}

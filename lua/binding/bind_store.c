/* Safetensors files: opened as a userdata, read tensor by tensor, written whole. */
#include <string.h>

#include "binding.h"

static const char *const STORE = "mapgrad.store";

typedef struct store_box {
  mg_store *store; /* NULL once closed */
} store_box;

static mg_store *check_store(lua_State *L, int index) {
  store_box *box = luaL_checkudata(L, index, STORE);
  if (!box->store) raise_message(L, "MG-FREED", "this file was closed");
  return box->store;
}

/* store_close(s); harmless when done */
static int store_close(lua_State *L) {
  store_box *box = luaL_checkudata(L, 1, STORE);
  mg_store_free(box->store);
  box->store = NULL;
  return 0;
}

/* store_open(path) -> s, or nil, message */
static int store_open(lua_State *L) {
  const char *path = check_text(L, 1);
  store_box *box = compat_new_userdata(L, sizeof *box);
  box->store = NULL;
  luaL_getmetatable(L, STORE);
  lua_setmetatable(L, -2);
  call_begin(L, state_of(L));
  box->store = mg_store_open(path);
  return box->store ? 1 : file_failure(L);
}

static void push_shape(lua_State *L, const int64_t *shape, int axes) {
  lua_createtable(L, axes, 0);
  for (int i = 0; i < axes; i++) {
    lua_pushinteger(L, (lua_Integer)shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

/* store_list(s) -> list of {name=, type=, shape=} in the order of the data */
static int store_list(lua_State *L) {
  const mg_store *s = check_store(L, 1);
  int64_t count = mg_store_count(s);
  lua_newtable(L);
  for (int64_t i = 0; i < count; i++) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, mg_store_name(s, i));
    lua_setfield(L, -2, "name");
    lua_pushstring(L, mg_store_type(s, i));
    lua_setfield(L, -2, "type");
    push_shape(L, mg_store_shape(s, i), mg_store_axes(s, i));
    lua_setfield(L, -2, "shape");
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* store_metadata(s) -> table of texts */
static int store_metadata(lua_State *L) {
  const mg_json *v = mg_store_metadata(check_store(L, 1));
  lua_newtable(L);
  for (const char *key = v ? mg_json_next(v, NULL) : NULL; key; key = mg_json_next(v, key)) {
    int64_t length = 0;
    const char *text = mg_json_text(mg_json_field(v, key), &length);
    lua_pushstring(L, key);
    lua_pushlstring(L, text, (size_t)length);
    lua_rawset(L, -3);
  }
  return 1;
}

/* store_read(s, index from 1) -> handle, or nil, message */
static int store_read(lua_State *L) {
  mg_store *s = check_store(L, 1);
  int64_t index = check_integer(L, 2) - 1;
  if (index < 0 || index >= mg_store_count(s))
    return raise_message(L, "MG-INDEX", "store_read: there is no tensor %.0f", (double)index + 1);
  state *S = state_of(L);
  int attempts = 0;
  handle *h = handle_new(L, S);
  s = check_store(L, 1); /* making the handle may collect, and a finalizer close the file */
  do h->tensor = mg_tensor_new(mg_store_shape(s, index), mg_store_axes(s, index));
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  if (mg_store_read(check_store(L, 1), index, mg_tensor_data(h->tensor)) == MG_OK) return 1;
  handle_free(S, h);
  return file_failure(L);
}

/* store_verify(s) -> true, or nil, message */
static int store_verify(lua_State *L) {
  mg_store *s = check_store(L, 1);
  call_begin(L, state_of(L));
  return file_done(L, mg_store_verify(s));
}

/* The text at the top of the stack, which a table keeps alive. */
static const char *pop_name(lua_State *L) {
  const char *name = check_text(L, -1);
  lua_pop(L, 1);
  return name;
}

/* store_write(path, names, handles, type or nil, metadata, checksum) -> true, or nil, message.
 * metadata: list key, text, key, text, ... */
static int store_write(lua_State *L) {
  const char *path = check_text(L, 1);
  const char *type = lua_isnoneornil(L, 4) ? NULL : check_text(L, 4);
  for (int i = 2; i <= 5; i++)
    if (i != 4) check_list(L, i);
  int checksum = lua_toboolean(L, 6);
  size_t count = lua_rawlen(L, 2), texts = lua_rawlen(L, 5);
  if (texts % 2 != 0) return raise_message(L, "MG-ARGUMENT", "store_write: a key without a text");
  mg_store_part *parts = compat_new_userdata(L, count * sizeof *parts + 1);
  const char **metadata = compat_new_userdata(L, (texts + 1) * sizeof *metadata);
  for (size_t i = 0; i < texts; i++) {
    lua_rawgeti(L, 5, (int)i + 1);
    metadata[i] = pop_name(L);
  }
  metadata[texts] = NULL;
  for (size_t i = 0; i < count; i++) { /* makes nothing: no finalizer can free a tensor meanwhile */
    lua_rawgeti(L, 2, (int)i + 1);
    const char *name = pop_name(L);
    lua_rawgeti(L, 3, (int)i + 1);
    const mg_tensor *t = check_tensor(L, -1);
    lua_pop(L, 1);
    parts[i] = (mg_store_part){name, mg_tensor_data((mg_tensor *)t), mg_tensor_shape(t),
                               mg_tensor_axes(t)};
  }
  call_begin(L, state_of(L));
  return file_done(L, mg_store_write(path, parts, (int64_t)count, type, metadata, checksum));
}

void open_stores(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"store_open", store_open},         {"store_list", store_list},
      {"store_metadata", store_metadata}, {"store_read", store_read},
      {"store_verify", store_verify},     {"store_write", store_write},
      {"store_close", store_close},       {NULL, NULL}};
  open_type(L, STORE, store_close);
  open_functions(L, functions);
}

/* Files: readers and writers answer nil, message when the outside world is at fault. */
#include <string.h>

#include "binding.h"

static const char *const ARRAY = "mapgrad.array";

static int array_free(lua_State *L) {
  array_box *box = luaL_checkudata(L, 1, ARRAY);
  mg_array_free(box->array);
  box->array = NULL;
  return 0;
}

array_box *array_box_new(lua_State *L) {
  array_box *box = compat_new_userdata(L, sizeof *box);
  box->array = NULL;
  luaL_getmetatable(L, ARRAY);
  lua_setmetatable(L, -2);
  return box;
}

int file_failure(lua_State *L) {
  if (mg_last_status() != MG_BAD_FILE) return raise_failure(L);
  lua_pushnil(L);
  lua_pushstring(L, mg_message());
  return 2;
}

int file_done(lua_State *L, mg_status status) {
  if (status != MG_OK) return file_failure(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* Pushes the box's array as a tensor and drops it, so that the file's bytes do not wait for the
 * collector. */
static int push_array(lua_State *L, array_box *box) {
  state *S = state_of(L);
  int attempts = 0;
  handle *h = handle_new(L, S);
  do h->tensor = mg_tensor_new(mg_array_shape(box->array), mg_array_axes(box->array));
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  mg_status status = mg_array_copy(box->array, mg_tensor_data(h->tensor));
  mg_array_free(box->array);
  box->array = NULL;
  return status == MG_OK ? 1 : raise_failure(L);
}

int array_box_push_text(lua_State *L, array_box *box) {
  lua_pushlstring(L, mg_array_bytes(box->array), (size_t)mg_array_shape(box->array)[0]);
  mg_array_free(box->array);
  box->array = NULL;
  return 1;
}

static int read_array(lua_State *L, mg_array *(*read)(const char *)) {
  const char *path = check_text(L, 1);
  array_box *box = array_box_new(L);
  call_begin(L, state_of(L));
  box->array = read(path);
  return box->array ? push_array(L, box) : file_failure(L);
}

/* npy_read(path) -> handle, or nil, message */
static int npy_read(lua_State *L) { return read_array(L, mg_npy_read); }

static int png_read(lua_State *L) { return read_array(L, mg_png_read); }

/* file_read(path, limit) -> text, or nil, message */
static int file_read(lua_State *L) {
  const char *path = check_text(L, 1);
  int64_t limit = check_integer(L, 2);
  array_box *box = array_box_new(L);
  call_begin(L, state_of(L));
  box->array = mg_file_read(path, limit);
  return box->array ? array_box_push_text(L, box) : file_failure(L);
}

/* npy_write(path, h, type) -> true, or nil, message */
static int npy_write(lua_State *L) {
  const char *path = check_text(L, 1), *type = lua_isnoneornil(L, 3) ? "f4" : check_text(L, 3);
  mg_tensor *t = check_tensor(L, 2);
  call_begin(L, state_of(L));
  return file_done(L, mg_npy_write(path, mg_tensor_data(t), mg_tensor_shape(t), mg_tensor_axes(t),
                                   type));
}

/* png_write(path, h [height, width, channels]) -> true, or nil, message */
static int png_write(lua_State *L) {
  const char *path = check_text(L, 1);
  mg_tensor *t = check_tensor(L, 2);
  if (mg_tensor_axes(t) != 3)
    return raise_message(L, "MG-SHAPE", "png_write: %d axes, expected height, width, channels",
                         mg_tensor_axes(t));
  const int64_t *shape = mg_tensor_shape(t);
  call_begin(L, state_of(L));
  return file_done(L, mg_png_write(path, mg_tensor_data(t), shape[0], shape[1], shape[2]));
}

/* file_write(path, text) -> true, or nil, message */
static int file_write(lua_State *L) {
  const char *path = check_text(L, 1), *text = check_text(L, 2);
  size_t length = lua_rawlen(L, 2);
  call_begin(L, state_of(L));
  return file_done(L, mg_file_write(path, text, (int64_t)length));
}

void open_data(lua_State *L) {
  static const luaL_Reg functions[] = {{"npy_read", npy_read},     {"npy_write", npy_write},
                                       {"png_read", png_read},     {"png_write", png_write},
                                       {"file_read", file_read},   {"file_write", file_write},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"__gc", array_free}, {NULL, NULL}};
  if (luaL_newmetatable(L, ARRAY)) {
    open_functions(L, methods);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
  open_functions(L, functions);
}

/* Files: readers and writers answer nil, message when the outside world is at fault. */
#include <string.h>

#include "binding.h"

static const char *const ARRAY = "mapgrad.array";

typedef struct array_box {
  mg_array *array;
} array_box;

static int array_free(lua_State *L) {
  array_box *box = luaL_checkudata(L, 1, ARRAY);
  mg_array_free(box->array);
  box->array = NULL;
  return 0;
}

static array_box *new_box(lua_State *L) {
  array_box *box = compat_new_userdata(L, sizeof *box);
  box->array = NULL;
  luaL_getmetatable(L, ARRAY);
  lua_setmetatable(L, -2);
  return box;
}

/* nil and the message for a file's fault; raises for any other failure. */
static int file_failure(lua_State *L) {
  if (mg_last_status() != MG_BAD_FILE) return raise_failure(L);
  lua_pushnil(L);
  lua_pushstring(L, mg_message());
  return 2;
}

static int file_done(lua_State *L, mg_status status) {
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

static int read_array(lua_State *L, mg_array *(*read)(const char *, int64_t)) {
  const char *path = check_text(L, 1);
  int64_t limit = lua_isnoneornil(L, 2) ? INT64_MAX : check_integer(L, 2);
  array_box *box = new_box(L);
  call_begin(L, state_of(L));
  box->array = read(path, limit);
  return box->array ? push_array(L, box) : file_failure(L);
}

/* npy_read(path, limit or nil) -> handle, or nil, message */
static int npy_read(lua_State *L) { return read_array(L, mg_npy_read); }

static int idx_read(lua_State *L) { return read_array(L, mg_idx_read); }

static int png_read(lua_State *L) { return read_array(L, mg_png_read); }

/* ---- npz */

static const char *const NPZ = "mapgrad.npz";

typedef struct npz_box {
  mg_npz *npz;
} npz_box;

static int npz_free(lua_State *L) {
  npz_box *box = luaL_checkudata(L, 1, NPZ);
  mg_npz_free(box->npz);
  box->npz = NULL;
  return 0;
}

/* npz_open(path, only or nil, limit) -> archive, list of names; or nil, message */
static int npz_open(lua_State *L) {
  const char *path = check_text(L, 1), *only = lua_isnoneornil(L, 2) ? NULL : check_text(L, 2);
  int64_t limit = check_integer(L, 3);
  npz_box *box = compat_new_userdata(L, sizeof *box);
  box->npz = NULL;
  luaL_getmetatable(L, NPZ);
  lua_setmetatable(L, -2);
  call_begin(L, state_of(L));
  box->npz = mg_npz_open(path, only, limit);
  if (!box->npz) return file_failure(L);
  int64_t count = mg_npz_count(box->npz);
  lua_newtable(L);
  for (int64_t i = 0; i < count; i++) {
    lua_pushstring(L, mg_npz_name(box->npz, i));
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 2;
}

/* npz_read(archive, i) -> handle of array i = 1, 2, ...; or nil, message */
static int npz_read(lua_State *L) {
  npz_box *archive = luaL_checkudata(L, 1, NPZ);
  int64_t i = check_integer(L, 2);
  if (!archive->npz) return raise_message(L, "MG-ARGUMENT", "npz_read: the archive is closed");
  array_box *box = new_box(L);
  call_begin(L, state_of(L));
  box->array = mg_npz_read(archive->npz, i - 1);
  return box->array ? push_array(L, box) : file_failure(L);
}

/* npz_write(path, names, handles, type, is_deflated) -> true, or nil, message */
static int npz_write(lua_State *L) {
  const char *path = check_text(L, 1), *type = check_text(L, 4);
  check_list(L, 2);
  check_list(L, 3);
  int is_deflated = lua_toboolean(L, 5), count = (int)lua_rawlen(L, 2);
  mg_npz_entry *entries = lua_newuserdata(L, (size_t)(count + 1) * sizeof *entries);
  for (int i = 0; i < count; i++) { /* the lists, which the caller holds, keep text and tensor */
    lua_rawgeti(L, 2, i + 1);
    lua_rawgeti(L, 3, i + 1);
    mg_tensor *t = check_tensor(L, -1);
    entries[i] = (mg_npz_entry){check_text(L, -2), mg_tensor_data(t), mg_tensor_shape(t),
                                mg_tensor_axes(t)};
    lua_pop(L, 2);
  }
  call_begin(L, state_of(L));
  return file_done(L, mg_npz_write(path, entries, count, type, is_deflated));
}

/* file_read(path, limit) -> text, or nil, message */
static int file_read(lua_State *L) {
  const char *path = check_text(L, 1);
  int64_t limit = check_integer(L, 2);
  array_box *box = new_box(L);
  call_begin(L, state_of(L));
  box->array = mg_file_read(path, limit);
  if (!box->array) return file_failure(L);
  lua_pushlstring(L, mg_array_bytes(box->array), (size_t)mg_array_shape(box->array)[0]);
  mg_array_free(box->array);
  box->array = NULL;
  return 1;
}

/* npy_write(path, h, type) -> true, or nil, message */
static int npy_write(lua_State *L) {
  const char *path = check_text(L, 1), *type = lua_isnoneornil(L, 3) ? "f4" : check_text(L, 3);
  mg_tensor *t = check_tensor(L, 2);
  call_begin(L, state_of(L));
  return file_done(L, mg_npy_write(path, mg_tensor_data(t), mg_tensor_shape(t), mg_tensor_axes(t),
                                   type));
}

/* idx_write(path, h, type, is_gzip) -> true, or nil, message */
static int idx_write(lua_State *L) {
  const char *path = check_text(L, 1), *type = check_text(L, 3);
  mg_tensor *t = check_tensor(L, 2);
  int is_gzip = lua_toboolean(L, 4);
  call_begin(L, state_of(L));
  return file_done(L, mg_idx_write(path, mg_tensor_data(t), mg_tensor_shape(t), mg_tensor_axes(t),
                                   type, is_gzip));
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

/* The metatable of a userdata that `collect` frees. */
static void open_type(lua_State *L, const char *name, lua_CFunction collect) {
  if (luaL_newmetatable(L, name)) {
    const luaL_Reg methods[] = {{"__gc", collect}, {NULL, NULL}};
    open_functions(L, methods);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_pop(L, 1);
}

void open_data(lua_State *L) {
  static const luaL_Reg functions[] = {{"npy_read", npy_read},     {"npy_write", npy_write},
                                       {"idx_read", idx_read},     {"idx_write", idx_write},
                                       {"npz_open", npz_open},     {"npz_close", npz_free},
                                       {"npz_read", npz_read},     {"npz_write", npz_write},
                                       {"png_read", png_read},     {"png_write", png_write},
                                       {"file_read", file_read},   {"file_write", file_write},
                                       {NULL, NULL}};
  open_type(L, ARRAY, array_free);
  open_type(L, NPZ, npz_free);
  open_functions(L, functions);
}

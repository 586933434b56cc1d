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

static int read_array(lua_State *L, mg_array *(*read)(const char *, int64_t)) {
  const char *path = check_text(L, 1);
  int64_t limit = lua_isnoneornil(L, 2) ? INT64_MAX : check_integer(L, 2);
  array_box *box = array_box_new(L);
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
  array_box *box = array_box_new(L);
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

/* ---- csv */

static const char *const CSV = "mapgrad.csv";

typedef struct csv_box {
  mg_csv *csv;
} csv_box;

static int csv_free(lua_State *L) {
  csv_box *box = luaL_checkudata(L, 1, CSV);
  mg_csv_free(box->csv);
  box->csv = NULL;
  return 0;
}

static mg_csv *check_csv(lua_State *L) {
  csv_box *box = luaL_checkudata(L, 1, CSV);
  if (!box->csv) raise_message(L, "MG-ARGUMENT", "csv: the table is closed");
  return box->csv;
}

/* csv_open(path, delimiter, has_header, limit) -> table, rows, columns; or nil, message */
static int csv_open(lua_State *L) {
  const char *path = check_text(L, 1), *delimiter = check_text(L, 2);
  int has_header = lua_toboolean(L, 3);
  int64_t limit = check_integer(L, 4);
  csv_box *box = compat_new_userdata(L, sizeof *box);
  box->csv = NULL;
  luaL_getmetatable(L, CSV);
  lua_setmetatable(L, -2);
  call_begin(L, state_of(L));
  box->csv = mg_csv_open(path, delimiter[0], has_header, limit);
  if (!box->csv) return file_failure(L);
  lua_pushnumber(L, (lua_Number)mg_csv_rows(box->csv));
  lua_pushnumber(L, (lua_Number)mg_csv_columns(box->csv));
  return 3;
}

static int push_field(lua_State *L, mg_csv *c, int64_t row, int64_t column) {
  int64_t length = 0;
  const char *text = mg_csv_field(c, row, column, &length);
  if (!text) return raise_failure(L);
  lua_pushlstring(L, text, (size_t)length);
  return 1;
}

/* csv_names(table) -> list: the header's */
static int csv_names(lua_State *L) {
  mg_csv *c = check_csv(L);
  lua_newtable(L);
  for (int64_t i = 0; i < mg_csv_columns(c); i++) {
    push_field(L, c, -1, i);
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* csv_texts(table, column) -> list: the texts of a column, counted from 1 */
static int csv_texts(lua_State *L) {
  mg_csv *c = check_csv(L);
  int64_t column = check_integer(L, 2);
  lua_newtable(L);
  for (int64_t i = 0; i < mg_csv_rows(c); i++) {
    push_field(L, c, i, column - 1);
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* csv_numbers(table, columns, is_missing_fine) -> handle [rows, #columns]; or nil, message */
static int csv_numbers(lua_State *L) {
  mg_csv *c = check_csv(L);
  check_list(L, 2);
  int is_missing_fine = lua_toboolean(L, 3), attempts = 0;
  int64_t count = (int64_t)lua_rawlen(L, 2), shape[2] = {mg_csv_rows(c), count};
  int64_t *columns = lua_newuserdata(L, (size_t)(count + 1) * sizeof *columns);
  for (int64_t i = 0; i < count; i++) {
    lua_rawgeti(L, 2, (int)(i + 1));
    columns[i] = check_integer(L, -1) - 1;
    lua_pop(L, 1);
  }
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  do h->tensor = mg_tensor_new(shape, 2);
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  call_begin(L, S);
  if (mg_csv_numbers(c, columns, count, is_missing_fine, mg_tensor_data(h->tensor)) == MG_OK)
    return 1;
  handle_free(S, h);
  return file_failure(L);
}

/* csv_write(path, h [rows, columns], names or nil, delimiter) -> true, or nil, message */
static int csv_write(lua_State *L) {
  const char *path = check_text(L, 1), *delimiter = check_text(L, 4), **names = NULL;
  mg_tensor *t = check_tensor(L, 2);
  if (mg_tensor_axes(t) != 2)
    return raise_message(L, "MG-SHAPE", "csv_write: %d axes, expected rows, columns",
                         mg_tensor_axes(t));
  const int64_t *shape = mg_tensor_shape(t);
  if (!lua_isnoneornil(L, 3)) {
    check_list(L, 3);
    if ((int64_t)lua_rawlen(L, 3) != shape[1])
      return raise_message(L, "MG-SHAPE", "csv_write: %d names, %d columns", (int)lua_rawlen(L, 3),
                           (int)shape[1]);
    names = lua_newuserdata(L, (size_t)(shape[1] + 1) * sizeof *names);
    for (int64_t i = 0; i < shape[1]; i++) {
      lua_rawgeti(L, 3, (int)(i + 1));
      names[i] = check_text(L, -1); /* kept by the list */
      lua_pop(L, 1);
    }
  }
  call_begin(L, state_of(L));
  return file_done(L, mg_csv_write(path, mg_tensor_data(t), shape[0], shape[1], names,
                                   delimiter[0]));
}

/* ---- any file */

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
  size_t length;
  const char *path = check_text(L, 1), *text = check_bytes(L, 2, &length);
  call_begin(L, state_of(L));
  return file_done(L, mg_file_write(path, text, (int64_t)length));
}

void open_data(lua_State *L) {
  static const luaL_Reg functions[] = {{"npy_read", npy_read},     {"npy_write", npy_write},
                                       {"idx_read", idx_read},     {"idx_write", idx_write},
                                       {"npz_open", npz_open},     {"npz_close", npz_free},
                                       {"npz_read", npz_read},     {"npz_write", npz_write},
                                       {"csv_open", csv_open},     {"csv_close", csv_free},
                                       {"csv_names", csv_names},   {"csv_texts", csv_texts},
                                       {"csv_numbers", csv_numbers}, {"csv_write", csv_write},
                                       {"png_read", png_read},     {"png_write", png_write},
                                       {"file_read", file_read},   {"file_write", file_write},
                                       {NULL, NULL}};
  open_type(L, ARRAY, array_free);
  open_type(L, NPZ, npz_free);
  open_type(L, CSV, csv_free);
  open_functions(L, functions);
}

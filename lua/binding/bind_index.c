/* Operations that move entries: rows, axes, slices, parts. As in bind_op.c. */
#include "binding.h"

/* The list of row numbers (from 1) at index, as numbers from 0 in a userdata left on the stack. */
static int64_t *check_rows(lua_State *L, int index, int64_t *count) {
  check_list(L, index);
  *count = (int64_t)lua_rawlen(L, index);
  int64_t *rows = compat_new_userdata(L, (size_t)(*count ? *count : 1) * sizeof *rows);
  for (int64_t i = 0; i < *count; i++) {
    lua_rawgeti(L, index, (int)(i + 1));
    rows[i] = check_integer(L, -1) - 1;
    lua_pop(L, 1);
  }
  return rows;
}

static int take(lua_State *L) {
  int64_t count;
  int64_t *rows = check_rows(L, 2, &count);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  int attempts = 0;
  do h->tensor = mg_take(x, rows, count);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int take_vjp(lua_State *L) {
  int64_t count;
  int64_t *rows = check_rows(L, 2, &count);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *dy = check_tensor(L, 3);
  int attempts = 0;
  do h->tensor = mg_take_vjp(x, rows, count, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* permute(x, order), axes from 1 */
static int permute(lua_State *L) {
  int64_t list[MG_MAX_AXES];
  int order[MG_MAX_AXES], attempts = 0, axes = check_shape(L, 2, list);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  if (axes != mg_tensor_axes(x))
    return raise_message(L, "MG-SHAPE", "permute: %d axes named, the tensor has %d", axes,
                         mg_tensor_axes(x));
  for (int i = 0; i < axes; i++) order[i] = (int)list[i] - 1;
  do h->tensor = mg_permute(x, order);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* slice(x, axis, first, count), axis and first from 0 */
static int slice(lua_State *L) {
  int axis = check_int(L, 2), attempts = 0;
  int64_t first = check_integer(L, 3), count = check_integer(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_slice(x, axis, first, count);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* slice_vjp(x, axis, first, dy) */
static int slice_vjp(lua_State *L) {
  int axis = check_int(L, 2), attempts = 0;
  int64_t first = check_integer(L, 3);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *dy = check_tensor(L, 4);
  do h->tensor = mg_slice_vjp(x, axis, first, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* concat(list, axis), axis from 0 */
static int concat(lua_State *L) {
  check_list(L, 1);
  int count = (int)lua_rawlen(L, 1), axis = check_int(L, 2), attempts = 0;
  const mg_tensor **parts = compat_new_userdata(L, (size_t)(count ? count : 1) * sizeof *parts);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, 1, i + 1);
    parts[i] = check_tensor(L, -1);
    lua_pop(L, 1);
  }
  do h->tensor = mg_concat(parts, count, axis);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

void open_index_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"take", take},
                                       {"take_vjp", take_vjp},
                                       {"permute", permute},
                                       {"slice", slice},
                                       {"slice_vjp", slice_vjp},
                                       {"concat", concat},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

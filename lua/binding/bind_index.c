/* Operations that move entries: rows, axes, slices, parts. As in bind_op.c. */
#include "binding.h"

/* Row numbers (from 1), a list or a tensor at index, as numbers from 0 in a userdata left on the stack. */
static int64_t *check_rows(lua_State *L, int index, int64_t *count) {
  int is_tensor = lua_type(L, index) == LUA_TUSERDATA;
  if (!is_tensor) check_list(L, index);
  *count = is_tensor ? mg_tensor_size(check_tensor(L, index)) : (int64_t)lua_rawlen(L, index);
  int64_t *rows = compat_new_userdata(L, (size_t)(*count ? *count : 1) * sizeof *rows);
  const mg_real *values = is_tensor ? mg_tensor_data(check_tensor(L, index)) : NULL;
  for (int64_t i = 0; i < *count; i++) {
    double value = is_tensor ? (double)values[i] : 0;
    if (!(value > -0x1p53 && value < 0x1p53 && value == (double)(int64_t)value))
      raise_message(L, "MG-ARGUMENT", "take: entry %.0f of the index is %g, expected a whole number",
                    (double)i + 1, value);
    if (!is_tensor) lua_rawgeti(L, index, (int)(i + 1));
    rows[i] = (is_tensor ? (int64_t)value : check_integer(L, -1)) - 1;
    if (!is_tensor) lua_pop(L, 1);
  }
  return rows;
}

/* take(x, axis, rows), axis from 0 */
static int take(lua_State *L) {
  int axis = check_int(L, 2), attempts = 0;
  int64_t count;
  int64_t *rows = check_rows(L, 3, &count);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_take(x, axis, rows, count);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* take_vjp(x, axis, rows, dy) */
static int take_vjp(lua_State *L) {
  int axis = check_int(L, 2), attempts = 0;
  int64_t count;
  int64_t *rows = check_rows(L, 3, &count);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *dy = check_tensor(L, 4);
  do h->tensor = mg_take_vjp(x, axis, rows, count, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* gather(x, axis, index), axis from 0 */
static int gather(lua_State *L) {
  int axis = check_int(L, 2), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *index = check_tensor(L, 3);
  do h->tensor = mg_gather(x, axis, index);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* scatter_add(x, axis, index, source), axis from 0 */
static int scatter_add(lua_State *L) {
  int axis = check_int(L, 2), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *index = check_tensor(L, 3), *source = check_tensor(L, 4);
  do h->tensor = mg_scatter_add(x, axis, index, source);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* triangle(x, is_upper, diagonal) */
static int triangle(lua_State *L) {
  int is_upper = lua_toboolean(L, 2), attempts = 0;
  int64_t diagonal = check_integer(L, 3);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_triangle(x, is_upper, diagonal);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* permute(x, order), axes from 1 */
static int permute(lua_State *L) {
  int64_t list[MG_MAX_AXES];
  int order[MG_MAX_AXES], attempts = 0, axes = check_shape(L, 2, list);
  check_ints(L, 2, axes, order);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  if (axes != mg_tensor_axes(x))
    return raise_message(L, "MG-SHAPE", "permute: %d axes named, the tensor has %d", axes,
                         mg_tensor_axes(x));
  for (int i = 0; i < axes; i++) order[i]--;
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
                                       {"gather", gather},
                                       {"scatter_add", scatter_add},
                                       {"triangle", triangle},
                                       {"permute", permute},
                                       {"slice", slice},
                                       {"slice_vjp", slice_vjp},
                                       {"concat", concat},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

/* Softmax, running sums, normalisation of rows, dropout: as in bind_op.c. */
#include "binding.h"

/* cumsum(x, axis, is_reverse) */
static int cumsum(lua_State *L) {
  int axis = check_int(L, 2), is_reverse = lua_toboolean(L, 3), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_cumsum(x, axis, is_reverse);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* softmax(x, axis, is_log) */
static int softmax(lua_State *L) {
  int axis = check_int(L, 2), is_log = lua_toboolean(L, 3), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_softmax(x, axis, is_log);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* softmax_vjp(y, dy, axis, is_log) */
static int softmax_vjp(lua_State *L) {
  int axis = check_int(L, 3), is_log = lua_toboolean(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *y = check_tensor(L, 1), *dy = check_tensor(L, 2);
  do h->tensor = mg_softmax_vjp(y, dy, axis, is_log);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* layer_norm(x, gain or nil, bias or nil, count, epsilon) */
static int layer_norm(lua_State *L) {
  int count = check_int(L, 4), attempts = 0;
  double epsilon = check_number(L, 5);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *gain = optional_tensor(L, 2), *bias = optional_tensor(L, 3);
  do h->tensor = mg_layer_norm(x, gain, bias, count, epsilon);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* group_norm(x, gain or nil, bias or nil, groups, epsilon) */
static int group_norm(lua_State *L) {
  int64_t groups = check_integer(L, 4);
  double epsilon = check_number(L, 5);
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *gain = optional_tensor(L, 2), *bias = optional_tensor(L, 3);
  do h->tensor = mg_group_norm(x, gain, bias, groups, epsilon);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* (x, gain or nil, dy, number, epsilon) -> dx, and dgain and dbias if there is a gain */
static int row_norm_vjp(lua_State *L, int is_layer) {
  int count = is_layer ? check_int(L, 4) : 0, attempts = 0;
  int64_t groups = check_integer(L, 4);
  double epsilon = check_number(L, 5);
  state *S = state_of(L);
  handle *h = handle_new(L, S), *dgain = handle_new(L, S), *dbias = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *gain = optional_tensor(L, 2), *dy = check_tensor(L, 3);
  mg_tensor **to_gain = gain ? &dgain->tensor : NULL, **to_bias = gain ? &dbias->tensor : NULL;
  do {
    if (is_layer) h->tensor = mg_layer_norm_vjp(x, gain, dy, count, epsilon, to_gain, to_bias);
    else h->tensor = mg_group_norm_vjp(x, gain, dy, groups, epsilon, to_gain, to_bias);
  } while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  if (!gain) {
    lua_pop(L, 2);
    return 1;
  }
  handle_done(L, S, dgain);
  handle_done(L, S, dbias);
  return 3;
}

static int layer_norm_vjp(lua_State *L) { return row_norm_vjp(L, 1); }

static int group_norm_vjp(lua_State *L) { return row_norm_vjp(L, 0); }

/* dropout(x, rate, seed, stream, index, number of the first entry) */
static int dropout(lua_State *L) {
  double rate = check_number(L, 2);
  mg_draw draw = check_draw(L, 3);
  int64_t first = lua_isnoneornil(L, 6) ? 0 : check_integer(L, 6);
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_dropout(x, rate, &draw, first);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

void open_reduce_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"cumsum", cumsum},
                                       {"softmax", softmax},
                                       {"softmax_vjp", softmax_vjp},
                                       {"layer_norm", layer_norm},
                                       {"layer_norm_vjp", layer_norm_vjp},
                                       {"group_norm", group_norm},
                                       {"group_norm_vjp", group_norm_vjp},
                                       {"dropout", dropout},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

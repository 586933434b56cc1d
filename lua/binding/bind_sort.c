/* Sorting: as in bind_op.c. */
#include "binding.h"

/* sort_order(x, axis, count, is_descending), axis from 0 */
static int sort_order(lua_State *L) {
  int axis = check_int(L, 2), is_descending = lua_toboolean(L, 4), attempts = 0;
  int64_t count = check_integer(L, 3);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_sort_order(x, axis, count, is_descending);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* sort_values(x, order, axis) */
static int sort_values(lua_State *L) {
  int axis = check_int(L, 3), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *order = check_tensor(L, 2);
  do h->tensor = mg_sort_values(x, order, axis);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* sort_vjp(x, order, dy, axis) */
static int sort_vjp(lua_State *L) {
  int axis = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *order = check_tensor(L, 2), *dy = check_tensor(L, 3);
  do h->tensor = mg_sort_vjp(x, order, dy, axis);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* isotonic(x) */
static int isotonic(lua_State *L) {
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_isotonic(x);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* isotonic_vjp(y, dy) */
static int isotonic_vjp(lua_State *L) {
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *y = check_tensor(L, 1), *dy = check_tensor(L, 2);
  do h->tensor = mg_isotonic_vjp(y, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

void open_sort_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"isotonic", isotonic},
                                       {"isotonic_vjp", isotonic_vjp},
                                       {"sort_order", sort_order},
                                       {"sort_values", sort_values},
                                       {"sort_vjp", sort_vjp},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

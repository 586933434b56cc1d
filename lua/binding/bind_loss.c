/* Losses. As in bind_op.c. */
#include "binding.h"

/* cross_entropy(logits, target, is_class, smoothing) */
static int cross_entropy(lua_State *L) {
  int is_class = lua_toboolean(L, 3), attempts = 0;
  double smoothing = check_number(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *logits = check_tensor(L, 1), *target = check_tensor(L, 2);
  do h->tensor = mg_cross_entropy(logits, target, is_class, smoothing);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* cross_entropy_vjp(which, logits, target, is_class, smoothing, dy) */
static int cross_entropy_vjp(lua_State *L) {
  int which = check_int(L, 1), is_class = lua_toboolean(L, 4), attempts = 0;
  double smoothing = check_number(L, 5);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *logits = check_tensor(L, 2), *target = check_tensor(L, 3), *dy = check_tensor(L, 6);
  do h->tensor = mg_cross_entropy_vjp(which, logits, target, is_class, smoothing, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* bernoulli(logits, target, axes) */
static int bernoulli(lua_State *L) {
  int axes = check_int(L, 3), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *logits = check_tensor(L, 1), *target = check_tensor(L, 2);
  do h->tensor = mg_bernoulli(logits, target, axes);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* bernoulli_vjp(which, logits, target, axes, dy) */
static int bernoulli_vjp(lua_State *L) {
  int which = check_int(L, 1), axes = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *logits = check_tensor(L, 2), *target = check_tensor(L, 3), *dy = check_tensor(L, 5);
  do h->tensor = mg_bernoulli_vjp(which, logits, target, axes, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

void open_losses(lua_State *L) {
  static const luaL_Reg functions[] = {{"cross_entropy", cross_entropy},
                                       {"cross_entropy_vjp", cross_entropy_vjp},
                                       {"bernoulli", bernoulli},
                                       {"bernoulli_vjp", bernoulli_vjp},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

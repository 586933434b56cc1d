/* Update rules of optimisers, in place. As in bind_op.c. */
#include "binding.h"

/* sgd(weight, gradient, velocity or nil, rate, momentum, dampening, nesterov, decay, step) */
static int sgd(lua_State *L) {
  mg_tensor *weight = check_tensor(L, 1), *gradient = check_tensor(L, 2);
  mg_tensor *velocity = optional_tensor(L, 3);
  call_begin(L, state_of(L));
  return check_status(L, mg_sgd(weight, gradient, velocity, check_number(L, 4), check_number(L, 5),
                                check_number(L, 6), lua_toboolean(L, 7), check_number(L, 8),
                                check_integer(L, 9)));
}

/* adam(weight, gradient, moment, square, rate, beta1, beta2, epsilon, decay, decoupled, step) */
static int adam(lua_State *L) {
  mg_tensor *weight = check_tensor(L, 1), *gradient = check_tensor(L, 2);
  mg_tensor *moment = check_tensor(L, 3), *square = check_tensor(L, 4);
  call_begin(L, state_of(L));
  return check_status(L, mg_adam(weight, gradient, moment, square, check_number(L, 5),
                                 check_number(L, 6), check_number(L, 7), check_number(L, 8),
                                 check_number(L, 9), lua_toboolean(L, 10), check_integer(L, 11)));
}

/* rmsprop(weight, gradient, square, mean or nil, velocity or nil, rate, beta, epsilon, momentum, decay) */
static int rmsprop(lua_State *L) {
  mg_tensor *weight = check_tensor(L, 1), *gradient = check_tensor(L, 2), *square = check_tensor(L, 3);
  mg_tensor *mean = optional_tensor(L, 4), *velocity = optional_tensor(L, 5);
  call_begin(L, state_of(L));
  return check_status(L, mg_rmsprop(weight, gradient, square, mean, velocity, check_number(L, 6),
                                    check_number(L, 7), check_number(L, 8), check_number(L, 9),
                                    check_number(L, 10)));
}

/* squares(x) -> the sum of the squares of all entries */
static int squares(lua_State *L) {
  const mg_tensor *x = check_tensor(L, 1);
  double sum;
  call_begin(L, state_of(L));
  check_status(L, mg_squares(x, &sum));
  lua_pushnumber(L, (lua_Number)sum);
  return 1;
}

/* clip(y, limit) */
static int clip(lua_State *L) {
  mg_tensor *y = check_tensor(L, 1);
  double limit = check_number(L, 2);
  call_begin(L, state_of(L));
  return check_status(L, mg_clip(y, limit));
}

void open_updates(lua_State *L) {
  static const luaL_Reg functions[] = {{"sgd", sgd},         {"adam", adam}, {"rmsprop", rmsprop},
                                       {"squares", squares}, {"clip", clip}, {NULL, NULL}};
  open_functions(L, functions);
}

/* Convolution, pooling, normalisation. As in bind_op.c. */
#include "binding.h"

/* The list {vertical and horizontal stride, pad, dilation, then groups}. */
static mg_conv check_conv(lua_State *L, int index) {
  int list[7];
  check_ints(L, index, 7, list);
  mg_conv o;
  for (int i = 0; i < 2; i++) {
    o.stride[i] = list[i];
    o.pad[i] = list[2 + i];
    o.dilation[i] = list[4 + i];
  }
  o.groups = list[6];
  return o;
}

/* conv2d(x, weight, bias or nil, window) */
static int conv2d(lua_State *L) {
  mg_conv window = check_conv(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *weight = check_tensor(L, 2), *bias = optional_tensor(L, 3);
  int attempts = 0;
  do h->tensor = mg_conv2d(x, weight, bias, &window);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* conv2d_vjp_input(x, weight, dy, window) */
static int conv2d_vjp_input(lua_State *L) {
  mg_conv window = check_conv(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *weight = check_tensor(L, 2), *dy = check_tensor(L, 3);
  int attempts = 0;
  do h->tensor = mg_conv2d_vjp_input(x, weight, dy, &window);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int conv2d_vjp_weight(lua_State *L) {
  mg_conv window = check_conv(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *weight = check_tensor(L, 2), *dy = check_tensor(L, 3);
  int attempts = 0;
  do h->tensor = mg_conv2d_vjp_weight(x, weight, dy, &window);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int conv2d_vjp_bias(lua_State *L) {
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *dy = check_tensor(L, 1);
  int attempts = 0;
  do h->tensor = mg_conv2d_vjp_bias(dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* The list {vertical and horizontal kernel, stride, pad}. */
static mg_pool check_pool(lua_State *L, int index) {
  int list[6];
  check_ints(L, index, 6, list);
  mg_pool o;
  for (int i = 0; i < 2; i++) {
    o.kernel[i] = list[i];
    o.stride[i] = list[2 + i];
    o.pad[i] = list[4 + i];
  }
  return o;
}

/* pool2d(kind, x, window) */
static int pool2d(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  mg_pool window = check_pool(L, 3);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2);
  int attempts = 0;
  do h->tensor = mg_pool2d(kind, x, &window);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* pool2d_vjp(kind, x, y, dy, window) */
static int pool2d_vjp(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  mg_pool window = check_pool(L, 5);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2), *y = check_tensor(L, 3), *dy = check_tensor(L, 4);
  int attempts = 0;
  do h->tensor = mg_pool2d_vjp(kind, x, y, dy, &window);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* adaptive_pool2d(kind, x, height, width) */
static int adaptive_pool2d(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  int height = check_int(L, 3), width = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2);
  do h->tensor = mg_adaptive_pool2d(kind, x, height, width);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* adaptive_pool2d_vjp(kind, x, y, dy, height, width) */
static int adaptive_pool2d_vjp(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  int height = check_int(L, 5), width = check_int(L, 6), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2), *y = check_tensor(L, 3), *dy = check_tensor(L, 4);
  do h->tensor = mg_adaptive_pool2d_vjp(kind, x, y, dy, height, width);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* batch_norm(x, gain, bias, mean, variance, epsilon, fixed, rectified); writes mean and variance unless
 * fixed */
static int batch_norm(lua_State *L) {
  double epsilon = check_number(L, 6);
  int fixed = lua_toboolean(L, 7), rectified = lua_toboolean(L, 8), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *gain = check_tensor(L, 2), *bias = check_tensor(L, 3);
  mg_tensor *mean = check_tensor(L, 4), *variance = check_tensor(L, 5);
  do h->tensor = mg_batch_norm(x, gain, bias, mean, variance, epsilon, fixed, rectified);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* A handle with a tensor of the shape of the one at index. */
static void push_like(lua_State *L, state *S, int index) {
  int attempts = 0;
  handle *h = handle_new(L, S);
  mg_tensor *t = check_tensor(L, index);
  do h->tensor = mg_tensor_new(mg_tensor_shape(t), mg_tensor_axes(t));
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
}

/* batch_norm_vjp(x, y, gain, mean, variance, dy, epsilon, fixed, rectified, in_place) -> dx, dgain, dbias;
 * in_place: dx takes dy's place and is the same handle */
static int batch_norm_vjp(lua_State *L) {
  lua_settop(L, 10);
  if (lua_toboolean(L, 10)) lua_pushvalue(L, 6);
  else push_like(L, state_of(L), 6);
  push_like(L, state_of(L), 3);
  push_like(L, state_of(L), 3);
  call_begin(L, state_of(L));
  check_status(L, mg_batch_norm_vjp(check_tensor(L, 1), check_tensor(L, 2), check_tensor(L, 3),
                                    check_tensor(L, 4), check_tensor(L, 5), check_tensor(L, 6),
                                    check_number(L, 7), lua_toboolean(L, 8), lua_toboolean(L, 9),
                                    check_tensor(L, 11), check_tensor(L, 12), check_tensor(L, 13)));
  return 3;
}

void open_image_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"conv2d", conv2d},
                                       {"conv2d_vjp_input", conv2d_vjp_input},
                                       {"conv2d_vjp_weight", conv2d_vjp_weight},
                                       {"conv2d_vjp_bias", conv2d_vjp_bias},
                                       {"pool2d", pool2d},
                                       {"pool2d_vjp", pool2d_vjp},
                                       {"adaptive_pool2d", adaptive_pool2d},
                                       {"adaptive_pool2d_vjp", adaptive_pool2d_vjp},
                                       {"batch_norm", batch_norm},
                                       {"batch_norm_vjp", batch_norm_vjp},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

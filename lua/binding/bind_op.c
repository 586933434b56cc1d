/* Operations on tensors: a function each, three beats: check arguments, call, push the result. Tensors are
 * looked up after the result's handle is made: making it may collect, and a finalizer may free them. */
#include "binding.h"

static int unary(lua_State *L) {
  mg_unary_kind kind = (mg_unary_kind)check_int(L, 1);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2);
  int attempts = 0;
  do h->tensor = mg_unary(kind, x);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int unary_vjp(lua_State *L) {
  mg_unary_kind kind = (mg_unary_kind)check_int(L, 1);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2), *y = check_tensor(L, 3), *dy = check_tensor(L, 4);
  int attempts = 0;
  do h->tensor = mg_unary_vjp(kind, x, y, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int binary(lua_State *L) {
  mg_binary_kind kind = (mg_binary_kind)check_int(L, 1);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *a = check_tensor(L, 2), *b = check_tensor(L, 3);
  int attempts = 0;
  do h->tensor = mg_binary(kind, a, b);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* binary_vjp(kind, which, a, b, dy) */
static int binary_vjp(lua_State *L) {
  mg_binary_kind kind = (mg_binary_kind)check_int(L, 1);
  int which = check_int(L, 2), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *a = check_tensor(L, 3), *b = check_tensor(L, 4), *dy = check_tensor(L, 5);
  do h->tensor = mg_binary_vjp(kind, which, a, b, dy);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int affine(lua_State *L) {
  double scale = check_number(L, 2), shift = check_number(L, 3);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  int attempts = 0;
  do h->tensor = mg_affine(x, scale, shift);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int fill(lua_State *L) {
  mg_tensor *y = check_tensor(L, 1);
  double value = check_number(L, 2);
  call_begin(L, state_of(L));
  return check_status(L, mg_fill(y, value));
}

static int copy(lua_State *L) {
  mg_tensor *y = check_tensor(L, 1), *x = check_tensor(L, 2);
  call_begin(L, state_of(L));
  return check_status(L, mg_copy(y, x));
}

/* accumulate(y, keep, x, scale): y = keep * y + scale * x */
static int accumulate(lua_State *L) {
  mg_tensor *y = check_tensor(L, 1), *x = check_tensor(L, 3);
  double keep = check_number(L, 2), scale = check_number(L, 4);
  call_begin(L, state_of(L));
  return check_status(L, mg_accumulate(y, keep, x, scale));
}

/* reduce(kind, x, first, count) */
static int reduce(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  int first = check_int(L, 3), count = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2);
  do h->tensor = mg_reduce(kind, x, first, count);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int reduce_vjp(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  int first = check_int(L, 5), count = check_int(L, 6), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2), *y = check_tensor(L, 3), *dy = check_tensor(L, 4);
  do h->tensor = mg_reduce_vjp(kind, x, y, dy, first, count);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

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

static int matmul(lua_State *L) {
  int transpose_a = check_int(L, 3), transpose_b = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *a = check_tensor(L, 1), *b = check_tensor(L, 2);
  do h->tensor = mg_matmul(a, b, transpose_a, transpose_b);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* conv2d(x, weight, bias or nil, stride, pad) */
static int conv2d(lua_State *L) {
  int stride = check_int(L, 4), pad = check_int(L, 5), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *weight = check_tensor(L, 2), *bias = optional_tensor(L, 3);
  do h->tensor = mg_conv2d(x, weight, bias, stride, pad);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int conv2d_vjp_input(lua_State *L) {
  int stride = check_int(L, 4), pad = check_int(L, 5), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *weight = check_tensor(L, 2), *dy = check_tensor(L, 3);
  do h->tensor = mg_conv2d_vjp_input(x, weight, dy, stride, pad);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int conv2d_vjp_weight(lua_State *L) {
  int stride = check_int(L, 4), pad = check_int(L, 5), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *weight = check_tensor(L, 2), *dy = check_tensor(L, 3);
  do h->tensor = mg_conv2d_vjp_weight(x, weight, dy, stride, pad);
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

/* max_pool2d(x, kernel, stride, pad) */
static int max_pool2d(lua_State *L) {
  int kernel = check_int(L, 2), stride = check_int(L, 3), pad = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1);
  do h->tensor = mg_max_pool2d(x, kernel, stride, pad);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

static int max_pool2d_vjp(lua_State *L) {
  int kernel = check_int(L, 3), stride = check_int(L, 4), pad = check_int(L, 5), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *dy = check_tensor(L, 2);
  do h->tensor = mg_max_pool2d_vjp(x, dy, kernel, stride, pad);
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

static int adaptive_pool2d_vjp(lua_State *L) {
  mg_reduce_kind kind = (mg_reduce_kind)check_int(L, 1);
  int height = check_int(L, 4), width = check_int(L, 5), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2), *dy = check_tensor(L, 3);
  do h->tensor = mg_adaptive_pool2d_vjp(kind, x, dy, height, width);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* batch_norm(x, gain, bias, mean, variance, epsilon, fixed); writes mean and variance unless fixed */
static int batch_norm(lua_State *L) {
  double epsilon = check_number(L, 6);
  int fixed = lua_toboolean(L, 7), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *gain = check_tensor(L, 2), *bias = check_tensor(L, 3);
  mg_tensor *mean = check_tensor(L, 4), *variance = check_tensor(L, 5);
  do h->tensor = mg_batch_norm(x, gain, bias, mean, variance, epsilon, fixed);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* batch_norm_vjp(x, gain, mean, variance, dy, epsilon, fixed) -> dx, dgain, dbias */
static int batch_norm_vjp(lua_State *L) {
  double epsilon = check_number(L, 6);
  int fixed = lua_toboolean(L, 7), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S), *dgain = handle_new(L, S), *dbias = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 1), *gain = check_tensor(L, 2), *mean = check_tensor(L, 3);
  mg_tensor *variance = check_tensor(L, 4), *dy = check_tensor(L, 5);
  do h->tensor = mg_batch_norm_vjp(x, gain, mean, variance, dy, epsilon, fixed, &dgain->tensor,
                                   &dbias->tensor);
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  handle_done(L, S, dgain);
  handle_done(L, S, dbias);
  return 3;
}

/* adam(weight, gradient, moment, square, rate, beta1, beta2, epsilon, decay, step) */
static int adam(lua_State *L) {
  mg_tensor *weight = check_tensor(L, 1), *gradient = check_tensor(L, 2);
  mg_tensor *moment = check_tensor(L, 3), *square = check_tensor(L, 4);
  call_begin(L, state_of(L));
  return check_status(L, mg_adam(weight, gradient, moment, square, check_number(L, 5),
                                 check_number(L, 6), check_number(L, 7),
                                 check_number(L, 8), check_number(L, 9),
                                 check_integer(L, 10)));
}

/* project(kind, theta, n) -> tensor of theta's shape, number of zero norms */
static int project(lua_State *L) {
  mg_projection kind = (mg_projection)check_int(L, 1);
  int64_t n = check_integer(L, 3), zeros = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *theta = check_tensor(L, 2);
  int64_t rows = n > 0 ? mg_tensor_size(theta) / n : 0;
  h->tensor = mg_tensor_new(mg_tensor_shape(theta), mg_tensor_axes(theta));
  handle_done(L, S, h);
  mg_status status = mg_project(kind, mg_tensor_data(theta), rows, n, mg_tensor_data(h->tensor),
                                &zeros);
  check_status(L, status);
  lua_pushnumber(L, (lua_Number)zeros);
  return 2;
}

/* project_vjp(kind, theta, u, n) */
static int project_vjp(lua_State *L) {
  mg_projection kind = (mg_projection)check_int(L, 1);
  int64_t n = check_integer(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *theta = check_tensor(L, 2), *u = check_tensor(L, 3);
  int64_t rows = n > 0 ? mg_tensor_size(theta) / n : 0;
  if (mg_tensor_size(u) != mg_tensor_size(theta))
    return raise_message(L, "MG-SHAPE", "project: the gradient has %f entries, theta has %f",
                         (double)mg_tensor_size(u), (double)mg_tensor_size(theta));
  h->tensor = mg_tensor_new(mg_tensor_shape(theta), mg_tensor_axes(theta));
  handle_done(L, S, h);
  check_status(L, mg_project_vjp(kind, mg_tensor_data(theta), mg_tensor_data(u), rows, n,
                                 mg_tensor_data(h->tensor)));
  return 1;
}

static int random_into(lua_State *L, mg_status (*draw)(const mg_draw *, mg_real *, int64_t)) {
  mg_tensor *t = check_tensor(L, 1);
  mg_draw d = check_draw(L, 2);
  call_begin(L, state_of(L));
  return check_status(L, draw(&d, mg_tensor_data(t), mg_tensor_size(t)));
}

/* random_uniform(h, seed, stream, index): fills h */
static int random_uniform(lua_State *L) { return random_into(L, mg_random_uniform); }

static int random_normal(lua_State *L) { return random_into(L, mg_random_normal); }

/* random_order(count, seed, stream, index) -> list, from 1 */
static int random_order(lua_State *L) {
  int64_t count = check_integer(L, 1);
  mg_draw d = check_draw(L, 2);
  int64_t *order =
      compat_new_userdata(L, (size_t)(count > 0 && count < INT32_MAX ? count : 1) * sizeof *order);
  check_status(L, mg_random_order(&d, order, count));
  lua_createtable(L, (int)count, 0);
  for (int64_t i = 0; i < count; i++) {
    lua_pushinteger(L, (lua_Integer)order[i] + 1);
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* philox({4 words}, {2 words}) -> 4 words */
static int philox(lua_State *L) {
  int64_t counter[MG_MAX_AXES], key[MG_MAX_AXES];
  uint32_t c[4], k[2], out[4];
  if (check_shape(L, 1, counter) != 4 || check_shape(L, 2, key) != 2)
    return raise_message(L, "MG-SHAPE", "philox: expected lists of 4 and 2 words");
  for (int i = 0; i < 4; i++) c[i] = (uint32_t)counter[i];
  for (int i = 0; i < 2; i++) k[i] = (uint32_t)key[i];
  mg_philox(c, k, out);
  for (int i = 0; i < 4; i++) lua_pushnumber(L, (lua_Number)out[i]);
  return 4;
}

/* A table name -> number for an enum whose names stand in its order. */
static void open_names(lua_State *L, const char *field, const char *const *names, int count) {
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    lua_pushinteger(L, i);
    lua_setfield(L, -2, names[i]);
  }
  lua_setfield(L, -2, field);
}

void open_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"unary", unary},
                                       {"unary_vjp", unary_vjp},
                                       {"binary", binary},
                                       {"binary_vjp", binary_vjp},
                                       {"affine", affine},
                                       {"fill", fill},
                                       {"copy", copy},
                                       {"accumulate", accumulate},
                                       {"reduce", reduce},
                                       {"reduce_vjp", reduce_vjp},
                                       {"take", take},
                                       {"take_vjp", take_vjp},
                                       {"permute", permute},
                                       {"slice", slice},
                                       {"slice_vjp", slice_vjp},
                                       {"concat", concat},
                                       {"matmul", matmul},
                                       {"conv2d", conv2d},
                                       {"conv2d_vjp_input", conv2d_vjp_input},
                                       {"conv2d_vjp_weight", conv2d_vjp_weight},
                                       {"conv2d_vjp_bias", conv2d_vjp_bias},
                                       {"max_pool2d", max_pool2d},
                                       {"max_pool2d_vjp", max_pool2d_vjp},
                                       {"adaptive_pool2d", adaptive_pool2d},
                                       {"adaptive_pool2d_vjp", adaptive_pool2d_vjp},
                                       {"batch_norm", batch_norm},
                                       {"batch_norm_vjp", batch_norm_vjp},
                                       {"adam", adam},
                                       {"project", project},
                                       {"project_vjp", project_vjp},
                                       {"random_uniform", random_uniform},
                                       {"random_normal", random_normal},
                                       {"random_order", random_order},
                                       {"philox", philox},
                                       {NULL, NULL}};
  static const char *const unaries[MG_UNARY_KINDS] = {
      [MG_ABS] = "abs",       [MG_EXP] = "exp",         [MG_LOG] = "log",
      [MG_SQRT] = "sqrt",     [MG_SQUARE] = "square",   [MG_RELU] = "relu",
      [MG_SIGMOID] = "sigmoid", [MG_SOFTPLUS] = "softplus", [MG_TANH] = "tanh",
      [MG_SIGN] = "sign"};
  static const char *const binaries[MG_BINARY_KINDS] = {
      [MG_ADD] = "add",         [MG_SUBTRACT] = "subtract", [MG_MULTIPLY] = "multiply",
      [MG_DIVIDE] = "divide",   [MG_MAXIMUM] = "maximum",   [MG_MINIMUM] = "minimum",
      [MG_LESS] = "lt",         [MG_LESS_EQUAL] = "le",     [MG_EQUAL] = "eq"};
  static const char *const reductions[MG_REDUCE_KINDS] = {
      [MG_SUM] = "sum", [MG_MEAN] = "mean", [MG_MAX] = "max", [MG_MIN] = "min"};
  static const char *const projections[MG_PROJECTIONS] = {[MG_PROJECT_NONE] = "none",
                                                          [MG_PROJECT_MEAN] = "mean",
                                                          [MG_PROJECT_NORM] = "norm",
                                                          [MG_PROJECT_STD] = "std"};
  open_functions(L, functions);
  open_names(L, "unary_kinds", unaries, MG_UNARY_KINDS);
  open_names(L, "binary_kinds", binaries, MG_BINARY_KINDS);
  open_names(L, "reduce_kinds", reductions, MG_REDUCE_KINDS);
  open_names(L, "projections", projections, MG_PROJECTIONS);
}

/* Operations on tensors: a function each, three beats: check arguments, call, push the result. Tensors are
 * looked up after the result's handle is made: making it may collect, and a finalizer may free them. */
#include "binding.h"

/* A number that may be left out: 0. */
static double optional_number(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? 0 : check_number(L, index);
}

/* unary(kind, x, p, q): p and q are 0 if left out */
static int unary(lua_State *L) {
  mg_unary_kind kind = (mg_unary_kind)check_int(L, 1);
  double p = optional_number(L, 3), q = optional_number(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2);
  int attempts = 0;
  do h->tensor = mg_unary(kind, x, p, q);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* unary_vjp(kind, x, y, dy, p, q) */
static int unary_vjp(lua_State *L) {
  mg_unary_kind kind = (mg_unary_kind)check_int(L, 1);
  double p = optional_number(L, 5), q = optional_number(L, 6);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 2), *y = check_tensor(L, 3), *dy = check_tensor(L, 4);
  int attempts = 0;
  do h->tensor = mg_unary_vjp(kind, x, y, dy, p, q);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* unary_into(y, kind, x, p, q) */
static int unary_into(lua_State *L) {
  mg_tensor *y = check_tensor(L, 1), *x = check_tensor(L, 3);
  mg_unary_kind kind = (mg_unary_kind)check_int(L, 2);
  double p = optional_number(L, 4), q = optional_number(L, 5);
  call_begin(L, state_of(L));
  return check_status(L, mg_unary_into(y, kind, x, p, q));
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

static int where(lua_State *L) {
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *condition = check_tensor(L, 1), *a = check_tensor(L, 2), *b = check_tensor(L, 3);
  do h->tensor = mg_where(condition, a, b);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* where_vjp(which, condition, a, b, dy) */
static int where_vjp(lua_State *L) {
  int which = check_int(L, 1), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *condition = check_tensor(L, 2), *a = check_tensor(L, 3), *b = check_tensor(L, 4);
  mg_tensor *dy = check_tensor(L, 5);
  do h->tensor = mg_where_vjp(which, condition, a, b, dy);
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

static int matmul(lua_State *L) {
  int transpose_a = check_int(L, 3), transpose_b = check_int(L, 4), attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *a = check_tensor(L, 1), *b = check_tensor(L, 2);
  do h->tensor = mg_matmul(a, b, transpose_a, transpose_b);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

/* matmul_vjp(which, a, b, dy, transpose_a, transpose_b) */
static int matmul_vjp(lua_State *L) {
  int which = check_int(L, 1), transpose_a = check_int(L, 5), transpose_b = check_int(L, 6);
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *a = check_tensor(L, 2), *b = check_tensor(L, 3), *dy = check_tensor(L, 4);
  do h->tensor = mg_matmul_vjp(which, a, b, dy, transpose_a, transpose_b);
  while (handle_again(L, h, &attempts));
  return handle_done(L, S, h);
}

void open_ops(lua_State *L) {
  static const luaL_Reg functions[] = {{"unary", unary},
                                       {"unary_vjp", unary_vjp},
                                       {"unary_into", unary_into},
                                       {"binary", binary},
                                       {"binary_vjp", binary_vjp},
                                       {"where", where},
                                       {"where_vjp", where_vjp},
                                       {"affine", affine},
                                       {"fill", fill},
                                       {"copy", copy},
                                       {"accumulate", accumulate},
                                       {"reduce", reduce},
                                       {"reduce_vjp", reduce_vjp},
                                       {"matmul", matmul},
                                       {"matmul_vjp", matmul_vjp},
                                       {NULL, NULL}};
  static const char *const unaries[MG_UNARY_KINDS] = {
      [MG_ABS] = "abs",         [MG_EXP] = "exp",           [MG_LOG] = "log",
      [MG_SQRT] = "sqrt",       [MG_SQUARE] = "square",     [MG_RELU] = "relu",
      [MG_SIGMOID] = "sigmoid", [MG_SOFTPLUS] = "softplus", [MG_TANH] = "tanh",
      [MG_SIGN] = "sign",       [MG_EXPM1] = "expm1",       [MG_LOG1P] = "log1p",
      [MG_RSQRT] = "rsqrt",     [MG_ERF] = "erf",           [MG_GELU] = "gelu",
      [MG_SIN] = "sin",         [MG_COS] = "cos",           [MG_FLOOR] = "floor",
      [MG_ELU] = "elu",         [MG_LEAKY_RELU] = "leaky_relu", [MG_CLAMP] = "clamp"};
  static const char *const binaries[MG_BINARY_KINDS] = {
      [MG_ADD] = "add",         [MG_SUBTRACT] = "subtract", [MG_MULTIPLY] = "multiply",
      [MG_DIVIDE] = "divide",   [MG_MAXIMUM] = "maximum",   [MG_MINIMUM] = "minimum",
      [MG_LESS] = "lt",         [MG_LESS_EQUAL] = "le",     [MG_EQUAL] = "eq",
      [MG_NOT_EQUAL] = "ne",    [MG_POWER] = "pow",         [MG_ADD_RELU] = "add_relu"};
  static const char *const reductions[MG_REDUCE_KINDS] = {
      [MG_SUM] = "sum",               [MG_MEAN] = "mean",
      [MG_MAX] = "max",               [MG_MIN] = "min",
      [MG_PROD] = "prod",             [MG_LOGSUMEXP] = "logsumexp",
      [MG_VAR] = "var",               [MG_VAR_BIASED] = "var_biased",
      [MG_STD] = "std",               [MG_STD_BIASED] = "std_biased",
      [MG_NORM_1] = "norm_1",         [MG_NORM_2] = "norm_2",
      [MG_NORM_INF] = "norm_inf",     [MG_ANY] = "any",
      [MG_ALL] = "all",               [MG_ARGMAX] = "argmax",
      [MG_ARGMIN] = "argmin"};
  open_functions(L, functions);
  open_names(L, "unary_kinds", unaries, MG_UNARY_KINDS);
  open_names(L, "binary_kinds", binaries, MG_BINARY_KINDS);
  open_names(L, "reduce_kinds", reductions, MG_REDUCE_KINDS);
}

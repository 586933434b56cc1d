/* Primitives of estimators: projections, Sinkhorn, SparseMAP. As in bind_op.c. */
#include "binding.h"

static const char *const SPARSEMAP = "mapgrad.sparsemap";

typedef struct sparsemap_box {
  mg_sparsemap *set;
  int64_t entries; /* rows times n */
} sparsemap_box;

/* Rows of n x n entries, checked against the gradient's size if there is one. */
static int64_t matrix_rows(lua_State *L, const mg_tensor *t, const mg_tensor *gradient, int64_t n) {
  int64_t rows = n > 0 ? mg_tensor_size(t) / (n * n) : 0;
  if (rows * n * n != mg_tensor_size(t) || (gradient && mg_tensor_size(gradient) != mg_tensor_size(t)))
    raise_message(L, "MG-SHAPE", "sinkhorn: %.0f entries are no rows of %.0f x %.0f",
                  (double)mg_tensor_size(gradient ? gradient : t), (double)n, (double)n);
  return rows;
}

/* sinkhorn(theta, n, tau, tolerance, most) -> tensor of theta's shape, number of instances left open */
static int sinkhorn(lua_State *L) {
  int64_t n = check_integer(L, 2), most = check_integer(L, 5), open = 0;
  double tau = check_number(L, 3), tolerance = check_number(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *theta = check_tensor(L, 1);
  int64_t rows = matrix_rows(L, theta, NULL, n);
  h->tensor = mg_tensor_new(mg_tensor_shape(theta), mg_tensor_axes(theta));
  handle_done(L, S, h);
  check_status(L, mg_sinkhorn(mg_tensor_data(theta), rows, n, tau, tolerance, most,
                              mg_tensor_data(h->tensor), &open));
  lua_pushnumber(L, (lua_Number)open);
  return 2;
}

/* sinkhorn_vjp(p, dp, n, tau) */
static int sinkhorn_vjp(lua_State *L) {
  int64_t n = check_integer(L, 3);
  double tau = check_number(L, 4);
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *p = check_tensor(L, 1), *dp = check_tensor(L, 2);
  int64_t rows = matrix_rows(L, p, dp, n);
  h->tensor = mg_tensor_new(mg_tensor_shape(p), mg_tensor_axes(p));
  handle_done(L, S, h);
  check_status(L, mg_sinkhorn_vjp(mg_tensor_data(p), mg_tensor_data(dp), rows, n, tau,
                                  mg_tensor_data(h->tensor)));
  return 1;
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
    return raise_message(L, "MG-SHAPE", "project: the gradient has %.0f entries, theta has %.0f",
                         (double)mg_tensor_size(u), (double)mg_tensor_size(theta));
  h->tensor = mg_tensor_new(mg_tensor_shape(theta), mg_tensor_axes(theta));
  handle_done(L, S, h);
  check_status(L, mg_project_vjp(kind, mg_tensor_data(theta), mg_tensor_data(u), rows, n,
                                 mg_tensor_data(h->tensor)));
  return 1;
}

static sparsemap_box *check_sparsemap(lua_State *L) { return luaL_checkudata(L, 1, SPARSEMAP); }

/* sparsemap_new(theta, n, tau, tolerance) */
static int sparsemap_new(lua_State *L) {
  int64_t n = check_integer(L, 2);
  double tau = check_number(L, 3), tolerance = check_number(L, 4);
  sparsemap_box *box = compat_new_userdata(L, sizeof *box);
  *box = (sparsemap_box){NULL, 0};
  luaL_getmetatable(L, SPARSEMAP);
  lua_setmetatable(L, -2);
  mg_tensor *theta = check_tensor(L, 1);
  box->entries = mg_tensor_size(theta);
  if (n < 1 || box->entries % n != 0)
    return raise_message(L, "MG-SHAPE", "sparsemap: %.0f entries are no rows of %.0f",
                         (double)box->entries, (double)n);
  box->set = mg_sparsemap_new(mg_tensor_data(theta), box->entries / n, n, tau, tolerance);
  return box->set ? 1 : raise_failure(L);
}

static int sparsemap_free(lua_State *L) {
  sparsemap_box *box = check_sparsemap(L);
  mg_sparsemap_free(box->set);
  box->set = NULL;
  return 0;
}

/* A tensor of the shape at index, of as many entries as the set has. */
static handle *like_set(lua_State *L, const sparsemap_box *box, int index) {
  handle *h = handle_of_shape(L, index);
  if (mg_tensor_size(h->tensor) != box->entries)
    raise_message(L, "MG-SHAPE", "sparsemap: %.0f entries, expected %.0f",
                  (double)mg_tensor_size(h->tensor), (double)box->entries);
  return h;
}

/* sparsemap_query(set, shape) -> scores to solve */
static int sparsemap_query(lua_State *L) {
  sparsemap_box *box = check_sparsemap(L);
  mg_sparsemap_query(box->set, mg_tensor_data(like_set(L, box, 2)->tensor));
  return 1;
}

/* sparsemap_step(set, z) -> instances that are not done */
static int sparsemap_step(lua_State *L) {
  sparsemap_box *box = check_sparsemap(L);
  mg_tensor *z = check_tensor(L, 2);
  int64_t open = 0;
  if (mg_tensor_size(z) != box->entries)
    return raise_message(L, "MG-SHAPE", "sparsemap: %.0f entries, expected %.0f",
                         (double)mg_tensor_size(z), (double)box->entries);
  check_status(L, mg_sparsemap_step(box->set, mg_tensor_data(z), &open));
  lua_pushnumber(L, (lua_Number)open);
  return 1;
}

/* sparsemap_answer(set, shape) -> projections, number of active solutions */
static int sparsemap_answer(lua_State *L) {
  sparsemap_box *box = check_sparsemap(L);
  int64_t atoms = 0;
  mg_sparsemap_answer(box->set, mg_tensor_data(like_set(L, box, 2)->tensor), &atoms);
  lua_pushnumber(L, (lua_Number)atoms);
  return 2;
}

/* sparsemap_vjp(set, u, shape) */
static int sparsemap_vjp(lua_State *L) {
  sparsemap_box *box = check_sparsemap(L);
  handle *h = like_set(L, box, 3);
  mg_tensor *u = check_tensor(L, 2);
  if (mg_tensor_size(u) != box->entries)
    return raise_message(L, "MG-SHAPE", "sparsemap: the gradient has %.0f entries, expected %.0f",
                         (double)mg_tensor_size(u), (double)box->entries);
  check_status(L, mg_sparsemap_vjp(box->set, mg_tensor_data(u), mg_tensor_data(h->tensor)));
  return 1;
}

/* The numbers of the list on top, which goes. */
static void take_list(lua_State *L, double *out, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (int)(i + 1));
    out[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Raises unless there is a list at index, of at least `count` lists if count is above 0. */
static void check_lists(lua_State *L, int index, int64_t count) {
  luaL_checktype(L, index, LUA_TTABLE);
  for (int64_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)(i + 1));
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_pop(L, 1);
  }
}

/* The directions from the first atom, and these times the curvature, [k, n] each: list 1 and 2 of hull_newton. */
static void take_directions(lua_State *L, int is_diagonal, int64_t k, int64_t n, double *directions,
                            double *curved, double *room) {
  double *first = room, *diagonal = room + n;
  lua_rawgeti(L, 1, 1);
  take_list(L, first, n);
  if (is_diagonal) {
    lua_pushvalue(L, 2);
    take_list(L, diagonal, n);
  }
  for (int64_t j = 0; j < k; j++) {
    double *d = directions + j * n, *c = curved + j * n;
    lua_rawgeti(L, 1, (int)(j + 2));
    take_list(L, d, n);
    for (int64_t i = 0; i < n; i++) d[i] -= first[i];
    if (!is_diagonal) {
      lua_rawgeti(L, 2, (int)(j + 1));
      take_list(L, c, n);
    } else {
      for (int64_t i = 0; i < n; i++) c[i] = d[i] != 0 ? diagonal[i] * d[i] : 0;
    }
  }
}

static void fill_list(lua_State *L, int index, const double *values, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    lua_pushnumber(L, values[i]);
    lua_rawseti(L, index, (int)(i + 1));
  }
}

/* hull_newton(atoms, curvature, q, is_diagonal) -> a, step, gain, largest slope: lists of numbers, see mg_hull_newton.
 * curvature: its diagonal, or lists of it times each direction. */
static int hull_newton(lua_State *L) {
  const int is_diagonal = lua_toboolean(L, 4);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  int64_t k = (int64_t)lua_rawlen(L, 1) - 1, n = (int64_t)lua_rawlen(L, 3);
  if (k < 0) return raise_message(L, "MG-ARGUMENT", "hull: there are no active solutions");
  check_lists(L, 1, k + 1);
  check_lists(L, 2, is_diagonal ? 0 : k);
  lua_settop(L, 4);
  double *all = compat_new_userdata(L, (size_t)(k * k + 2 * k + 2 * k * n + 4 * n + 1) * sizeof *all);
  lua_createtable(L, (int)k, 0);
  lua_createtable(L, (int)n, 0);
  double *directions = all, *curved = directions + k * n, *q = curved + k * n, *step = q + n, *a = step + n;
  double *room = a + k, largest, gain;
  take_directions(L, is_diagonal, k, n, directions, curved, room);
  lua_pushvalue(L, 3);
  take_list(L, q, n);
  gain = mg_hull_newton(directions, curved, k, n, q, a, step, &largest, room);
  fill_list(L, 6, a, k);
  fill_list(L, 7, step, n);
  lua_pushnumber(L, gain);
  lua_pushnumber(L, largest);
  return 4;
}

void open_estimators(lua_State *L) {
  static const luaL_Reg functions[] = {{"hull_newton", hull_newton},
                                       {"project", project},
                                       {"project_vjp", project_vjp},
                                       {"sinkhorn", sinkhorn},
                                       {"sinkhorn_vjp", sinkhorn_vjp},
                                       {"sparsemap_new", sparsemap_new},
                                       {"sparsemap_query", sparsemap_query},
                                       {"sparsemap_step", sparsemap_step},
                                       {"sparsemap_answer", sparsemap_answer},
                                       {"sparsemap_vjp", sparsemap_vjp},
                                       {NULL, NULL}};
  static const char *const projections[MG_PROJECTIONS] = {[MG_PROJECT_NONE] = "none",
                                                          [MG_PROJECT_MEAN] = "mean",
                                                          [MG_PROJECT_NORM] = "norm",
                                                          [MG_PROJECT_STD] = "std"};
  open_type(L, SPARSEMAP, sparsemap_free);
  open_functions(L, functions);
  open_names(L, "projections", projections, MG_PROJECTIONS);
}

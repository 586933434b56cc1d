/* Solvers, noises, and the perturb-and-solve primitive. */
#include <string.h>

#include "binding.h"

static const char *const SOLVER = "mapgrad.solver";
static const char *const NOISE = "mapgrad.noise";
static const char *const WARM = "mapgrad.warm";
static const char *const MEMO = "mapgrad.memo";

enum { MOST_CONTEXTS = 8 };

typedef struct solver_box {
  mg_solver *solver;
} solver_box;

typedef struct noise_box {
  mg_noise *noise;
} noise_box;

static mg_solver *check_solver(lua_State *L, int index) {
  return ((solver_box *)luaL_checkudata(L, index, SOLVER))->solver;
}

static mg_noise *check_noise(lua_State *L, int index) {
  return ((noise_box *)luaL_checkudata(L, index, NOISE))->noise;
}

static mg_noise *optional_noise(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : check_noise(L, index);
}

/* Reads the list of numbers on top of the stack; they live in a userdata that takes its place. */
static void read_list(lua_State *L, mg_setting *s) {
  s->count = (int64_t)lua_rawlen(L, -1);
  double *numbers = compat_new_userdata(L, (size_t)(s->count ? s->count : 1) * sizeof *numbers);
  for (int64_t i = 0; i < s->count; i++) {
    lua_rawgeti(L, -2, (int)(i + 1));
    if (lua_type(L, -1) != LUA_TNUMBER)
      raise_message(L, "MG-TYPE", "setting '%s' holds a %s at entry %d, expected a number", s->name,
                    luaL_typename(L, -1), (int)(i + 1));
    numbers[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  s->numbers = numbers;
  lua_replace(L, -2);
}

int check_settings(lua_State *L, int index, mg_setting *settings, double *values) {
  int count = 0;
  check_list(L, index);
  luaL_checkstack(L, MOST_SETTINGS + 8, "settings");
  for (lua_pushnil(L); lua_next(L, index);) {
    if (count == MOST_SETTINGS)
      return raise_message(L, "MG-ARGUMENT", "more than %d settings", MOST_SETTINGS);
    if (lua_type(L, -2) != LUA_TSTRING)
      return raise_message(L, "MG-ARGUMENT", "settings are named, got a %s as a name",
                           luaL_typename(L, -2));
    mg_setting *s = &settings[count];
    *s = (mg_setting){.name = lua_tostring(L, -2)};
    if (lua_type(L, -1) == LUA_TNUMBER || lua_isboolean(L, -1)) {
      values[count] = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1);
      s->numbers = &values[count];
      s->count = 1;
    } else if (lua_type(L, -1) == LUA_TSTRING) {
      s->text = lua_tostring(L, -1);
    } else if (lua_type(L, -1) == LUA_TTABLE) {
      read_list(L, s);
      lua_insert(L, -2); /* below the name, where it stays */
      count++;
      continue;
    } else {
      return raise_message(L, "MG-TYPE", "setting '%s' is a %s, expected a number, a text or a list",
                           s->name, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    count++;
  }
  return count;
}

static void push_options(lua_State *L, const char *field, const mg_option *options) {
  lua_newtable(L);
  for (int i = 0; options[i].name; i++) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, options[i].name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, options[i].form);
    lua_setfield(L, -2, "form");
    lua_pushstring(L, options[i].preset); /* nil for NULL */
    lua_setfield(L, -2, "preset");
    lua_pushstring(L, options[i].doc);
    lua_setfield(L, -2, "doc");
    lua_pushboolean(L, options[i].is_index);
    lua_setfield(L, -2, "is_index");
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, field);
}

static int push_kinds(lua_State *L, const mg_kind *(*kind)(int)) {
  lua_newtable(L);
  for (int i = 0; kind(i); i++) {
    const mg_kind *k = kind(i);
    lua_createtable(L, 0, 7);
    lua_pushstring(L, k->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, k->sense);
    lua_setfield(L, -2, "sense");
    lua_pushstring(L, k->shape);
    lua_setfield(L, -2, "shape");
    lua_pushstring(L, k->doc);
    lua_setfield(L, -2, "doc");
    lua_pushboolean(L, k->is_exact);
    lua_setfield(L, -2, "exact");
    lua_pushboolean(L, k->is_constant_sum);
    lua_setfield(L, -2, "constant_sum");
    push_options(L, "settings", k->settings);
    push_options(L, "contexts", k->contexts);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int solver_kinds(lua_State *L) { return push_kinds(L, mg_solver_kind); }

static int noise_kinds(lua_State *L) { return push_kinds(L, mg_noise_kind); }

/* solver_new(kind, settings) */
static int solver_new(lua_State *L) {
  const char *kind = check_text(L, 1);
  mg_setting settings[MOST_SETTINGS];
  double values[MOST_SETTINGS];
  int count = check_settings(L, 2, settings, values);
  solver_box *box = compat_new_userdata(L, sizeof *box);
  box->solver = NULL;
  luaL_getmetatable(L, SOLVER);
  lua_setmetatable(L, -2);
  box->solver = mg_solver_new(kind, settings, count);
  return box->solver ? 1 : raise_failure(L);
}

static int solver_free(lua_State *L) {
  solver_box *box = luaL_checkudata(L, 1, SOLVER);
  mg_solver_free(box->solver);
  box->solver = NULL;
  return 0;
}

/* solver_load(path, symbol, {name=, n=, minimum=, exact=, names = {..}, widths = {..}}) */
static int solver_load(lua_State *L) {
  const char *path = check_text(L, 1), *symbol = check_text(L, 2);
  check_list(L, 3);
  mg_option contexts[MOST_CONTEXTS + 1] = {{0}};
  int64_t widths[MOST_CONTEXTS] = {0};
  static const char *const fields[] = {"name", "n", "minimum", "exact", "names", "widths"};
  for (int i = 0; i < 6; i++) lua_getfield(L, 3, fields[i]); /* at 4..9 */
  int count = (int)lua_rawlen(L, 8);
  if (count > MOST_CONTEXTS)
    return raise_message(L, "MG-ARGUMENT", "more than %d contexts", MOST_CONTEXTS);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, 8, i + 1);
    contexts[i].name = check_text(L, -1); /* the table keeps it */
    lua_rawgeti(L, 9, i + 1);
    widths[i] = check_integer(L, -1);
    lua_pop(L, 2);
  }
  mg_function function = {.name = check_text(L, 4),
                          .n = check_integer(L, 5),
                          .is_minimum = lua_toboolean(L, 6),
                          .is_exact = lua_toboolean(L, 7),
                          .contexts = contexts,
                          .widths = widths};
  solver_box *box = compat_new_userdata(L, sizeof *box);
  box->solver = NULL;
  luaL_getmetatable(L, SOLVER);
  lua_setmetatable(L, -2);
  box->solver = mg_solver_load(path, symbol, &function);
  return box->solver ? 1 : raise_failure(L);
}

/* solver_blocks(solver, blocks) */
static int solver_blocks(lua_State *L) {
  mg_solver *inner = check_solver(L, 1);
  int64_t blocks = check_integer(L, 2);
  solver_box *box = compat_new_userdata(L, sizeof *box);
  box->solver = NULL;
  luaL_getmetatable(L, SOLVER);
  lua_setmetatable(L, -2);
  box->solver = mg_solver_blocks(inner, blocks);
  return box->solver ? 1 : raise_failure(L);
}

/* solver_traits(solver) -> size, whether of constant sum, list of context widths */
static int solver_traits(lua_State *L) {
  const mg_solver *s = check_solver(L, 1);
  lua_pushinteger(L, (lua_Integer)mg_solver_size(s));
  lua_pushboolean(L, mg_solver_is_constant_sum(s));
  lua_newtable(L);
  for (int i = 0; mg_solver_context_width(s, i) > 0; i++) {
    lua_pushinteger(L, (lua_Integer)mg_solver_context_width(s, i));
    lua_rawseti(L, -2, i + 1);
  }
  return 3;
}

/* What solves hand to later solves of near scores: rows of numbers behind their count. */
typedef struct warm_block {
  int64_t rows;
  double values[];
} warm_block;

/* solver_warm(solver, rows) -> a block of zeros, or nil for solvers that have no use for it */
static int solver_warm(lua_State *L) {
  int64_t width = mg_solver_warm_size(check_solver(L, 1)), rows = check_integer(L, 2);
  if (width == 0) return 0;
  if (rows < 0 || rows > INT32_MAX / width)
    return raise_message(L, "MG-ARGUMENT", "solver: %.0f rows of warm state are too many", (double)rows);
  size_t bytes = (size_t)(rows * width) * sizeof(double);
  warm_block *w = compat_new_userdata(L, sizeof *w + bytes);
  w->rows = rows;
  memset(w->values, 0, bytes);
  luaL_getmetatable(L, WARM);
  lua_setmetatable(L, -2);
  return 1;
}

/* The block at an index for `rows` solves; NULL for nil or none. */
static double *check_warm(lua_State *L, int index, int64_t rows) {
  if (lua_isnoneornil(L, index)) return NULL;
  warm_block *w = luaL_checkudata(L, index, WARM);
  if (w->rows != rows)
    raise_message(L, "MG-SHAPE", "solver: warm state of %.0f solves, expected %.0f", (double)w->rows,
                  (double)rows);
  return w->values;
}

/* noise_new(kind, settings) */
static int noise_new(lua_State *L) {
  const char *kind = check_text(L, 1);
  mg_setting settings[MOST_SETTINGS];
  double values[MOST_SETTINGS];
  int count = check_settings(L, 2, settings, values);
  noise_box *box = compat_new_userdata(L, sizeof *box);
  box->noise = NULL;
  luaL_getmetatable(L, NOISE);
  lua_setmetatable(L, -2);
  box->noise = mg_noise_new(kind, settings, count);
  return box->noise ? 1 : raise_failure(L);
}

static void expect_size(lua_State *L, const char *name, const mg_tensor *t, int64_t a, int64_t b,
                        int64_t c) {
  double expected = (double)a * (double)b * (double)c, got = (double)mg_tensor_size(t);
  if (expected != got)
    raise_message(L, "MG-SHAPE", "%s: %.0f entries, expected %.0f", name, got, expected);
}

/* noise_given(h, samples, batch, n): the caller keeps h */
static int noise_given(lua_State *L) {
  int64_t samples = check_integer(L, 2), batch = check_integer(L, 3), n = check_integer(L, 4);
  noise_box *box = compat_new_userdata(L, sizeof *box);
  box->noise = NULL;
  luaL_getmetatable(L, NOISE);
  lua_setmetatable(L, -2);
  mg_tensor *t = check_tensor(L, 1);
  if (samples < 0 || batch < 0 || n < 0)
    return raise_message(L, "MG-SHAPE", "noise.given: extents are below 0");
  expect_size(L, "noise.given", t, samples, batch, n);
  box->noise = mg_noise_given(mg_tensor_data(t), samples, batch, n);
  return box->noise ? 1 : raise_failure(L);
}

static int noise_free(lua_State *L) {
  noise_box *box = luaL_checkudata(L, 1, NOISE);
  mg_noise_free(box->noise);
  box->noise = NULL;
  return 0;
}

/* noise_map(noise, function, x) -> tensor of x's shape */
static int noise_map(lua_State *L) {
  const mg_noise *noise = check_noise(L, 1);
  int which = check_int(L, 2);
  if (which < 0 || which >= MG_NOISE_FUNCTIONS)
    return raise_message(L, "MG-ARGUMENT", "noise: no function %d", which);
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *x = check_tensor(L, 3);
  do h->tensor = mg_tensor_new(mg_tensor_shape(x), mg_tensor_axes(x));
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  check_status(L, mg_noise_map(noise, (mg_noise_function)which, mg_tensor_data(x), mg_tensor_size(x),
                               mg_tensor_data(h->tensor)));
  return 1;
}

/* noise_cumulants(noise) -> mean, variance, third, fourth; nil for those that do not exist */
static int noise_cumulants(lua_State *L) {
  double c[4];
  check_status(L, mg_noise_cumulants(check_noise(L, 1), c));
  for (int i = 0; i < 4; i++) {
    if (c[i] - c[i] == 0) lua_pushnumber(L, c[i]);
    else lua_pushnil(L);
  }
  return 4;
}

/* Reads the list at index of {name, handle, rows} into contexts. */
static int read_contexts(lua_State *L, int index, mg_context *contexts) {
  if (lua_isnoneornil(L, index)) return 0;
  check_list(L, index);
  int count = (int)lua_rawlen(L, index);
  if (count > MOST_CONTEXTS)
    return raise_message(L, "MG-ARGUMENT", "more than %d contexts", MOST_CONTEXTS);
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, index, i + 1);
    check_list(L, -1);
    for (int j = 1; j <= 3; j++) lua_rawgeti(L, -j, j);
    mg_tensor *t = check_tensor(L, -2);
    int64_t rows = check_integer(L, -1);
    contexts[i] = (mg_context){.name = check_text(L, -3),
                               .values = mg_tensor_data(t),
                               .rows = rows,
                               .width = rows > 0 ? mg_tensor_size(t) / rows : 0};
    lua_pop(L, 4);
  }
  return count;
}

static int push_report(lua_State *L, const mg_report *report) {
  lua_pushnumber(L, (lua_Number)report->solves);
  lua_pushnumber(L, (lua_Number)report->repaired);
  return 2;
}

/* Pushes {objective = {}, bound = {}, proved = {}, solved = {}}. */
static void push_answers(lua_State *L, const mg_answer *answers, int64_t count) {
  static const char *const names[4] = {"objective", "bound", "proved", "solved"};
  lua_createtable(L, 0, 4);
  for (int f = 0; f < 4; f++) {
    lua_createtable(L, (int)count, 0);
    for (int64_t i = 0; i < count; i++) {
      if (f < 2) lua_pushnumber(L, f == 0 ? answers[i].objective : answers[i].bound);
      else lua_pushboolean(L, f == 2 ? answers[i].proved : answers[i].status == MG_OK);
      lua_rawseti(L, -2, (int)(i + 1));
    }
    lua_setfield(L, -2, names[f]);
  }
}

/* solver_solve(solver, theta, contexts, wanted, warm) -> z of theta's shape, solves, repaired, and if
 * wanted the answers; then an instance without a solution is no error */
static int solver_solve(lua_State *L) {
  lua_settop(L, 5);
  mg_solver *s = check_solver(L, 1);
  int wanted = lua_toboolean(L, 4), attempts = 0;
  int64_t rows = mg_tensor_size(check_tensor(L, 2)) / mg_solver_size(s);
  mg_answer *answers =
      wanted ? compat_new_userdata(L, (size_t)(rows ? rows : 1) * sizeof *answers) : NULL;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  mg_tensor *theta = check_tensor(L, 2); /* after all that may collect, as in bind_op.c */
  mg_context contexts[MOST_CONTEXTS];
  int count = read_contexts(L, 3, contexts);
  double *warm = check_warm(L, 5, rows);
  expect_size(L, "solver", theta, rows, mg_solver_size(s), 1);
  do h->tensor = mg_tensor_new(mg_tensor_shape(theta), mg_tensor_axes(theta));
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  mg_report report = {0};
  check_status(L, mg_solver_solve(s, mg_tensor_data(theta), contexts, count,
                                  mg_tensor_data(h->tensor), answers, warm, &report, rows));
  int pushed = 1 + push_report(L, &report);
  if (!wanted) return pushed;
  push_answers(L, answers, rows);
  return pushed + 1;
}

/* solver_is_feasible(solver, z, contexts) -> list of booleans */
static int solver_is_feasible(lua_State *L) {
  lua_settop(L, 3);
  const mg_solver *s = check_solver(L, 1);
  int64_t rows = mg_tensor_size(check_tensor(L, 2)) / mg_solver_size(s);
  unsigned char *feasible = compat_new_userdata(L, (size_t)(rows ? rows : 1));
  mg_context contexts[MOST_CONTEXTS];
  int count = read_contexts(L, 3, contexts);
  mg_tensor *z = check_tensor(L, 2);
  expect_size(L, "solver", z, rows, mg_solver_size(s), 1);
  check_status(L, mg_solver_is_feasible(s, contexts, count, mg_tensor_data(z), feasible, rows));
  lua_createtable(L, (int)rows, 0);
  for (int64_t i = 0; i < rows; i++) {
    lua_pushboolean(L, feasible[i]);
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* solver_count(solver, contexts, most) -> number of solutions */
static int solver_count(lua_State *L) {
  const mg_solver *s = check_solver(L, 1);
  mg_context contexts[MOST_CONTEXTS];
  int given = read_contexts(L, 2, contexts);
  int64_t count = 0;
  check_status(L, mg_solver_enumerate(s, contexts, given, check_integer(L, 3), NULL, 0, &count));
  lua_pushnumber(L, (lua_Number)count);
  return 1;
}

/* solver_enumerate(solver, contexts, shape) -> z: the first shape[1] solutions */
static int solver_enumerate(lua_State *L) {
  const mg_solver *s = check_solver(L, 1);
  handle *h = handle_of_shape(L, 3);
  int64_t room = mg_tensor_size(h->tensor) / mg_solver_size(s), count = 0;
  mg_context contexts[MOST_CONTEXTS];
  int given = read_contexts(L, 2, contexts);
  expect_size(L, "solver", h->tensor, room, mg_solver_size(s), 1);
  check_status(L, mg_solver_enumerate(s, contexts, given, room, mg_tensor_data(h->tensor), room,
                                      &count));
  return 1;
}

/* perturb(noise, seed, stream, index, temperature, theta, theta_samples, samples, batch, first, n,
 * shape) */
static int perturb(lua_State *L) {
  mg_noise *noise = optional_noise(L, 1);
  mg_draw draw = check_draw(L, 2);
  double temperature = check_number(L, 5);
  int64_t theta_samples = check_integer(L, 7), samples = check_integer(L, 8);
  int64_t batch = check_integer(L, 9), first = check_integer(L, 10), n = check_integer(L, 11);
  handle *h = handle_of_shape(L, 12);
  mg_tensor *theta = check_tensor(L, 6);
  expect_size(L, "perturb: theta", theta, theta_samples, batch, n);
  expect_size(L, "perturb: result", h->tensor, samples, batch, n);
  check_status(L, mg_perturb(noise, &draw, temperature, mg_tensor_data(theta), theta_samples,
                             samples, batch, first, n, mg_tensor_data(h->tensor)));
  return 1;
}

/* perturb_solve(solver, noise, seed, stream, index, temperature, theta, theta_samples, samples, batch,
 * first, contexts, shape, warm) -> z, solves, repaired */
static int perturb_solve(lua_State *L) {
  lua_settop(L, 14);
  mg_solver *s = check_solver(L, 1);
  mg_noise *noise = optional_noise(L, 2);
  mg_draw draw = check_draw(L, 3);
  double temperature = check_number(L, 6);
  int64_t theta_samples = check_integer(L, 8), samples = check_integer(L, 9);
  int64_t batch = check_integer(L, 10), first = check_integer(L, 11);
  handle *h = handle_of_shape(L, 13);
  mg_tensor *theta = check_tensor(L, 7);
  mg_context contexts[MOST_CONTEXTS];
  int count = read_contexts(L, 12, contexts);
  expect_size(L, "perturb_solve: theta", theta, theta_samples, batch, mg_solver_size(s));
  expect_size(L, "perturb_solve: result", h->tensor, samples, batch, mg_solver_size(s));
  double *warm = check_warm(L, 14, samples * batch);
  mg_report report = {0};
  check_status(L, mg_perturb_solve(s, noise, &draw, temperature, mg_tensor_data(theta),
                                   theta_samples, samples, batch, first, contexts, count,
                                   mg_tensor_data(h->tensor), warm, &report));
  return 1 + push_report(L, &report);
}

/* noise_sample(noise, seed, stream, index, samples, batch, first, n, shape) */
static int noise_sample(lua_State *L) {
  mg_noise *noise = optional_noise(L, 1);
  mg_draw draw = check_draw(L, 2);
  int64_t samples = check_integer(L, 5), batch = check_integer(L, 6);
  int64_t first = check_integer(L, 7), n = check_integer(L, 8);
  handle *h = handle_of_shape(L, 9);
  expect_size(L, "noise: result", h->tensor, samples, batch, n);
  check_status(L, mg_noise_sample(noise, &draw, samples, batch, first, n,
                                  mg_tensor_data(h->tensor)));
  return 1;
}

typedef struct memo_box {
  mg_memo *memo;
  int64_t key_reals, value_reals;
} memo_box;

/* memo_new(key_reals, value_reals, most) */
static int memo_new(lua_State *L) {
  int64_t key = check_integer(L, 1), value = check_integer(L, 2), most = check_integer(L, 3);
  memo_box *box = compat_new_userdata(L, sizeof *box);
  *box = (memo_box){NULL, key, value};
  luaL_getmetatable(L, MEMO);
  lua_setmetatable(L, -2);
  box->memo = mg_memo_new(key, value, most);
  return box->memo ? 1 : raise_failure(L);
}

static int memo_free(lua_State *L) {
  memo_box *box = luaL_checkudata(L, 1, MEMO);
  mg_memo_free(box->memo);
  box->memo = NULL;
  return 0;
}

/* memo_find(memo, keys, z) fills the rows of z that are known -> list of the numbers of the others */
static int memo_find(lua_State *L) {
  memo_box *box = luaL_checkudata(L, 1, MEMO);
  int64_t count = mg_tensor_size(check_tensor(L, 2)) / box->key_reals;
  int64_t *missing = compat_new_userdata(L, (size_t)(count ? count : 1) * sizeof *missing);
  mg_tensor *keys = check_tensor(L, 2), *z = check_tensor(L, 3);
  expect_size(L, "memo: keys", keys, count, box->key_reals, 1);
  expect_size(L, "memo: values", z, count, box->value_reals, 1);
  int64_t misses = mg_memo_find(box->memo, mg_tensor_data(keys), mg_tensor_data(z), count, missing);
  lua_createtable(L, (int)misses, 0);
  for (int64_t i = 0; i < misses; i++) {
    lua_pushnumber(L, (lua_Number)missing[i] + 1);
    lua_rawseti(L, -2, (int)(i + 1));
  }
  return 1;
}

/* memo_add(memo, keys, rows, answers, z): answers [#rows, n] are those of the rows of keys in the list, and
 * go to these rows of z, too */
static int memo_add(lua_State *L) {
  memo_box *box = luaL_checkudata(L, 1, MEMO);
  mg_tensor *keys = check_tensor(L, 2), *answers = check_tensor(L, 4), *z = check_tensor(L, 5);
  int64_t count = mg_tensor_size(keys) / box->key_reals, n = box->value_reals;
  check_list(L, 3);
  int64_t rows = (int64_t)lua_rawlen(L, 3);
  expect_size(L, "memo: keys", keys, count, box->key_reals, 1);
  expect_size(L, "memo: answers", answers, rows, n, 1);
  expect_size(L, "memo: z", z, count, n, 1);
  for (int64_t i = 0; i < rows; i++) {
    lua_rawgeti(L, 3, (int)(i + 1));
    int64_t row = check_integer(L, -1) - 1;
    lua_pop(L, 1);
    if (row < 0 || row >= count)
      return raise_message(L, "MG-ARGUMENT", "memo: row %.0f of %.0f", (double)row + 1, (double)count);
    const mg_real *answer = mg_tensor_data(answers) + i * n;
    memcpy(mg_tensor_data(z) + row * n, answer, (size_t)n * sizeof *answer);
    mg_memo_add(box->memo, mg_tensor_data(keys) + row * box->key_reals, answer, 1);
  }
  return 0;
}

/* memo_values(memo) -> a copy of the answers held, [count, value_reals] */
static int memo_values(lua_State *L) {
  memo_box *box = luaL_checkudata(L, 1, MEMO);
  int64_t shape[2] = {mg_memo_count(box->memo), box->value_reals};
  int attempts = 0;
  state *S = state_of(L);
  handle *h = handle_new(L, S);
  do h->tensor = mg_tensor_new(shape, 2);
  while (handle_again(L, h, &attempts));
  handle_done(L, S, h);
  memcpy(mg_tensor_data(h->tensor), mg_memo_values(box->memo),
         (size_t)(shape[0] * shape[1]) * sizeof(mg_real));
  return 1;
}

void open_solvers(lua_State *L) {
  static const char *const noise_functions[MG_NOISE_FUNCTIONS] = {
      [MG_NOISE_LOG_DENSITY] = "log_density",
      [MG_NOISE_SCORE] = "score",
      [MG_NOISE_CDF] = "cdf",
      [MG_NOISE_QUANTILE] = "quantile"};
  static const luaL_Reg functions[] = {{"solver_kinds", solver_kinds},
                                       {"solver_new", solver_new},
                                       {"solver_load", solver_load},
                                       {"solver_blocks", solver_blocks},
                                       {"solver_traits", solver_traits},
                                       {"solver_warm", solver_warm},
                                       {"solver_solve", solver_solve},
                                       {"solver_is_feasible", solver_is_feasible},
                                       {"solver_count", solver_count},
                                       {"solver_enumerate", solver_enumerate},
                                       {"memo_new", memo_new},
                                       {"memo_find", memo_find},
                                       {"memo_add", memo_add},
                                       {"memo_values", memo_values},
                                       {"noise_kinds", noise_kinds},
                                       {"noise_new", noise_new},
                                       {"noise_given", noise_given},
                                       {"noise_sample", noise_sample},
                                       {"noise_cumulants", noise_cumulants},
                                       {"noise_map", noise_map},
                                       {"perturb", perturb},
                                       {"perturb_solve", perturb_solve},
                                       {NULL, NULL}};
  open_type(L, SOLVER, solver_free);
  open_type(L, NOISE, noise_free);
  open_type(L, WARM, NULL);
  open_type(L, MEMO, memo_free);
  open_functions(L, functions);
  open_names(L, "noise_functions", noise_functions, MG_NOISE_FUNCTIONS);
}

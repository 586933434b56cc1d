/* Exact laws. */
#include "binding.h"

static const char *const LAW = "mapgrad.law_plan";

typedef struct law_box {
  mg_law *law;
} law_box;

static const mg_law *check_law(lua_State *L, int index) {
  return ((law_box *)luaL_checkudata(L, index, LAW))->law;
}

static law_box *box_new(lua_State *L) {
  law_box *box = compat_new_userdata(L, sizeof *box);
  box->law = NULL;
  luaL_getmetatable(L, LAW);
  lua_setmetatable(L, -2);
  return box;
}

/* law_kinds() -> list of names */
static int law_kinds(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; mg_law_kind(i); i++) {
    lua_pushstring(L, mg_law_kind(i)->name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* law_new(kind, settings, blocks) */
static int law_new(lua_State *L) {
  const char *kind = check_text(L, 1);
  int64_t blocks = check_integer(L, 3);
  mg_setting settings[MOST_SETTINGS];
  double values[MOST_SETTINGS];
  int count = check_settings(L, 2, settings, values);
  law_box *box = box_new(L);
  box->law = mg_law_new(kind, settings, count, blocks);
  return box->law ? 1 : raise_failure(L);
}

/* law_enumerated(z, n) */
static int law_enumerated(lua_State *L) {
  int64_t n = check_integer(L, 2);
  law_box *box = box_new(L);
  mg_tensor *z = check_tensor(L, 1);
  box->law = mg_law_enumerated(mg_tensor_data(z), n > 0 ? mg_tensor_size(z) / n : 0, n);
  return box->law ? 1 : raise_failure(L);
}

static int law_free(lua_State *L) {
  law_box *box = luaL_checkudata(L, 1, LAW);
  mg_law_free(box->law);
  box->law = NULL;
  return 0;
}

/* law_size(law) */
static int law_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mg_law_size(check_law(L, 1)));
  return 1;
}

/* The tensor at index, of `count` entries. */
static mg_tensor *check_sized(lua_State *L, int index, int64_t count) {
  mg_tensor *t = check_tensor(L, index);
  if (mg_tensor_size(t) != count)
    raise_message(L, "MG-SHAPE", "law: %.0f entries, expected %.0f", (double)mg_tensor_size(t),
                  (double)count);
  return t;
}

/* law_moments(law, temperature, theta, which, shape) -> "A", "mu" or "H" */
static int law_moments(lua_State *L) {
  const mg_law *p = check_law(L, 1);
  double temperature = check_number(L, 2);
  const char which = *check_text(L, 4);
  mg_tensor *out = handle_of_shape(L, 5)->tensor, *theta = check_tensor(L, 3);
  int64_t rows = mg_tensor_size(theta) / mg_law_size(p);
  if (mg_tensor_size(out) != (which == 'm' ? rows * mg_law_size(p) : rows))
    return raise_message(L, "MG-SHAPE", "law: the result has %.0f entries",
                         (double)mg_tensor_size(out));
  mg_real *data = mg_tensor_data(out);
  check_sized(L, 3, rows * mg_law_size(p));
  check_status(
      L, mg_law_moments(p, temperature, mg_tensor_data(theta), rows, which == 'A' ? data : NULL,
                        which == 'm' ? data : NULL, which == 'H' ? data : NULL));
  return 1;
}

/* law_tangent(law, temperature, theta, u, shape) -> J u */
static int law_tangent(lua_State *L) {
  const mg_law *p = check_law(L, 1);
  double temperature = check_number(L, 2);
  mg_tensor *out = handle_of_shape(L, 5)->tensor;
  int64_t rows = mg_tensor_size(out) / mg_law_size(p), size = rows * mg_law_size(p);
  mg_tensor *theta = check_sized(L, 3, size), *u = check_sized(L, 4, size);
  check_status(L, mg_law_tangent(p, temperature, mg_tensor_data(theta), mg_tensor_data(u), rows,
                                 mg_tensor_data(out)));
  return 1;
}

/* law_divergence(law, temperature, theta, other, shape) -> KL */
static int law_divergence(lua_State *L) {
  const mg_law *p = check_law(L, 1);
  double temperature = check_number(L, 2);
  mg_tensor *out = handle_of_shape(L, 5)->tensor;
  int64_t rows = mg_tensor_size(out), size = rows * mg_law_size(p);
  mg_tensor *theta = check_sized(L, 3, size), *other = check_sized(L, 4, size);
  check_status(L, mg_law_divergence(p, temperature, mg_tensor_data(theta), mg_tensor_data(other),
                                    rows, mg_tensor_data(out)));
  return 1;
}

/* law_log_prob(law, temperature, theta, z, shape) -> [samples, batch] */
static int law_log_prob(lua_State *L) {
  const mg_law *p = check_law(L, 1);
  double temperature = check_number(L, 2);
  mg_tensor *out = handle_of_shape(L, 5)->tensor, *theta = check_tensor(L, 3);
  int64_t rows = mg_tensor_size(theta) / mg_law_size(p);
  int64_t samples = rows > 0 ? mg_tensor_size(out) / rows : 0;
  mg_tensor *z = check_sized(L, 4, samples * rows * mg_law_size(p));
  check_sized(L, 3, rows * mg_law_size(p));
  check_status(L, mg_law_log_prob(p, temperature, mg_tensor_data(theta), mg_tensor_data(z), samples,
                                  rows, mg_tensor_data(out)));
  return 1;
}

/* law_sample(law, temperature, theta, seed, stream, index, theta_samples, samples, first_row, shape) -> z */
static int law_sample(lua_State *L) {
  const mg_law *p = check_law(L, 1);
  double temperature = check_number(L, 2);
  mg_draw draw = check_draw(L, 4);
  int64_t theta_samples = check_integer(L, 7), samples = check_integer(L, 8), first = check_integer(L, 9);
  mg_tensor *out = handle_of_shape(L, 10)->tensor;
  if (samples < 1) return 1;
  int64_t rows = mg_tensor_size(out) / samples / mg_law_size(p), size = rows * mg_law_size(p);
  if (mg_tensor_size(out) != samples * size || (theta_samples != 1 && theta_samples != samples))
    return raise_message(L, "MG-SHAPE", "law: the result has %.0f entries",
                         (double)mg_tensor_size(out));
  mg_tensor *theta = check_sized(L, 3, theta_samples * size);
  check_status(L, mg_law_sample(p, temperature, &draw, mg_tensor_data(theta), theta_samples,
                                samples, rows, first, mg_tensor_data(out)));
  return 1;
}

void open_laws(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"law_kinds", law_kinds},           {"law_new", law_new},
      {"law_enumerated", law_enumerated}, {"law_size", law_size},
      {"law_moments", law_moments},       {"law_tangent", law_tangent},
      {"law_divergence", law_divergence}, {"law_log_prob", law_log_prob},
      {"law_sample", law_sample},         {NULL, NULL}};
  open_type(L, LAW, law_free);
  open_functions(L, functions);
}

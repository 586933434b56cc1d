/* Random numbers from draws. */
#include "binding.h"

static int random_into(lua_State *L, mg_status (*draw)(const mg_draw *, mg_real *, int64_t)) {
  mg_tensor *t = check_tensor(L, 1);
  mg_draw d = check_draw(L, 2);
  call_begin(L, state_of(L));
  return check_status(L, draw(&d, mg_tensor_data(t), mg_tensor_size(t)));
}

/* random_uniform(h, seed, stream, index): fills h */
static int random_uniform(lua_State *L) { return random_into(L, mg_random_uniform); }

static int random_exponential(lua_State *L) { return random_into(L, mg_random_exponential); }

static int random_gumbel(lua_State *L) { return random_into(L, mg_random_gumbel); }

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

void open_random(lua_State *L) {
  static const luaL_Reg functions[] = {{"random_uniform", random_uniform},
                                       {"random_exponential", random_exponential},
                                       {"random_gumbel", random_gumbel},
                                       {"random_normal", random_normal},
                                       {"random_order", random_order},
                                       {"philox", philox},
                                       {NULL, NULL}};
  open_functions(L, functions);
}

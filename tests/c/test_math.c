/* The functions of a real against libm in double, bit pattern by bit pattern, and random numbers against
 * their definitions, computed one by one from the words of Philox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "mapgrad.h"

#define COUNT_OF(list) ((int)(sizeof(list) / sizeof *(list)))

/* ---- functions of a real */

static double sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 40 ? x : log1p(exp(x)); }
static double gelu(double x) { return x == -INFINITY ? -0.0 : x * erfc(-x / sqrt(2)) / 2; }

/* units: of the last place of the exact value, that a result may lie off. slack: of gelu, where a factor is
 * subnormal. */
static const struct {
  const char *name;
  mg_unary_kind kind;
  double (*exact)(double);
  double units, slack;
} functions[] = {{"exp", MG_EXP, exp, 2, 0},
                 {"log", MG_LOG, log, 2, 0},
                 {"tanh", MG_TANH, tanh, 2, 0},
                 {"sigmoid", MG_SIGMOID, sigmoid, 2, 0},
                 {"softplus", MG_SOFTPLUS, softplus, 2, 0},
                 {"expm1", MG_EXPM1, expm1, 2, 0},
                 {"log1p", MG_LOG1P, log1p, 2, 0},
                 {"erf", MG_ERF, erf, 2, 0},
                 {"gelu", MG_GELU, gelu, 4, 1e-43}};

/* The unit of the last place of a float near x. */
static double unit_of(double x) {
  int exponent;
  frexp(x, &exponent);
  return ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void check_value(int f, double x, double got) {
  double exact = functions[f].exact(x), rounded = (double)(float)exact;
  if (isnan(exact) ? isnan(got) : got == rounded && signbit(got) == signbit(rounded)) return;
  double top = 3.4028235e38; /* rounding may go either way at the ends of the range */
  if (fabs(exact) > top && fabs(exact) < 1.0000002 * top && fabs(got) >= top) return;
  double off = fabs(got - exact);
  if (isnan(got) || isinf(got) || !(off <= functions[f].units * unit_of(exact) + functions[f].slack))
    fail_msg("%s of %a is %a, expected %a", functions[f].name, x, got, exact);
}

static void check_all(int f, mg_tensor *x, mg_tensor *y) {
  assert_int_equal(mg_unary_into(y, functions[f].kind, x, 0, 0), MG_OK);
  for (int64_t i = 0; i < mg_tensor_size(x); i++)
    check_value(f, (double)mg_tensor_data(x)[i], (double)mg_tensor_data(y)[i]);
}

/* 2^32 / 4093 = 1,049,344 floats: every 4093rd bit pattern, both signs, subnormal ones, infinities and NaN. */
static void functions_are_exact_to_units_of_the_last_place(void **state) {
  (void)state;
  if (mg_real_bytes() != 4) skip(); /* double has libm's */
  enum { PART = 65536 };
  int64_t shape[] = {PART};
  mg_tensor *x = mg_tensor_new(shape, 1), *y = mg_tensor_new(shape, 1);
  for (int f = 0; f < COUNT_OF(functions); f++)
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32;) {
      for (int i = 0; i < PART; i++, bits += 4093) {
        uint32_t low = (uint32_t)bits;
        float value;
        memcpy(&value, &low, sizeof value);
        mg_tensor_data(x)[i] = (mg_real)value;
      }
      check_all(f, x, y);
    }
  mg_tensor_free(x);
  mg_tensor_free(y);
}

/* Where formulas change over, and the ends of ranges, with 40 neighbours on either side. */
static void functions_are_exact_at_their_edges(void **state) {
  (void)state;
  if (mg_real_bytes() != 4) skip();
  const float edges[] = {0,         1e-45F,     1.17549435e-38F, 1e-20F,     0.41421356F, 0.5F,
                         0.625F,    0.70710678F, 0.92773438F,    1,          1.41421356F, 2,
                         3.92F,     4,          9.01F,           14.2F,      14.4F,       16.6F,
                         17.33F,    30,         40,              87.33655F,  88.722839F,  89,
                         103.27893F, 103.97208F, 104,            16777216,   3.40282347e38F};
  enum { NEIGHBOURS = 81 };
  int64_t shape[] = {2 * NEIGHBOURS};
  mg_tensor *x = mg_tensor_new(shape, 1), *y = mg_tensor_new(shape, 1);
  for (int e = 0; e < COUNT_OF(edges); e++) {
    float value = edges[e];
    for (int i = 0; i < NEIGHBOURS / 2; i++) value = nextafterf(value, -INFINITY);
    for (int i = 0; i < NEIGHBOURS; i++, value = nextafterf(value, INFINITY)) {
      mg_tensor_data(x)[2 * i] = (mg_real)value;
      mg_tensor_data(x)[2 * i + 1] = (mg_real)-value;
    }
    for (int f = 0; f < COUNT_OF(functions); f++) check_all(f, x, y);
  }
  mg_tensor_free(x);
  mg_tensor_free(y);
}

/* ---- random numbers */

static const random_place place = {.key = {0x12345678, 0x9ABCDEF0}, .sample = 5, .instance = 77};

/* Word k of a block. */
static uint32_t word(int64_t block, int k) {
  uint32_t w[4];
  random_words(place.key, (uint32_t)block, (uint32_t)(block >> 32), place.sample, place.instance, w);
  return w[k];
}

/* -log u and u of an entry, by the definitions in random_fill.c. */
static void law_of(int64_t entry, double *u, double *exponential) {
  if (mg_real_bytes() == 4) {
    uint32_t w = word(entry / 32 * 8 + entry % 8, (int)(entry / 8 % 4));
    *u = ((double)(w >> 1) + 0.5) * 0x1p-31;
    *exponential = -log(((double)w + 0.5) * 0x1p-32);
  } else {
    int64_t block = entry / 16 * 8 + entry % 8;
    int k = (int)(entry / 8 % 2) * 2;
    *u = random_open(word(block, k), word(block, k + 1));
    *exponential = -log(*u);
  }
}

/* A pair of normal entries, `entry` and the one 8 places on. */
static void normals_of(int64_t entry, double pair[2]) {
  double u, v, ignored;
  if (mg_real_bytes() == 4) {
    int64_t block = entry / 32 * 8 + entry % 8;
    int k = (int)(entry / 16 % 2) * 2;
    uint32_t turn = word(block, k + 1);
    double radius = sqrt(-2 * log(((double)(word(block, k) >> 1) + 0.5) * 0x1p-31));
    double angle = ((double)(int32_t)(turn << 2) + 2) * 0x1p-32 * acos(0);
    if (turn >> 31) radius = -radius;
    pair[turn >> 30 & 1] = radius * cos(angle);
    pair[!(turn >> 30 & 1)] = radius * sin(angle);
  } else {
    law_of(entry, &u, &ignored);
    law_of(entry + 8, &v, &ignored);
    pair[0] = sqrt(-2 * log(u)) * cos(4 * acos(0) * v);
    pair[1] = sqrt(-2 * log(u)) * sin(4 * acos(0) * v);
  }
}

static void near(const char *what, int64_t i, double got, double expected, double within) {
  if (!(fabs(got - expected) <= within))
    fail_msg("%s: entry %" PRId64 " is %.17g, expected %.17g", what, i, got, expected);
}

static void check_entries(int64_t first, int64_t last) {
  mg_real *out[4];
  for (int law = 0; law < 4; law++) {
    out[law] = malloc((size_t)(last - first) * sizeof **out);
    random_fill((random_law)law, &place, first, last, out[law]);
  }
  double unit = mg_real_bytes() == 4 ? 1.2e-7 : 2.3e-16, pair[2];
  for (int64_t i = first; i < last; i++) {
    double u, e;
    law_of(i, &u, &e);
    near("uniform", i, (double)out[RANDOM_UNIFORM][i - first], u, unit * u);
    near("exponential", i, (double)out[RANDOM_EXPONENTIAL][i - first], e, 3 * unit * e);
    near("gumbel", i, (double)out[RANDOM_GUMBEL][i - first], -log(e), 4 * unit * (1 + fabs(log(e))));
    normals_of(i / 16 * 16 + i % 8, pair);
    near("normal", i, (double)out[RANDOM_NORMAL][i - first], pair[i / 8 % 2], 16 * unit);
  }
  for (int law = 0; law < 4; law++) free(out[law]);
}

static void entries_are_those_of_their_definition(void **state) {
  (void)state;
  check_entries(0, 20000);
  check_entries(7, 8);
  check_entries(((int64_t)1 << 34) - 100, ((int64_t)1 << 34) + 900); /* blocks past 2^31 */
  check_entries(((int64_t)1 << 37) - 100, ((int64_t)1 << 37) + 100); /* and past 2^32 */
}

/* Whatever the stretches are, all entries are the same. */
static void entries_do_not_depend_on_stretches(void **state) {
  (void)state;
  enum { COUNT = 3001 };
  mg_real whole[COUNT], parts[COUNT];
  for (int law = 0; law < 4; law++) {
    random_fill((random_law)law, &place, 0, COUNT, whole);
    for (int64_t first = 0, size = 1; first < COUNT; first += size, size = size * 3 % 1021) {
      int64_t last = first + size < COUNT ? first + size : COUNT;
      random_fill((random_law)law, &place, first, last, parts + first);
    }
    assert_memory_equal(whole, parts, sizeof whole);
  }
}

static void draws_stay_in_their_ranges(void **state) {
  (void)state;
  enum { COUNT = 1 << 20 };
  mg_draw draw = {.seed = 9, .stream = mg_stream("data"), .index = 0};
  mg_real *out = malloc(COUNT * sizeof *out);
  mg_status (*const laws[])(const mg_draw *, mg_real *, int64_t) = {
      mg_random_uniform, mg_random_exponential, mg_random_gumbel, mg_random_normal};
  const double low[] = {0, 0, -3.7, -8.6}, high[] = {1, 36.8, 36.8, 8.6};
  for (int law = 0; law < COUNT_OF(laws); law++) {
    assert_int_equal(laws[law](&draw, out, COUNT), MG_OK);
    for (int i = 0; i < COUNT; i++) assert_true((double)out[i] > low[law] && (double)out[i] < high[law]);
  }
  free(out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(functions_are_exact_to_units_of_the_last_place),
      cmocka_unit_test(functions_are_exact_at_their_edges),
      cmocka_unit_test(entries_are_those_of_their_definition),
      cmocka_unit_test(entries_do_not_depend_on_stretches),
      cmocka_unit_test(draws_stay_in_their_ranges),
  };
  return cmocka_run_group_tests_name("math", tests, NULL, NULL);
}

/* Operations against naive loops in double, gradients against central differences, bits against the
 * number of threads. All numbers come from one generator that starts anew for each test. */
#include <stdlib.h>

#include "support.h"

/* Of values near 1: how far a result may lie from the exact one, a difference quotient from the
 * derivative; the half width of a difference. */
static double tolerance(void) { return mg_real_bytes() == 4 ? 2e-5 : 1e-12; }
static double slope_tolerance(void) { return mg_real_bytes() == 4 ? 2e-2 : 1e-7; }
static double half_width(void) { return mg_real_bytes() == 4 ? 1e-2 : 1e-5; }

/* ---- tensors */

/* Numbers no two of which are closer than 0.1, none closer than 0.05 to 0: no kink within a
 * difference. */
static mg_tensor *apart(const char *shape) {
  mg_tensor *t = empty(shape);
  int64_t n = mg_tensor_size(t);
  mg_real *x = mg_tensor_data(t);
  for (int64_t i = 0; i < n; i++) x[i] = (mg_real)(0.1 * (double)(i - n / 2) + 0.05);
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)((number() + 1) / 2 * (double)(i + 1));
    mg_real swapped = x[i];
    x[i] = x[j];
    x[j] = swapped;
  }
  return t;
}

static mg_tensor *of(const char *shape, const double *values) {
  mg_tensor *t = empty(shape);
  for (int64_t i = 0; i < mg_tensor_size(t); i++) mg_tensor_data(t)[i] = (mg_real)values[i];
  return t;
}

static mg_tensor *like(mg_tensor *t) {
  return mg_tensor_new(mg_tensor_shape(t), mg_tensor_axes(t));
}

static void has_shape(const char *what, mg_tensor *t, const char *shape) {
  if (!t) fail_msg("%s: %s", what, mg_message());
  mg_tensor *expected = empty(shape);
  assert_int_equal(mg_tensor_axes(t), mg_tensor_axes(expected));
  for (int i = 0; i < mg_tensor_axes(t); i++)
    assert_int_equal(mg_tensor_shape(t)[i], mg_tensor_shape(expected)[i]);
  mg_tensor_free(expected);
}

/* ---- gradients */

typedef mg_tensor *(*forward)(void *state);

/* <dy, f()> */
static double paired(forward f, void *state, mg_tensor *dy) {
  mg_tensor *y = f(state);
  assert_non_null(y);
  assert_true(same_shape(y, dy));
  double sum = 0;
  for (int64_t i = 0; i < mg_tensor_size(y); i++) sum += at(y, i) * at(dy, i);
  mg_tensor_free(y);
  return sum;
}

/* g, which it frees, is the gradient of <dy, f()> with respect to the entries of x. */
static void is_gradient(const char *what, forward f, void *state, mg_tensor *x, mg_tensor *dy,
                        mg_tensor *g) {
  if (!g) fail_msg("%s: %s", what, mg_message());
  assert_true(same_shape(x, g));
  for (int64_t i = 0; i < mg_tensor_size(x); i++) {
    mg_real *entry = mg_tensor_data(x) + i, kept = *entry;
    *entry = (mg_real)((double)kept + half_width());
    double up = paired(f, state, dy), high = (double)*entry;
    *entry = (mg_real)((double)kept - half_width());
    double down = paired(f, state, dy), low = (double)*entry;
    *entry = kept;
    near(what, i, at(g, i), (up - down) / (high - low), slope_tolerance());
  }
  mg_tensor_free(g);
}

/* ---- elementwise */

/* Parameters of the kinds that have them. */
static const double P = -0.40625, Q = 2.5;

static double unary_of(mg_unary_kind kind, double x) {
  switch (kind) {
    case MG_ABS: return fabs(x);
    case MG_EXP: return exp(x);
    case MG_LOG: return log(x);
    case MG_SQRT: return sqrt(x);
    case MG_SQUARE: return x * x;
    case MG_RELU: return isnan(x) ? x : fmax(x, 0);
    case MG_SIGMOID: return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case MG_SOFTPLUS: return x > 40 ? x : log1p(exp(x));
    case MG_TANH: return tanh(x);
    case MG_EXPM1: return expm1(x);
    case MG_LOG1P: return log1p(x);
    case MG_RSQRT: return 1 / sqrt(x);
    case MG_ERF: return erf(x);
    case MG_GELU: return x == -INFINITY ? -0.0 : x * erfc(-x / sqrt(2)) / 2;
    case MG_SIN: return sin(x);
    case MG_COS: return cos(x);
    case MG_FLOOR: return floor(x);
    case MG_ELU: return x > 0 ? x : P * expm1(x);
    case MG_LEAKY_RELU: return x > 0 ? x : P * x;
    case MG_CLAMP: return isnan(x) ? x : fmin(fmax(x, P), Q);
    default: return isnan(x) ? x : (x > 0) - (x < 0);
  }
}

static int has_positive_domain(mg_unary_kind kind) {
  return kind == MG_LOG || kind == MG_SQRT || kind == MG_RSQRT || kind == MG_LOG1P;
}

/* Relative to the exact value, 4 units of the last place; absolutely where a float is subnormal. In double,
 * gelu and its check both round x / sqrt(2), which exp(-x^2 / 2) feels. */
static void unary_forward(void **state) {
  (void)state;
  double unit = mg_real_bytes() == 4 ? 1.2e-7 : 2.3e-16;
  for (int k = 0; k < MG_UNARY_KINDS; k++) {
    mg_unary_kind kind = (mg_unary_kind)k;
    mg_tensor *x = between("70001", has_positive_domain(kind) ? 0 : -87, 88);
    const double special[] = {0,    -0.0, 1,    -1,    INFINITY, -INFINITY, NAN,
                              1e-8, 20,   1e-30, -1e-4, 1000,     -1000,     -103.5};
    for (int i = 0; i < COUNT_OF(special); i++) mg_tensor_data(x)[i] = (mg_real)special[i];
    mg_tensor *y = mg_unary(kind, x, P, Q);
    for (int64_t i = 0; i < 70001; i++) {
      double exact = unary_of(kind, at(x, i)), got = at(y, i);
      if (fabs(exact) > 1e38) exact = (double)(mg_real)exact; /* may overflow */
      if (isnan(exact) ? isnan(got) : got == exact) continue;
      double units = kind == MG_GELU && mg_real_bytes() == 8 ? 4 + 2 * at(x, i) * at(x, i) : 4;
      if (!(fabs(got - exact) <= units * unit * fabs(exact) + 1e-37))
        fail_msg("unary %d of %.9g is %.9g, expected %.9g", kind, at(x, i), got, exact);
    }
    FREE(x, y);
  }
}

static void unary_into_a_result(void **state) {
  (void)state;
  enum { COUNT = 40003 };
  for (int kind = 0; kind < MG_UNARY_KINDS; kind++) {
    mg_tensor *x = numbers("40003"), *y = mg_unary((mg_unary_kind)kind, x, P, Q), *z = like(x);
    assert_int_equal(mg_unary_into(z, (mg_unary_kind)kind, x, P, Q), MG_OK);
    assert_int_equal(mg_unary_into(x, (mg_unary_kind)kind, x, P, Q), MG_OK); /* in place */
    for (int i = 0; i < COUNT; i++) {
      near("unary_into", i, at(z, i), at(y, i), 0);
      near("in place", i, at(x, i), at(y, i), 0);
    }
    FREE(x, y, z);
  }
  mg_tensor *x = numbers("5"), *y = numbers("4");
  mg_tensor *first = mg_tensor_rows(x, 0, 4), *last = mg_tensor_rows(x, 1, 4);
  assert_int_equal(mg_unary_into(y, MG_EXP, x, 0, 0), MG_BAD_SHAPE);
  assert_int_equal(mg_unary_into(first, MG_EXP, last, 0, 0), MG_BAD_ARGUMENT);
  FREE(x, y, first, last);
}

typedef struct unary_state {
  mg_unary_kind kind;
  mg_tensor *x;
} unary_state;

static mg_tensor *run_unary(void *state) {
  unary_state *s = state;
  return mg_unary(s->kind, s->x, P, Q);
}

static void unary_gradients(void **state) {
  (void)state;
  const char *shapes[] = {"", "1", "0", "3x5"};
  for (int kind = 0; kind < MG_UNARY_KINDS; kind++)
    for (int i = 0; i < COUNT_OF(shapes); i++) {
      unary_state s = {(mg_unary_kind)kind, has_positive_domain((mg_unary_kind)kind)
                                                ? between(shapes[i], 0.5, 2)
                                                : apart(shapes[i])};
      mg_tensor *y = run_unary(&s), *dy = numbers_like(s.x);
      is_gradient("unary", run_unary, &s, s.x, dy, mg_unary_vjp(s.kind, s.x, y, dy, P, Q));
      FREE(s.x, y, dy);
    }
}

static void unary_gradients_at_kinks(void **state) {
  (void)state;
  const double one[] = {1};
  const struct {
    mg_unary_kind kind;
    double x, expected;
  } cases[] = {{MG_ABS, 0, 0},        {MG_RELU, 0, 0},  {MG_SIGN, 0, 0},  {MG_FLOOR, 1, 0},
               {MG_ELU, 0, P},        {MG_CLAMP, P, 1}, {MG_CLAMP, Q, 1}, {MG_CLAMP, 3, 0},
               {MG_LEAKY_RELU, 0, P}, {MG_CLAMP, NAN, 0}};
  for (int i = 0; i < COUNT_OF(cases); i++) {
    mg_tensor *x = of("1", &cases[i].x), *dy = of("1", one), *y = mg_unary(cases[i].kind, x, P, Q);
    mg_tensor *g = mg_unary_vjp(cases[i].kind, x, y, dy, P, Q);
    assert_true(at(g, 0) == cases[i].expected);
    FREE(x, y, dy, g);
  }
}

/* Far out, gradients are finite: no infinity times 0. */
static void unary_gradients_far_out(void **state) {
  (void)state;
  const double ends[] = {-INFINITY, INFINITY}, ones[] = {1, 1};
  const struct {
    mg_unary_kind kind;
    double below, above;
  } cases[] = {{MG_SIGMOID, 0, 0}, {MG_SOFTPLUS, 0, 1}, {MG_TANH, 0, 0}, {MG_ERF, 0, 0},
               {MG_GELU, 0, 1},    {MG_ELU, 0, 1},      {MG_RELU, 0, 1}, {MG_CLAMP, 0, 0}};
  for (int i = 0; i < COUNT_OF(cases); i++) {
    mg_tensor *x = of("2", ends), *dy = of("2", ones), *y = mg_unary(cases[i].kind, x, P, Q);
    mg_tensor *g = mg_unary_vjp(cases[i].kind, x, y, dy, P, Q);
    if (at(g, 0) != cases[i].below || at(g, 1) != cases[i].above)
      fail_msg("kind %d: %g, %g", cases[i].kind, at(g, 0), at(g, 1));
    FREE(x, y, dy, g);
  }
}

static double binary_of(mg_binary_kind kind, double a, double b) {
  switch (kind) {
    case MG_ADD: return a + b;
    case MG_SUBTRACT: return a - b;
    case MG_MULTIPLY: return a * b;
    case MG_DIVIDE: return a / b;
    case MG_MAXIMUM: return a > b ? a : b;
    case MG_MINIMUM: return a < b ? a : b;
    case MG_LESS: return a < b;
    case MG_LESS_EQUAL: return a <= b;
    case MG_NOT_EQUAL: return a != b;
    case MG_POWER: return pow(a, b);
    case MG_ADD_RELU: return a + b > 0 ? a + b : 0;
    default: return a == b;
  }
}

/* Where x is read for entry i of a result of y's shape. */
static int64_t place_in(mg_tensor *x, mg_tensor *y, int64_t i) {
  int64_t place = 0, step = 1;
  for (int k = mg_tensor_axes(y) - 1, j = mg_tensor_axes(x) - 1; k >= 0; k--, j--) {
    int64_t index = i % mg_tensor_shape(y)[k];
    i /= mg_tensor_shape(y)[k];
    if (j < 0) continue;
    if (mg_tensor_shape(x)[j] > 1) place += index * step;
    step *= mg_tensor_shape(x)[j];
  }
  return place;
}

static const char *const pairs[][3] = {
    {"", "", ""},
    {"1", "", "1"},
    {"3", "", "3"},
    {"", "2x3", "2x3"},
    {"1", "1x1", "1x1"},
    {"7", "7", "7"},
    {"2x3", "2x3", "2x3"},
    {"2x3", "3", "2x3"},
    {"3", "2x3", "2x3"},
    {"2x1", "2x3", "2x3"},
    {"2x1", "1x3", "2x3"},
    {"2x3", "1", "2x3"},
    {"1x3x1x1", "2x3x2x2", "2x3x2x2"},
    {"2x3x2x2", "3x1x1", "2x3x2x2"},
    {"2x1x3x1", "1x4x1x2", "2x4x3x2"},
    {"2x1x1x3", "2x2x2x1", "2x2x2x3"},
    {"2x1x2x1x3", "2x1x3", "2x1x2x1x3"},
    {"0", "1", "0"},
    {"0x3", "1x3", "0x3"},
    {"2x1", "2x0", "2x0"},
    {"1", "3x0x2", "3x0x2"},
    {"1x1x1x2x1x1x1x3", "2x1x1x1", "1x1x1x2x2x1x1x3"},
};

static void check_binary(mg_binary_kind kind, mg_tensor *a, mg_tensor *b, const char *shape) {
  mg_tensor *y = mg_binary(kind, a, b);
  has_shape("binary", y, shape);
  for (int64_t i = 0; i < mg_tensor_size(y); i++) {
    double expected = binary_of(kind, at(a, place_in(a, y, i)), at(b, place_in(b, y, i)));
    near("binary", i, at(y, i), (double)(mg_real)expected, tolerance());
  }
  mg_tensor_free(y);
}

static void binary_forward(void **state) {
  (void)state;
  for (int kind = 0; kind < MG_BINARY_KINDS; kind++) {
    for (int i = 0; i < COUNT_OF(pairs); i++) {
      mg_tensor *a = numbers(pairs[i][0]), *b = numbers(pairs[i][1]);
      if (mg_tensor_size(a) > 0 && mg_tensor_size(b) > 0) *mg_tensor_data(b) = *mg_tensor_data(a);
      check_binary((mg_binary_kind)kind, a, b, pairs[i][2]);
      FREE(a, b);
    }
    mg_tensor *a = numbers("70x1x1200"), *b = numbers("2x1"); /* chunks end within rows */
    check_binary((mg_binary_kind)kind, a, b, "70x2x1200");
    FREE(a, b);
  }
}

static void extremes_keep_nan(void **state) {
  (void)state;
  const double first[] = {NAN, 1, NAN}, second[] = {1, NAN, NAN};
  for (int kind = MG_MAXIMUM; kind <= MG_MINIMUM; kind++) {
    mg_tensor *a = of("3", first), *b = of("3", second), *y = mg_binary((mg_binary_kind)kind, a, b);
    for (int i = 0; i < 3; i++) assert_true(isnan(at(y, i)));
    FREE(a, b, y);
  }
}

typedef struct binary_state {
  mg_binary_kind kind;
  mg_tensor *a, *b;
} binary_state;

static mg_tensor *run_binary(void *state) {
  binary_state *s = state;
  return mg_binary(s->kind, s->a, s->b);
}

static void binary_gradients(void **state) {
  (void)state;
  for (int kind = 0; kind < MG_BINARY_KINDS; kind++)
    for (int i = 0; i < COUNT_OF(pairs); i++) {
      binary_state s = {(mg_binary_kind)kind, apart(pairs[i][0]), apart(pairs[i][1])};
      /* Between the values of a, so that none are equal, and far from 0. */
      for (int64_t k = 0; k < mg_tensor_size(s.b); k++)
        mg_tensor_data(s.b)[k] +=
            (mg_real)(kind == MG_DIVIDE ? copysign(1, at(s.b, k)) : 0.05);
      for (int64_t k = 0; kind == MG_POWER && k < mg_tensor_size(s.a); k++)
        mg_tensor_data(s.a)[k] = (mg_real)(0.5 + fabs(at(s.a, k)));
      mg_tensor *dy = numbers(pairs[i][2]);
      for (int which = 0; which < 2; which++)
        is_gradient("binary", run_binary, &s, which ? s.b : s.a, dy,
                    mg_binary_vjp(s.kind, which, s.a, s.b, dy));
      FREE(s.a, s.b, dy);
    }
}

/* Sums over broadcast axes long enough for parts and blocks, against sums in double. */
static void binary_gradients_sum_long_axes(void **state) {
  (void)state;
  const char *shapes[][3] = {{"300x700", "", "300x700"},      {"300x700", "700", "300x700"},
                             {"300x700", "300x1", "300x700"}, {"9x5x3000", "5x1", "9x5x3000"},
                             {"3x50000", "3x1", "3x50000"},   {"100003", "1", "100003"},
                             {"40x1x900", "7x1", "40x7x900"}};
  for (int i = 0; i < COUNT_OF(shapes); i++) {
    mg_tensor *a = numbers(shapes[i][0]), *b = numbers(shapes[i][1]), *dy = numbers(shapes[i][2]);
    mg_tensor *g = mg_binary_vjp(MG_MULTIPLY, 1, a, b, dy);
    double *sum = calloc((size_t)mg_tensor_size(b), sizeof *sum);
    for (int64_t k = 0; k < mg_tensor_size(dy); k++)
      sum[place_in(b, dy, k)] += at(dy, k) * at(a, place_in(a, dy, k));
    for (int64_t k = 0; k < mg_tensor_size(b); k++) near("sum", k, at(g, k), sum[k], tolerance());
    free(sum);
    FREE(a, b, dy, g);
  }
}

static void ties_go_to_the_first_operand(void **state) {
  (void)state;
  const double same[] = {2, 2}, ones[] = {1, 1};
  for (int kind = MG_MAXIMUM; kind <= MG_MINIMUM; kind++) {
    mg_tensor *a = of("2", same), *dy = of("2", ones);
    mg_tensor *first = mg_binary_vjp((mg_binary_kind)kind, 0, a, a, dy);
    mg_tensor *second = mg_binary_vjp((mg_binary_kind)kind, 1, a, a, dy);
    assert_true(at(first, 1) == 1 && at(second, 1) == 0);
    FREE(a, dy, first, second);
  }
}

static void power_gradients_at_zero(void **state) {
  (void)state;
  const double a[] = {0, 0, 0, -2, -2}, b[] = {0, 1, 2, 3, 0}, ones[] = {1, 1, 1, 1, 1};
  const double base[] = {0, 1, 0, 12, 0}, exponent[] = {0, 0, 0, NAN, NAN};
  mg_tensor *x = of("5", a), *y = of("5", b), *dy = of("5", ones);
  mg_tensor *first = mg_binary_vjp(MG_POWER, 0, x, y, dy);
  mg_tensor *second = mg_binary_vjp(MG_POWER, 1, x, y, dy);
  for (int i = 0; i < 5; i++) near("base", i, at(first, i), base[i], tolerance());
  for (int i = 0; i < 5; i++) near("exponent", i, at(second, i), exponent[i], 0);
  FREE(x, y, dy, first, second);
}

typedef struct where_state {
  mg_tensor *condition, *a, *b;
} where_state;

static mg_tensor *run_where(void *state) {
  where_state *s = state;
  return mg_where(s->condition, s->a, s->b);
}

static void where_chooses_and_its_gradients(void **state) {
  (void)state;
  const char *shapes[][4] = {{"", "", "", ""},          {"7", "7", "7", "7"},
                             {"2x3", "", "3", "2x3"},   {"3", "2x1", "", "2x3"},
                             {"", "3", "2x1", "2x3"},   {"2x1x3", "4x1", "1", "2x4x3"},
                             {"0", "1", "", "0"},       {"1", "2x0", "2x1", "2x0"},
                             {"3x1", "5", "3x5", "3x5"}, {"600", "1", "", "600"}};
  for (int i = 0; i < COUNT_OF(shapes); i++) {
    where_state s = {numbers(shapes[i][0]), numbers(shapes[i][1]), numbers(shapes[i][2])};
    for (int64_t k = 0; k < mg_tensor_size(s.condition); k++)
      if (at(s.condition, k) < 0) mg_tensor_data(s.condition)[k] = 0;
    mg_tensor *y = run_where(&s), *dy = numbers(shapes[i][3]);
    has_shape("where", y, shapes[i][3]);
    for (int64_t k = 0; k < mg_tensor_size(y); k++) {
      double expected = at(s.condition, place_in(s.condition, y, k)) != 0
                            ? at(s.a, place_in(s.a, y, k))
                            : at(s.b, place_in(s.b, y, k));
      near("where", k, at(y, k), expected, 0);
    }
    for (int which = 0; which < 2; which++)
      is_gradient("where", run_where, &s, which ? s.b : s.a, dy,
                  mg_where_vjp(which, s.condition, s.a, s.b, dy));
    FREE(s.condition, s.a, s.b, y, dy);
  }
}

static void where_takes_nan_as_true(void **state) {
  (void)state;
  const double condition[] = {NAN, -0.0, 1}, a[] = {1, NAN, 3}, b[] = {4, 5, NAN};
  mg_tensor *c = of("3", condition), *x = of("3", a), *z = of("3", b), *y = mg_where(c, x, z);
  assert_true(at(y, 0) == 1 && at(y, 1) == 5 && at(y, 2) == 3);
  mg_tensor *g = mg_where_vjp(0, c, x, z, y);
  assert_true(at(g, 0) == 1 && at(g, 1) == 0 && at(g, 2) == 3);
  FREE(c, x, z, y, g);
}

static void linear_operations(void **state) {
  (void)state;
  const char *shapes[] = {"", "0", "7", "40001"};
  for (int i = 0; i < COUNT_OF(shapes); i++) {
    mg_tensor *x = numbers(shapes[i]), *y = mg_affine(x, -2.5, 0.75), *z = like(x), *w = like(x);
    int64_t n = mg_tensor_size(x);
    assert_int_equal(mg_copy(z, x), MG_OK);
    assert_int_equal(mg_accumulate(z, 0.5, y, 3), MG_OK);
    assert_int_equal(mg_fill(w, NAN), MG_OK);
    assert_int_equal(mg_accumulate(w, 0, x, 2), MG_OK); /* nothing of w is kept */
    for (int64_t k = 0; k < n; k++) {
      near("affine", k, at(y, k), -2.5 * at(x, k) + 0.75, tolerance());
      near("accumulate", k, at(z, k), 0.5 * at(x, k) + 3 * at(y, k), tolerance());
      near("accumulate", k, at(w, k), 2 * at(x, k), 0);
    }
    FREE(x, y, z, w);
  }
}

/* ---- reduce */

static double reduced(mg_reduce_kind kind, mg_tensor *x, int64_t middle, int64_t inner, int64_t o,
                      int64_t i) {
  double sum = 0, high = -INFINITY, low = INFINITY;
  for (int64_t m = 0; m < middle; m++) {
    double value = at(x, (o * middle + m) * inner + i);
    sum += value;
    high = fmax(high, value);
    low = fmin(low, value);
  }
  if (kind == MG_MAX) return high;
  if (kind == MG_MIN) return low;
  return kind == MG_SUM ? sum : sum / (double)middle;
}

static void reduce_forward(void **state) {
  (void)state;
  const char *shapes[] = {"", "1", "5", "3x4", "2x3x4x5", "100003", "3x40000", "40000x3",
                          "7x200x90", "9000x17", "2x0x3"};
  for (int s = 0; s < COUNT_OF(shapes); s++) {
    mg_tensor *x = numbers(shapes[s]);
    const int64_t *shape = mg_tensor_shape(x);
    int axes = mg_tensor_axes(x);
    for (int first = 0; first <= axes; first++)
      for (int count = 0; first + count <= axes; count++)
        for (int kind = 0; kind <= MG_MIN; kind++) {
          int64_t outer = 1, middle = 1, inner = 1;
          for (int i = 0; i < axes; i++)
            *(i < first ? &outer : i < first + count ? &middle : &inner) *= shape[i];
          mg_tensor *y = mg_reduce((mg_reduce_kind)kind, x, first, count);
          if (middle == 0 && kind >= MG_MAX) {
            assert_null(y);
            assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
            continue;
          }
          assert_int_equal(mg_tensor_axes(y), axes - count);
          assert_int_equal(mg_tensor_size(y), outer * inner);
          for (int64_t k = 0; k < outer * inner; k++)
            near("reduce", k, at(y, k),
                 reduced((mg_reduce_kind)kind, x, middle, inner, k / inner, k % inner),
                 tolerance());
          mg_tensor_free(y);
        }
    mg_tensor_free(x);
  }
}

static void reduce_keeps_nan(void **state) {
  (void)state;
  for (int place = 0; place < 20; place++) {
    mg_tensor *x = numbers("20");
    mg_tensor_data(x)[place] = (mg_real)NAN;
    mg_tensor *high = mg_reduce(MG_MAX, x, 0, 1), *low = mg_reduce(MG_MIN, x, 0, 1);
    assert_true(isnan(at(high, 0)) && isnan(at(low, 0)));
    mg_tensor *g = mg_reduce_vjp(MG_MAX, x, high, high, 0, 1);
    for (int i = 0; i < 20; i++) assert_int_equal(isnan(at(g, i)) != 0, i == place);
    FREE(x, high, low, g);
  }
}

typedef struct reduce_state {
  mg_reduce_kind kind;
  mg_tensor *x;
  int first, count;
} reduce_state;

static mg_tensor *run_reduce(void *state) {
  reduce_state *s = state;
  return mg_reduce(s->kind, s->x, s->first, s->count);
}

static void reduce_gradients(void **state) {
  (void)state;
  const char *shapes[] = {"", "1", "2x3x4", "3x0", "2x1x5"};
  for (int i = 0; i < COUNT_OF(shapes); i++)
    for (int kind = 0; kind <= MG_MIN; kind++) {
      reduce_state s = {(mg_reduce_kind)kind, apart(shapes[i]), 0, 0};
      int axes = mg_tensor_axes(s.x);
      for (s.first = 0; s.first <= axes; s.first++)
        for (s.count = 0; s.first + s.count <= axes; s.count++) {
          mg_tensor *y = run_reduce(&s);
          if (!y) continue; /* an extreme of nothing */
          mg_tensor *dy = numbers_like(y);
          is_gradient("reduce", run_reduce, &s, s.x, dy,
                      mg_reduce_vjp(s.kind, s.x, y, dy, s.first, s.count));
          FREE(y, dy);
        }
      mg_tensor_free(s.x);
    }
}

static void reduce_gives_ties_to_the_first(void **state) {
  (void)state;
  const double values[] = {1, 3, 3, 2, 3, 1}, one[] = {5, 5, 5};
  mg_tensor *x = of("2x3", values), *dy = of("3", one), *y = mg_reduce(MG_MAX, x, 0, 1);
  mg_tensor *g = mg_reduce_vjp(MG_MAX, x, y, dy, 0, 1);
  const double expected[] = {0, 5, 5, 5, 0, 0};
  for (int i = 0; i < 6; i++) assert_true(at(g, i) == expected[i]);
  FREE(x, dy, y, g);
}

/* ---- index */

typedef struct take_state {
  mg_tensor *x;
  const int64_t *rows;
  int64_t count;
} take_state;

static mg_tensor *run_take(void *state) {
  take_state *s = state;
  return mg_take(s->x, 0, s->rows, s->count);
}

static void take_and_its_gradient(void **state) {
  (void)state;
  const int64_t rows[] = {3, 0, 3, 3, 1};
  const char *shapes[] = {"4", "4x3", "4x300", "4x0", "5x2x2"};
  for (int i = 0; i < COUNT_OF(shapes); i++)
    for (int64_t count = 0; count <= 5; count += 5) {
      take_state s = {numbers(shapes[i]), rows, count};
      mg_tensor *y = run_take(&s), *dy = numbers_like(y);
      int64_t width = mg_tensor_size(s.x) / mg_tensor_shape(s.x)[0];
      assert_int_equal(mg_tensor_shape(y)[0], count);
      for (int64_t k = 0; k < count * width; k++)
        assert_true(at(y, k) == at(s.x, rows[k / width] * width + k % width));
      is_gradient("take", run_take, &s, s.x, dy, mg_take_vjp(s.x, 0, rows, count, dy));
      FREE(s.x, y, dy);
    }
}

static void check_permute(mg_tensor *x, const int *order) {
  mg_tensor *y = mg_permute(x, order);
  assert_non_null(y);
  int axes = mg_tensor_axes(x);
  for (int i = 0; i < axes; i++)
    assert_int_equal(mg_tensor_shape(y)[i], mg_tensor_shape(x)[order[i]]);
  for (int64_t k = 0; k < mg_tensor_size(y); k++) {
    int64_t index[MG_MAX_AXES] = {0}, rest = k, place = 0;
    for (int i = axes - 1; i >= 0; i--) {
      index[order[i]] = rest % mg_tensor_shape(y)[i];
      rest /= mg_tensor_shape(y)[i];
    }
    for (int i = 0; i < axes; i++) place = place * mg_tensor_shape(x)[i] + index[i];
    if (at(y, k) != at(x, place)) fail_msg("permute: entry %" PRId64, k);
  }
  mg_tensor_free(y);
}

static void permute_in_every_order(void **state) {
  (void)state;
  const char *shapes[] = {"2x3x4x5", "1x3x1x5", "70x3x33x8", "2x40x1x37", "2x0x3x1", "1x1x1x1"};
  for (int s = 0; s < COUNT_OF(shapes); s++) {
    mg_tensor *x = numbers(shapes[s]);
    for (int code = 0; code < 256; code++) {
      int order[4], seen = 0;
      for (int i = 0; i < 4; i++) {
        order[i] = code >> (2 * i) & 3;
        seen |= 1 << order[i];
      }
      if (seen == 15) check_permute(x, order);
    }
    mg_tensor_free(x);
  }
  mg_tensor *scalar = numbers(""), *same = mg_permute(scalar, NULL);
  assert_true(at(same, 0) == at(scalar, 0));
  FREE(scalar, same);
}

typedef struct slice_state {
  mg_tensor *x;
  int axis;
  int64_t first, count;
} slice_state;

static mg_tensor *run_slice(void *state) {
  slice_state *s = state;
  return mg_slice(s->x, s->axis, s->first, s->count);
}

/* The three slices of an axis joined again are the whole. */
static void slices_and_concat(void **state) {
  (void)state;
  const char *shapes[] = {"7", "3x4", "2x3x4", "2x0x3", "1"};
  for (int i = 0; i < COUNT_OF(shapes); i++) {
    slice_state s = {.x = numbers(shapes[i])};
    for (s.axis = 0; s.axis < mg_tensor_axes(s.x); s.axis++) {
      int64_t extent = mg_tensor_shape(s.x)[s.axis];
      mg_tensor *parts[3];
      for (int p = 0; p < 3; p++) {
        s.first = extent * p / 3;
        s.count = extent * (p + 1) / 3 - s.first;
        parts[p] = run_slice(&s);
        mg_tensor *dy = numbers_like(parts[p]);
        is_gradient("slice", run_slice, &s, s.x, dy, mg_slice_vjp(s.x, s.axis, s.first, dy));
        mg_tensor_free(dy);
      }
      mg_tensor *whole = mg_concat((const mg_tensor *const *)parts, 3, s.axis);
      assert_true(same_shape(whole, s.x));
      for (int64_t k = 0; k < mg_tensor_size(whole); k++) assert_true(at(whole, k) == at(s.x, k));
      mg_tensor_free(whole);
      free_all(parts, 3);
    }
    mg_tensor_free(s.x);
  }
  const double values[] = {1, 2, 3, 4, 5, 6};
  mg_tensor *x = of("2x3", values), *column = mg_slice(x, 1, 2, 1);
  assert_true(at(column, 0) == 3 && at(column, 1) == 6);
  FREE(x, column);
}

/* ---- matmul */

static void matmul_forward(void **state) {
  (void)state;
  const int64_t sizes[][3] = {{1, 1, 1},      {2, 3, 4},     {0, 3, 4},      {2, 0, 4},
                              {2, 3, 0},      {5, 1, 300},   {100, 512, 70}, {513, 65, 20},
                              {3, 1000, 200}, {257, 129, 33}};
  for (int i = 0; i < COUNT_OF(sizes); i++)
    for (int turns = 0; turns < 4; turns++) {
      int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
      int ta = turns & 1, tb = turns >> 1;
      char left[48], right[48], shape[48];
      snprintf(left, sizeof left, "%" PRId64 "x%" PRId64, ta ? k : m, ta ? m : k);
      snprintf(right, sizeof right, "%" PRId64 "x%" PRId64, tb ? n : k, tb ? k : n);
      snprintf(shape, sizeof shape, "%" PRId64 "x%" PRId64, m, n);
      mg_tensor *a = numbers(left), *b = numbers(right), *c = mg_matmul(a, b, ta, tb);
      has_shape("matmul", c, shape);
      for (int64_t r = 0; r < m; r++)
        for (int64_t s = 0; s < n; s++) {
          double sum = 0;
          for (int64_t j = 0; j < k; j++)
            sum += at(a, ta ? j * m + r : r * k + j) * at(b, tb ? s * k + j : j * n + s);
          near("matmul", r * n + s, at(c, r * n + s), sum, tolerance());
        }
      FREE(a, b, c);
    }
}

/* ---- convolution */

typedef struct conv_state {
  mg_tensor *x, *weight, *bias;
  mg_conv window;
} conv_state;

static mg_conv square(int stride, int pad) {
  return (mg_conv){{stride, stride}, {pad, pad}, {1, 1}, 1};
}

static mg_tensor *run_conv(void *state) {
  conv_state *s = state;
  return mg_conv2d(s->x, s->weight, s->bias, &s->window);
}

/* x (b, c, y, x), 0 outside. */
static double pixel(mg_tensor *t, int64_t b, int64_t c, int64_t y, int64_t x) {
  const int64_t *s = mg_tensor_shape(t);
  if (y < 0 || x < 0 || y >= s[2] || x >= s[3]) return 0;
  return at(t, ((b * s[1] + c) * s[2] + y) * s[3] + x);
}

/* Where cell (i, j) of the window of result (y, x) lies. */
static void cell_place(const mg_conv *o, int64_t y, int64_t x, int64_t i, int64_t j,
                       int64_t place[2]) {
  place[0] = y * o->stride[0] - o->pad[0] + i * o->dilation[0];
  place[1] = x * o->stride[1] - o->pad[1] + j * o->dilation[1];
}

static double correlation(conv_state *s, int64_t b, int64_t d, int64_t y, int64_t x) {
  const int64_t *w = mg_tensor_shape(s->weight);
  double sum = s->bias ? at(s->bias, d) : 0;
  int64_t first = d / (w[0] / s->window.groups) * w[1], place[2]; /* channel of the group */
  for (int64_t c = 0; c < w[1]; c++)
    for (int64_t i = 0; i < w[2]; i++)
      for (int64_t j = 0; j < w[3]; j++) {
        cell_place(&s->window, y, x, i, j, place);
        sum += pixel(s->weight, d, c, i, j) * pixel(s->x, b, first + c, place[0], place[1]);
      }
  return sum;
}

typedef struct geometry {
  const char *x, *weight, *bias;
  int stride, pad;
  const char *y;
  mg_conv own; /* in place of stride and pad, if it has groups */
} geometry;

#define NO_WINDOW {{0}, {0}, {0}, 0}

static const geometry small_convs[] = {
    {"2x3x5x6", "4x3x3x3", "4", 1, 1, "2x4x5x6", NO_WINDOW}, {"2x3x5x6", "4x3x3x3", NULL, 2, 1, "2x4x3x3", NO_WINDOW},
    {"1x1x1x1", "1x1x1x1", "1", 1, 0, "1x1x1x1", NO_WINDOW}, {"2x3x4x5", "2x3x1x1", "2", 1, 0, "2x2x4x5", NO_WINDOW},
    {"2x2x5x5", "3x2x1x1", "3", 2, 0, "2x3x3x3", NO_WINDOW}, {"1x2x7x6", "2x2x5x3", NULL, 3, 2, "1x2x3x3", NO_WINDOW},
    {"2x1x3x2", "1x1x2x2", "1", 1, 3, "2x1x8x7", NO_WINDOW}, {"0x2x4x4", "3x2x3x3", "3", 1, 1, "0x3x4x4", NO_WINDOW},
    {"2x0x4x4", "3x0x3x3", "3", 1, 1, "2x3x4x4", NO_WINDOW}, {"2x2x4x4", "0x2x3x3", "0", 1, 1, "2x0x4x4", NO_WINDOW},
    {"1x2x3x2", "2x2x7x7", NULL, 1, 3, "1x2x3x2", NO_WINDOW}, {"1x2x4x5", "2x2x3x1", "2", 1, 0, "1x2x2x5", NO_WINDOW},
    {"1x1x2x2", "1x1x3x3", NULL, 5, 4, "1x1x2x2", NO_WINDOW}, {"9x1x4x4", "2x1x3x3", "2", 1, 0, "9x2x2x2", NO_WINDOW},
    {"2x2x7x6", "3x2x3x2", "3", 0, 0, "2x3x4x4", {{2, 1}, {1, 0}, {1, 2}, 1}},
    {"1x2x9x8", "2x2x3x3", NULL, 0, 0, "1x2x9x8", {{1, 1}, {2, 2}, {2, 2}, 1}},
    {"2x4x5x5", "6x2x3x3", "6", 0, 0, "2x6x5x5", {{1, 1}, {1, 1}, {1, 1}, 2}},
    {"2x3x5x4", "3x1x3x3", "3", 0, 0, "2x3x3x2", {{2, 2}, {1, 1}, {1, 1}, 3}},
    {"2x4x3x4", "6x2x1x1", NULL, 0, 0, "2x6x3x4", {{1, 1}, {0, 0}, {1, 1}, 2}},
    {"2x2x1x9", "3x2x1x4", "3", 0, 0, "2x3x1x3", {{1, 3}, {0, 2}, {1, 2}, 1}},
};

/* Several tiles in an image, several images in a group. */
static const geometry large_convs[] = {
    {"3x16x60x50", "8x16x3x3", "8", 1, 1, "3x8x60x50", NO_WINDOW},
    {"17x3x48x40", "8x3x5x5", "8", 2, 2, "17x8x24x20", NO_WINDOW},
    {"2x40x40x40", "24x40x1x1", NULL, 1, 0, "2x24x40x40", NO_WINDOW},
    {"1x64x33x31", "5x64x7x7", NULL, 3, 3, "1x5x11x11", NO_WINDOW},
    {"3x24x50x60", "12x12x3x3", "12", 0, 0, "3x12x48x58", {{1, 1}, {0, 0}, {1, 1}, 2}},
};

/* Winograd's way: tiles that end inside, on and past the borders; images in bands; pads of 0, 1, 2. */
static const geometry winograd_convs[] = {
    {"5x16x12x12", "16x16x3x3", "16", 1, 1, "5x16x12x12", NO_WINDOW},
    {"1x16x4x4", "17x16x3x3", NULL, 1, 1, "1x17x4x4", NO_WINDOW},
    {"3x18x7x9", "16x18x3x3", "16", 1, 0, "3x16x5x7", NO_WINDOW},
    {"2x16x10x3", "16x16x3x3", NULL, 1, 2, "2x16x12x5", NO_WINDOW},
    {"2x16x66x75", "18x16x3x3", "18", 1, 1, "2x18x66x75", NO_WINDOW},
    {"2x16x5x37", "16x16x3x3", NULL, 0, 0, "2x16x7x35", {{1, 1}, {2, 0}, {1, 1}, 1}},
    {"4x16x1x40", "16x16x3x3", NULL, 1, 1, "4x16x1x40", NO_WINDOW},
};

static conv_state conv_of(const geometry *g) {
  return (conv_state){numbers(g->x), numbers(g->weight), g->bias ? numbers(g->bias) : NULL,
                      g->own.groups ? g->own : square(g->stride, g->pad)};
}

/* What Winograd's way may be off for a sum of so many products of numbers in -1..1, whose absolute
 * values add up to a quarter of that: 2e-6 of that sum in floats. */
static double winograd_tolerance(int64_t products) {
  return tolerance() + (mg_real_bytes() == 4 ? 2e-6 : 2e-14) * (double)products / 4;
}

static void check_conv(const geometry *g, int is_winograd) {
  conv_state s = conv_of(g);
  const int64_t *w = mg_tensor_shape(s.weight);
  double within = is_winograd ? winograd_tolerance(w[1] * w[2] * w[3]) : tolerance();
  mg_tensor *y = run_conv(&s);
  has_shape("conv2d", y, g->y);
  const int64_t *shape = mg_tensor_shape(y);
  for (int64_t k = 0; k < mg_tensor_size(y); k++) {
    int64_t column = k % shape[3], row = k / shape[3] % shape[2];
    int64_t image = k / shape[3] / shape[2];
    near("conv2d", k, at(y, k), correlation(&s, image / shape[1], image % shape[1], row, column),
         within);
  }
  FREE(s.x, s.weight, s.bias, y);
}

static void conv_forward(void **state) {
  (void)state;
  for (int i = 0; i < COUNT_OF(small_convs); i++) check_conv(&small_convs[i], 0);
  for (int i = 0; i < COUNT_OF(large_convs); i++) check_conv(&large_convs[i], 0);
  for (int i = 0; i < COUNT_OF(winograd_convs); i++) check_conv(&winograd_convs[i], 1);
}

static void conv_gradients(void **state) {
  (void)state;
  for (int i = 0; i < COUNT_OF(small_convs); i++) {
    conv_state s = conv_of(&small_convs[i]);
    mg_tensor *dy = numbers(small_convs[i].y);
    is_gradient("conv2d input", run_conv, &s, s.x, dy,
                mg_conv2d_vjp_input(s.x, s.weight, dy, &s.window));
    is_gradient("conv2d weight", run_conv, &s, s.weight, dy,
                mg_conv2d_vjp_weight(s.x, s.weight, dy, &s.window));
    if (s.bias) is_gradient("conv2d bias", run_conv, &s, s.bias, dy, mg_conv2d_vjp_bias(dy));
    FREE(s.x, s.weight, s.bias, dy);
  }
}

/* dx and dw by the definition: every product of the forward sum gives its factors. */
static void naive_gradients(conv_state *s, mg_tensor *dy, double *dx, double *dw) {
  const int64_t *w = mg_tensor_shape(s->weight), *o = mg_tensor_shape(dy);
  const int64_t *in = mg_tensor_shape(s->x);
  for (int64_t k = 0; k < mg_tensor_size(dy); k++) {
    int64_t d = k / o[3] / o[2] % o[1], b = k / o[3] / o[2] / o[1], at_tap[2];
    int64_t first = d / (w[0] / s->window.groups) * w[1];
    for (int64_t t = 0; t < w[1] * w[2] * w[3]; t++) {
      cell_place(&s->window, k / o[3] % o[2], k % o[3], t / w[3] % w[2], t % w[3], at_tap);
      int64_t y = at_tap[0], x = at_tap[1], c = first + t / w[3] / w[2];
      if (x < 0 || y < 0 || y >= in[2] || x >= in[3]) continue;
      int64_t place = ((b * in[1] + c) * in[2] + y) * in[3] + x, tap = d * w[1] * w[2] * w[3] + t;
      dx[place] += at(dy, k) * at(s->weight, tap);
      dw[tap] += at(dy, k) * at(s->x, place);
    }
  }
}

static void check_gradients(const geometry *g, int is_winograd) {
  conv_state s = conv_of(g);
  mg_tensor *dy = numbers(g->y);
  int64_t filters = mg_tensor_shape(dy)[1], cells = mg_tensor_size(dy) / filters;
  double near_x = is_winograd ? winograd_tolerance(filters * 9) : tolerance();
  double near_w = 3 * (is_winograd ? winograd_tolerance(cells) : tolerance());
  mg_tensor *dx = mg_conv2d_vjp_input(s.x, s.weight, dy, &s.window);
  mg_tensor *dw = mg_conv2d_vjp_weight(s.x, s.weight, dy, &s.window);
  mg_tensor *db = mg_conv2d_vjp_bias(dy);
  double *ex = calloc((size_t)mg_tensor_size(dx), sizeof *ex);
  double *ew = calloc((size_t)mg_tensor_size(dw), sizeof *ew);
  naive_gradients(&s, dy, ex, ew);
  for (int64_t k = 0; k < mg_tensor_size(dx); k++) near("dx", k, at(dx, k), ex[k], near_x);
  for (int64_t k = 0; k < mg_tensor_size(dw); k++) near("dw", k, at(dw, k), ew[k], near_w);
  int64_t plane = mg_tensor_shape(dy)[2] * mg_tensor_shape(dy)[3];
  for (int64_t f = 0; f < filters; f++) {
    double sum = 0;
    for (int64_t k = 0; k < mg_tensor_size(dy); k++)
      sum += k / plane % filters == f ? at(dy, k) : 0;
    near("db", f, at(db, f), sum, tolerance());
  }
  free(ex);
  free(ew);
  FREE(s.x, s.weight, s.bias, dy, dx, dw, db);
}

static void conv_gradients_of_many_tiles(void **state) {
  (void)state;
  for (int i = 0; i < COUNT_OF(large_convs); i++) check_gradients(&large_convs[i], 0);
  for (int i = 0; i < COUNT_OF(winograd_convs); i++) check_gradients(&winograd_convs[i], 1);
}

/* ---- pooling */

typedef struct pool_state {
  mg_reduce_kind kind;
  mg_tensor *x;
  mg_pool window;
} pool_state;

static mg_tensor *run_pool(void *state) {
  pool_state *s = state;
  return mg_pool2d(s->kind, s->x, &s->window);
}

/* kernel, stride, pad, down and across */
static const mg_pool pools[] = {
    {{1, 1}, {1, 1}, {0, 0}}, {{2, 2}, {2, 2}, {0, 0}}, {{2, 2}, {1, 1}, {1, 1}},
    {{3, 3}, {2, 2}, {1, 1}}, {{3, 3}, {1, 1}, {1, 1}}, {{3, 3}, {3, 3}, {0, 0}},
    {{2, 2}, {3, 3}, {0, 0}}, {{4, 4}, {2, 2}, {2, 2}}, {{5, 5}, {2, 2}, {2, 2}},
    {{1, 1}, {2, 2}, {0, 0}}, {{2, 2}, {2, 2}, {1, 1}}, {{1, 3}, {1, 2}, {0, 1}},
    {{4, 1}, {3, 1}, {1, 0}}, {{2, 5}, {1, 1}, {1, 2}}};

static double window_value(pool_state *s, int64_t plane, int64_t row, int64_t column) {
  const int64_t *shape = mg_tensor_shape(s->x);
  const mg_pool *o = &s->window;
  double best = -INFINITY, sum = 0;
  for (int64_t i = 0; i < o->kernel[0]; i++)
    for (int64_t j = 0; j < o->kernel[1]; j++) {
      int64_t y = row * o->stride[0] - o->pad[0] + i, x = column * o->stride[1] - o->pad[1] + j;
      if (y < 0 || x < 0 || y >= shape[2] || x >= shape[3]) continue;
      double value = at(s->x, (plane * shape[2] + y) * shape[3] + x);
      best = fmax(best, value);
      sum += value;
    }
  return s->kind == MG_MAX ? best : sum / o->kernel[0] / o->kernel[1];
}

static void check_pool(pool_state *s) {
  mg_tensor *y = run_pool(s), *dy = numbers_like(y);
  const int64_t *in = mg_tensor_shape(s->x), *out = mg_tensor_shape(y);
  for (int i = 0; i < 2; i++)
    assert_int_equal(out[2 + i], (in[2 + i] + 2 * s->window.pad[i] - s->window.kernel[i]) /
                                         s->window.stride[i] + 1);
  for (int64_t k = 0; k < mg_tensor_size(y); k++)
    near("pool2d", k, at(y, k), window_value(s, k / out[3] / out[2], k / out[3] % out[2], k % out[3]),
         s->kind == MG_MAX ? 0 : tolerance());
  mg_tensor *g = mg_pool2d_vjp(s->kind, s->x, y, dy, &s->window);
  if (mg_tensor_size(s->x) < 200) is_gradient("pool2d", run_pool, s, s->x, dy, g);
  else mg_tensor_free(g);
  FREE(y, dy);
}

static void pool(void **state) {
  (void)state;
  const char *shapes[] = {"2x2x5x6", "1x1x5x5", "0x2x5x5", "2x0x5x5", "1x3x40x37"};
  for (int i = 0; i < COUNT_OF(shapes); i++)
    for (int p = 0; p < COUNT_OF(pools); p++)
      for (int kind = 0; kind < 2; kind++) {
        pool_state s = {kind ? MG_MEAN : MG_MAX, apart(shapes[i]), pools[p]};
        check_pool(&s);
        mg_tensor_free(s.x);
      }
}

/* Zeros of the pad would win over negative entries. */
static void max_pool_of_negative_entries(void **state) {
  (void)state;
  for (int p = 0; p < COUNT_OF(pools); p++) {
    pool_state s = {MG_MAX, apart("1x2x40x37"), pools[p]};
    for (int64_t k = 0; k < mg_tensor_size(s.x); k++) mg_tensor_data(s.x)[k] -= 300;
    check_pool(&s);
    mg_tensor_free(s.x);
  }
}

static void max_pool_ties_and_special_values(void **state) {
  (void)state;
  const double values[] = {7, 7, -INFINITY, -INFINITY, 7, 7, -INFINITY, -INFINITY, 0, NAN, 1, 2,
                           NAN, 3, 5, 5};
  const double weights[] = {1, 2, 3, 4};
  const double expected[] = {1, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0};
  mg_tensor *x = of("1x1x4x4", values), *dy = of("1x1x2x2", weights);
  const mg_pool two = {{2, 2}, {2, 2}, {0, 0}};
  mg_tensor *y = mg_pool2d(MG_MAX, x, &two), *g = mg_pool2d_vjp(MG_MAX, x, y, dy, &two);
  assert_true(at(y, 0) == 7 && at(y, 1) == -INFINITY && isnan(at(y, 2)) && at(y, 3) == 5);
  for (int i = 0; i < 16; i++) assert_true(at(g, i) == expected[i]);
  mg_tensor *z = mg_adaptive_pool2d(MG_MAX, x, 2, 2);
  mg_tensor *h = mg_adaptive_pool2d_vjp(MG_MAX, x, z, dy, 2, 2);
  for (int i = 0; i < 4; i++) near("adaptive_pool2d", i, at(z, i), at(y, i), 0);
  for (int i = 0; i < 16; i++) assert_true(at(h, i) == expected[i]);
  FREE(x, dy, y, g, z, h);
}

typedef struct shares_state {
  mg_reduce_kind kind;
  mg_tensor *x;
  int height, width;
} shares_state;

static mg_tensor *run_shares(void *state) {
  shares_state *s = state;
  return mg_adaptive_pool2d(s->kind, s->x, s->height, s->width);
}

static double share_of(shares_state *s, int64_t plane, int64_t row, int64_t column) {
  const int64_t *shape = mg_tensor_shape(s->x);
  double best = -INFINITY, sum = 0, count = 0;
  for (int64_t y = 0; y < shape[2]; y++)
    for (int64_t x = 0; x < shape[3]; x++) {
      double top = floor((double)(row * shape[2]) / s->height);
      double bottom = ceil((double)((row + 1) * shape[2]) / s->height);
      double left = floor((double)(column * shape[3]) / s->width);
      double right = ceil((double)((column + 1) * shape[3]) / s->width);
      if ((double)y < top || (double)y >= bottom) continue;
      if ((double)x < left || (double)x >= right) continue;
      double value = at(s->x, (plane * shape[2] + y) * shape[3] + x);
      best = fmax(best, value);
      sum += value;
      count++;
    }
  return s->kind == MG_MAX ? best : sum / count;
}

static void adaptive_pool(void **state) {
  (void)state;
  const int sizes[][2] = {{1, 1}, {2, 3}, {5, 6}, {3, 4}, {7, 8}};
  const char *shapes[] = {"2x2x5x6", "0x1x5x6", "1x1x1x1"};
  for (int i = 0; i < COUNT_OF(shapes); i++)
    for (int p = 0; p < 2 * COUNT_OF(sizes); p++) {
      shares_state s = {p & 1 ? MG_MAX : MG_MEAN, apart(shapes[i]), sizes[p / 2][0],
                        sizes[p / 2][1]};
      mg_tensor *y = run_shares(&s), *dy = numbers_like(y);
      int64_t height = s.height, width = s.width;
      for (int64_t k = 0; k < mg_tensor_size(y); k++)
        near("adaptive_pool2d", k, at(y, k),
             share_of(&s, k / width / height, k / width % height, k % width), tolerance());
      is_gradient("adaptive_pool2d", run_shares, &s, s.x, dy,
                  mg_adaptive_pool2d_vjp(s.kind, s.x, y, dy, s.height, s.width));
      FREE(s.x, y, dy);
    }
}

/* ---- normalisation */

typedef struct norm_state {
  mg_tensor *x, *gain, *bias, *mean, *variance;
  int fixed, is_rectified;
} norm_state;

static const double epsilon = 1e-3;

static mg_tensor *run_norm(void *state) {
  norm_state *s = state;
  return mg_batch_norm(s->x, s->gain, s->bias, s->mean, s->variance, epsilon, s->fixed,
                       s->is_rectified);
}

static norm_state norm_of(const char *shape, const char *channels, int fixed) {
  return (norm_state){between(shape, -1, 3),        numbers(channels),
                      numbers(channels),            numbers(channels),
                      between(channels, 0.5, 2.0), fixed, 0};
}

static void batch_norm_forward(void **state) {
  (void)state;
  const char *shapes[][2] = {{"4x3", "3"}, {"2x3x4x5", "3"}, {"1x2x9", "2"}, {"70x5x33x20", "5"},
                             {"1x1", "1"}, {"0x2x3", "2"},   {"3x0x2", "0"}};
  for (int i = 0; i < 2 * COUNT_OF(shapes); i++) {
    norm_state s = norm_of(shapes[i / 2][0], shapes[i / 2][1], i & 1);
    mg_tensor *y = run_norm(&s);
    assert_non_null(y);
    int64_t batch = mg_tensor_shape(s.x)[0], channels = mg_tensor_shape(s.x)[1];
    int64_t inner = batch * channels > 0 ? mg_tensor_size(s.x) / batch / channels : 0;
    for (int64_t c = 0; c < channels && inner > 0; c++) {
      double count = (double)(batch * inner), mean = 0, variance = 0;
      for (int64_t k = 0; k < batch * inner; k++)
        mean += at(s.x, (k / inner * channels + c) * inner + k % inner) / count;
      for (int64_t k = 0; k < batch * inner; k++)
        variance += pow(at(s.x, (k / inner * channels + c) * inner + k % inner) - mean, 2) / count;
      if (!s.fixed) near("mean", c, at(s.mean, c), mean, tolerance());
      if (!s.fixed) near("variance", c, at(s.variance, c), variance, tolerance());
      for (int64_t k = 0; k < batch * inner; k++) {
        int64_t place = (k / inner * channels + c) * inner + k % inner;
        double z = (at(s.x, place) - at(s.mean, c)) / sqrt(at(s.variance, c) + epsilon);
        near("batch_norm", place, at(y, place), z * at(s.gain, c) + at(s.bias, c), tolerance());
      }
    }
    FREE(s.x, s.gain, s.bias, s.mean, s.variance, y);
  }
}

typedef struct norm_gradients {
  mg_tensor *x, *gain, *bias;
} norm_gradients;

static norm_gradients gradients_of(norm_state *s, mg_tensor *y, mg_tensor *dy) {
  norm_gradients g = {numbers_like(s->x), numbers_like(s->gain), numbers_like(s->gain)};
  mg_status status = mg_batch_norm_vjp(s->x, y, s->gain, s->mean, s->variance, dy, epsilon, s->fixed,
                                       s->is_rectified, g.x, g.gain, g.bias);
  assert_int_equal(status, MG_OK);
  return g;
}

static const char *const norm_shapes[][2] = {
    {"4x3", "3"}, {"3x2x5", "2"}, {"2x3x2x2", "3"}, {"0x2x3", "2"}, {"3x2x19", "2"}};

static void batch_norm_gradients(void **state) {
  (void)state;
  for (int i = 0; i < 2 * COUNT_OF(norm_shapes); i++) {
    norm_state s = norm_of(norm_shapes[i / 2][0], norm_shapes[i / 2][1], i & 1);
    mg_tensor *y = run_norm(&s), *dy = numbers_like(y);
    norm_gradients g = gradients_of(&s, y, dy);
    is_gradient("batch_norm x", run_norm, &s, s.x, dy, g.x);
    is_gradient("batch_norm gain", run_norm, &s, s.gain, dy, g.gain);
    is_gradient("batch_norm bias", run_norm, &s, s.bias, dy, g.bias);
    FREE(s.x, s.gain, s.bias, s.mean, s.variance, y, dy);
  }
}

static void same_entries(const char *what, mg_tensor *a, mg_tensor *b) {
  for (int64_t k = 0; k < mg_tensor_size(a); k++) near(what, k, at(a, k), at(b, k), 0);
}

/* Rectified: entries below 0 become 0 and pass nothing back. Gradients may take dy's place. */
static void batch_norm_rectified(void **state) {
  (void)state;
  for (int i = 0; i < 2 * COUNT_OF(norm_shapes); i++) {
    norm_state s = norm_of(norm_shapes[i / 2][0], norm_shapes[i / 2][1], i & 1);
    mg_tensor *plain = run_norm(&s), *dy = numbers_like(plain), *masked = numbers_like(plain);
    s.is_rectified = 1;
    mg_tensor *y = run_norm(&s);
    for (int64_t k = 0; k < mg_tensor_size(y); k++) {
      near("rectified", k, at(y, k), fmax(at(plain, k), 0), 0);
      mg_tensor_data(masked)[k] = at(plain, k) > 0 ? mg_tensor_data(dy)[k] : 0;
    }
    norm_gradients g = gradients_of(&s, y, dy);
    norm_state unrectified = s;
    unrectified.is_rectified = 0;
    norm_gradients expected = gradients_of(&unrectified, plain, masked);
    mg_status status = mg_batch_norm_vjp(s.x, y, s.gain, s.mean, s.variance, dy, epsilon, s.fixed, 1,
                                         dy, g.gain, g.bias);
    assert_int_equal(status, MG_OK);
    same_entries("dx", g.x, expected.x);
    same_entries("dx in place", dy, expected.x);
    same_entries("dgain", g.gain, expected.gain);
    same_entries("dbias", g.bias, expected.bias);
    FREE(s.x, s.gain, s.bias, s.mean, s.variance, plain, y, dy, masked);
    FREE(g.x, g.gain, g.bias, expected.x, expected.gain, expected.bias);
  }
}

/* A mean far from 0 must not cost the variance its digits. */
static void batch_norm_far_from_zero(void **state) {
  (void)state;
  norm_state s = norm_of("50x1x20", "1", 0);
  for (int64_t k = 0; k < 1000; k++) mg_tensor_data(s.x)[k] = (mg_real)(4096 + k % 2);
  mg_tensor *y = run_norm(&s);
  assert_true(at(s.mean, 0) == 4096.5 && at(s.variance, 0) == 0.25);
  FREE(s.x, s.gain, s.bias, s.mean, s.variance, y);
}

/* ---- update rules */

static void adam_follows_the_paper(void **state) {
  (void)state;
  enum { N = 40001, STEPS = 3 };
  mg_tensor *w = numbers("40001"), *m = empty("40001"), *v = empty("40001");
  mg_fill(m, 0);
  mg_fill(v, 0);
  double *reference = malloc(3 * N * sizeof *reference), *moment = reference + N;
  double *square = moment + N;
  for (int i = 0; i < N; i++) {
    reference[i] = at(w, i);
    moment[i] = square[i] = 0;
  }
  for (int step = 1; step <= STEPS; step++) {
    mg_tensor *g = numbers("40001");
    assert_int_equal(mg_adam(w, g, m, v, 0.1, 0.9, 0.999, 1e-8, 0.01, 0, step), MG_OK);
    for (int i = 0; i < N; i++) {
      double gradient = at(g, i) + 0.01 * reference[i];
      moment[i] = 0.9 * moment[i] + 0.1 * gradient;
      square[i] = 0.999 * square[i] + 0.001 * gradient * gradient;
      reference[i] -= 0.1 * (moment[i] / (1 - pow(0.9, step))) /
                      (sqrt(square[i] / (1 - pow(0.999, step))) + 1e-8);
    }
    mg_tensor_free(g);
  }
  for (int i = 0; i < N; i++) near("adam", i, at(w, i), reference[i], 20 * tolerance());
  assert_int_equal(mg_adam(w, w, m, v, 0.1, 0.9, 0.999, 1e-8, 0, 0, 0), MG_BAD_ARGUMENT);
  assert_int_equal(mg_adam(w, w, m, v, 0.1, 1.0, 0.999, 1e-8, 0, 0, 1), MG_BAD_ARGUMENT);
  free(reference);
  FREE(w, m, v);
}

/* ---- all operations, one by one: bits, failing allocations */

enum { CASES = 40 };

/* Inputs for every operation. */
typedef struct inputs {
  mg_tensor *image, *filters, *bias, *result, *pooled, *shares;
  mg_tensor *matrix, *row, *column, *square, *few;
  mg_tensor *channel, *mean, *variance;
} inputs;

static inputs new_inputs(int is_large) {
  return (inputs){
      .image = numbers(is_large ? "21x3x40x44" : "2x3x6x4"),
      .filters = numbers(is_large ? "10x3x5x5" : "4x3x5x5"),
      .bias = numbers(is_large ? "10" : "4"),
      .result = numbers(is_large ? "21x10x20x22" : "2x4x3x2"),
      .matrix = numbers(is_large ? "700x300" : "7x3"),
      .row = numbers(is_large ? "300" : "3"),
      .column = numbers(is_large ? "700x1" : "7x1"),
      .square = numbers(is_large ? "300x300" : "3x3"),
      .pooled = numbers(is_large ? "21x3x20x22" : "2x3x3x2"),
      .shares = numbers(is_large ? "21x3x7x5" : "2x3x7x5"),
      .few = numbers(is_large ? "4x300" : "4x3"),
      .channel = numbers("3"),
      .mean = numbers("3"),
      .variance = between("3", 1, 2),
  };
}

static void free_inputs(inputs *p) { free_all((mg_tensor **)p, sizeof *p / sizeof(mg_tensor *)); }

static mg_tensor *alike(mg_tensor *t) {
  return mg_tensor_new(mg_tensor_shape(t), mg_tensor_axes(t));
}

static mg_tensor *norm_gradient(const inputs *p, int fixed) {
  mg_tensor *dx = alike(p->image), *dgain = dx ? alike(p->channel) : NULL;
  mg_tensor *dbias = dgain ? alike(p->channel) : NULL;
  mg_status status = MG_NO_MEMORY;
  if (dbias)
    status = mg_batch_norm_vjp(p->image, p->image, p->channel, p->mean, p->variance, p->image,
                               epsilon, fixed, !fixed, dx, dgain, dbias);
  if (status == MG_OK)
    for (int i = 0; i < 3; i++) mg_tensor_data(dx)[i] = mg_tensor_data(i & 1 ? dgain : dbias)[i];
  FREE(dgain, dbias);
  if (status == MG_OK) return dx;
  mg_tensor_free(dx);
  return NULL;
}

static mg_tensor *run_case(int i, const void *given) {
  const inputs *p = given;
  static const int order[] = {2, 0, 3, 1};
  static const int64_t rows[] = {1, 0, 1, 1};
  const mg_tensor *parts[] = {p->matrix, p->matrix};
  const mg_conv two = square(2, 2);
  const mg_pool three = {{3, 3}, {2, 2}, {1, 1}};
  switch (i) {
    case 0: return mg_unary(MG_SIGMOID, p->matrix, 0, 0);
    case 1: return mg_unary_vjp(MG_SOFTPLUS, p->matrix, p->matrix, p->matrix, 0, 0);
    case 2: return mg_binary(MG_ADD, p->matrix, p->row);
    case 3: return mg_binary(MG_MULTIPLY, p->column, p->matrix);
    case 4: return mg_binary_vjp(MG_MULTIPLY, 0, p->matrix, p->row, p->matrix);
    case 5: return mg_binary_vjp(MG_MULTIPLY, 1, p->matrix, p->row, p->matrix);
    case 6: return mg_binary_vjp(MG_DIVIDE, 1, p->matrix, p->column, p->matrix);
    case 7: return mg_affine(p->matrix, 2, 1);
    case 8: return mg_reduce(MG_SUM, p->matrix, 0, 2);
    case 9: return mg_reduce(MG_SUM, p->matrix, 0, 1);
    case 10: return mg_reduce(MG_MEAN, p->matrix, 1, 1);
    case 11: return mg_reduce(MG_MAX, p->matrix, 0, 2);
    case 12: return mg_reduce(MG_MIN, p->matrix, 0, 1);
    case 13: return mg_reduce_vjp(MG_MEAN, p->matrix, p->row, p->row, 0, 1);
    case 14: return mg_reduce_vjp(MG_MAX, p->matrix, p->row, p->row, 0, 1);
    case 15: return mg_take(p->image, 0, rows, 4);
    case 16: return mg_take_vjp(p->matrix, 0, rows, 4, p->few);
    case 17: return mg_permute(p->image, order);
    case 18: return mg_slice(p->image, 2, 1, 3);
    case 19: return mg_slice_vjp(p->matrix, 0, 2, p->square);
    case 20: return mg_concat(parts, 2, 1);
    case 21: return mg_matmul(p->matrix, p->square, 0, 1);
    case 22: return mg_matmul(p->matrix, p->matrix, 1, 0);
    case 23: return mg_conv2d(p->image, p->filters, p->bias, &two);
    case 24: return mg_conv2d_vjp_input(p->image, p->filters, p->result, &two);
    case 25: return mg_conv2d_vjp_weight(p->image, p->filters, p->result, &two);
    case 26: return mg_conv2d_vjp_bias(p->result);
    case 27: return mg_pool2d(MG_MAX, p->image, &three);
    case 28: return mg_pool2d_vjp(MG_MAX, p->image, p->pooled, p->pooled, &three);
    case 29: return mg_adaptive_pool2d(MG_MEAN, p->image, 7, 5);
    case 30: return mg_adaptive_pool2d_vjp(MG_MAX, p->image, p->shares, p->shares, 7, 5);
    case 31: return mg_adaptive_pool2d_vjp(MG_MEAN, p->image, p->shares, p->shares, 7, 5);
    case 32:
      return mg_batch_norm(p->image, p->channel, p->channel, p->mean, p->variance, epsilon, 0, 0);
    case 33:
      return mg_batch_norm(p->image, p->channel, p->channel, p->mean, p->variance, epsilon, 1, 1);
    case 34: return norm_gradient(p, 0);
    case 35: return norm_gradient(p, 1);
    case 36: return mg_unary(MG_GELU, p->matrix, 0, 0);
    case 37: return mg_where(p->column, p->matrix, p->row);
    case 38: return mg_where_vjp(1, p->column, p->matrix, p->row, p->matrix);
    default: return mg_unary(MG_TANH, p->image, 0, 0);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  inputs p = new_inputs(1);
  mg_fill(p.row, 0); /* entries of a maximum need not be in the matrix */
  has_bits_of_one_thread(run_case, CASES, &p);
  free_inputs(&p);
}

static void failing_allocations_are_clean(void **state) {
  (void)state;
  for (int is_large = 0; is_large < 2; is_large++) {
    inputs p = new_inputs(is_large);
    survives_failing_allocations(run_case, CASES, &p, 200);
    free_inputs(&p);
  }
}

static void interrupts_end_operations(void **state) {
  (void)state;
  inputs p = new_inputs(1);
  int64_t before = live();
  mg_interrupt_set(1);
  mg_conv two = square(2, 2);
  mg_tensor *y = mg_conv2d(p.image, p.filters, p.bias, &two);
  mg_tensor *g = mg_conv2d_vjp_weight(p.image, p.filters, p.result, &two);
  mg_interrupt_set(0);
  assert_null(y);
  assert_null(g);
  assert_int_equal(mg_last_status(), MG_INTERRUPTED);
  assert_int_equal(live(), before);
  free_inputs(&p);
}

/* ---- failures */

static void shapes_that_do_not_fit(void **state) {
  (void)state;
  mg_tensor *a = numbers("2x3"), *b = numbers("4"), *scalar = numbers("");
  mg_tensor *x = numbers("1x2x3x3"), *w = numbers("1x2x5x5");
  const mg_tensor *parts[] = {a, b};
  const int64_t rows[] = {0, 2};
  const int twice[] = {0, 0}, outside[] = {0, 2};
  refused(mg_binary(MG_ADD, a, b), MG_BAD_SHAPE, "add: shapes 2x3 and 4 do not broadcast");
  refused(mg_binary_vjp(MG_ADD, 0, a, a, b), MG_BAD_SHAPE,
          "binary_vjp: dy has shape 4, the result has 2x3");
  refused(mg_binary_vjp(MG_ADD, 2, a, a, a), MG_BAD_ARGUMENT,
          "binary_vjp: which = 2 is not 0 or 1");
  refused(mg_unary((mg_unary_kind)99, a, 0, 0), MG_BAD_ARGUMENT, "unary: kind 99 is not in 0..20");
  refused(mg_unary(MG_CLAMP, a, 0, NAN), MG_BAD_ARGUMENT, "unary: a parameter is NaN");
  refused(mg_unary_vjp(MG_EXP, a, a, b, 0, 0), MG_BAD_SHAPE, "unary_vjp: expected shape 2x3, got 4");
  refused(mg_where(a, a, b), MG_BAD_SHAPE, "where: shapes 2x3 and 4 do not broadcast");
  refused(mg_where_vjp(2, a, a, a, a), MG_BAD_ARGUMENT, "where_vjp: which = 2 is not 0 or 1");
  refused(mg_where_vjp(0, a, a, a, b), MG_BAD_SHAPE,
          "where_vjp: dy has shape 4, the result has 2x3");
  refused(mg_reduce(MG_SUM, a, 1, 2), MG_BAD_SHAPE, "reduce: 2 axes from axis 2 on, there are 2");
  refused(mg_reduce_vjp(MG_SUM, a, b, b, 0, 1), MG_BAD_SHAPE,
          "reduce_vjp: y has shape 4, the result has 3");
  refused(mg_take(a, 0, rows, 2), MG_BAD_ARGUMENT, "take: row 3, there are 2");
  refused(mg_take(scalar, 0, rows, 1), MG_BAD_SHAPE, "take: axis 1, there are 0");
  refused(mg_take_vjp(a, 0, rows, 1, b), MG_BAD_SHAPE,
          "take_vjp: dy has shape 4 for 1 rows of axis 1 of shape 2x3");
  refused(mg_permute(a, twice), MG_BAD_SHAPE, "permute: axis 1 twice");
  refused(mg_permute(a, outside), MG_BAD_SHAPE, "permute: axis 3, there are 2");
  refused(mg_slice(a, 1, 2, 2), MG_BAD_SHAPE,
          "slice: 2 entries from entry 3 on, axis 2 has 3");
  refused(mg_slice(a, 2, 0, 1), MG_BAD_SHAPE, "slice: axis 3, there are 2");
  refused(mg_slice_vjp(a, 0, 0, x), MG_BAD_SHAPE,
          "slice_vjp: dy has shape 1x2x3x3 for a slice along axis 1 of 2x3");
  refused(mg_concat(parts, 2, 0), MG_BAD_SHAPE,
          "concat: part 1 has shape 2x3, part 2 has 4, joined along axis 1");
  refused(mg_concat(parts, 0, 0), MG_BAD_SHAPE, "concat: 0 parts, expected 1 and more");
  refused(mg_matmul(a, a, 0, 0), MG_BAD_SHAPE,
          "matmul: a is 2x3 with 3 columns, b is 2x3 with 2 rows");
  refused(mg_matmul(a, b, 0, 0), MG_BAD_SHAPE, "matmul: b has shape 4, expected 2 axes or more");
  const mg_conv plain = square(1, 0), padded = square(1, 1), still = square(0, 1);
  const mg_conv halves = {{1, 1}, {2, 2}, {1, 1}, 2}, none = {{1, 1}, {0, 0}, {1, 1}, 0};
  const mg_conv wide = {{1, 1}, {1, 1}, {1, 2}, 1};
  refused(mg_conv2d(x, w, NULL, &plain), MG_BAD_SHAPE,
          "conv2d: weight of shape 1x2x5x5 does not fit x of shape 1x2x3x3 with pad 0x0, dilation "
          "1x1 and 1 groups");
  refused(mg_conv2d(x, w, NULL, &wide), MG_BAD_SHAPE,
          "conv2d: weight of shape 1x2x5x5 does not fit x of shape 1x2x3x3 with pad 1x1, dilation "
          "1x2 and 1 groups");
  refused(mg_conv2d(x, w, NULL, &halves), MG_BAD_SHAPE,
          "conv2d: weight of shape 1x2x5x5 does not fit x of shape 1x2x3x3 with pad 2x2, dilation "
          "1x1 and 2 groups");
  refused(mg_conv2d(x, w, NULL, &none), MG_BAD_ARGUMENT, "conv2d: 0 groups, expected 1 at least");
  refused(mg_conv2d(x, w, b, &padded), MG_BAD_SHAPE,
          "conv2d: bias has shape 4, weight has 1 filters");
  refused(mg_conv2d(x, w, NULL, &still), MG_BAD_ARGUMENT,
          "conv2d: stride 0, pad 1 and dilation 1, expected 1, 0 and 1 at least");
  refused(mg_conv2d_vjp_input(x, w, x, &padded), MG_BAD_SHAPE,
          "conv2d_vjp_input: dy has shape 1x2x3x3, the result has 1x1x1x1");
  refused(mg_conv2d_vjp_weight(x, a, x, &padded), MG_BAD_SHAPE,
          "conv2d_vjp_weight: weight has shape 2x3, expected 4 axes");
  refused(mg_conv2d_vjp_bias(a), MG_BAD_SHAPE,
          "conv2d_vjp_bias: dy has shape 2x3, expected 4 axes");
  const mg_pool four = {{3, 4}, {1, 1}, {0, 0}}, three = {{3, 3}, {1, 1}, {0, 0}};
  const mg_pool far = {{2, 2}, {1, 1}, {0, 2}};
  refused(mg_pool2d(MG_MAX, x, &four), MG_BAD_SHAPE,
          "pool2d: kernel 3x4 is larger than x of shape 1x2x3x3 with pad 0x0");
  refused(mg_pool2d_vjp(MG_MAX, x, x, w, &three), MG_BAD_SHAPE,
          "pool2d_vjp: y has shape 1x2x3x3, the result has 1x2x1x1");
  mg_tensor *y = mg_pool2d(MG_MAX, x, &three);
  refused(mg_pool2d_vjp(MG_MAX, x, y, w, &three), MG_BAD_SHAPE,
          "pool2d_vjp: dy has shape 1x2x5x5, the result has 1x2x1x1");
  mg_tensor_free(y);
  refused(mg_pool2d(MG_MIN, x, &three), MG_BAD_ARGUMENT,
          "pool2d: kind 3 is not the largest or the mean");
  refused(mg_pool2d(MG_MAX, x, &far), MG_BAD_ARGUMENT,
          "pool2d: kernel 2, stride 1 and pad 2, expected 1 and 1 at least and pad in "
          "0..kernel / 2");
  refused(mg_adaptive_pool2d(MG_MIN, x, 1, 1), MG_BAD_ARGUMENT,
          "adaptive_pool2d: kind 3 is not the largest or the mean");
  refused(mg_adaptive_pool2d(MG_MAX, x, 0, 1), MG_BAD_ARGUMENT,
          "adaptive_pool2d: a result of 0 x 1 cells");
  refused(mg_batch_norm(x, b, b, b, b, 1, 0, 0), MG_BAD_SHAPE,
          "batch_norm: gain has shape 4, x has 2 channels (shape 1x2x3x3)");
  assert_int_equal(mg_copy(a, b), MG_BAD_SHAPE);
  assert_int_equal(mg_accumulate(a, 1, b, 1), MG_BAD_SHAPE);
  assert_int_equal(mg_adam(a, b, a, a, 1, 0, 0, 1, 0, 0, 1), MG_BAD_SHAPE);
  FREE(a, b, x, w, scalar);
}

static void build_names_what_it_is(void **state) {
  (void)state;
  assert_non_null(strstr(mg_build(), "OpenBLAS"));
  assert_non_null(strstr(mg_build(), mg_real_bytes() == 4 ? "float" : "double"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(unary_forward),
      TEST(unary_gradients),
      TEST(unary_into_a_result),
      TEST(unary_gradients_at_kinks),
      TEST(unary_gradients_far_out),
      TEST(binary_forward),
      TEST(extremes_keep_nan),
      TEST(binary_gradients),
      TEST(power_gradients_at_zero),
      TEST(where_chooses_and_its_gradients),
      TEST(where_takes_nan_as_true),
      TEST(binary_gradients_sum_long_axes),
      TEST(ties_go_to_the_first_operand),
      TEST(linear_operations),
      TEST(reduce_forward),
      TEST(reduce_keeps_nan),
      TEST(reduce_gradients),
      TEST(reduce_gives_ties_to_the_first),
      TEST(take_and_its_gradient),
      TEST(permute_in_every_order),
      TEST(slices_and_concat),
      TEST(matmul_forward),
      TEST(conv_forward),
      TEST(conv_gradients),
      TEST(conv_gradients_of_many_tiles),
      TEST(pool),
      TEST(max_pool_of_negative_entries),
      TEST(max_pool_ties_and_special_values),
      TEST(adaptive_pool),
      TEST(batch_norm_forward),
      TEST(batch_norm_gradients),
      TEST(batch_norm_rectified),
      TEST(batch_norm_far_from_zero),
      TEST(adam_follows_the_paper),
      TEST(bits_do_not_depend_on_threads),
      TEST(failing_allocations_are_clean),
      TEST(interrupts_end_operations),
      TEST(shapes_that_do_not_fit),
      TEST(build_names_what_it_is),
  };
  return cmocka_run_group_tests_name("op", tests, NULL, NULL);
}

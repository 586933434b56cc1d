/* Reductions, softmax, running sums, norms of rows and dropout against naive loops in double,
 * gradients against central differences, bits against the number of threads. */
#include <stdlib.h>

#include "support.h"

static double tolerance(void) { return mg_real_bytes() == 4 ? 5e-5 : 1e-11; }

/* x as [outer, n, inner] around axes first..first+count-1. */
typedef struct view {
  int64_t outer, n, inner;
} view;

static view view_of(const mg_tensor *x, int first, int count) {
  view v = {1, 1, 1};
  for (int i = 0; i < mg_tensor_axes(x); i++)
    *(i < first ? &v.outer : i < first + count ? &v.n : &v.inner) *= mg_tensor_shape(x)[i];
  return v;
}

/* ---- reduce */

/* Entries x, x + step, ... reduced by loops. */
static double reduced(mg_reduce_kind kind, const mg_real *x, int64_t n, int64_t step) {
  double sum = 0, product = 1, high = -INFINITY, low = INFINITY, absolute = 0, square = 0, peak = 0;
  double exps = 0, distance = 0, zeros = 0;
  int64_t where_high = 0, where_low = 0;
  for (int64_t m = 0; m < n; m++) {
    double v = (double)x[m * step];
    if (v > high) where_high = m;
    if (v < low) where_low = m;
    high = fmax(high, v);
    low = fmin(low, v);
    sum += v;
    product *= v;
    absolute += fabs(v);
    square += v * v;
    peak = fmax(peak, fabs(v));
    zeros += v == 0;
  }
  for (int64_t m = 0; m < n; m++) {
    double v = (double)x[m * step];
    exps += exp(v - high);
    distance += (v - sum / (double)n) * (v - sum / (double)n);
  }
  double count = (double)n;
  switch (kind) {
    case MG_SUM: return sum;
    case MG_MEAN: return sum / count;
    case MG_MAX: return high;
    case MG_MIN: return low;
    case MG_PROD: return product;
    case MG_LOGSUMEXP: return n ? high + log(exps) : -INFINITY;
    case MG_VAR: return n > 1 ? distance / (count - 1) : NAN;
    case MG_VAR_BIASED: return n > 0 ? distance / count : NAN;
    case MG_STD: return n > 1 ? sqrt(distance / (count - 1)) : NAN;
    case MG_STD_BIASED: return n > 0 ? sqrt(distance / count) : NAN;
    case MG_NORM_1: return absolute;
    case MG_NORM_2: return sqrt(square);
    case MG_NORM_INF: return peak;
    case MG_ANY: return zeros < count ? 1 : 0;
    case MG_ALL: return zeros == 0 ? 1 : 0;
    case MG_ARGMAX: return (double)where_high;
    default: return (double)where_low;
  }
}

static int needs_entries(mg_reduce_kind kind) {
  return kind == MG_MAX || kind == MG_MIN || kind == MG_ARGMAX || kind == MG_ARGMIN;
}

static void reduce_forward(void **state) {
  (void)state;
  const char *shapes[] = {"", "1", "5", "3x4", "2x3x4x5", "100003", "3x40000", "40000x3",
                          "7x200x90", "9000x17", "2x0x3"};
  for (int s = 0; s < COUNT_OF(shapes); s++) {
    mg_tensor *x = numbers(shapes[s]);
    int axes = mg_tensor_axes(x);
    for (int first = 0; first <= axes; first++)
      for (int count = 0; first + count <= axes; count++)
        for (int kind = 0; kind < MG_REDUCE_KINDS; kind++) {
          view v = view_of(x, first, count);
          mg_tensor *y = mg_reduce((mg_reduce_kind)kind, x, first, count);
          if (v.n == 0 && needs_entries((mg_reduce_kind)kind)) {
            assert_null(y);
            assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
            continue;
          }
          assert_int_equal(mg_tensor_size(y), v.outer * v.inner);
          for (int64_t k = 0; k < v.outer * v.inner; k++) {
            const mg_real *from = mg_tensor_data(x) + k / v.inner * v.n * v.inner + k % v.inner;
            near("reduce", k, at(y, k), reduced((mg_reduce_kind)kind, from, v.n, v.inner),
                 tolerance());
          }
          mg_tensor_free(y);
        }
    mg_tensor_free(x);
  }
}

/* ---- gradients */

typedef mg_tensor *(*forward)(void *state);

static double paired(forward f, void *state, mg_tensor *dy) {
  mg_tensor *y = f(state);
  assert_non_null(y);
  assert_int_equal(mg_tensor_size(y), mg_tensor_size(dy));
  double sum = 0;
  for (int64_t i = 0; i < mg_tensor_size(y); i++) sum += at(y, i) * at(dy, i);
  mg_tensor_free(y);
  return sum;
}

/* Checks <dy, f()> against central differences in x, in double; frees g. */
static void is_gradient(const char *what, forward f, void *state, mg_tensor *x, mg_tensor *dy,
                        mg_tensor *g) {
  if (!g) fail_msg("%s: %s", what, mg_message());
  assert_int_equal(mg_tensor_size(g), mg_tensor_size(x));
  const double h = mg_real_bytes() == 4 ? 1e-2 : 1e-5, within = mg_real_bytes() == 4 ? 5e-2 : 1e-7;
  for (int64_t i = 0; i < mg_tensor_size(x); i++) {
    mg_real kept = mg_tensor_data(x)[i];
    mg_tensor_data(x)[i] = (mg_real)((double)kept + h);
    double right = (double)mg_tensor_data(x)[i], above = paired(f, state, dy);
    mg_tensor_data(x)[i] = (mg_real)((double)kept - h);
    double left = (double)mg_tensor_data(x)[i], below = paired(f, state, dy);
    mg_tensor_data(x)[i] = kept;
    near(what, i, at(g, i), (above - below) / (right - left), within);
  }
  mg_tensor_free(g);
}

/* Numbers at least 0.08 from each other and in size, and from 0. */
static void spread_out(mg_tensor *x) {
  int64_t n = mg_tensor_size(x);
  for (int64_t i = 0; i < n; i++)
    mg_tensor_data(x)[i] = (mg_real)(0.1 * (double)(1 + i * 7 % n) * (i % 3 ? 1 : -1));
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

static int is_variance(mg_reduce_kind kind) { return kind >= MG_VAR && kind <= MG_STD_BIASED; }

static void reduce_gradients(void **state) {
  (void)state;
  const char *shapes[] = {"", "1", "2x3x4", "3x0", "2x1x5", "30"};
  for (int i = 0; i < COUNT_OF(shapes); i++)
    for (int kind = 0; kind < MG_REDUCE_KINDS; kind++) {
      reduce_state s = {(mg_reduce_kind)kind, numbers(shapes[i]), 0, 0};
      spread_out(s.x);
      int axes = mg_tensor_axes(s.x);
      for (s.first = 0; s.first <= axes; s.first++)
        for (s.count = 0; s.first + s.count <= axes; s.count++) {
          view v = view_of(s.x, s.first, s.count);
          if (v.n == 0 && needs_entries(s.kind)) continue;
          if (v.n < 2 && is_variance(s.kind)) continue;
          if (v.n > 24 && kind == MG_PROD && mg_real_bytes() == 4) continue; /* differences fail */
          mg_tensor *y = run_reduce(&s), *dy = numbers_like(y);
          is_gradient("reduce", run_reduce, &s, s.x, dy,
                      mg_reduce_vjp(s.kind, s.x, y, dy, s.first, s.count));
          FREE(y, dy);
        }
      mg_tensor_free(s.x);
    }
}

/* Closed forms of the gradients where parts and chunks are many: slope * f(x, centre). */
static void reduce_gradients_of_long_axes(void **state) {
  (void)state;
  const char *shapes[] = {"100003", "3x40000", "40000x3"};
  for (int s = 0; s < COUNT_OF(shapes); s++) {
    mg_tensor *x = numbers(shapes[s]);
    int axes = mg_tensor_axes(x);
    for (int axis = 0; axis < axes; axis++) {
      view v = view_of(x, axis, 1);
      mg_tensor *mean = mg_reduce(MG_MEAN, x, axis, 1), *lse = mg_reduce(MG_LOGSUMEXP, x, axis, 1);
      mg_tensor *dy = numbers_like(mean);
      mg_tensor *g = mg_reduce_vjp(MG_VAR_BIASED, x, mean, dy, axis, 1);
      mg_tensor *h = mg_reduce_vjp(MG_LOGSUMEXP, x, lse, dy, axis, 1);
      for (int64_t i = 0; i < mg_tensor_size(x); i++) {
        int64_t k = i / (v.n * v.inner) * v.inner + i % v.inner;
        near("var", i, at(g, i) * (double)v.n, 2 * at(dy, k) * (at(x, i) - at(mean, k)),
             tolerance());
        near("logsumexp", i, at(h, i) * (double)v.n,
             at(dy, k) * exp(at(x, i) - at(lse, k)) * (double)v.n, 10 * tolerance());
      }
      FREE(mean, lse, dy, g, h);
    }
    mg_tensor_free(x);
  }
}

/* ---- softmax, cumsum */

static void softmax_forward(void **state) {
  (void)state;
  const char *shapes[] = {"1", "7", "3x5x4", "3x130", "130x3", "100003", "70x30x65", "0x3", "3x0"};
  for (int s = 0; s < COUNT_OF(shapes); s++) {
    mg_tensor *x = numbers(shapes[s]);
    for (int axis = 0; axis < mg_tensor_axes(x); axis++) {
      view v = view_of(x, axis, 1);
      mg_tensor *y = mg_softmax(x, axis, 0), *z = mg_softmax(x, axis, 1);
      mg_tensor *up = mg_cumsum(x, axis, 0), *down = mg_cumsum(x, axis, 1);
      for (int64_t k = 0; k < v.outer * v.inner && v.n > 0; k++) {
        int64_t start = k / v.inner * v.n * v.inner + k % v.inner;
        double total = exp(reduced(MG_LOGSUMEXP, mg_tensor_data(x) + start, v.n, v.inner));
        double all = reduced(MG_SUM, mg_tensor_data(x) + start, v.n, v.inner), sum = 0;
        for (int64_t i = start; i < start + v.n * v.inner; i += v.inner) {
          sum += at(x, i);
          near("softmax", i, at(y, i) * total, exp(at(x, i)), tolerance());
          near("log_softmax", i, at(z, i), at(x, i) - log(total), tolerance());
          near("cumsum", i, at(up, i), sum, tolerance());
          near("cumsum reversed", i, at(down, i), all - sum + at(x, i), tolerance());
        }
      }
      FREE(y, z, up, down);
    }
    mg_tensor_free(x);
  }
}

typedef struct softmax_state {
  mg_tensor *x;
  int axis, is_log;
} softmax_state;

static mg_tensor *run_softmax(void *state) {
  softmax_state *s = state;
  return mg_softmax(s->x, s->axis, s->is_log);
}

static void softmax_gradients(void **state) {
  (void)state;
  const char *shapes[] = {"1", "9", "2x3x4", "3x70"};
  for (int i = 0; i < COUNT_OF(shapes); i++)
    for (int is_log = 0; is_log < 2; is_log++) {
      softmax_state s = {numbers(shapes[i]), 0, is_log};
      for (; s.axis < mg_tensor_axes(s.x); s.axis++) {
        mg_tensor *y = run_softmax(&s), *dy = numbers_like(y);
        is_gradient("softmax", run_softmax, &s, s.x, dy, mg_softmax_vjp(y, dy, s.axis, is_log));
        FREE(y, dy);
      }
      mg_tensor_free(s.x);
    }
}

/* The vector exponential against the library's, from 0 down to where floats end. */
static void softmax_of_far_entries(void **state) {
  (void)state;
  for (double base = 0; base > -90; base -= 0.37) {
    const mg_real low = (mg_real)base;
    mg_tensor *x = numbers("20");
    for (int i = 0; i < 20; i++) mg_tensor_data(x)[i] = i ? low : 0;
    mg_tensor *y = mg_softmax(x, 0, 0);
    double e = exp((double)low), expected = e / (1 + 19 * e);
    if (base > -87) assert_true(fabs(at(y, 3) / expected - 1) < 1e-6);
    else assert_true(fabs(at(y, 3) - expected) < 1e-37);
    FREE(x, y);
  }
}

/* ---- norms of rows */

static const double epsilon = 1e-3;

/* One row [runs, inner] normalised by loops. */
static void normalise(const mg_real *x, int64_t runs, int64_t inner, const mg_real *gain,
                      const mg_real *bias, double *y) {
  double mean = reduced(MG_MEAN, x, runs * inner, 1);
  double var = reduced(MG_VAR_BIASED, x, runs * inner, 1);
  for (int64_t i = 0; i < runs * inner; i++)
    y[i] = ((double)x[i] - mean) / sqrt(var + epsilon) * (gain ? (double)gain[i / inner] : 1) +
           (bias ? (double)bias[i / inner] : 0);
}

static void norms_forward(void **state) {
  (void)state;
  double *y = malloc(sizeof *y * 100000);
  for (int is_large = 0; is_large < 2; is_large++)
    for (int weights = 0; weights < 4; weights++) {
      mg_tensor *x = numbers(is_large ? "300x12x70" : "2x6x5");
      mg_tensor *g = numbers(is_large ? "12x70" : "6x5"), *b = numbers_like(g);
      mg_tensor *c = numbers(is_large ? "12" : "6"), *d = numbers_like(c);
      const int64_t *shape = mg_tensor_shape(x);
      int64_t rows = shape[0], runs = shape[1], inner = shape[2];
      mg_tensor *one = mg_layer_norm(x, weights & 1 ? g : NULL, weights & 2 ? b : NULL, 2, epsilon);
      mg_tensor *two = mg_group_norm(x, weights & 1 ? c : NULL, weights & 2 ? d : NULL, 3, epsilon);
      for (int64_t r = 0; r < rows; r++) {
        const mg_real *from = mg_tensor_data(x) + r * runs * inner;
        normalise(from, runs * inner, 1, weights & 1 ? mg_tensor_data(g) : NULL,
                  weights & 2 ? mg_tensor_data(b) : NULL, y);
        for (int64_t i = 0; i < runs * inner; i++)
          near("layer_norm", i, at(one, r * runs * inner + i), y[i], tolerance());
        int64_t part = runs / 3;
        for (int64_t k = 0; k < 3; k++) {
          normalise(from + k * part * inner, part, inner,
                    weights & 1 ? mg_tensor_data(c) + k * part : NULL,
                    weights & 2 ? mg_tensor_data(d) + k * part : NULL, y);
          for (int64_t i = 0; i < part * inner; i++)
            near("group_norm", i, at(two, (r * runs + k * part) * inner + i), y[i], tolerance());
        }
      }
      FREE(x, g, b, c, d, one, two);
    }
  free(y);
}

typedef struct norm_state {
  mg_tensor *x, *gain, *bias;
  int64_t groups; /* 0: a layer norm over the last axis */
} norm_state;

static mg_tensor *run_norm(void *state) {
  norm_state *s = state;
  if (s->groups) return mg_group_norm(s->x, s->gain, s->bias, s->groups, epsilon);
  return mg_layer_norm(s->x, s->gain, s->bias, 1, epsilon);
}

static mg_tensor *norm_vjp(norm_state *s, mg_tensor *dy, mg_tensor **dgain, mg_tensor **dbias) {
  if (s->groups) return mg_group_norm_vjp(s->x, s->gain, dy, s->groups, epsilon, dgain, dbias);
  return mg_layer_norm_vjp(s->x, s->gain, dy, 1, epsilon, dgain, dbias);
}

static void norms_gradients(void **state) {
  (void)state;
  norm_state cases[] = {{numbers("5x4"), numbers("4"), numbers("4"), 0},
                        {numbers("3x2x9"), numbers("9"), NULL, 0},
                        {numbers("40x5"), NULL, NULL, 0},
                        {numbers("2x6x3"), numbers("6"), numbers("6"), 2},
                        {numbers("33x4"), numbers("4"), numbers("4"), 2},
                        {numbers("2x3x4"), NULL, numbers("3"), 1}};
  for (int i = 0; i < COUNT_OF(cases); i++) {
    norm_state *s = &cases[i];
    mg_tensor *dy = numbers_like(s->x), *dgain = NULL, *dbias = NULL;
    mg_tensor *dx = norm_vjp(s, dy, &dgain, &dbias), *alone = norm_vjp(s, dy, NULL, NULL);
    for (int64_t k = 0; k < mg_tensor_size(dx); k++) near("dx", k, at(alone, k), at(dx, k), 1e-6);
    is_gradient("dx", run_norm, s, s->x, dy, dx);
    if (s->gain) is_gradient("dgain", run_norm, s, s->gain, dy, dgain);
    else mg_tensor_free(dgain);
    if (s->bias) is_gradient("dbias", run_norm, s, s->bias, dy, dbias);
    else mg_tensor_free(dbias);
    FREE(dy, alone, s->x, s->gain, s->bias);
  }
}

static void norms_far_from_zero(void **state) {
  (void)state;
  double base = mg_real_bytes() == 4 ? 1e4 : 1e9;
  mg_tensor *x = numbers("3x8");
  for (int i = 0; i < 24; i++) mg_tensor_data(x)[i] = (mg_real)(base + i % 8);
  mg_tensor *y = mg_layer_norm(x, NULL, NULL, 1, 0);
  for (int i = 0; i < 24; i++) near("layer_norm", i, at(y, i), (i % 8 - 3.5) / sqrt(5.25), 1e-5);
  FREE(x, y);
}

/* ---- dropout */

/* The key of a draw, as core/base/random.c makes it. */
static void key_of(const mg_draw *draw, uint32_t key[2]) {
  uint32_t counter[4] = {(uint32_t)draw->stream, (uint32_t)(draw->stream >> 32),
                         (uint32_t)draw->index, (uint32_t)(draw->index >> 32)};
  uint32_t from[2] = {(uint32_t)draw->seed, (uint32_t)(draw->seed >> 32)}, words[4];
  mg_philox(counter, from, words);
  key[0] = words[0];
  key[1] = words[1];
}

static void dropout_reads_philox_blocks(void **state) {
  (void)state;
  const mg_draw draw = {12345678901u, mg_stream("dropout"), 7};
  const double rates[] = {0, 0.25, 0.7, 0.999};
  const char *shapes[] = {"", "3", "255", "257", "3x40000"};
  const int64_t firsts[] = {0, 1, 254, 256, 4 * (INT64_C(1) << 32) - 200};
  uint32_t key[2];
  key_of(&draw, key);
  for (int r = 0; r < COUNT_OF(rates); r++)
    for (int s = 0; s < COUNT_OF(shapes); s++) {
      int64_t first = firsts[(r + s) % COUNT_OF(firsts)];
      mg_tensor *x = numbers(shapes[s]), *y = mg_dropout(x, rates[r], &draw, first);
      for (int64_t i = 0; i < mg_tensor_size(x); i++) {
        uint64_t block = (uint64_t)(first + i) / 4;
        uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0}, words[4];
        mg_philox(counter, key, words);
        int drops = (double)words[(first + i) % 4] < floor(rates[r] * 4294967296.0);
        near("dropout", i, at(y, i), drops ? 0 : at(x, i) / (1 - rates[r]), tolerance());
      }
      FREE(x, y);
    }
}

/* ---- all of them: bits, failing allocations */

typedef struct inputs {
  mg_tensor *x, *row, *column, *channel, *image;
} inputs;

static inputs new_inputs(int is_large) {
  return (inputs){numbers(is_large ? "700x300" : "7x6"), numbers(is_large ? "300" : "6"),
                  numbers(is_large ? "700" : "7"), numbers("6"),
                  numbers(is_large ? "50x6x200" : "2x6x5")};
}

static void free_inputs(inputs *p) { FREE(p->x, p->row, p->column, p->channel, p->image); }

/* dx with dgain and dbias in its first entries. */
static mg_tensor *joined(mg_tensor *dx, mg_tensor *dgain, mg_tensor *dbias) {
  if (!dx) return NULL;
  for (int i = 0; i < 6; i++) mg_tensor_data(dx)[i] = mg_tensor_data(i & 1 ? dgain : dbias)[i];
  FREE(dgain, dbias);
  return dx;
}

enum { CASES = 5 * MG_REDUCE_KINDS + 10 };

static mg_tensor *run_case(int i, const void *given) {
  const inputs *p = given;
  static const mg_draw draw = {1, 2, 3};
  mg_reduce_kind kind = (mg_reduce_kind)(i / 5);
  mg_tensor *dgain = NULL, *dbias = NULL, *dx;
  if (i < 5 * MG_REDUCE_KINDS) switch (i % 5) {
      case 0: return mg_reduce(kind, p->x, 0, 1);
      case 1: return mg_reduce(kind, p->x, 1, 1);
      case 2: return mg_reduce(kind, p->x, 0, 2);
      case 3: return mg_reduce_vjp(kind, p->x, p->row, p->row, 0, 1);
      default: return mg_reduce_vjp(kind, p->x, p->column, p->column, 1, 1);
    }
  switch (i - 5 * MG_REDUCE_KINDS) {
    case 0: return mg_softmax(p->x, 0, 0);
    case 1: return mg_softmax(p->x, 1, 1);
    case 2: return mg_softmax_vjp(p->x, p->x, 0, 1);
    case 3: return mg_softmax_vjp(p->x, p->x, 1, 0);
    case 4: return mg_cumsum(p->x, 0, 1);
    case 5: return mg_layer_norm(p->x, p->row, p->row, 1, epsilon);
    case 6:
      dx = mg_layer_norm_vjp(p->x, p->row, p->x, 1, epsilon, &dgain, &dbias);
      return joined(dx, dgain, dbias);
    case 7: return mg_group_norm(p->image, p->channel, NULL, 3, epsilon);
    case 8:
      dx = mg_group_norm_vjp(p->image, p->channel, p->image, 3, epsilon, &dgain, &dbias);
      return joined(dx, dgain, dbias);
    default: return mg_dropout(p->x, 0.3, &draw, 0);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  inputs p = new_inputs(1);
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
  ends_when_interrupted(run_case, CASES, &p);
  free_inputs(&p);
}

/* ---- failures */

static void arguments_that_do_not_fit(void **state) {
  (void)state;
  mg_tensor *a = numbers("2x3"), *b = numbers("4"), *none = numbers("2x0");
  const mg_draw draw = {1, 2, 3};
  refused(mg_reduce(MG_REDUCE_KINDS, a, 0, 1), MG_BAD_ARGUMENT, "reduce: kind 17 is not in 0..16");
  refused(mg_reduce(MG_VAR, a, 1, 2), MG_BAD_SHAPE, "reduce: 2 axes from axis 2 on, there are 2");
  refused(mg_reduce(MG_ARGMIN, none, 1, 1), MG_BAD_SHAPE,
          "reduce: no entries to take the smallest of in shape 2x0");
  refused(mg_reduce_vjp(MG_PROD, a, b, b, 0, 1), MG_BAD_SHAPE,
          "reduce_vjp: y has shape 4, the result has 3");
  refused(mg_softmax(a, 2, 0), MG_BAD_SHAPE, "softmax: axis 3, there are 2");
  refused(mg_softmax_vjp(a, b, 1, 0), MG_BAD_SHAPE, "softmax_vjp: expected shape 2x3, got 4");
  refused(mg_cumsum(a, -1, 0), MG_BAD_SHAPE, "cumsum: axis 0, there are 2");
  refused(mg_layer_norm(a, b, NULL, 1, 0), MG_BAD_SHAPE,
          "layer_norm: gain has shape 4, expected 3 for x of shape 2x3");
  refused(mg_layer_norm(a, NULL, NULL, 0, 0), MG_BAD_SHAPE,
          "layer_norm: the last 0 axes, there are 2");
  refused(mg_layer_norm(a, NULL, NULL, 1, (double)NAN), MG_BAD_ARGUMENT,
          "layer_norm: epsilon = nan is not a number from 0");
  refused(mg_layer_norm_vjp(a, NULL, b, 1, 0, NULL, NULL), MG_BAD_SHAPE,
          "layer_norm_vjp: expected shape 2x3, got 4");
  refused(mg_group_norm(a, NULL, NULL, 2, 0), MG_BAD_SHAPE,
          "group_norm: 2 groups of 3 channels (shape 2x3)");
  refused(mg_group_norm(a, NULL, b, 3, 0), MG_BAD_SHAPE,
          "group_norm: bias has shape 4, expected 3 for x of shape 2x3");
  refused(mg_group_norm_vjp(a, NULL, b, 1, 0, NULL, NULL), MG_BAD_SHAPE,
          "group_norm_vjp: expected shape 2x3, got 4");
  refused(mg_dropout(a, 1, &draw, 0), MG_BAD_ARGUMENT, "dropout: rate = 1 is not in [0, 1)");
  FREE(a, b, none);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(reduce_forward),
      TEST(reduce_gradients),
      TEST(reduce_gradients_of_long_axes),
      TEST(softmax_forward),
      TEST(softmax_gradients),
      TEST(softmax_of_far_entries),
      TEST(norms_forward),
      TEST(norms_gradients),
      TEST(norms_far_from_zero),
      TEST(dropout_reads_philox_blocks),
      TEST(bits_do_not_depend_on_threads),
      TEST(failing_allocations_are_clean),
      TEST(interrupts_end_operations),
      TEST(arguments_that_do_not_fit),
  };
  return cmocka_run_group_tests_name("reduce", tests, NULL, NULL);
}

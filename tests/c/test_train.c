/* Losses and update rules: naive loops in double, bits against the number of threads, failing
 * allocations, refusals. All numbers come from one generator that starts anew for each test. */
#include "support.h"

enum { ROWS = 301, TARGETS = 7, N = 1030, LONG = 100003 }; /* rows: of [43, 7], against 7 targets */

static double tolerance(void) { return mg_real_bytes() == 4 ? 2e-5 : 1e-12; }

static void agree(const char *what, int64_t i, double got, double expected) {
  if (!(fabs(got - expected) <= tolerance() * (1 + fabs(expected))))
    fail_msg("%s: entry %" PRId64 " is %.17g, expected %.17g", what, i, got, expected);
}

/* logits [43, 7, N], probabilities [7, N], labels [7] and dy [43, 7] or [43, 7, N]'s rows */
typedef struct inputs {
  mg_tensor *x, *t, *labels, *dy;
} inputs;

static inputs new_inputs(void) {
  inputs p = {between("43x7x1030", -4, 4), between("7x1030", 0, 1), between("7", 0, 1), numbers("43x7")};
  for (int i = 0; i < TARGETS; i++)
    mg_tensor_data(p.labels)[i] = (mg_real)(1 + floor(at(p.labels, i) * N));
  return p;
}

static void free_inputs(inputs *p) { FREE(p->x, p->t, p->labels, p->dy); }

/* ---- losses */

static double log_sum(mg_tensor *x, int64_t row) {
  double sum = 0;
  for (int64_t i = 0; i < N; i++) sum += exp(at(x, row * N + i));
  return log(sum);
}

static void cross_entropy_and_its_gradients(void **state) {
  (void)state;
  const double s = 0.25;
  inputs p = new_inputs();
  mg_tensor *y = mg_cross_entropy(p.x, p.t, 0, s), *c = mg_cross_entropy(p.x, p.labels, 1, 0);
  mg_tensor *dx = mg_cross_entropy_vjp(0, p.x, p.t, 0, s, p.dy);
  mg_tensor *dc = mg_cross_entropy_vjp(0, p.x, p.labels, 1, 0, p.dy);
  mg_tensor *dt = mg_cross_entropy_vjp(1, p.x, p.t, 0, s, p.dy);
  for (int64_t row = 0; row < ROWS; row++) {
    double total = log_sum(p.x, row), sum = 0, mass = 0;
    int64_t label = (int64_t)at(p.labels, row % TARGETS) - 1;
    for (int64_t i = 0; i < N; i++) {
      double t = (1 - s) * at(p.t, row % TARGETS * N + i) + s / N;
      sum += t * (total - at(p.x, row * N + i));
      mass += t;
    }
    agree("probabilities", row, at(y, row), sum);
    agree("classes", row, at(c, row), total - at(p.x, row * N + label));
    for (int64_t i = 0; i < N; i++) {
      int64_t k = row * N + i;
      double q = exp(at(p.x, k) - total), t = (1 - s) * at(p.t, row % TARGETS * N + i) + s / N;
      agree("dx of probabilities", k, at(dx, k), at(p.dy, row) * (mass * q - t));
      agree("dx of classes", k, at(dc, k), at(p.dy, row) * (q - (i == label)));
    }
  }
  for (int64_t k = 0; k < TARGETS * N; k += 101) {
    double sum = 0;
    for (int64_t row = k / N; row < ROWS; row += TARGETS)
      sum += at(p.dy, row) * (1 - s) * (log_sum(p.x, row) - at(p.x, row * N + k % N));
    agree("dt", k, at(dt, k), sum);
  }
  FREE(y, c, dx, dc, dt);
  free_inputs(&p);
}

static void bernoulli_and_its_gradients(void **state) {
  (void)state;
  inputs p = new_inputs();
  mg_tensor *y = mg_bernoulli(p.x, p.t, 1), *each = mg_bernoulli(p.x, p.t, 0);
  mg_tensor *dx = mg_bernoulli_vjp(0, p.x, p.t, 1, p.dy), *dt = mg_bernoulli_vjp(1, p.x, p.t, 1, p.dy);
  for (int64_t row = 0; row < ROWS; row++) {
    double sum = 0;
    for (int64_t i = 0; i < N; i++) {
      int64_t k = row * N + i;
      double x = at(p.x, k), t = at(p.t, row % TARGETS * N + i), value = log1p(exp(x)) - t * x;
      sum += value;
      agree("each", k, at(each, k), value);
      agree("dx", k, at(dx, k), at(p.dy, row) * (1 / (1 + exp(-x)) - t));
    }
    agree("sum", row, at(y, row), sum);
  }
  for (int64_t k = 0; k < TARGETS * N; k++) {
    double sum = 0;
    for (int64_t row = k / N; row < ROWS; row += TARGETS) sum -= at(p.dy, row) * at(p.x, row * N + k % N);
    agree("dt", k, at(dt, k), sum);
  }
  FREE(y, each, dx, dt);
  free_inputs(&p);
}

static mg_tensor *update(int kind) {
  mg_tensor *t[5];
  seed = 1;
  for (int i = 0; i < 5; i++) t[i] = between("100003", 0.5, 1);
  mg_status status;
  switch (kind) {
    case 0: status = mg_sgd(t[0], t[1], t[2], 0.1, 0.9, 0, 1, 0.1, 2); break;
    case 1: status = mg_adam(t[0], t[1], t[2], t[3], 0.1, 0.9, 0.99, 1e-8, 0.1, 1, 3); break;
    default: status = mg_rmsprop(t[0], t[1], t[2], t[3], t[4], 0.1, 0.9, 1e-8, 0.5, 0.1); break;
  }
  for (int i = 1; i < 5; i++) mg_tensor_free(t[i]);
  if (status != MG_OK) mg_tensor_free(t[0]);
  return status == MG_OK ? t[0] : NULL;
}

enum { CASES = 11 };

static mg_tensor *run_case(int i, const void *given) {
  const inputs *p = given;
  switch (i) {
    case 0: return mg_cross_entropy(p->x, p->t, 0, 0.1);
    case 1: return mg_cross_entropy(p->x, p->labels, 1, 0.1);
    case 2: return mg_cross_entropy_vjp(0, p->x, p->t, 0, 0.1, p->dy);
    case 3: return mg_cross_entropy_vjp(0, p->x, p->labels, 1, 0.1, p->dy);
    case 4: return mg_cross_entropy_vjp(1, p->x, p->t, 0, 0.1, p->dy);
    case 5: return mg_bernoulli(p->x, p->t, 1);
    case 6: return mg_bernoulli_vjp(0, p->x, p->t, 1, p->dy);
    case 7: return mg_bernoulli_vjp(1, p->x, p->t, 1, p->dy);
    default: return update(i - 8);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  inputs p = new_inputs();
  has_bits_of_one_thread(run_case, CASES, &p);
  double sums[2];
  for (int i = 0; i < 2; i++) {
    mg_threads_set(1 + 2 * i);
    assert_int_equal(mg_squares(p.x, &sums[i]), MG_OK);
  }
  assert_true(sums[0] == sums[1]);
  free_inputs(&p);
}

static void failing_allocations_are_clean(void **state) {
  (void)state;
  inputs p = new_inputs();
  survives_failing_allocations(run_case, 8, &p, 200);
  double sum;
  mg_memory_fail(0, -1);
  assert_int_equal(mg_squares(p.x, &sum), MG_NO_MEMORY);
  mg_memory_fail(-1, 0);
  free_inputs(&p);
}

/* ---- clipping */

static void squares_and_clip(void **state) {
  (void)state;
  mg_tensor *x = numbers("100003"), *none = numbers("0x3");
  double sum, expected = 0;
  for (int64_t i = 0; i < LONG; i++) expected += at(x, i) * at(x, i);
  assert_int_equal(mg_squares(x, &sum), MG_OK);
  assert_true(fabs(sum - expected) <= 1e-10 * expected);
  mg_tensor_data(x)[7] = (mg_real)NAN;
  mg_tensor_data(x)[8] = (mg_real)INFINITY;
  assert_int_equal(mg_clip(x, 0.5), MG_OK);
  for (int64_t i = 0; i < LONG; i++) assert_true(i == 7 ? isnan(at(x, i)) : fabs(at(x, i)) <= 0.5);
  assert_true(at(x, 8) == 0.5);
  assert_int_equal(mg_squares(x, &sum), MG_OK);
  assert_true(isnan(sum));
  assert_int_equal(mg_squares(none, &sum), MG_OK);
  assert_true(sum == 0);
  assert_int_equal(mg_clip(none, 0), MG_OK);
  assert_int_equal(mg_clip(x, -1), MG_BAD_ARGUMENT);
  assert_int_equal(mg_clip(x, NAN), MG_BAD_ARGUMENT);
  FREE(x, none);
}

/* ---- failures */

static void wrong(mg_status got, mg_status status, const char *sentence) {
  assert_int_equal(got, status);
  assert_string_equal(mg_message(), sentence);
}

static void losses_refuse(void **state) {
  (void)state;
  mg_tensor *x = numbers("2x3x4"), *t = between("3x4", 0, 1), *l = between("3", 1, 1);
  mg_tensor *none = between("2", 0, 0), *bare = empty("2x0");
  refused(mg_cross_entropy(x, l, 0, 0), MG_BAD_SHAPE,
          "cross_entropy: the target has shape 3, expected 2x3x4 or that without its first axis");
  refused(mg_cross_entropy(x, t, 1, 0), MG_BAD_SHAPE,
          "cross_entropy: the target has shape 3x4, expected 2x3 or that without its first axis");
  refused(mg_cross_entropy(bare, none, 1, 0), MG_BAD_SHAPE,
          "cross_entropy: no classes: the logits have shape 2x0");
  refused(mg_cross_entropy(x, t, 0, 1.5), MG_BAD_ARGUMENT,
          "cross_entropy: smoothing = 1.5, expected 0 to 1");
  refused(mg_cross_entropy_vjp(0, x, t, 0, 0, t), MG_BAD_SHAPE,
          "cross_entropy_vjp: dy has shape 3x4, the result has 2x3");
  refused(mg_cross_entropy_vjp(2, x, t, 0, 0, t), MG_BAD_ARGUMENT,
          "cross_entropy_vjp: input 2, expected 0 or 1");
  mg_tensor_data(l)[2] = 5;
  refused(mg_cross_entropy(x, l, 1, 0), MG_BAD_ARGUMENT,
          "cross_entropy: label 5 at entry 3, expected a class from 1 to 4");
  refused(mg_bernoulli(x, l, 1), MG_BAD_SHAPE,
          "bernoulli: the target has shape 3, expected 2x3x4 or that without its first axis");
  refused(mg_bernoulli(x, t, 3), MG_BAD_SHAPE, "bernoulli: sum over the last 3 axes of 3 and 2");
  refused(mg_bernoulli(x, t, -1), MG_BAD_SHAPE, "bernoulli: sum over the last -1 axes of 3 and 2");
  refused(mg_bernoulli_vjp(0, x, t, 1, l), MG_BAD_SHAPE,
          "bernoulli_vjp: dy has shape 3, the result has 2x3");
  FREE(x, t, l, none, bare);
}

static void rules_refuse(void **state) {
  (void)state;
  mg_tensor *w = between("3", 1, 2), *g = between("2", 0, 1);
  double before[3];
  for (int i = 0; i < 3; i++) before[i] = at(w, i);
  wrong(mg_sgd(w, g, NULL, 1, 0, 0, 0, 0, 1), MG_BAD_SHAPE, "sgd: expected shape 3, got 2");
  wrong(mg_sgd(w, w, g, 1, 0, 0, 0, 0, 1), MG_BAD_SHAPE, "sgd: expected shape 3, got 2");
  wrong(mg_sgd(w, w, NULL, 1, 0.5, 0, 0, 0, 1), MG_BAD_ARGUMENT,
        "sgd: momentum = 0.5 without a velocity");
  wrong(mg_sgd(w, w, w, 1, 1, 0, 0, 0, 1), MG_BAD_ARGUMENT,
        "sgd: momentum = 1, expected 0 <= momentum < 1");
  wrong(mg_sgd(w, w, w, 1, 0, 0, 0, 0, 0), MG_BAD_ARGUMENT, "sgd: step = 0, they count from 1");
  wrong(mg_adam(w, w, w, w, 1, 0, 1, 1, 0, 0, 1), MG_BAD_ARGUMENT,
        "adam: beta2 = 1, expected 0 <= beta2 < 1");
  wrong(mg_rmsprop(w, w, w, g, NULL, 1, 0, 1, 0, 0), MG_BAD_SHAPE, "rmsprop: expected shape 3, got 2");
  wrong(mg_rmsprop(w, w, w, NULL, NULL, 1, 0, 1, 0.5, 0), MG_BAD_ARGUMENT,
        "rmsprop: momentum = 0.5 without a velocity");
  wrong(mg_rmsprop(w, w, w, NULL, NULL, 1, NAN, 1, 0, 0), MG_BAD_ARGUMENT,
        "rmsprop: beta = nan, expected 0 <= beta < 1");
  for (int i = 0; i < 3; i++) assert_true(at(w, i) == before[i]);
  FREE(w, g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(cross_entropy_and_its_gradients),
      TEST(bernoulli_and_its_gradients),
      TEST(bits_do_not_depend_on_threads),
      TEST(failing_allocations_are_clean),
      TEST(squares_and_clip),
      TEST(losses_refuse),
      TEST(rules_refuse),
  };
  return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}

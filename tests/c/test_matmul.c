/* Batched products and sorting: sums over broadcast batches by loops in double, places by counting,
 * bits against the number of threads, failing allocations, interrupts, arguments. */
#include "support.h"

/* Entries sin(1 + salt), sin(2 + salt), ...; extents < 0 end the shape. */
static mg_tensor *waves(double salt, int64_t d0, int64_t d1, int64_t d2) {
  const int64_t shape[3] = {d0, d1, d2};
  mg_tensor *t = mg_tensor_new(shape, d1 < 0 ? 1 : d2 < 0 ? 2 : 3);
  assert_non_null(t);
  for (int64_t i = 0; i < mg_tensor_size(t); i++)
    mg_tensor_data(t)[i] = (mg_real)sin((double)i + 1 + salt);
  return t;
}

/* The gradient for a matrix a of products with a batch of b is the sum of all; likewise for b. */
static void sums_over_the_batch(void **state) {
  (void)state;
  enum { B = 19, N = 70, M = 5, K = 3 };
  double within = mg_real_bytes() == 4 ? 1e-4 : 1e-11;
  mg_tensor *a = waves(0, N, M, -1), *b = waves(1, B, M, K), *dy = waves(2, B, N, K);
  mg_tensor *da = mg_matmul_vjp(0, a, b, dy, 0, 0);
  for (int64_t r = 0; r < N; r++)
    for (int64_t c = 0; c < M; c++) {
      double sum = 0;
      for (int64_t i = 0; i < B * K; i++)
        sum += at(dy, i / K * N * K + r * K + i % K) * at(b, i / K * M * K + c * K + i % K);
      assert_true(fabs(sum - at(da, r * M + c)) < within);
    }
  FREE(a, b, dy, da);
}

static void largest_come_first(void **state) {
  (void)state;
  enum { ROWS = 3, N = 1000 };
  mg_tensor *x = waves(0, ROWS, N, -1), *order = mg_sort_order(x, 1, N, 1);
  for (int64_t r = 0; r < ROWS; r++)
    for (int64_t i = 0; i < N; i++) { /* as many are larger as stand before it */
      int64_t place = (int64_t)at(order, r * N + i), before = 0;
      double value = at(x, r * N + place);
      for (int64_t k = 0; k < N; k++) {
        double other = at(x, r * N + k);
        before += other > value || (other == value && k < place);
      }
      assert_int_equal(before, i);
    }
  FREE(x, order);
}

typedef struct inputs {
  mg_tensor *flat, *batch, *image, *order; /* [n, m], [b, m, n], [b, n, n], [n, m] */
} inputs;

static inputs new_inputs(int64_t b, int64_t n, int64_t m) {
  inputs p = {waves(0, n, m, -1), waves(1, b, m, n), waves(2, b, n, n), NULL};
  p.order = mg_sort_order(p.flat, 1, m, 0);
  assert_non_null(p.order);
  return p;
}

static void free_inputs(inputs *p) { FREE(p->flat, p->batch, p->image, p->order); }

enum { CASES = 8 };

static mg_tensor *run_case(int i, const void *given) {
  const inputs *p = given;
  switch (i) {
    case 0: return mg_matmul(p->flat, p->batch, 0, 0);
    case 1: return mg_matmul(p->batch, p->flat, 0, 0);
    case 2: return mg_matmul_vjp(0, p->flat, p->batch, p->image, 0, 0);
    case 3: return mg_matmul_vjp(1, p->flat, p->batch, p->image, 0, 0);
    case 4: return mg_sort_order(p->flat, 0, mg_tensor_shape(p->flat)[0], 1);
    case 5: return mg_sort_order(p->batch, 1, 3, 0);
    case 6: return mg_sort_values(p->flat, p->order, 1);
    default: return mg_sort_vjp(p->flat, p->order, p->flat, 1);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  inputs p = new_inputs(20, 150, 90);
  has_bits_of_one_thread(run_case, CASES, &p);
  free_inputs(&p);
}

static void failing_allocations_are_clean(void **state) {
  (void)state;
  inputs p = new_inputs(20, 150, 90);
  survives_failing_allocations(run_case, CASES, &p, 1000);
  free_inputs(&p);
}

static void interrupts_end_operations(void **state) {
  (void)state;
  inputs p = new_inputs(20, 400, 200);
  ends_when_interrupted(run_case, CASES, &p);
  free_inputs(&p);
}

static void arguments_that_do_not_fit(void **state) {
  (void)state;
  mg_tensor *a = waves(0, 2, 3, -1), *b = waves(0, 4, -1, -1), *c = waves(0, 2, 3, 4);
  mg_tensor *d = waves(0, 3, 4, 2);
  refused(mg_matmul(b, a, 0, 0), MG_BAD_SHAPE, "matmul: a has shape 4, expected 2 axes or more");
  refused(mg_matmul(c, d, 0, 0), MG_BAD_SHAPE,
          "matmul: the batches of 2x3x4 and 3x4x2 do not broadcast");
  refused(mg_matmul_vjp(2, a, a, a, 0, 1), MG_BAD_ARGUMENT, "matmul_vjp: which = 2 is not 0 or 1");
  refused(mg_matmul_vjp(0, a, a, a, 0, 1), MG_BAD_SHAPE,
          "matmul_vjp: expected shape 2x2, got 2x3");
  refused(mg_sort_order(a, 2, 1, 0), MG_BAD_SHAPE, "sort: axis 3, there are 2");
  refused(mg_sort_order(a, 1, 4, 0), MG_BAD_ARGUMENT, "sort: 4 of the 3 entries of axis 2");
  refused(mg_sort_order(a, 1, -1, 0), MG_BAD_ARGUMENT, "sort: -1 of the 3 entries of axis 2");
  refused(mg_sort_values(a, b, 0), MG_BAD_SHAPE, "sort_values: order has shape 4 for axis 1 of 2x3");
  refused(mg_sort_vjp(a, a, b, 0), MG_BAD_SHAPE, "sort_vjp: expected shape 2x3, got 4");
  assert_int_equal(mg_fill(b, 7), MG_OK);
  refused(mg_sort_values(b, b, 0), MG_BAD_ARGUMENT, "sort: place 8 of 4 entries");
  assert_int_equal(mg_fill(b, (double)NAN), MG_OK);
  assert_null(mg_sort_vjp(b, b, b, 0));
  FREE(a, b, c, d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sums_over_the_batch),
      TEST(largest_come_first),
      TEST(bits_do_not_depend_on_threads),
      TEST(failing_allocations_are_clean),
      TEST(interrupts_end_operations),
      TEST(arguments_that_do_not_fit),
  };
  return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}

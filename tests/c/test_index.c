/* Operations that pick and move entries against naive loops; bits against the number of threads, failing
 * allocations, interrupts. */
#include "support.h"

static double tolerance(void) { return mg_real_bytes() == 4 ? 2e-5 : 1e-12; }

/* Whole numbers of 1..levels. */
static mg_tensor *whole(const char *shape, int levels) {
  mg_tensor *t = empty(shape);
  for (int64_t i = 0; i < mg_tensor_size(t); i++)
    mg_tensor_data(t)[i] = (mg_real)(floor((number() + 1) / 2 * levels) + 1);
  return t;
}

static int64_t product(mg_tensor *x, int first, int last) {
  int64_t n = 1;
  for (int i = first; i < last; i++) n *= mg_tensor_shape(x)[i];
  return n;
}

/* ---- gather and scatter_add */

static void gathers_and_scatters(void **state) {
  (void)state;
  const char *shapes[][2] = {{"5", "9"}, {"3x4x300", "3x7x300"}, {"6x2", "1x2"}, {"2x5", "2x0"}};
  const int axes[] = {0, 1, 0, 1};
  for (int s = 0; s < COUNT_OF(axes); s++) {
    mg_tensor *x = numbers(shapes[s][0]), *source = numbers(shapes[s][1]);
    int64_t n = mg_tensor_shape(x)[axes[s]], m = mg_tensor_shape(source)[axes[s]];
    int64_t inner = product(x, axes[s] + 1, mg_tensor_axes(x));
    mg_tensor *index = whole(shapes[s][1], (int)n), *sums = mg_affine(x, 1, 0);
    mg_tensor *y = mg_gather(x, axes[s], index), *z = mg_scatter_add(x, axes[s], index, source);
    assert_non_null(y);
    assert_non_null(z);
    for (int64_t i = 0; i < mg_tensor_size(index); i++) {
      int64_t place = (i / (m * inner) * n + (int64_t)at(index, i) - 1) * inner + i % inner;
      assert_true(at(y, i) == at(x, place));
      mg_tensor_data(sums)[place] += mg_tensor_data(source)[i];
    }
    for (int64_t i = 0; i < mg_tensor_size(x); i++)
      assert_true(fabs(at(z, i) - at(sums, i)) <= tolerance() * (1 + fabs(at(sums, i))));
    FREE(x, source, index, sums, y, z);
  }
}

/* ---- threads, memory, interrupts */

typedef struct inputs {
  mg_tensor *x, *index, *source, *taken;
} inputs;

enum { CASES = 5 };

static inputs new_inputs(int is_large) {
  return (inputs){is_large ? whole("30x200x40", 50) : numbers("2x3x4"),
                  whole(is_large ? "30x150x40" : "2x5x4", is_large ? 200 : 3),
                  numbers(is_large ? "30x150x40" : "2x5x4"),
                  numbers(is_large ? "30x40x40" : "2x40x4")};
}

static void free_inputs(inputs *p) { FREE(p->x, p->index, p->source, p->taken); }

static mg_tensor *run_case(int i, const void *given) {
  const inputs *p = given;
  int64_t rows[40] = {1, 0, 2, 1, 1};
  switch (i) {
    case 0: return mg_gather(p->x, 1, p->index);
    case 1: return mg_scatter_add(p->x, 1, p->index, p->source);
    case 2: return mg_take(p->x, 1, rows, 40);
    case 3: return mg_take_vjp(p->x, 1, rows, 40, p->taken);
    default: return mg_triangle(p->x, 1, -1);
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
    survives_failing_allocations(run_case, CASES, &p, 400);
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
  mg_tensor *a = numbers("2x3"), *scalar = numbers(""), *row = numbers("3");
  mg_tensor *index = numbers("2x2");
  refused(mg_gather(a, 0, index), MG_BAD_SHAPE,
          "gather: the index has shape 2x2, expected that of x, 2x3, but for axis 1");
  mg_fill(index, 4);
  refused(mg_gather(a, 1, index), MG_BAD_ARGUMENT,
          "gather: entry 1 of the index is 4, expected a whole number in 1..3");
  refused(mg_scatter_add(a, 1, index, a), MG_BAD_ARGUMENT,
          "scatter_add: entry 1 of the index is 4, expected a whole number in 1..3");
  refused(mg_gather(scalar, 0, scalar), MG_BAD_SHAPE, "gather: axis 1, there are 0");
  refused(mg_triangle(row, 0, 0), MG_BAD_SHAPE, "triangle: shape 3 has no two axes");
  FREE(a, scalar, row, index);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(gathers_and_scatters),
      TEST(bits_do_not_depend_on_threads),
      TEST(failing_allocations_are_clean),
      TEST(interrupts_end_operations),
      TEST(arguments_that_do_not_fit),
  };
  return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}

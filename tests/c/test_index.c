/* Operations that pick and move entries against naive loops; bits against the number of threads, failing
 * allocations, interrupts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mapgrad.h"

#define COUNT_OF(list) ((int)(sizeof(list) / sizeof *(list)))

static double tolerance(void) { return mg_real_bytes() == 4 ? 2e-5 : 1e-12; }

/* ---- tensors */

static uint64_t seed;

static int fresh(void **state) {
  (void)state;
  seed = 1;
  mg_memory_fail(-1, 0);
  return mg_threads_set(2);
}

/* Uniform on [0, 1). */
static double number(void) {
  seed = seed * 6364136223846793005U + 1442695040888963407U;
  return (double)(seed >> 11) / (double)((uint64_t)1 << 53);
}

/* shape: "2x3", "" for a scalar. Entries uniform on (-1, 1); levels > 0: on so many whole numbers from 1. */
static mg_tensor *numbers(const char *shape, int levels) {
  int64_t extents[MG_MAX_AXES];
  int axes = 0, used = 0;
  while (sscanf(shape, "%" SCNd64 "%n", &extents[axes], &used) == 1) {
    shape += used;
    axes++;
    if (*shape == 'x') shape++;
  }
  mg_tensor *t = mg_tensor_new(extents, axes);
  assert_non_null(t);
  for (int64_t i = 0; i < mg_tensor_size(t); i++)
    mg_tensor_data(t)[i] = (mg_real)(levels ? floor(number() * levels) + 1 : 2 * number() - 1);
  return t;
}

static double at(mg_tensor *t, int64_t i) { return (double)mg_tensor_data(t)[i]; }

static void free_all(mg_tensor *const *list, int count) {
  for (int i = 0; i < count; i++) mg_tensor_free(list[i]);
}

#define FREE(...) \
  free_all((mg_tensor *[]){__VA_ARGS__}, COUNT_OF(((mg_tensor *[]){__VA_ARGS__})))

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
    mg_tensor *x = numbers(shapes[s][0], 0), *source = numbers(shapes[s][1], 0);
    int64_t n = mg_tensor_shape(x)[axes[s]], m = mg_tensor_shape(source)[axes[s]];
    int64_t inner = product(x, axes[s] + 1, mg_tensor_axes(x));
    mg_tensor *index = numbers(shapes[s][1], (int)n), *sums = mg_affine(x, 1, 0);
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
  return (inputs){numbers(is_large ? "30x200x40" : "2x3x4", is_large ? 50 : 0),
                  numbers(is_large ? "30x150x40" : "2x5x4", is_large ? 200 : 3),
                  numbers(is_large ? "30x150x40" : "2x5x4", 0),
                  numbers(is_large ? "30x40x40" : "2x40x4", 0)};
}

static void free_inputs(inputs *p) { FREE(p->x, p->index, p->source, p->taken); }

static mg_tensor *run_case(int i, const inputs *p) {
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
  for (int i = 0; i < CASES; i++) {
    mg_threads_set(1);
    mg_tensor *one = run_case(i, &p);
    if (!one) fail_msg("case %d: %s", i, mg_message());
    for (int threads = 2; threads <= 5; threads++) {
      mg_threads_set(threads);
      mg_tensor *many = run_case(i, &p);
      if (memcmp(mg_tensor_data(one), mg_tensor_data(many),
                 (size_t)mg_tensor_size(one) * sizeof(mg_real)) != 0)
        fail_msg("case %d has other bits with %d threads", i, threads);
      mg_tensor_free(many);
    }
    mg_tensor_free(one);
  }
  free_inputs(&p);
}

static int64_t live(void) {
  mg_memory memory;
  mg_memory_read(&memory);
  return memory.live;
}

static void failing_allocations_are_clean(void **state) {
  (void)state;
  for (int is_large = 0; is_large < 2; is_large++) {
    inputs p = new_inputs(is_large);
    for (int i = 0; i < CASES; i++)
      for (int after = 0;; after++) {
        int64_t before = live();
        mg_memory_fail(after, -1);
        mg_tensor *y = run_case(i, &p);
        mg_memory_fail(-1, 0);
        if (!y) assert_int_equal(mg_last_status(), MG_NO_MEMORY);
        int done = y != NULL;
        mg_tensor_free(y);
        assert_int_equal(live(), before);
        assert_true(after < 400);
        if (done) break;
      }
    free_inputs(&p);
  }
}

static void interrupts_end_operations(void **state) {
  (void)state;
  inputs p = new_inputs(1);
  for (int i = 0; i < CASES; i++) {
    int64_t before = live();
    mg_interrupt_set(1);
    mg_tensor *y = run_case(i, &p);
    mg_interrupt_set(0);
    if (y) fail_msg("case %d was not interrupted", i);
    assert_int_equal(mg_last_status(), MG_INTERRUPTED);
    assert_int_equal(live(), before);
  }
  free_inputs(&p);
}

/* ---- failures */

static void refused(mg_tensor *y, mg_status status, const char *sentence) {
  assert_null(y);
  assert_string_equal(mg_message(), sentence);
  assert_int_equal(mg_last_status(), status);
}

static void arguments_that_do_not_fit(void **state) {
  (void)state;
  mg_tensor *a = numbers("2x3", 0), *scalar = numbers("", 0), *row = numbers("3", 0);
  mg_tensor *index = numbers("2x2", 0);
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

#define TEST(name) cmocka_unit_test_setup(name, fresh)

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

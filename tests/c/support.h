/* What the tests of operations share: tensors of numbers from one generator, which starts anew for
 * each test, and runs of numbered cases with other numbers of threads, failing allocations and
 * interrupts. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H
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
#define TEST(name) cmocka_unit_test_setup(name, fresh)

/* ---- tensors */

static uint64_t seed;

static inline int fresh(void **state) {
  (void)state;
  seed = 1;
  mg_memory_fail(-1, 0);
  return mg_threads_set(2);
}

/* Uniform on (-1, 1). */
static inline double number(void) {
  seed = seed * 6364136223846793005U + 1442695040888963407U;
  return (double)(seed >> 11) / (double)((uint64_t)1 << 52) - 1;
}

/* shape: "2x3", "" for a scalar. */
static inline mg_tensor *empty(const char *shape) {
  int64_t extents[MG_MAX_AXES];
  int axes = 0, used = 0;
  while (sscanf(shape, "%" SCNd64 "%n", &extents[axes], &used) == 1) {
    shape += used;
    axes++;
    if (*shape == 'x') shape++;
  }
  mg_tensor *t = mg_tensor_new(extents, axes);
  assert_non_null(t);
  return t;
}

/* Numbers on (low, high). */
static inline mg_tensor *between(const char *shape, double low, double high) {
  mg_tensor *t = empty(shape);
  for (int64_t i = 0; i < mg_tensor_size(t); i++)
    mg_tensor_data(t)[i] = (mg_real)(low + (high - low) * (number() + 1) / 2);
  return t;
}

static inline mg_tensor *numbers(const char *shape) { return between(shape, -1, 1); }

static inline mg_tensor *numbers_like(const mg_tensor *t) {
  mg_tensor *y = mg_tensor_new(mg_tensor_shape(t), mg_tensor_axes(t));
  assert_non_null(y);
  for (int64_t i = 0; i < mg_tensor_size(y); i++) mg_tensor_data(y)[i] = (mg_real)number();
  return y;
}

static inline double at(mg_tensor *t, int64_t i) { return (double)mg_tensor_data(t)[i]; }

static inline void free_all(mg_tensor *const *list, int count) {
  for (int i = 0; i < count; i++) mg_tensor_free(list[i]);
}

#define FREE(...) \
  free_all((mg_tensor *[]){__VA_ARGS__}, COUNT_OF(((mg_tensor *[]){__VA_ARGS__})))

static inline int same_shape(mg_tensor *a, mg_tensor *b) {
  int axes = mg_tensor_axes(a);
  return axes == mg_tensor_axes(b) &&
         memcmp(mg_tensor_shape(a), mg_tensor_shape(b), (size_t)axes * sizeof(int64_t)) == 0;
}

static inline void near(const char *what, int64_t i, double got, double expected, double within) {
  if (got == expected || (isnan(got) && isnan(expected))) return;
  if (!(fabs(got - expected) <= within * (1 + fabs(expected))))
    fail_msg("%s: entry %" PRId64 " is %.17g, expected %.17g", what, i, got, expected);
}

/* Checks what a call that must fail returned and said. */
static inline void refused(mg_tensor *y, mg_status status, const char *sentence) {
  assert_null(y);
  assert_string_equal(mg_message(), sentence);
  assert_int_equal(mg_last_status(), status);
}

/* ---- threads, memory, interrupts */

/* The result of case i, of a program's own inputs. */
typedef mg_tensor *case_run(int i, const void *inputs);

static inline void has_bits_of_one_thread(case_run *run, int cases, const void *inputs) {
  for (int i = 0; i < cases; i++) {
    mg_threads_set(1);
    mg_tensor *one = run(i, inputs);
    if (!one) fail_msg("case %d: %s", i, mg_message());
    for (int threads = 2; threads <= 5; threads++) {
      mg_threads_set(threads);
      mg_tensor *many = run(i, inputs);
      if (!many) fail_msg("case %d with %d threads: %s", i, threads, mg_message());
      assert_true(same_shape(one, many));
      if (memcmp(mg_tensor_data(one), mg_tensor_data(many),
                 (size_t)mg_tensor_size(one) * sizeof(mg_real)) != 0)
        fail_msg("case %d has other bits with %d threads", i, threads);
      mg_tensor_free(many);
    }
    mg_tensor_free(one);
  }
}

/* Bytes in use. */
static inline int64_t live(void) {
  mg_memory memory;
  mg_memory_read(&memory);
  return memory.live;
}

/* Lets the first allocation of each case fail, then the second, ..., until it succeeds; cases make
 * fewer than `most`. */
static inline void survives_failing_allocations(case_run *run, int cases, const void *inputs,
                                                int most) {
  for (int i = 0; i < cases; i++)
    for (int after = 0, done = 0; !done; after++) {
      int64_t before = live();
      mg_memory_fail(after, -1);
      mg_tensor *y = run(i, inputs);
      mg_memory_fail(-1, 0);
      if (!y) assert_int_equal(mg_last_status(), MG_NO_MEMORY);
      done = y != NULL;
      mg_tensor_free(y);
      assert_int_equal(live(), before);
      assert_true(after < most);
    }
}

static inline void ends_when_interrupted(case_run *run, int cases, const void *inputs) {
  for (int i = 0; i < cases; i++) {
    int64_t before = live();
    mg_interrupt_set(1);
    mg_tensor *y = run(i, inputs);
    mg_interrupt_set(0);
    if (y) fail_msg("case %d was not interrupted", i);
    assert_int_equal(mg_last_status(), MG_INTERRUPTED);
    assert_int_equal(live(), before);
  }
}

#endif

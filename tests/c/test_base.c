/* The ground floor and tensors: memory, Philox, the pool, settings, failures, views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* ours is a function */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/settings.h"
#include "base/status.h"
#include "mapgrad.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static mg_memory memory_now(void) {
  mg_memory m;
  mg_memory_read(&m);
  return m;
}

/* ---------------------------------------------------------------- memory */

static void blocks_are_aligned_and_counted(void **unused) {
  (void)unused;
  int64_t before = memory_now().live;
  static const int64_t sizes[] = {0, 1, 63, 64, 65, 4096, 65535, 65536, 65537, 1 << 20, 5 << 20};
  enum { COUNT = sizeof sizes / sizeof *sizes };
  char *blocks[COUNT];
  int64_t asked = 0;
  for (int i = 0; i < COUNT; i++) {
    blocks[i] = memory_new(sizes[i]);
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % 64, 0);
    memset(blocks[i], i, (size_t)sizes[i]);
    asked += sizes[i];
    assert_true(memory_now().live - before >= asked);
  }
  for (int i = 0; i < COUNT; i++) {
    for (int64_t j = 0; j < sizes[i]; j += 4095) assert_int_equal(blocks[i][j], i);
    memory_free(blocks[i]);
  }
  memory_free(NULL);
  assert_int_equal(memory_now().live, before);
}

static void size_classes_waste_at_most_an_eighth(void **unused) {
  (void)unused;
  for (int64_t bytes = 65536; bytes < (int64_t)64 << 20; bytes += bytes / 7 + 1) {
    int64_t before = memory_now().live;
    void *block = memory_new(bytes);
    int64_t taken = memory_now().live - before;
    assert_true(taken >= bytes && taken <= bytes + bytes / 8 + 1);
    memory_free(block);
    assert_int_equal(memory_now().live, before);
  }
  mg_memory_trim();
}

static void freed_blocks_are_reused(void **unused) {
  (void)unused;
  if (SANITIZED) skip(); /* no cache there, so that a use after free is seen */
  mg_memory_trim();
  assert_int_equal(memory_now().cached, 0);
  void *first = memory_new(1000000);
  memory_free(first);
  assert_true(memory_now().cached >= 1000000);
  void *second = memory_new(990000); /* of the same class */
  assert_ptr_equal(first, second);
  assert_int_equal(memory_now().cached, 0);
  memory_free(second);
  void *small = memory_new(100), *other = memory_new(3000000);
  assert_true(memory_now().cached >= 1000000);
  memory_free(small);
  memory_free(other);
  mg_memory_cache_set(0);
  assert_int_equal(memory_now().cached, 0);
  memory_free(memory_new(1000000));
  assert_int_equal(memory_now().cached, 0);
  mg_memory_cache_set((int64_t)512 << 20);
}

static void the_peak_is_kept(void **unused) {
  (void)unused;
  mg_memory_reset_peak();
  int64_t before = memory_now().live;
  memory_free(memory_new(3 << 20));
  assert_true(memory_now().peak >= before + (3 << 20));
  mg_memory_reset_peak();
  assert_int_equal(memory_now().peak, memory_now().live);
}

static void impossible_sizes_fail(void **unused) {
  (void)unused;
  int64_t before = memory_now().live;
  assert_null(memory_new(INT64_MAX));
  assert_int_equal(mg_last_status(), MG_NO_MEMORY);
  assert_non_null(strstr(mg_message(), "memory: no block of"));
  if (!SANITIZED) assert_null(memory_new((int64_t)1 << 60)); /* a sanitizer ends the process */
  assert_null(memory_array((int64_t)1 << 40, (int64_t)1 << 40));
  assert_int_equal(memory_product((int64_t)1 << 40, (int64_t)1 << 40), -1);
  assert_int_equal(memory_product(0, INT64_MAX), 0);
  assert_int_equal(memory_product(3, 5), 15);
  assert_int_equal(memory_now().live, before);
}

/* 1 if the next allocation works. */
static int allocates(void) {
  void *block = memory_new(10);
  memory_free(block);
  return block != NULL;
}

static void allocations_fail_when_asked(void **unused) {
  (void)unused;
  mg_memory_fail(2, 1);
  assert_true(allocates());
  assert_true(allocates());
  assert_false(allocates());
  assert_int_equal(mg_last_status(), MG_NO_MEMORY);
  for (int i = 0; i < 10; i++) assert_true(allocates());
  mg_memory_fail(0, 3);
  for (int i = 0; i < 3; i++) assert_false(allocates());
  assert_true(allocates());
  mg_memory_fail(1, -1);
  assert_true(allocates());
  for (int i = 0; i < 100; i++) assert_false(allocates());
  mg_memory_fail(-1, 0);
  assert_true(allocates());
}

/* ---------------------------------------------------------------- random numbers */

static void assert_philox(uint32_t c, uint32_t k, const uint32_t expected[4]) {
  uint32_t counter[4] = {c, c, c, c}, key[2] = {k, k}, out[4];
  mg_philox(counter, key, out);
  assert_memory_equal(out, expected, sizeof out);
}

/* Known answers of Random123 1.14 (kat_vectors, philox4x32 10). */
static void philox_gives_the_known_answers(void **unused) {
  (void)unused;
  assert_philox(0, 0, (const uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  assert_philox(~0u, ~0u, (const uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  uint32_t counter[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  uint32_t key[2] = {0xa4093822, 0x299f31d0}, out[4];
  mg_philox(counter, key, out);
  static const uint32_t expected[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  assert_memory_equal(out, expected, sizeof out);
}

static void uniform_numbers_stay_inside(void **unused) {
  (void)unused;
  assert_true(random_open(0, 0) > 0);
  assert_true(random_open(~0u, ~0u) < 1);
  enum { COUNT = 100001 };
  mg_real *a = malloc(COUNT * sizeof *a), *b = malloc(COUNT * sizeof *b);
  mg_draw draw = {.seed = 1, .stream = mg_stream("data"), .index = 0};
  double sum = 0;
  assert_int_equal(mg_random_uniform(&draw, a, COUNT), MG_OK);
  for (int i = 0; i < COUNT; i++) {
    assert_true(a[i] > 0 && a[i] < 1);
    sum += (double)a[i];
  }
  assert_true(sum / COUNT > 0.495 && sum / COUNT < 0.505); /* 5.5 standard errors */
  assert_int_equal(mg_random_uniform(&draw, b, 77), MG_OK); /* a shorter draw is a prefix */
  assert_memory_equal(a, b, 77 * sizeof *a);
  draw.index = 1;
  assert_int_equal(mg_random_uniform(&draw, b, COUNT), MG_OK);
  assert_memory_not_equal(a, b, COUNT * sizeof *a);
  free(a);
  free(b);
}

static void orders_are_permutations(void **unused) {
  (void)unused;
  mg_draw draw = {.seed = 3, .stream = mg_stream("shuffle"), .index = 7};
  int64_t order[100];
  char seen[100] = {0};
  assert_int_equal(mg_random_order(&draw, order, 100), MG_OK);
  for (int i = 0; i < 100; i++) {
    assert_in_range(order[i], 0, 99);
    assert_int_equal(seen[order[i]]++, 0);
  }
  assert_int_equal(mg_random_order(&draw, order, 0), MG_OK);
  assert_int_equal(mg_random_order(&draw, order, -1), MG_BAD_ARGUMENT);
  assert_int_equal(mg_random_order(&draw, order, (int64_t)1 << 31), MG_BAD_ARGUMENT);
}

/* ---------------------------------------------------------------- the pool */

enum { MOST = 5000 };

typedef struct visits {
  atomic_int chunk[MOST];  /* visits of the chunk that starts here */
  atomic_int item[MOST];   /* visits of each item */
  int64_t fail_from, step; /* chunks from fail_from on, each step-th, fail */
} visits;

static mg_status visit(void *job, int64_t first, int64_t last) {
  visits *v = job;
  atomic_fetch_add(&v->chunk[first], 1);
  for (int64_t i = first; i < last; i++) atomic_fetch_add(&v->item[i], 1);
  if (v->step && first >= v->fail_from && (first - v->fail_from) % v->step == 0)
    return fail(MG_NO_SOLUTION, "visit: chunk %lld", (long long)first);
  return MG_OK;
}

static void assert_visited_once(int64_t count, int64_t grain) {
  static visits v;
  memset(&v, 0, sizeof v);
  assert_int_equal(parallel_for(count, grain, visit, &v), MG_OK);
  for (int64_t i = 0; i < MOST; i++) {
    assert_int_equal(v.item[i], i < count);
    assert_int_equal(v.chunk[i], i < count && i % grain == 0);
  }
}

static void each_chunk_runs_once(void **unused) {
  (void)unused;
  static const int64_t counts[] = {0, 1, 2, 7, 8, 9, 100, 4999, 5000};
  static const int64_t grains[] = {1, 3, 8, 1000, 6000};
  for (int64_t threads = 1; threads <= 8; threads++) {
    assert_int_equal(mg_threads_set(threads), MG_OK);
    assert_int_equal(mg_threads(), threads);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
      for (size_t j = 0; j < sizeof grains / sizeof *grains; j++)
        assert_visited_once(counts[i], grains[j]);
  }
  assert_int_equal(mg_threads_set(0), MG_BAD_ARGUMENT);
  assert_int_equal(mg_threads_set(257), MG_BAD_ARGUMENT);
  assert_int_equal(mg_threads(), 8);
  assert_int_equal(parallel_chunks(10, 3), 4);
  assert_int_equal(parallel_chunks(0, 3), 0);
  assert_int_equal(mg_threads_set(2), MG_OK);
}

static void the_lowest_failing_chunk_wins(void **unused) {
  (void)unused;
  static visits v;
  for (int64_t threads = 1; threads <= 8; threads++) {
    mg_threads_set(threads);
    for (int64_t from = 0; from < 1000; from += 37) {
      memset(&v, 0, sizeof v);
      v.fail_from = from;
      v.step = 3;
      char expected[64];
      snprintf(expected, sizeof expected, "visit: chunk %lld", (long long)from);
      assert_int_equal(parallel_for(1000, 1, visit, &v), MG_NO_SOLUTION);
      assert_string_equal(mg_message(), expected);
      assert_int_equal(mg_last_status(), MG_NO_SOLUTION);
      for (int64_t i = 0; i <= from; i++) assert_int_equal(v.chunk[i], 1);
    }
  }
  mg_threads_set(2);
}

static mg_status nested(void *job, int64_t first, int64_t last) {
  visits *v = job;
  for (int64_t i = first; i < last; i++) {
    mg_status status = parallel_for(10, 3, visit, &v[i]);
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

static void loops_nest(void **unused) {
  (void)unused;
  visits *v = calloc(20, sizeof *v);
  mg_threads_set(4);
  assert_int_equal(parallel_for(20, 1, nested, v), MG_OK);
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 10; j++) assert_int_equal(v[i].item[j], 1);
  v[6].step = v[11].step = 1;
  assert_int_equal(parallel_for(20, 1, nested, v), MG_NO_SOLUTION);
  assert_string_equal(mg_message(), "visit: chunk 0");
  free(v);
  mg_threads_set(2);
}

static mg_status sum_chunk(void *job, int64_t first, int64_t last) {
  int64_t *parts = job, sum = 0;
  for (int64_t i = first; i < last; i++) sum += i;
  parts[first / 16] = sum;
  return MG_OK;
}

/* Many small loops; the number of wrong sums. */
static void *many_loops(void *unused) {
  (void)unused;
  intptr_t wrong = 0;
  for (int round = 0; round < 300; round++) {
    int64_t parts[64] = {0}, sum = 0;
    if (parallel_for(1000, 16, sum_chunk, parts) != MG_OK) wrong++;
    for (int i = 0; i < 63; i++) sum += parts[i];
    wrong += sum != 499500;
    void *block = memory_new(70000);
    memory_free(block);
  }
  return (void *)wrong;
}

static void several_threads_may_call_at_once(void **unused) {
  (void)unused;
  enum { CALLERS = 6 };
  for (int64_t threads = 1; threads <= 4; threads++) {
    pthread_t callers[CALLERS];
    mg_threads_set(threads);
    for (int i = 0; i < CALLERS; i++)
      assert_int_equal(pthread_create(&callers[i], NULL, many_loops, NULL), 0);
    for (int i = 0; i < CALLERS; i++) {
      void *wrong;
      pthread_join(callers[i], &wrong);
      assert_null(wrong);
    }
  }
  mg_threads_set(2);
}

static void a_forked_child_computes(void **unused) {
  (void)unused;
#if defined(__SANITIZE_THREAD__)
  skip(); /* TSan refuses threads made after a fork */
#endif
  mg_threads_set(4);
  assert_null(many_loops(NULL));
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(5);
    _exit(many_loops(NULL) == NULL ? 42 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 42);
  assert_null(many_loops(NULL));
  mg_threads_set(2);
}

/* ---------------------------------------------------------------- interrupts */

static int stop_after(void *state) { return --*(int *)state < 0; }

static void interrupts_end_loops(void **unused) {
  (void)unused;
  static visits v;
  memset(&v, 0, sizeof v);
  for (int64_t threads = 1; threads <= 2; threads++) {
    mg_threads_set(threads);
    mg_interrupt_set(1);
    assert_int_equal(parallel_for(100, 1, visit, &v), MG_INTERRUPTED);
    mg_interrupt_set(0);
    assert_int_equal(parallel_for(100, 1, visit, &v), MG_OK);
    int calls = 3;
    mg_interrupt_poll(stop_after, &calls);
    assert_int_equal(parallel_for(MOST, 1, visit, &v), MG_INTERRUPTED);
    mg_interrupt_poll(NULL, NULL);
    mg_interrupt_set(0);
    mg_time_limit_set(1e-9);
    assert_int_equal(parallel_for(100, 1, visit, &v), MG_INTERRUPTED);
    assert_string_equal(mg_message(), "time limit reached");
    mg_time_limit_set(0);
    assert_int_equal(interrupt_tick(), MG_OK);
    mg_time_limit_set(1000);
    assert_int_equal(interrupt_tick(), MG_OK);
    mg_time_limit_set(0);
  }
}

/* ---------------------------------------------------------------- settings */

static const mg_option options[] = {
    {"n", "count", NULL, "entries", 0},
    {"scale", "positive", "0.5", "scale", 0},
    {"shift", "real", "-1", "shift", 0},
    {"fast", "flag", "0", "flag", 0},
    {"rule", "choice clip|error", "error", "rule", 0},
    {NULL, NULL, NULL, NULL, 0},
};
static const mg_kind kind = {.name = "thing", .settings = options};

static const double five = 5, minus = -2, half = 0.5, nothing = 0, two_values[] = {1, 2};

static mg_status check_settings(const mg_setting *given, int count) {
  settings s = {.kind = &kind, .given = given, .count = count};
  return settings_check(&s);
}

static void settings_are_read(void **unused) {
  (void)unused;
  mg_setting given[] = {{"rule", "clip", NULL, 0}, {"n", NULL, &five, 1}};
  settings s = {.kind = &kind, .given = given, .count = 2};
  assert_int_equal(settings_check(&s), MG_OK);
  assert_int_equal(settings_count(&s, "n"), 5);
  assert_true(settings_real(&s, "scale") == 0.5);
  assert_true(settings_real(&s, "shift") == -1);
  assert_string_equal(settings_text(&s, "rule"), "clip");
  s.given = &given[1];
  s.count = 1;
  assert_string_equal(settings_text(&s, "rule"), "error");
}

static void assert_refused(mg_setting setting, const char *message) {
  mg_setting given[] = {{"n", NULL, &five, 1}, setting};
  assert_int_equal(check_settings(given, 2), MG_BAD_ARGUMENT);
  assert_string_equal(mg_message(), message);
}

static void bad_settings_are_refused(void **unused) {
  (void)unused;
  double infinite = (double)1e308 * 10;
  assert_refused((mg_setting){"m", NULL, &five, 1}, "thing: unknown setting 'm'");
  assert_refused((mg_setting){"n", NULL, &five, 1}, "thing: setting 'n' is given twice");
  assert_refused((mg_setting){"scale", NULL, &nothing, 1}, "thing: scale = 0, expected a number above 0");
  assert_refused((mg_setting){"scale", NULL, &minus, 1}, "thing: scale = -2, expected a number above 0");
  assert_refused((mg_setting){"shift", NULL, &infinite, 1},
                 "thing: shift = inf, expected one finite number");
  assert_refused((mg_setting){"shift", "a", NULL, 0}, "thing: shift = 'a', expected one finite number");
  assert_refused((mg_setting){"fast", NULL, &half, 1}, "thing: fast = 0.5, expected 0 or 1");
  assert_refused((mg_setting){"rule", NULL, &five, 1}, "thing: rule is a number, expected clip|error");
  assert_refused((mg_setting){"rule", "cli", NULL, 0}, "thing: rule = 'cli', expected clip|error");
  assert_refused((mg_setting){"rule", "clip|error", NULL, 0},
                 "thing: rule = 'clip|error', expected clip|error");
  assert_refused((mg_setting){"rule", "", NULL, 0}, "thing: rule = '', expected clip|error");
  mg_setting list = {"shift", NULL, two_values, 2}, fraction = {"n", NULL, &half, 1};
  mg_setting zero = {"n", NULL, &nothing, 1};
  mg_setting given[] = {{"n", NULL, &five, 1}, list};
  assert_int_equal(check_settings(given, 2), MG_BAD_ARGUMENT);
  assert_int_equal(check_settings(&fraction, 1), MG_BAD_ARGUMENT);
  assert_string_equal(mg_message(), "thing: n = 0.5, expected an integer from 1");
  assert_int_equal(check_settings(&zero, 1), MG_BAD_ARGUMENT);
  assert_int_equal(check_settings(NULL, 0), MG_BAD_ARGUMENT);
  assert_string_equal(mg_message(), "thing: setting 'n' is missing (entries)");
}

/* ---------------------------------------------------------------- failures */

static void *fail_elsewhere(void *unused) {
  (void)unused;
  int clean = mg_message()[0] == 0 && mg_last_status() == MG_OK;
  fail(MG_BAD_FILE, "elsewhere: %d", 7);
  return (void *)(intptr_t)(clean && strcmp(mg_message(), "elsewhere: 7") == 0);
}

static void failures_belong_to_their_thread(void **unused) {
  (void)unused;
  assert_int_equal(fail(MG_BAD_SHAPE, "here: %s", "2x3"), MG_BAD_SHAPE);
  pthread_t other;
  void *fine;
  assert_int_equal(pthread_create(&other, NULL, fail_elsewhere, NULL), 0);
  pthread_join(other, &fine);
  assert_non_null(fine);
  assert_string_equal(mg_message(), "here: 2x3");
  assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
  fail(MG_BAD_SHAPE, "again: %s", mg_message()); /* of the old message */
  assert_string_equal(mg_message(), "again: here: 2x3");
  char text[2 * STATUS_MESSAGE_BYTES];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  assert_null(fail_null(MG_BAD_FILE, "%s", text));
  assert_int_equal(strlen(mg_message()), STATUS_MESSAGE_BYTES - 1);
}

/* ---------------------------------------------------------------- tensors */

static void views_share_storage(void **unused) {
  (void)unused;
  int64_t before = memory_now().live, shape[] = {4, 3}, flat[] = {12}, wrong[] = {5};
  mg_tensor *t = mg_tensor_new(shape, 2);
  assert_int_equal((uintptr_t)mg_tensor_data(t) % 64, 0);
  for (int i = 0; i < 12; i++) mg_tensor_data(t)[i] = (mg_real)i;
  assert_int_equal(mg_tensor_bytes(t), 12 * sizeof(mg_real));
  mg_tensor *line = mg_tensor_reshape(t, flat, 1), *rows = mg_tensor_rows(t, 1, 2);
  assert_int_equal(mg_tensor_bytes(t), 0);
  assert_ptr_equal(mg_tensor_data(line), mg_tensor_data(t));
  assert_int_equal(mg_tensor_size(rows), 6);
  assert_int_equal(mg_tensor_shape(rows)[0], 2);
  mg_tensor_data(line)[3] = 33;
  assert_true(mg_tensor_data(rows)[0] == 33);
  assert_null(mg_tensor_reshape(t, wrong, 1));
  assert_string_equal(mg_message(), "reshape: shape 4x3 has 12 entries, 5 has 5");
  mg_tensor_free(t);
  mg_tensor_free(line);
  assert_true(mg_tensor_data(rows)[0] == 33); /* outlives its source */
  assert_int_equal(mg_tensor_bytes(rows), 12 * sizeof(mg_real));
  mg_tensor_free(rows);
  mg_tensor_free(NULL);
  assert_int_equal(memory_now().live, before);
}

static void rows_stay_inside(void **unused) {
  (void)unused;
  int64_t shape[] = {3, 2};
  mg_tensor *t = mg_tensor_new(shape, 2), *scalar = mg_tensor_new(NULL, 0);
  static const int64_t bad[][2] = {{-1, 1}, {0, 4}, {3, 1}, {4, 0}, {1, -1}, {INT64_MAX, 1}, {1, INT64_MAX}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_null(mg_tensor_rows(t, bad[i][0], bad[i][1]));
    assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  }
  assert_null(mg_tensor_rows(scalar, 0, 1));
  assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
  mg_tensor *none = mg_tensor_rows(t, 3, 0);
  assert_int_equal(mg_tensor_size(none), 0);
  assert_int_equal(mg_tensor_size(scalar), 1);
  mg_tensor_free(none);
  mg_tensor_free(t);
  mg_tensor_free(scalar);
}

static void bad_shapes_are_refused(void **unused) {
  (void)unused;
  int64_t big = (int64_t)1 << 40, huge[] = {big, big}, hidden[] = {big, 0, big}, negative[] = {2, -1};
  int64_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  assert_null(mg_tensor_new(huge, 2));
  assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
  assert_string_equal(mg_message(), "tensor: shape 1099511627776x1099511627776 is too large");
  assert_null(mg_tensor_new(hidden, 3)); /* a product of some extents would overflow */
  assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
  assert_null(mg_tensor_new(negative, 2));
  assert_string_equal(mg_message(), "tensor: extent -1 of axis 2 is negative");
  assert_null(mg_tensor_new(many, 9));
  assert_int_equal(mg_last_status(), MG_BAD_SHAPE);
  assert_null(mg_tensor_new(many, -1));
}

static void tensors_survive_failing_memory(void **unused) {
  (void)unused;
  int64_t before = memory_now().live, shape[] = {4, 3};
  for (int64_t n = 0; n < 2; n++) {
    mg_memory_fail(n, 1);
    assert_null(mg_tensor_new(shape, 2));
    assert_int_equal(mg_last_status(), MG_NO_MEMORY);
    assert_int_equal(memory_now().live, before);
  }
  mg_memory_fail(-1, 0);
  mg_tensor *t = mg_tensor_new(shape, 2);
  mg_memory_fail(0, 1);
  assert_null(mg_tensor_reshape(t, shape, 2));
  mg_memory_fail(-1, 0);
  assert_int_equal(mg_tensor_bytes(t), 12 * sizeof(mg_real)); /* still one handle */
  mg_tensor_free(t);
  assert_int_equal(memory_now().live, before);
}

static void shapes_broadcast(void **unused) {
  (void)unused;
  int64_t a[] = {4, 1, 3}, b[] = {2, 1}, c[] = {2, 2}, shape[MG_MAX_AXES];
  int axes;
  char text[SHAPE_TEXT_BYTES];
  mg_tensor *x = mg_tensor_new(a, 3), *y = mg_tensor_new(b, 2), *z = mg_tensor_new(c, 2);
  mg_tensor *scalar = mg_tensor_new(NULL, 0);
  assert_int_equal(shape_broadcast("op", x, y, shape, &axes), MG_OK);
  assert_string_equal(shape_text(text, shape, axes), "4x2x3");
  assert_int_equal(shape_broadcast("op", scalar, y, shape, &axes), MG_OK);
  assert_string_equal(shape_text(text, shape, axes), "2x1");
  assert_int_equal(shape_broadcast("op", x, z, shape, &axes), MG_BAD_SHAPE);
  assert_string_equal(mg_message(), "op: shapes 4x1x3 and 2x2 do not broadcast");
  assert_string_equal(shape_of(text, scalar), "scalar");
  assert_int_equal(shape_expect("op", x, y), MG_BAD_SHAPE);
  assert_string_equal(mg_message(), "op: expected shape 4x1x3, got 2x1");
  assert_int_equal(shape_product(a, 1, 1), 1);
  assert_int_equal(shape_product(a, 0, 3), 12);
  mg_tensor_free(x);
  mg_tensor_free(y);
  mg_tensor_free(z);
  mg_tensor_free(scalar);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_aligned_and_counted),
      cmocka_unit_test(size_classes_waste_at_most_an_eighth),
      cmocka_unit_test(freed_blocks_are_reused),
      cmocka_unit_test(the_peak_is_kept),
      cmocka_unit_test(impossible_sizes_fail),
      cmocka_unit_test(allocations_fail_when_asked),
      cmocka_unit_test(philox_gives_the_known_answers),
      cmocka_unit_test(uniform_numbers_stay_inside),
      cmocka_unit_test(orders_are_permutations),
      cmocka_unit_test(each_chunk_runs_once),
      cmocka_unit_test(the_lowest_failing_chunk_wins),
      cmocka_unit_test(loops_nest),
      cmocka_unit_test(several_threads_may_call_at_once),
      cmocka_unit_test(a_forked_child_computes),
      cmocka_unit_test(interrupts_end_loops),
      cmocka_unit_test(settings_are_read),
      cmocka_unit_test(bad_settings_are_refused),
      cmocka_unit_test(failures_belong_to_their_thread),
      cmocka_unit_test(views_share_storage),
      cmocka_unit_test(rows_stay_inside),
      cmocka_unit_test(bad_shapes_are_refused),
      cmocka_unit_test(tensors_survive_failing_memory),
      cmocka_unit_test(shapes_broadcast),
  };
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}

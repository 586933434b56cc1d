/* Safetensors files and JSON values below Lua: arguments, failing allocations of the core and of
 * Jansson, failing system calls, interrupts. The values themselves are the specs' matter. */
#undef _FORTIFY_SOURCE /* it makes some system calls inline */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mapgrad.h"

static char folder[64], path[100], other[100];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/mapgrad-test-store-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/a.safetensors", folder);
  snprintf(other, sizeof other, "%s/b", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(path);
  unlink(other);
  return rmdir(folder); /* fails if a temporary file was left */
}

static int64_t live(void) {
  mg_memory m;
  mg_memory_read(&m);
  return m.live;
}

/* ---- things that fail */

static int calls_left = -1; /* reads and writes that go well; -1: all */

static int call_fails(void) {
  if (calls_left < 0 || calls_left-- > 0) return 0;
  calls_left = 0;
  errno = EIO;
  return 1;
}

ssize_t write(int handle, const void *bytes, size_t count) {
  return handle > 2 && call_fails() ? -1 : syscall(SYS_write, handle, bytes, count);
}

ssize_t read(int handle, void *bytes, size_t count) {
  return handle > 2 && call_fails() ? -1 : syscall(SYS_read, handle, bytes, count);
}

ssize_t pread(int handle, void *bytes, size_t count, off_t offset) {
  return call_fails() ? -1 : syscall(SYS_pread64, handle, bytes, count, offset);
}

static int blocks_left = -1;    /* of Jansson's that are given out; -1: all */
static int64_t blocks_live = 0; /* of Jansson's */

static void *jansson_new(size_t bytes) {
  if (blocks_left == 0) return NULL;
  if (blocks_left > 0) blocks_left--;
  blocks_live++;
  return malloc(bytes);
}

static void jansson_free(void *block) {
  if (block) blocks_live--;
  free(block);
}

static int fresh(void **state) {
  (void)state;
  calls_left = blocks_left = -1;
  mg_memory_fail(-1, 0);
  return 0;
}

/* ---- a file to work with */

enum { LARGE = 5000 };

static mg_real large[LARGE];
static const int64_t large_shape[2] = {50, 100}, empty_shape[3] = {2, 0, 3};
static const mg_store_part parts[] = {
    {"large", large, large_shape, 2},
    {"scalar", large + 7, NULL, 0},
    {"empty", large, empty_shape, 3}};
static const char *const metadata[] = {"key", "text", "\xc3\xa4", "", NULL};

static mg_status write_file(void) {
  for (int i = 0; i < LARGE; i++) large[i] = (mg_real)i / 7;
  return mg_store_write(path, parts, 3, NULL, metadata, 1);
}

/* Opens, verifies and reads the file; the status of what failed first. */
static mg_status read_file(void) {
  mg_store *s = mg_store_open(path);
  if (!s) return mg_last_status();
  mg_real *out = malloc(sizeof large);
  mg_status status = mg_store_verify(s);
  if (status == MG_OK) status = mg_store_read(s, 0, out);
  if (status == MG_OK) assert_memory_equal(out, large, sizeof large);
  free(out);
  mg_store_free(s);
  return status;
}

static void files_hold_what_was_written(void **state) {
  (void)state;
  assert_int_equal(write_file(), MG_OK);
  mg_store *s = mg_store_open(path);
  assert_non_null(s);
  assert_int_equal(mg_store_count(s), 3);
  for (int i = 0; i < 3; i++) assert_string_equal(mg_store_name(s, i), parts[i].name);
  assert_string_equal(mg_store_type(s, 0), sizeof(mg_real) == 8 ? "F64" : "F32");
  assert_int_equal(mg_store_axes(s, 1), 0);
  assert_memory_equal(mg_store_shape(s, 2), empty_shape, sizeof empty_shape);
  mg_real value = 0;
  assert_int_equal(mg_store_read(s, 1, &value), MG_OK);
  assert_true(value == large[7]);
  assert_int_equal(mg_store_read(s, 2, &value), MG_OK);
  assert_int_equal(mg_store_read(s, 3, &value), MG_BAD_ARGUMENT);
  assert_int_equal(mg_store_read(s, -1, &value), MG_BAD_ARGUMENT);
  const mg_json *about = mg_store_metadata(s);
  assert_string_equal(mg_json_next(about, NULL), "checksum");
  assert_string_equal(mg_json_text(mg_json_field(about, "key"), NULL), "text");
  assert_int_equal(mg_json_count(about), 3);
  mg_store_free(s);
  mg_store_free(NULL);
  assert_int_equal(read_file(), MG_OK);
}

static void an_open_file_stays_the_old_one(void **state) {
  (void)state;
  assert_int_equal(write_file(), MG_OK);
  mg_store *s = mg_store_open(path);
  assert_non_null(s);
  assert_int_equal(mg_store_write(path, parts, 0, NULL, NULL, 0), MG_OK);
  mg_real value = 0;
  assert_int_equal(mg_store_read(s, 1, &value), MG_OK);
  assert_true(value == large[7]);
  mg_store_free(s);
}

static void bad_arguments_are_refused(void **state) {
  (void)state;
  const int64_t negative[1] = {-1}, huge[2] = {INT64_MAX / 2, 3}, half[1] = {INT64_MAX / 16};
  static const char *const twice[] = {"a", "", "a", "", NULL};
  static const char *const reserved[] = {"checksum", "", NULL};
  const mg_store_part bad[] = {
      {"x", large, negative, 1}, {"x", large, huge, 2}, {"x", large, large_shape, 9},
      {"__metadata__", large, large_shape, 2}, {"\xff", large, large_shape, 2}};
  const mg_status expected[] = {MG_BAD_SHAPE, MG_BAD_SHAPE, MG_BAD_SHAPE, MG_BAD_ARGUMENT,
                                MG_BAD_ARGUMENT};
  int64_t before = live();
  for (int i = 0; i < 5; i++)
    assert_int_equal(mg_store_write(other, &bad[i], 1, NULL, NULL, 0), expected[i]);
  const mg_store_part same[] = {parts[0], parts[0]};
  assert_int_equal(mg_store_write(other, same, 2, NULL, NULL, 0), MG_BAD_ARGUMENT);
  const mg_store_part sum[] = {{"a", large, half, 1},
                               {"b", large, half, 1},
                               {"c", large, half, 1},
                               {"d", large, half, 1},
                               {"e", large, half, 1}};
  assert_int_equal(mg_store_write(other, sum, 5, "F32", NULL, 0), MG_BAD_SHAPE);
  assert_int_equal(mg_store_write(other, parts, -1, NULL, NULL, 0), MG_BAD_ARGUMENT);
  assert_int_equal(mg_store_write(other, parts, 1, "F16", NULL, 0), MG_BAD_ARGUMENT);
  assert_int_equal(mg_store_write(other, parts, 1, NULL, twice, 0), MG_BAD_ARGUMENT);
  assert_int_equal(mg_store_write(other, parts, 1, NULL, reserved, 1), MG_BAD_ARGUMENT);
  assert_int_equal(mg_store_write(other, parts, 1, NULL, reserved, 0), MG_OK);
  assert_int_equal(live(), before);
  unlink(other);
}

/* ---- JSON */

static mg_json *parse(const char *text) { return mg_json_parse(text, (int64_t)strlen(text)); }

static void assert_prints(const mg_json *v, int indent, const char *text) {
  mg_array *printed = mg_json_print(v, indent);
  assert_non_null(printed);
  assert_int_equal(mg_array_shape(printed)[0], strlen(text));
  assert_memory_equal(mg_array_bytes(printed), text, strlen(text));
  mg_array_free(printed);
}

static mg_json *make_value(void) {
  mg_json *v = mg_json_new(MG_JSON_OBJECT), *list = mg_json_new(MG_JSON_LIST);
  assert_int_equal(mg_json_set(v, "b", list), MG_OK);
  assert_int_equal(mg_json_append(list, mg_json_new_number(0.1)), MG_OK);
  assert_int_equal(mg_json_append(list, mg_json_new(MG_JSON_TRUE)), MG_OK);
  assert_int_equal(mg_json_append(list, mg_json_new(MG_JSON_NULL)), MG_OK);
  assert_int_equal(mg_json_set(v, "a", mg_json_new_text("x\0y", 3)), MG_OK);
  return v;
}

static void json_values_are_made_and_seen(void **state) {
  (void)state;
  mg_json *v = make_value();
  assert_prints(v, 0, "{\"a\": \"x\\u0000y\", \"b\": [0.10000000000000001, true, null]}");
  int64_t length = 0;
  assert_string_equal(mg_json_text(mg_json_field(v, "a"), &length), "x");
  assert_int_equal(length, 3);
  const mg_json *list = mg_json_field(v, "b");
  assert_true(mg_json_number(mg_json_entry(list, 0)) == 0.1);
  assert_int_equal(mg_json_kind_of(mg_json_entry(list, 2)), MG_JSON_NULL);
  assert_null(mg_json_entry(list, 3));
  assert_null(mg_json_field(v, "c"));
  assert_null(mg_json_text(list, NULL));
  assert_int_equal(mg_json_count(list), 3);
  mg_json_free(v);
  mg_json_free(NULL);
}

static void json_refuses_what_it_cannot_hold(void **state) {
  (void)state;
  assert_null(mg_json_new_number((double)NAN));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  assert_null(mg_json_new_number((double)INFINITY));
  assert_null(mg_json_new_text("\xff", 1));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  assert_null(mg_json_new(MG_JSON_TEXT));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  mg_json *v = mg_json_new(MG_JSON_OBJECT);
  assert_int_equal(mg_json_set(v, "\xff", mg_json_new(MG_JSON_LIST)), MG_BAD_ARGUMENT);
  assert_null(mg_json_print(v, -1));
  assert_null(mg_json_print(v, 32));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  mg_json_free(v);
  assert_null(mg_json_parse("", -1));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  assert_null(mg_json_read(path, -1));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  assert_null(parse("[1"));
  assert_int_equal(mg_last_status(), MG_BAD_FILE);
}

static mg_status json_round(void) {
  mg_json *v = parse("{\"a\": [1, 2.5, \"long enough a text\"], \"b\": {\"c\": null}}");
  if (!v) return mg_last_status();
  mg_status status = mg_json_write(other, v, 2);
  mg_json_free(v);
  if (status != MG_OK) return status;
  v = mg_json_read(other, 1000);
  if (!v) return mg_last_status();
  mg_json_free(v);
  return MG_OK;
}

/* ---- failures */

static mg_status (*const works[])(void) = {write_file, read_file, json_round};

enum { WORKS = 3 };

static void each_failing_allocation_is_clean(void **state) {
  (void)state;
  assert_int_equal(write_file(), MG_OK);
  for (int w = 0; w < WORKS; w++)
    for (int times = -1; times <= 1; times += 2)
      for (int after = 0;; after++) {
        int64_t before = live();
        mg_memory_fail(after, times);
        mg_status status = works[w]();
        mg_memory_fail(-1, 0);
        assert_int_equal(live(), before);
        assert_true(after < 100);
        if (status == MG_OK) break;
        assert_int_equal(status, MG_NO_MEMORY);
      }
  assert_int_equal(read_file(), MG_OK);
}

static void each_failing_block_of_jansson_is_clean(void **state) {
  (void)state;
  assert_int_equal(write_file(), MG_OK);
  json_set_alloc_funcs(jansson_new, jansson_free);
  for (int w = 0; w < WORKS; w++)
    for (int after = 0;; after++) {
      int64_t before = live(), blocks = blocks_live;
      blocks_left = after;
      mg_status status = works[w]();
      blocks_left = -1;
      assert_int_equal(live(), before);
      assert_int_equal(blocks_live, blocks);
      assert_true(after < 2000);
      if (status == MG_OK) break;
      /* Jansson's lexer takes its lack of memory for bad text */
      if (status != MG_NO_MEMORY && (status != MG_BAD_FILE || !strstr(mg_message(), "bad JSON")))
        fail_msg("work %d, block %d: %s", w, after, mg_message());
    }
  json_set_alloc_funcs(malloc, free);
  assert_int_equal(read_file(), MG_OK);
}

static void each_failing_call_is_reported(void **state) {
  (void)state;
  assert_int_equal(write_file(), MG_OK);
  for (int w = 0; w < WORKS; w++)
    for (int after = 0;; after++) {
      int64_t before = live();
      calls_left = after;
      mg_status status = works[w]();
      calls_left = -1;
      assert_int_equal(live(), before);
      if (status == MG_OK) break;
      assert_int_equal(status, MG_BAD_FILE);
      assert_non_null(strstr(mg_message(), "Input/output error"));
      assert_int_equal(read_file(), MG_OK);
    }
}

static void interrupts_end_each_work(void **state) {
  (void)state;
  assert_int_equal(write_file(), MG_OK);
  int64_t before = live();
  mg_status statuses[WORKS];
  mg_interrupt_set(1);
  for (int w = 0; w < WORKS; w++) statuses[w] = works[w]();
  mg_interrupt_set(0);
  for (int w = 0; w < WORKS; w++) assert_int_equal(statuses[w], MG_INTERRUPTED);
  assert_int_equal(live(), before);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(files_hold_what_was_written),
      TEST(an_open_file_stays_the_old_one),
      TEST(bad_arguments_are_refused),
      TEST(json_values_are_made_and_seen),
      TEST(json_refuses_what_it_cannot_hold),
      TEST(each_failing_allocation_is_clean),
      TEST(each_failing_block_of_jansson_is_clean),
      TEST(each_failing_call_is_reported),
      TEST(interrupts_end_each_work),
  };
  return cmocka_run_group_tests_name("safetensors", tests, make_folder, remove_folder);
}

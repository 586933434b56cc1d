/* Readers and writers of files. Everything is written into a folder of its own below /tmp. Calls of
 * the system are replaced here by ones that fail when told to. */
#undef _FORTIFY_SOURCE /* it makes some of those calls inline */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "mapgrad.h"

enum { PATH_BYTES = 600, FILE_LIMIT = 1 << 26 };

/* ---- system calls that fail */

typedef enum fault_kind { NO_FAULT, IO_ERROR, DISK_FULL, INTERRUPTED_CALL, SHORT_CALL } fault_kind;

static struct {
  fault_kind kind;
  int after; /* calls that still go well; the next fails */
  int is_repeated;
  int met; /* calls that failed */
} fault;

static const int fault_errno[] = {0, EIO, ENOSPC, EINTR, 0};

/* Whether this call fails, as `kind` does; errno is set. */
static int fails(fault_kind kind) {
  if (fault.kind != kind || fault.after-- > 0) return 0;
  fault.met++;
  if (fault.is_repeated) fault.after = 0;
  else fault.kind = NO_FAULT;
  errno = fault_errno[kind];
  return 1;
}

static int fails_as_any(void) {
  return fails(IO_ERROR) || fails(DISK_FULL) || fails(INTERRUPTED_CALL);
}

static void fault_set(fault_kind kind, int after, int is_repeated) {
  fault.kind = kind;
  fault.after = after;
  fault.is_repeated = is_repeated;
  fault.met = 0;
}

ssize_t write(int handle, const void *bytes, size_t count) {
  if (handle > 2 && fails_as_any()) return -1;
  if (handle > 2 && count > 3 && fails(SHORT_CALL)) count = 3;
  return syscall(SYS_write, handle, bytes, count);
}

ssize_t read(int handle, void *bytes, size_t count) {
  if (handle > 2 && fails_as_any()) return -1;
  if (handle > 2 && count > 3 && fails(SHORT_CALL)) count = 3;
  return syscall(SYS_read, handle, bytes, count);
}

int fsync(int handle) { return fails_as_any() ? -1 : (int)syscall(SYS_fsync, handle); }

int close(int handle) {
  int result = (int)syscall(SYS_close, handle);
  return handle > 2 && fails_as_any() ? -1 : result;
}

int renameat(int from, const char *old, int to, const char *new) {
  if (fails_as_any()) return -1;
  return (int)syscall(SYS_renameat2, from, old, to, new, 0);
}

/* ---- the folder */

static char folder[64];

static const char *in_folder(const char *name) {
  static char paths[4][PATH_BYTES];
  static int next;
  char *path = paths[next++ & 3];
  snprintf(path, PATH_BYTES, "%s/%s", folder, name);
  return path;
}

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/mapgrad-test-data-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

/* Removes the files; returns how many there were. */
static int empty_folder(void) {
  DIR *d = opendir(folder);
  int count = 0;
  for (struct dirent *e = readdir(d); e; e = readdir(d))
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
      count++;
      if (unlinkat(dirfd(d), e->d_name, 0) != 0) unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    }
  closedir(d);
  return count;
}

static int remove_folder(void **state) {
  (void)state;
  empty_folder();
  return rmdir(folder);
}

/* Before each test: an empty folder and nothing that fails. */
static int fresh(void **state) {
  (void)state;
  fault_set(NO_FAULT, 0, 0);
  mg_memory_fail(-1, 0);
  empty_folder();
  return 0;
}

static const char *put_file(const char *name, const void *bytes, size_t count) {
  const char *path = in_folder(name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, count, f), count);
  fclose(f);
  return path;
}

/* The whole file in a block for free. */
static unsigned char *get_file(const char *path, size_t *count) {
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("cannot open %s", path);
  unsigned char *bytes = malloc(FILE_LIMIT);
  assert_non_null(bytes);
  *count = fread(bytes, 1, FILE_LIMIT, f);
  fclose(f);
  return bytes;
}

static void assert_file(const char *path, const void *bytes, size_t count) {
  size_t there;
  unsigned char *got = get_file(path, &there);
  assert_int_equal(there, count);
  assert_memory_equal(got, bytes, count);
  free(got);
}

/* ---- refusals */

static int64_t live(void) {
  mg_memory m;
  mg_memory_read(&m);
  return m.live;
}

static void assert_message(const char *path, const char *part) {
  assert_int_equal(mg_last_status(), MG_BAD_FILE);
  if (!strstr(mg_message(), path) || !strstr(mg_message(), part))
    fail_msg("\"%s\" and \"%s\" are not in: %s", path, part, mg_message());
}

static mg_array *read_bytes(const char *path) { return mg_file_read(path, FILE_LIMIT); }
static mg_array *read_npy(const char *path) { return mg_npy_read(path, FILE_LIMIT); }
static mg_array *read_png(const char *path) { return mg_png_read(path, FILE_LIMIT); }
static mg_array *read_idx(const char *path) { return mg_idx_read(path, FILE_LIMIT); }

/* The last array of an archive. */
static mg_array *read_npz(const char *path) {
  mg_npz *z = mg_npz_open(path, NULL, FILE_LIMIT);
  mg_array *a = z ? mg_npz_read(z, mg_npz_count(z) - 1) : NULL;
  mg_npz_free(z);
  return a;
}

static void refuse_npy(const char *path, const char *part) {
  int64_t before = live();
  if (read_npy(path)) fail_msg("%s was read", path);
  assert_message(path, part);
  assert_int_equal(live(), before);
}

static void refuse_png(const char *path, const char *part) {
  int64_t before = live();
  if (read_png(path)) fail_msg("%s was read", path);
  assert_message(path, part);
  assert_int_equal(live(), before);
}

static void refuse_bytes(const char *path, int64_t limit, const char *part) {
  int64_t before = live();
  if (mg_file_read(path, limit)) fail_msg("%s was read", path);
  assert_message(path, part);
  assert_int_equal(live(), before);
}

/* A version 1.0 file with this dictionary and data. */
static const char *put_npy(const char *dictionary, const void *data, size_t count) {
  char bytes[2000] = "\x93NUMPY\1\0";
  size_t length = strlen(dictionary);
  bytes[8] = (char)(length & 255);
  bytes[9] = (char)(length >> 8);
  memcpy(bytes + 10, dictionary, length);
  memcpy(bytes + 10 + length, data, count);
  return put_file("made.npy", bytes, 10 + length + count);
}

/* The array in such a file, of one axis and `extent` values, equals `values`. */
static void check_type(const char *descr, const void *data, size_t bytes, const double *values,
                       int64_t extent) {
  char dictionary[200];
  snprintf(dictionary, sizeof dictionary,
           "{'descr': '%s', 'fortran_order': False, 'shape': (%lld,), }\n", descr,
           (long long)extent);
  mg_array *a = read_npy(put_npy(dictionary, data, bytes));
  if (!a) fail_msg("%s: %s", descr, mg_message());
  assert_int_equal(mg_array_axes(a), 1);
  assert_int_equal(mg_array_shape(a)[0], extent);
  mg_real out[16];
  assert_int_equal(mg_array_copy(a, out), MG_OK);
  for (int64_t i = 0; i < extent; i++) {
    mg_real want = (mg_real)values[i];
    if (memcmp(&out[i], &want, sizeof want) != 0)
      fail_msg("%s: element %d is %g, expected %g", descr, (int)i, (double)out[i], (double)want);
  }
  assert_null(mg_array_bytes(a));
  mg_array_free(a);
}

/* ---- npy */

static void npy_reads_each_type_and_byte_order(void **state) {
  (void)state;
  check_type("|b1", "\0\1\1", 3, (double[]){0, 1, 1}, 3);
  check_type("|u1", "\0\177\377", 3, (double[]){0, 127, 255}, 3);
  check_type("|i1", "\200\177\377", 3, (double[]){-128, 127, -1}, 3);
  check_type("<u2", "\1\2\377\377", 4, (double[]){513, 65535}, 2);
  check_type(">u2", "\2\1\377\376", 4, (double[]){513, 65534}, 2);
  check_type("<i2", "\0\200\377\177", 4, (double[]){-32768, 32767}, 2);
  check_type(">i2", "\200\0", 2, (double[]){-32768}, 1);
  check_type("<u4", "\1\0\0\0\377\377\377\377", 8, (double[]){1, 4294967295.}, 2);
  check_type(">u4", "\1\0\0\0", 4, (double[]){16777216}, 1);
  check_type("<i4", "\0\0\0\200\377\377\377\377", 8, (double[]){-0x1p31, -1}, 2);
  check_type(">i4", "\377\377\377\376", 4, (double[]){-2}, 1);
  check_type("<u8", "\0\0\0\0\0\0\0\200\1\0\0\0\0\0\0\0", 16, (double[]){0x1p63, 1}, 2);
  check_type("<i8", "\0\0\0\0\0\0\0\200\377\377\377\377\377\377\377\377", 16,
             (double[]){-0x1p63, -1}, 2);
  check_type(">i8", "\0\0\0\0\0\0\1\1", 8, (double[]){257}, 1);
  check_type("<f2", "\0\74\1\0\377\173\0\374\0\200\0\4", 12,
             (double[]){1, 0x1p-24, 65504, -INFINITY, -0.0, 0x1p-14}, 6);
  check_type(">f2", "\276\0", 2, (double[]){-1.5}, 1);
  check_type("<f4", "\0\0\200\77\0\0\0\200", 8, (double[]){1, -0.0}, 2);
  check_type(">f4", "\77\300\0\0", 4, (double[]){1.5}, 1);
  check_type("<f8", "\0\0\0\0\0\0\370\77", 8, (double[]){1.5}, 1);
  check_type(">f8", "\77\370\0\0\0\0\0\0", 8, (double[]){1.5}, 1);
  check_type("=u1", "\5", 1, (double[]){5}, 1);
}

static void npy_rounds_large_integers_to_the_nearest_real(void **state) {
  (void)state;
  int64_t odd = ((int64_t)1 << 53) + 1, even = 16777217;
  check_type("<i8", &odd, 8, (double[]){0x1p53}, 1);
  check_type("<i8", &even, 8, (double[]){16777217}, 1); /* the float build rounds both */
}

static void npy_turns_fortran_order(void **state) {
  (void)state;
  unsigned char data[24];
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      for (int k = 0; k < 4; k++) data[i + 2 * (j + 3 * k)] = (unsigned char)(100 * i + 10 * j + k);
  mg_array *a = read_npy(put_npy(
      "{'shape':(2,3,4,),'fortran_order':True,\"descr\":\"|u1\"}   \n", data, sizeof data));
  assert_non_null(a);
  mg_real out[24];
  mg_array_copy(a, out);
  for (int i = 0; i < 24; i++)
    assert_int_equal((int)out[i], 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
  mg_array_free(a);
}

static void npy_turns_fortran_order_across_buffers(void **state) {
  (void)state;
  enum { ROWS = 301, COLUMNS = 97 };
  char header[128];
  int length = snprintf(header, sizeof header,
                        "{'descr': '<i4', 'fortran_order': True, 'shape': (%d, %d), }\n", ROWS,
                        COLUMNS);
  size_t count = 10 + (size_t)length;
  unsigned char *bytes = malloc(count + 4 * ROWS * COLUMNS);
  memcpy(bytes, "\x93NUMPY\1\0", 8);
  bytes[8] = (unsigned char)length;
  bytes[9] = 0;
  memcpy(bytes + 10, header, (size_t)length);
  for (int32_t i = 0; i < ROWS; i++)
    for (int32_t j = 0; j < COLUMNS; j++) {
      int32_t value = i * COLUMNS + j;
      memcpy(bytes + count + 4 * (i + j * ROWS), &value, 4);
    }
  mg_array *a = read_npy(put_file("large.npy", bytes, count + 4 * ROWS * COLUMNS));
  free(bytes);
  assert_non_null(a);
  mg_real *out = malloc(ROWS * COLUMNS * sizeof *out);
  mg_array_copy(a, out);
  for (int i = 0; i < ROWS * COLUMNS; i++) assert_int_equal((int)out[i], i);
  free(out);
  mg_array_free(a);
}

static void npy_round_trips_each_type(void **state) {
  (void)state;
  static const char *const types[] = {"f4", "f8", "i8", "i4", "u1"};
  const int64_t shape[3] = {2, 0x100, 5};
  mg_real values[2560], out[2560];
  for (int i = 0; i < 2560; i++) values[i] = (mg_real)(i % 256);
  for (int t = 0; t < 5; t++) {
    const char *path = in_folder("trip.npy");
    assert_int_equal(mg_npy_write(path, values, shape, 3, types[t]), MG_OK);
    mg_array *a = read_npy(path);
    assert_non_null(a);
    assert_int_equal(mg_array_axes(a), 3);
    assert_memory_equal(mg_array_shape(a), shape, sizeof shape);
    mg_array_copy(a, out);
    assert_memory_equal(out, values, sizeof values);
    mg_array_free(a);
  }
  assert_int_equal(empty_folder(), 1);
}

static void npy_keeps_special_values_bit_for_bit(void **state) {
  (void)state;
  uint64_t wide = 0x7ff8000000abcdef;
  uint32_t narrow = 0x7fc0abcd;
  mg_real payload;
  if (sizeof payload == 8) memcpy(&payload, &wide, sizeof payload);
  else memcpy(&payload, &narrow, sizeof payload);
  double subnormal = sizeof payload == 8 ? 0x1p-1074 : 0x1p-149;
  double largest = sizeof payload == 8 ? 0x1.fffffffffffffp1023 : 0x1.fffffep127;
  mg_real values[] = {payload, (mg_real)-INFINITY, (mg_real)-0.0, (mg_real)subnormal,
                      (mg_real)largest, (mg_real)(1 / 3.)};
  const int64_t count = sizeof values / sizeof *values;
  mg_real out[6];
  const char *path = in_folder("special.npy");
  assert_int_equal(mg_npy_write(path, values, &count, 1, mg_real_bytes() == 8 ? "f8" : "f4"),
                   MG_OK);
  mg_array *a = read_npy(path);
  assert_non_null(a);
  mg_array_copy(a, out);
  assert_memory_equal(out, values, sizeof values);
  mg_array_free(a);
}

static void npy_writes_the_header_of_numpy(void **state) {
  (void)state;
  static const struct {
    int axes;
    int64_t shape[MG_MAX_AXES];
    const char *type, *dictionary;
  } cases[] = {
      {0, {0}, "f8", "{'descr': '<f8', 'fortran_order': False, 'shape': (), }"},
      {1, {2}, "u1", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"},
      {2, {1, 2}, "i8", "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }"},
      {2, {0, INT64_MAX / 64}, "f4",
       "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 144115188075855871), }"},
  };
  const mg_real values[2] = {1, 2};
  for (int i = 0; i < 4; i++) {
    const char *path = in_folder("header.npy");
    assert_int_equal(mg_npy_write(path, values, cases[i].shape, cases[i].axes, cases[i].type), 0);
    size_t count;
    unsigned char *bytes = get_file(path, &count);
    size_t length = strlen(cases[i].dictionary), header = (size_t)(bytes[8] | bytes[9] << 8);
    assert_memory_equal(bytes, "\x93NUMPY\1\0", 8);
    assert_int_equal((10 + header) % 64, 0);
    assert_memory_equal(bytes + 10, cases[i].dictionary, length);
    for (size_t at = 10 + length; at < 9 + header; at++) assert_int_equal(bytes[at], ' ');
    assert_int_equal(bytes[9 + header], '\n');
    free(bytes);
    mg_array *a = read_npy(path);
    assert_non_null(a);
    assert_int_equal(mg_array_axes(a), cases[i].axes);
    mg_array_free(a);
  }
}

static void npy_refuses_values_that_an_integer_cannot_hold(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *type;
  } cases[] = {{0.5, "i8"},    {NAN, "i8"},       {INFINITY, "i8"},  {0x1p63, "i8"}, {0x1p31, "i4"},
               {-2.5, "i4"},   {NAN, "i4"},       {256, "u1"},       {-1, "u1"},     {NAN, "u1"},
               {0x1p40, "i4"}, {-INFINITY, "u1"}, {-0x1.8p63, "i8"}, {255.5, "u1"}};
  const int64_t two = 2;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mg_real values[2] = {0, (mg_real)cases[i].value};
    assert_int_equal(mg_npy_write(in_folder("no.npy"), values, &two, 1, cases[i].type),
                     MG_BAD_ARGUMENT);
    assert_non_null(strstr(mg_message(), "index 1"));
  }
  mg_real limits[2] = {(mg_real)-0x1p63, (mg_real)-0x1p31};
  assert_int_equal(mg_npy_write(in_folder("yes.npy"), limits, &two, 1, "i8"), MG_OK);
  assert_int_equal(empty_folder(), 1);
  static const char *const unknown[] = {"f2", "c8", "", "<f4"};
  for (int i = 0; i < 4; i++)
    assert_int_equal(mg_npy_write(in_folder("no.npy"), limits, &two, 1, unknown[i]),
                     MG_BAD_ARGUMENT);
  int64_t wrong[2] = {-1, 2}, huge[2] = {INT64_MAX / 2, 3};
  assert_int_equal(mg_npy_write(in_folder("no.npy"), limits, wrong, 2, "f4"), MG_BAD_SHAPE);
  assert_int_equal(mg_npy_write(in_folder("no.npy"), limits, huge, 2, "f4"), MG_BAD_SHAPE);
  assert_int_equal(mg_npy_write(in_folder("no.npy"), limits, wrong, 9, "f4"), MG_BAD_SHAPE);
  assert_int_equal(empty_folder(), 0);
}

static void npy_refuses_headers_that_are_not_exact(void **state) {
  (void)state;
  static const struct {
    const char *dictionary, *part;
  } cases[] = {
      {"", "byte 10: expected '{', got the end"},
      {"{}", "key missing at byte 12: expected 'descr'"},
      {"[]", "expected '{', got '['"},
      {"{,}", "a key in quotes"},
      {"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", "expected ',' or '}', got '''"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "True or False, got '0'"},
      {"{'descr': '<f4', 'fortran_order': Falsey, 'shape': (1,)}", "got 'y'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", "',' after the only extent"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", "expected '('"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "an extent"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,,)}", "an extent"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (01,)}", "starts with 0"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}", "got '.'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "got '-'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", "end of the header"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "got 'x'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}}", "got '}'"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "given twice"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "unknown key"},
      {"{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}", "got '<f4, '"},
      {"{'descr': '<f\\x34', 'fortran_order': False, 'shape': (1,)}", "a plain letter"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}", "below 2^63"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "at most 8"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4)}", "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296)}", "large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "expected 8 bytes of data, got"},
      {"{'descr': '<f2', 'fortran_order': False, 'shape': (1,)}", "bytes after the data"},
      {"{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", "got '<f3'"},
      {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "got ''"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "never read"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "complex"},
      {"{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", "strings"},
      {"{'descr': '|S4', 'fortran_order': False, 'shape': (1,)}", "strings"},
      {"{'descr': '|V4', 'fortran_order': False, 'shape': (1,)}", "records"},
      {"{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", "dates"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "records"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *path = put_npy(cases[i].dictionary, "\0\0\200\77", 4);
    refuse_npy(path, cases[i].part);
    assert_non_null(strstr(mg_message(), " at byte "));
    assert_int_equal(strncmp(mg_message(), "npy: ", 5), 0);
  }
}

static void npy_accepts_what_python_2_wrote(void **state) {
  (void)state;
  mg_array *a = read_npy(
      put_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 1L), }\n", "\0\0\200\77", 4));
  assert_non_null(a);
  assert_int_equal(mg_array_axes(a), 2);
  mg_array_free(a);
}

static void npy_names_what_the_file_is(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t count;
    const char *part;
  } cases[] = {{"", 0, "an empty file"},
               {"\x1f\x8b\x08\0\0", 5, "a gzip file"},
               {"PK\3\4....", 8, "a zip archive"},
               {"\x89PNG\r\n\x1a\n", 8, "a PNG picture"},
               {"\x40\0\0\0\0\0\0\0{\"a\":", 13, "a safetensors file"},
               {"{\"a\": 1}", 8, "JSON"},
               {"<!DOCTYPE html>", 15, "HTML"},
               {"1.0 2.0\n", 8, "text"},
               {"\1\2\3\4", 4, "got \\x01\\x02\\x03\\x04 (other binary data)"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    refuse_npy(put_file("what", cases[i].bytes, cases[i].count), cases[i].part);
}

static void npy_refuses_every_cut_and_survives_every_changed_byte(void **state) {
  (void)state;
  const int64_t shape[2] = {2, 3};
  const mg_real values[6] = {1, 2, 3, 4, 5, 6};
  const char *path = in_folder("small.npy");
  assert_int_equal(mg_npy_write(path, values, shape, 2, "f4"), MG_OK);
  size_t count;
  unsigned char *bytes = get_file(path, &count);
  int64_t before = live();
  for (size_t cut = 0; cut < count; cut++) refuse_npy(put_file("cut.npy", bytes, cut), " at byte ");
  for (size_t at = 0; at < count; at++)
    for (int bit = 0; bit < 8; bit++) {
      bytes[at] ^= (unsigned char)(1 << bit);
      mg_array_free(read_npy(put_file("changed.npy", bytes, count)));
      bytes[at] ^= (unsigned char)(1 << bit);
    }
  assert_int_equal(live(), before);
  free(bytes);
}

/* ---- bytes and gzip */

/* Bytes compressed into one gzip member; returns how many. */
static size_t compress_gzip(const void *bytes, size_t count, unsigned char *out, size_t capacity) {
  z_stream z = {0};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  unsigned char *in = malloc(count + 1);
  memcpy(in, bytes, count);
  z.next_in = in;
  z.avail_in = (unsigned)count;
  z.next_out = out;
  z.avail_out = (unsigned)capacity;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  free(in);
  return capacity - z.avail_out;
}

static void check_bytes(const char *path, int64_t limit, const void *bytes, size_t count) {
  mg_array *a = mg_file_read(path, limit);
  if (!a) fail_msg("%s: %s", path, mg_message());
  assert_int_equal(mg_array_axes(a), 1);
  assert_int_equal(mg_array_shape(a)[0], count);
  if (count) assert_memory_equal(mg_array_bytes(a), bytes, count);
  mg_real out;
  assert_int_equal(mg_array_copy(a, &out), MG_BAD_ARGUMENT);
  mg_array_free(a);
}

static void bytes_are_read_plain_and_inflated(void **state) {
  (void)state;
  enum { COUNT = 300000 };
  char *text = malloc(COUNT);
  for (int i = 0; i < COUNT; i++) text[i] = (char)("abcdefgh"[i % 7] + i / 50000);
  unsigned char *packed = malloc(2 * COUNT);
  check_bytes(put_file("plain", text, COUNT), COUNT, text, COUNT);
  refuse_bytes(in_folder("plain"), COUNT - 1, "too large");
  check_bytes(put_file("empty", "", 0), 0, "", 0);
  check_bytes(put_file("one", "\x1f", 1), 1, "\x1f", 1);
  size_t first = compress_gzip(text, 100000, packed, COUNT);
  size_t second = compress_gzip("", 0, packed + first, COUNT);
  size_t third = compress_gzip(text + 100000, 200000, packed + first + second, COUNT);
  size_t count = first + second + third;
  check_bytes(put_file("three.gz", packed, count), COUNT, text, COUNT);
  check_bytes(in_folder("three.gz"), INT64_MAX, text, COUNT);
  refuse_bytes(in_folder("three.gz"), COUNT - 1, "too large");
  refuse_bytes(in_folder("three.gz"), 0, "too large");
  fault_set(SHORT_CALL, 0, 1);
  check_bytes(in_folder("three.gz"), COUNT, text, COUNT);
  assert_true(fault.met > 10);
  fault_set(NO_FAULT, 0, 0);
  for (size_t cut = 2; cut < count; cut++)
    if (cut != first && cut != first + second)
      refuse_bytes(put_file("cut.gz", packed, cut), COUNT, "gzip stream");
  memcpy(packed + count, "trailing", 8);
  refuse_bytes(put_file("long.gz", packed, count + 8), COUNT, "incorrect header check");
  packed[count - 1] ^= 1;
  refuse_bytes(put_file("length.gz", packed, count), COUNT, "incorrect length check");
  packed[count - 5] ^= 1;
  refuse_bytes(put_file("crc.gz", packed, count), COUNT, "incorrect data check");
  assert_null(mg_file_read("plain", -1));
  assert_int_equal(mg_last_status(), MG_BAD_ARGUMENT);
  free(packed);
  free(text);
}

static void bombs_stop_early(void **state) {
  (void)state;
  enum { COUNT = 64 << 20 };
  void *zeros = calloc(COUNT, 1);
  unsigned char *packed = malloc(1 << 20);
  size_t count = compress_gzip(zeros, COUNT, packed, 1 << 20);
  put_file("bomb.gz", packed, count);
  mg_memory m;
  mg_memory_reset_peak();
  int64_t before = live();
  refuse_bytes(in_folder("bomb.gz"), 1 << 20, "more");
  mg_memory_read(&m);
  assert_true(m.peak - before < 4 << 20);
  free(packed);
  free(zeros);
}

/* ---- png */

static void png_round_trips(void **state) {
  (void)state;
  static const int64_t channels[] = {1, 3, 4};
  mg_real pixels[5 * 7 * 4], out[5 * 7 * 4];
  for (int i = 0; i < 5 * 7 * 4; i++) pixels[i] = (mg_real)(i * 37 % 256);
  for (int i = 0; i < 3; i++) {
    const char *path = in_folder("picture.png");
    assert_int_equal(mg_png_write(path, pixels, 5, 7, channels[i]), MG_OK);
    mg_array *a = read_png(path);
    if (!a) fail_msg("%s", mg_message());
    assert_int_equal(mg_array_axes(a), 3);
    assert_int_equal(mg_array_shape(a)[0], 5);
    assert_int_equal(mg_array_shape(a)[1], 7);
    assert_int_equal(mg_array_shape(a)[2], channels[i]);
    mg_array_copy(a, out);
    assert_memory_equal(out, pixels, (size_t)(35 * channels[i]) * sizeof *out);
    mg_array_free(a);
  }
  assert_int_equal(empty_folder(), 1);
}

static void png_rounds_and_clamps(void **state) {
  (void)state;
  const mg_real pixels[8] = {(mg_real)-3,  (mg_real)0.49,     (mg_real)0.5, (mg_real)254.4,
                             (mg_real)300, (mg_real)INFINITY, (mg_real)NAN, (mg_real)254.5};
  const int want[8] = {0, 0, 1, 254, 255, 255, 0, 255};
  mg_real out[8];
  const char *path = in_folder("clamped.png");
  assert_int_equal(mg_png_write(path, pixels, 2, 4, 1), MG_OK);
  mg_array *a = read_png(path);
  assert_non_null(a);
  mg_array_copy(a, out);
  for (int i = 0; i < 8; i++) assert_int_equal((int)out[i], want[i]);
  mg_array_free(a);
  assert_int_equal(mg_png_write(path, pixels, 2, 2, 2), MG_BAD_ARGUMENT);
  assert_int_equal(mg_png_write(path, pixels, 0, 2, 1), MG_BAD_ARGUMENT);
  assert_int_equal(mg_png_write(path, pixels, 1, (int64_t)1 << 40, 1), MG_BAD_ARGUMENT);
}

/* A picture of 4 x 4 pixels by libpng itself. */
static const char *put_png(int depth, int colour, int interlace, unsigned char *rows[4],
                           int has_transparency) {
  const char *path = in_folder("made.png");
  FILE *f = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_color palette[4] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {250, 251, 252}};
  png_byte alpha[2] = {0, 128};
  png_init_io(png, f);
  png_set_IHDR(png, info, 4, 4, depth, colour, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 4);
  if (has_transparency) png_set_tRNS(png, info, alpha, 2, NULL);
  png_set_rows(png, info, rows);
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
  png_destroy_write_struct(&png, &info);
  fclose(f);
  return path;
}

static void check_png(const char *path, int64_t channels, const int *want) {
  mg_array *a = read_png(path);
  if (!a) fail_msg("%s", mg_message());
  mg_real out[64];
  assert_int_equal(mg_array_shape(a)[2], channels);
  mg_array_copy(a, out);
  for (int i = 0; i < 16 * channels; i++) assert_int_equal((int)out[i], want[i]);
  mg_array_free(a);
}

static void png_resolves_palettes_depths_and_interlacing(void **state) {
  (void)state;
  unsigned char packed[4] = {0x1b, 0xe4, 0x00, 0xff}; /* 2 bits: 0123 3210 0000 3333 */
  unsigned char *rows[4] = {packed, packed + 1, packed + 2, packed + 3};
  const int index[16] = {0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 0, 0, 3, 3, 3, 3};
  const int palette[4][4] = {{1, 2, 3, 0}, {4, 5, 6, 128}, {7, 8, 9, 255}, {250, 251, 252, 255}};
  int want[64];
  for (int interlace = 0; interlace < 2; interlace++) {
    for (int i = 0; i < 16; i++) want[i] = index[i] * 85;
    check_png(put_png(2, PNG_COLOR_TYPE_GRAY, interlace, rows, 0), 1, want);
    for (int i = 0; i < 48; i++) want[i] = palette[index[i / 3]][i % 3];
    check_png(put_png(2, PNG_COLOR_TYPE_PALETTE, interlace, rows, 0), 3, want);
    for (int i = 0; i < 64; i++) want[i] = palette[index[i / 4]][i % 4];
    check_png(put_png(2, PNG_COLOR_TYPE_PALETTE, interlace, rows, 1), 4, want);
    unsigned char wide[4][4 * 2 * 2]; /* grey and alpha, 16 bits: v * 257 */
    for (int i = 0; i < 64; i++) wide[i / 16][i % 16] = (unsigned char)(i / 2 * 7);
    unsigned char *wide_rows[4] = {wide[0], wide[1], wide[2], wide[3]};
    for (int i = 0; i < 32; i++) want[i] = i * 7;
    check_png(put_png(16, PNG_COLOR_TYPE_GRAY_ALPHA, interlace, wide_rows, 0), 2, want);
  }
}

static void png_refuses_every_cut_and_survives_every_changed_byte(void **state) {
  (void)state;
  mg_real pixels[48];
  for (int i = 0; i < 48; i++) pixels[i] = (mg_real)(i * 5);
  const char *path = in_folder("small.png");
  assert_int_equal(mg_png_write(path, pixels, 4, 4, 3), MG_OK);
  size_t count;
  unsigned char *bytes = get_file(path, &count);
  for (size_t cut = 0; cut < count; cut++) refuse_png(put_file("cut.png", bytes, cut), " at byte ");
  for (size_t at = 0; at < count; at++)
    for (int bit = 0; bit < 8; bit++) {
      bytes[at] ^= (unsigned char)(1 << bit);
      refuse_png(put_file("changed.png", bytes, count), " at byte "); /* CRCs see all of them */
      bytes[at] ^= (unsigned char)(1 << bit);
    }
  free(bytes);
  refuse_png(put_file("text.png", "hello", 5), "expected \\x89PNG\\x0d\\x0a\\x1a\\x0a, got hello");
}

static void png_refuses_sizes_that_the_file_cannot_hold(void **state) {
  (void)state;
  mg_real pixels[4] = {0};
  const char *path = in_folder("small.png");
  assert_int_equal(mg_png_write(path, pixels, 2, 2, 1), MG_OK);
  size_t count;
  unsigned char *bytes = get_file(path, &count);
  memcpy(bytes + 16, "\0\0\377\377\0\0\377\377", 8);
  uint32_t crc = (uint32_t)crc32(0, bytes + 12, 17);
  for (int i = 0; i < 4; i++) bytes[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
  mg_memory m;
  mg_memory_reset_peak();
  int64_t before = live();
  refuse_png(put_file("huge.png", bytes, count), "65535 x 65535");
  memcpy(bytes + 16, "\177\377\377\377\177\377\377\377", 8);
  crc = (uint32_t)crc32(0, bytes + 12, 17);
  for (int i = 0; i < 4; i++) bytes[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
  refuse_png(put_file("huge.png", bytes, count), "damaged picture");
  mg_memory_read(&m);
  assert_true(m.peak - before < 1 << 20);
  free(bytes);
}

/* 30 MB are claimed, which the 30 KB of the file could inflate to, but 30 KB is all there is. */
static void memory_grows_with_what_comes(void **state) {
  (void)state;
  enum { COUNT = 30000, ROOM = 40000, CLAIM = 30000000 };
  static unsigned char bytes[8 + COUNT], packed[ROOM];
  const unsigned char header[8] = {0, 0, 8, 1, CLAIM >> 24, CLAIM >> 16 & 255, CLAIM >> 8 & 255,
                                   CLAIM & 255};
  memcpy(bytes, header, 8);
  uint32_t x = 1;
  for (int i = 0; i < COUNT; i++) {
    x = x * 1664525 + 1013904223;
    bytes[8 + i] = (unsigned char)(x >> 24);
  }
  const char *path = put_file("a.gz", packed, compress_gzip(bytes, sizeof bytes, packed, ROOM));
  mg_memory_reset_peak();
  int64_t before = live();
  assert_null(read_idx(path));
  assert_message("a.gz", "content cut at byte 30008 of the content");
  mg_memory m;
  mg_memory_read(&m);
  assert_true(m.peak - before < 1 << 20);
  assert_int_equal(live(), before);
}

/* ---- failing machine */

static void folders_pipes_and_missing_files_are_refused(void **state) {
  (void)state;
  refuse_npy(in_folder("missing"), "cannot open the file: No such file");
  refuse_png(in_folder("missing"), "cannot open the file");
  refuse_bytes(in_folder("missing"), 10, "cannot open the file");
  refuse_npy(folder, "got a folder");
  refuse_bytes(folder, 10, "got a folder");
  refuse_bytes("/dev/full", 10, "got a device");
  assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
  refuse_bytes(in_folder("pipe"), 10, "got a pipe");
  assert_int_equal(mg_file_write(in_folder("pipe"), "x", 1), MG_BAD_FILE);
  assert_int_equal(mg_file_write("/dev/null", "x", 1), MG_BAD_FILE);
  struct stat about;
  assert_int_equal(stat("/dev/null", &about), 0);
  assert_true(S_ISCHR(about.st_mode));
  assert_int_equal(mg_file_write(folder, "x", 1), MG_BAD_FILE);
  assert_non_null(strstr(mg_message(), "got a folder"));
  assert_int_equal(mg_file_write(in_folder("missing/file"), "x", 1), MG_BAD_FILE);
  assert_non_null(strstr(mg_message(), "cannot open the folder of the file: No such file"));
  assert_int_equal(mg_file_write(in_folder("missing/"), "x", 1), MG_BAD_FILE);
  assert_int_equal(mg_file_write("", "x", 1), MG_BAD_FILE);
  assert_int_equal(mg_file_write(in_folder("x"), "x", -1), MG_BAD_ARGUMENT);
  char name[5000];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = 0;
  assert_int_equal(mg_file_write(name, "x", 1), MG_BAD_FILE);
  name[400] = 0;
  assert_int_equal(mg_file_write(name, "x", 1), MG_BAD_FILE);
  assert_non_null(strstr(mg_message(), "too long"));
  assert_int_equal(empty_folder(), 1);
}

static void writing_keeps_permissions_and_follows_links(void **state) {
  (void)state;
  put_file("old", "old", 3);
  assert_int_equal(chmod(in_folder("old"), 0640), 0);
  assert_int_equal(symlink("old", in_folder("link")), 0);
  assert_int_equal(mg_file_write(in_folder("link"), "new!", 4), MG_OK);
  struct stat about;
  assert_int_equal(lstat(in_folder("link"), &about), 0);
  assert_true(S_ISLNK(about.st_mode));
  assert_file(in_folder("old"), "new!", 4);
  assert_int_equal(lstat(in_folder("old"), &about), 0);
  assert_int_equal(about.st_mode & 0777, 0640);
  assert_int_equal(symlink("nothing", in_folder("dangling")), 0);
  assert_int_equal(mg_file_write(in_folder("dangling"), "x", 1), MG_BAD_FILE);
  assert_int_equal(empty_folder(), 3);
}

typedef mg_status (*write_one)(const char *path);

static mg_status write_npy(const char *path) {
  static const mg_real values[5000];
  const int64_t shape[2] = {50, 100};
  return mg_npy_write(path, values, shape, 2, "f8");
}

static mg_status write_png(const char *path) {
  static mg_real pixels[60 * 60 * 3];
  for (int i = 0; i < 60 * 60 * 3; i++) pixels[i] = (mg_real)(i * i % 251);
  return mg_png_write(path, pixels, 60, 60, 3);
}

static mg_status write_bytes(const char *path) { return mg_file_write(path, "the new file", 12); }

static mg_status write_idx(const char *path) {
  static const mg_real values[5000];
  const int64_t shape[2] = {50, 100};
  return mg_idx_write(path, values, shape, 2, "i2", 1);
}

static mg_status write_npz(const char *path) {
  static const mg_real values[6000];
  const int64_t shape[2] = {50, 100}, count = 6000;
  const mg_npz_entry entries[2] = {{"a", values, shape, 2}, {"b/c", values, &count, 1}};
  return mg_npz_write(path, entries, 2, "f8", strstr(path, "deflated") != NULL);
}

static const write_one writers[] = {write_npy, write_png, write_bytes, write_idx, write_npz};

enum { WRITERS = sizeof writers / sizeof *writers };

/* The n-th call of the system fails, n = 0, 1, ... until none does. */
static void each_failing_call_leaves_the_old_file(void **state) {
  (void)state;
  for (int w = 0; w < WRITERS; w++)
    for (fault_kind kind = IO_ERROR; kind <= DISK_FULL; kind++)
      for (int after = 0;; after++) {
        const char *path = put_file("target", "old", 3);
        int64_t before = live();
        fault_set(kind, after, 0);
        mg_status status = writers[w](path);
        int met = fault.met;
        fault_set(NO_FAULT, 0, 0);
        assert_int_equal(live(), before);
        if (!met) break;
        /* Once renamed the new file is there, whole, whatever flushing the folder says. */
        size_t count;
        unsigned char *bytes = get_file(path, &count);
        if (status != MG_OK && !strstr(mg_message(), "folder")) assert_int_equal(count, 3);
        else assert_true(count > 3);
        free(bytes);
        if (status != MG_OK) assert_message("target", "cannot");
        assert_int_equal(empty_folder(), 1);
        assert_true(after < 1000);
      }
}

static void interrupted_and_short_calls_are_taken_up_again(void **state) {
  (void)state;
  for (int w = 0; w < WRITERS; w++) {
    const char *path = in_folder("target");
    assert_int_equal(writers[w](path), MG_OK);
    size_t count;
    unsigned char *bytes = get_file(path, &count);
    fault_set(SHORT_CALL, 0, 1);
    assert_int_equal(writers[w](path), MG_OK);
    fault_set(NO_FAULT, 0, 0);
    assert_file(path, bytes, count);
    for (int after = 0;; after++) {
      fault_set(INTERRUPTED_CALL, after, 0);
      mg_status status = writers[w](path);
      int met = fault.met;
      fault_set(NO_FAULT, 0, 0);
      if (!met) break;
      /* rename is never interrupted on Linux: if it says so, it failed */
      if (status != MG_OK) assert_message("target", "put the new file in place");
      assert_file(path, bytes, count);
    }
    free(bytes);
  }
  assert_int_equal(empty_folder(), 1);
}

static void failing_reads_are_reported(void **state) {
  (void)state;
  assert_int_equal(write_npy(in_folder("a.npy")), MG_OK);
  assert_int_equal(write_png(in_folder("a.png")), MG_OK);
  for (int after = 0; after < 3; after++) {
    fault_set(IO_ERROR, after, 0);
    refuse_npy(in_folder("a.npy"), "cannot read the file: Input/output error");
  }
  fault_set(IO_ERROR, 0, 0);
  refuse_png(in_folder("a.png"), "cannot read the file: Input/output error");
  fault_set(IO_ERROR, 0, 0);
  refuse_bytes(in_folder("a.npy"), FILE_LIMIT, "cannot read the file: Input/output error");
  fault_set(INTERRUPTED_CALL, 0, 0);
  mg_array *a = read_npy(in_folder("a.npy"));
  assert_non_null(a);
  mg_array_free(a);
  fault_set(SHORT_CALL, 0, 1);
  a = read_png(in_folder("a.png"));
  assert_non_null(a);
  mg_array_free(a);
}

static void a_file_size_limit_leaves_the_old_file(void **state) {
  (void)state;
  struct rlimit old, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  small = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
  put_file("target", "old", 3);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  mg_status status = write_npy(in_folder("target"));
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, SIG_DFL);
  assert_int_equal(status, MG_BAD_FILE);
  assert_message("target", "File too large");
  assert_file(in_folder("target"), "old", 3);
  assert_int_equal(empty_folder(), 1);
}

static void interrupts_end_reading_and_writing(void **state) {
  (void)state;
  assert_int_equal(write_npy(in_folder("a.npy")), MG_OK);
  assert_int_equal(write_png(in_folder("a.png")), MG_OK);
  assert_int_equal(write_idx(in_folder("a.idx")), MG_OK);
  assert_int_equal(write_npz(in_folder("a.npz")), MG_OK);
  int64_t before = live();
  mg_interrupt_set(1);
  mg_status statuses[4 + WRITERS];
  assert_null(read_npy(in_folder("a.npy")));
  statuses[0] = mg_last_status();
  assert_null(read_png(in_folder("a.png")));
  statuses[1] = mg_last_status();
  assert_null(read_idx(in_folder("a.idx")));
  statuses[2] = mg_last_status();
  assert_null(read_npz(in_folder("a.npz")));
  statuses[3] = mg_last_status();
  for (int w = 0; w < WRITERS; w++) statuses[4 + w] = writers[w](in_folder("target"));
  mg_interrupt_set(0);
  for (int i = 0; i < 4 + WRITERS; i++) assert_int_equal(statuses[i], MG_INTERRUPTED);
  assert_int_equal(live(), before);
  assert_int_equal(empty_folder(), 4);
}

/* The n-th allocation fails, n = 0, 1, ... until none does; then it and all after it. */
static void each_failing_allocation_is_clean(void **state) {
  (void)state;
  static char text[100000];
  unsigned char packed[2000];
  size_t count = compress_gzip(text, sizeof text, packed, sizeof packed);
  put_file("a.gz", packed, count);
  assert_int_equal(write_npy(in_folder("a.npy")), MG_OK);
  assert_int_equal(write_png(in_folder("a.png")), MG_OK);
  assert_int_equal(write_idx(in_folder("a.idx")), MG_OK);
  assert_int_equal(write_npz(in_folder("a.npz")), MG_OK);
  assert_int_equal(write_npz(in_folder("deflated.npz")), MG_OK);
  static const struct {
    const char *name;
    mg_array *(*read)(const char *path);
  } readers[] = {{"a.gz", read_bytes}, {"a.npy", read_npy}, {"a.png", read_png},
               {"a.idx", read_idx},  {"a.npz", read_npz}, {"deflated.npz", read_npz}};
  for (int r = 0; r < 6; r++)
    for (int times = -1; times <= 1; times += 2)
      for (int after = 0;; after++) {
        int64_t before = live();
        mg_memory_fail(after, times);
        mg_array *a = readers[r].read(in_folder(readers[r].name));
        mg_memory_fail(-1, 0);
        if (!a) assert_int_equal(mg_last_status(), MG_NO_MEMORY);
        mg_array_free(a);
        assert_int_equal(live(), before);
        assert_true(after < 100);
        if (a) break;
      }
  for (int w = 0; w < WRITERS; w++)
    for (int after = 0;; after++) {
      int64_t before = live();
      mg_memory_fail(after, 1);
      mg_status status = writers[w](in_folder("b"));
      mg_memory_fail(-1, 0);
      assert_int_equal(live(), before);
      if (status == MG_OK) break;
      assert_int_equal(status, MG_NO_MEMORY);
    }
  assert_int_equal(empty_folder(), 7);
}

/* 30 kills at moments spread over 15 ms: the false alarm rate is 0, a mix would be seen. */
static void a_killed_writer_leaves_a_whole_file(void **state) {
  (void)state;
  enum { COUNT = 3 << 18, KILLS = 30 };
  char *contents[2] = {malloc(COUNT), malloc(COUNT)};
  for (int i = 0; i < 2; i++) memset(contents[i], 'a' + i, COUNT);
  const char *path = put_file("target", contents[0], COUNT);
  for (int k = 0; k < KILLS; k++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
      for (int i = 1;; i++) mg_file_write(path, contents[i & 1], COUNT);
    usleep((unsigned)(k * 500));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    size_t count;
    unsigned char *bytes = get_file(path, &count);
    assert_int_equal(count, COUNT);
    assert_true(bytes[0] == 'a' || bytes[0] == 'b');
    assert_memory_equal(bytes, contents[bytes[0] - 'a'], COUNT);
    free(bytes);
  }
  free(contents[0]);
  free(contents[1]);
}

/* ---- the shared files */

/* SHA-256 by the system's command, as text. */
static void hash(const void *bytes, size_t count, char out[65]) {
  char command[PATH_BYTES + 20];
  snprintf(command, sizeof command, "sha256sum %s", put_file("hashed", bytes, count));
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  assert_int_equal(fread(out, 1, 64, pipe), 64);
  out[64] = 0;
  pclose(pipe);
}

/* The little-endian bytes of a value as the element type of that name. */
static size_t encode(const char *type, mg_real value, unsigned char *out) {
  size_t bytes = (size_t)(type[1] - '0');
  double wide = (double)value;
  float narrow = (float)value;
  int64_t whole = fabs(wide) < 0x1p63 ? (int64_t)wide : 0;
  if (strcmp(type, "f8") == 0) memcpy(out, &wide, 8);
  else if (strcmp(type, "f4") == 0) memcpy(out, &narrow, 4);
  else memcpy(out, &whole, bytes);
  return bytes;
}

/* Halves, by search through all of them for the one of this value and sign. */
static size_t encode_half(mg_real value, unsigned char *out) {
  for (uint32_t bits = 0; bits < 65536; bits++) {
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double x = exponent == 31  ? (fraction ? NAN : INFINITY)
               : exponent == 0 ? ldexp(fraction, -24)
                               : ldexp(1024 + fraction, exponent - 25);
    if (bits & 0x8000) x = -x;
    if (x == (double)value && !signbit(x) == !signbit(value)) {
      out[0] = (unsigned char)(bits & 255);
      out[1] = (unsigned char)(bits >> 8);
      return 2;
    }
  }
  fail_msg("%g is no half", (double)value);
  return 0;
}

static void check_npy_file(const char *path, const char *expected) {
  mg_array *a = read_npy(path);
  if (!a) fail_msg("%s", mg_message());
  char type[3], want[65], got[65], shape[100] = "";
  assert_int_equal(sscanf(expected, "dtype=%2s", type), 1);
  int64_t count = 1;
  for (int i = 0; i < mg_array_axes(a); i++) {
    size_t at = strlen(shape);
    snprintf(shape + at, sizeof shape - at, "%s%lld", i ? "," : "",
             (long long)mg_array_shape(a)[i]);
    count *= mg_array_shape(a)[i];
  }
  char start[150];
  snprintf(start, sizeof start, "dtype=%s shape=(%s) sha256=", type, shape);
  assert_int_equal(strncmp(expected, start, strlen(start)), 0);
  mg_real *values = malloc((size_t)(count + 1) * sizeof *values);
  unsigned char *bytes = malloc((size_t)(8 * count + 8));
  assert_int_equal(mg_array_copy(a, values), MG_OK);
  size_t at = 0;
  for (int64_t i = 0; i < count; i++)
    at += strcmp(type, "f2") == 0 ? encode_half(values[i], bytes + at)
                                  : encode(type, values[i], bytes + at);
  snprintf(want, sizeof want, "%.64s", expected + strlen(start));
  hash(bytes, at, got);
  /* No real holds the value of i8_scalar. */
  if (!strstr(path, "i8_scalar") && strcmp(got, want) != 0) fail_msg("%s: other values", path);
  free(bytes);
  free(values);
  mg_array_free(a);
}

/* An IDX file of bytes inside gzip: its elements follow 4 + 4 axes bytes. */
static void check_gzip_file(const char *path, const char *expected) {
  mg_array *a = mg_file_read(path, 1 << 20);
  if (!a) fail_msg("%s", mg_message());
  const char *bytes = mg_array_bytes(a);
  int64_t header = 4 + 4 * bytes[3];
  char got[65];
  hash(bytes + header, (size_t)(mg_array_shape(a)[0] - header), got);
  if (!strstr(expected, got)) fail_msg("%s: other values", path);
  mg_array_free(a);
}

static void check_shared(const char *base, char *line) {
  char *fields[7] = {0}, path[PATH_BYTES];
  for (int i = 0; i < 7 && line; i++) fields[i] = strsep(&line, "\t\n");
  if (!fields[6]) return;
  int is_npy = strcmp(fields[1], "npy") == 0;
  if (!is_npy && strcmp(fields[1], "gz") != 0) return;
  snprintf(path, sizeof path, "%s/%s", base, fields[0]);
  int is_accepted = strcmp(fields[4], "accept") == 0;
  mg_memory m;
  mg_memory_reset_peak();
  int64_t before = live();
  if (is_npy && is_accepted) check_npy_file(path, fields[6]);
  else if (is_npy) refuse_npy(path, " at byte ");
  else if (is_accepted) check_gzip_file(path, fields[6]);
  else refuse_bytes(path, 1 << 20, " at byte ");
  mg_memory_read(&m);
  if (m.peak - before > 8 << 20) fail_msg("%s took %lld bytes", path, (long long)m.peak);
}

static void shared_files_are_read_or_refused_as_their_list_says(void **state) {
  (void)state;
  const char *shared = getenv("MAPGRAD_SHARED");
  char base[300], path[PATH_BYTES], line[1000];
  snprintf(base, sizeof base, "%s/corpora", shared ? shared : "../shared");
  snprintf(path, sizeof path, "%s/MANIFEST.tsv", base);
  FILE *list = fopen(path, "r");
  if (!list) {
    print_message("no %s\n", path);
    skip();
  }
  int lines = 0;
  for (; fgets(line, sizeof line, list); lines++)
    if (lines > 0) check_shared(base, line);
  fclose(list);
  assert_true(lines > 1);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(npy_reads_each_type_and_byte_order),
      TEST(npy_rounds_large_integers_to_the_nearest_real),
      TEST(npy_turns_fortran_order),
      TEST(npy_turns_fortran_order_across_buffers),
      TEST(npy_round_trips_each_type),
      TEST(npy_keeps_special_values_bit_for_bit),
      TEST(npy_writes_the_header_of_numpy),
      TEST(npy_refuses_values_that_an_integer_cannot_hold),
      TEST(npy_refuses_headers_that_are_not_exact),
      TEST(npy_accepts_what_python_2_wrote),
      TEST(npy_names_what_the_file_is),
      TEST(npy_refuses_every_cut_and_survives_every_changed_byte),
      TEST(bytes_are_read_plain_and_inflated),
      TEST(bombs_stop_early),
      TEST(png_round_trips),
      TEST(png_rounds_and_clamps),
      TEST(png_resolves_palettes_depths_and_interlacing),
      TEST(png_refuses_every_cut_and_survives_every_changed_byte),
      TEST(png_refuses_sizes_that_the_file_cannot_hold),
      TEST(memory_grows_with_what_comes),
      TEST(folders_pipes_and_missing_files_are_refused),
      TEST(writing_keeps_permissions_and_follows_links),
      TEST(each_failing_call_leaves_the_old_file),
      TEST(interrupted_and_short_calls_are_taken_up_again),
      TEST(failing_reads_are_reported),
      TEST(a_file_size_limit_leaves_the_old_file),
      TEST(interrupts_end_reading_and_writing),
      TEST(each_failing_allocation_is_clean),
      TEST(a_killed_writer_leaves_a_whole_file),
      TEST(shared_files_are_read_or_refused_as_their_list_says),
  };
  return cmocka_run_group_tests_name("data", tests, make_folder, remove_folder);
}

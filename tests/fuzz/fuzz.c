/* The input in a file of memfd_create, read through /proc as any regular file. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void require(int is_fine, const char *what) {
  if (is_fine) return;
  fprintf(stderr, "fuzz: %s; last message: %s\n", what, mg_message());
  abort();
}

const char *fuzz_file(const uint8_t *bytes, size_t count) {
  static char path[64];
  static int handle = -1;
  if (handle < 0) {
    handle = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
  }
  require(handle >= 0 && ftruncate(handle, 0) == 0 &&
              pwrite(handle, bytes, count, 0) == (ssize_t)count,
          "no file in memory");
  mg_memory_reset_peak();
  return path;
}

void fuzz_use(mg_array *a) {
  if (!a) {
    fuzz_failed();
    return;
  }
  int64_t count = 1;
  for (int i = 0; i < mg_array_axes(a); i++) count *= mg_array_shape(a)[i];
  if (!mg_array_bytes(a)) {
    mg_real *copy = malloc((size_t)count * sizeof *copy + 1);
    require(copy && mg_array_copy(a, copy) == MG_OK, "array not copied");
    free(copy);
  }
  mg_array_free(a);
}

void fuzz_failed(void) {
  require(mg_last_status() == MG_BAD_FILE, "another failure than that of a file");
  require(strlen(mg_message()) > 0, "no message");
}

void fuzz_check_memory(size_t count, int per_byte) {
  mg_memory m;
  mg_memory_read(&m);
  require(m.live == 0, "memory is left");
  /* deflate makes 1032 bytes of one, elements become reals of 8 bytes, blocks grow twofold */
  int64_t most = (int64_t)count * 1032 * per_byte * 8 * 3 + (1 << 20);
  require(m.peak <= most, "more memory than the file can fill");
}

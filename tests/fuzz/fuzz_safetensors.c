/* Opened, checked, read; what was read is written and read again. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { TRIPS = 3, ELEMENTS = 1 << 16 };

static int64_t elements(const mg_store *s, int64_t index) {
  int64_t n = 1;
  for (int i = 0; i < mg_store_axes(s, index); i++) n *= mg_store_shape(s, index)[i];
  return n;
}

/* Writes the values of a tensor, `size` bytes, into a file of its own, which gives the same bits. */
static void go_around(const mg_store *s, int64_t index, const mg_real *values, size_t size) {
  static char path[64];
  if (!path[0]) snprintf(path, sizeof path, "/tmp/mapgrad-fuzz-%ld", (long)getpid());
  static mg_real again[ELEMENTS];
  mg_store_part part = {mg_store_name(s, index), values, mg_store_shape(s, index),
                        mg_store_axes(s, index)};
  if (mg_store_write(path, &part, 1, NULL, NULL, 1) != MG_OK) abort();
  mg_store *t = mg_store_open(path);
  if (!t || mg_store_verify(t) != MG_OK || mg_store_count(t) != 1) abort();
  if (strcmp(mg_store_name(t, 0), part.name) != 0 || mg_store_read(t, 0, again) != MG_OK) abort();
  if (memcmp(values, again, size) != 0) abort();
  mg_store_free(t);
  unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static mg_real values[ELEMENTS];
  mg_store *s = mg_store_open(fuzz_file(bytes, count));
  if (!s) fuzz_failed();
  for (int64_t i = 0; s && i < mg_store_count(s); i++) {
    int64_t n = elements(s, i);
    if (n > ELEMENTS) continue;
    if (mg_store_read(s, i, values) != MG_OK) abort();
    if (i < TRIPS) go_around(s, i, values, (size_t)n * sizeof *values);
  }
  if (s && mg_store_verify(s) != MG_OK) fuzz_failed();
  mg_store_free(s);
  fuzz_check_memory(count, 1);
  return 0;
}

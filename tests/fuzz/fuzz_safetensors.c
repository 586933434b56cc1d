/* Bytes as a safetensors file: opened, checked, read; what was read is written and read again. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapgrad.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* A file without a name, and a path to it. */
static int put(const uint8_t *bytes, size_t count, char path[64]) {
  int file = memfd_create("fuzz", 0);
  if (file < 0 || write(file, bytes, count) != (ssize_t)count) abort();
  snprintf(path, 64, "/proc/self/fd/%d", file);
  return file;
}

static int64_t elements(const mg_store *s, int64_t index) {
  int64_t n = 1;
  for (int i = 0; i < mg_store_axes(s, index); i++) n *= mg_store_shape(s, index)[i];
  return n;
}

/* Reads every tensor and writes it into a file of its own, which must give the same bits back. */
static void go_through(mg_store *s) {
  for (int64_t i = 0; i < mg_store_count(s); i++) {
    int64_t n = elements(s, i);
    mg_real *values = malloc((size_t)n * sizeof *values + 1);
    mg_real *again = malloc((size_t)n * sizeof *again + 1);
    assert(mg_store_read(s, i, values) == MG_OK);
    mg_store_part part = {mg_store_name(s, i), values, mg_store_shape(s, i), mg_store_axes(s, i)};
    char path[] = "/tmp/mapgrad-fuzz-store-XXXXXX";
    int file = mkstemp(path);
    assert(file >= 0);
    close(file);
    assert(mg_store_write(path, &part, 1, NULL, NULL, 1) == MG_OK);
    mg_store *t = mg_store_open(path);
    assert(t && mg_store_verify(t) == MG_OK && mg_store_count(t) == 1);
    assert(strcmp(mg_store_name(t, 0), part.name) == 0 && mg_store_read(t, 0, again) == MG_OK);
    assert(memcmp(values, again, (size_t)n * sizeof *values) == 0);
    mg_store_free(t);
    unlink(path);
    free(values);
    free(again);
    if (i == 3) return; /* a few are enough */
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  char path[64];
  int file = put(bytes, count, path);
  mg_memory before, after;
  mg_memory_read(&before);
  mg_memory_reset_peak();
  mg_store *s = mg_store_open(path);
  mg_memory_read(&after);
  assert(after.peak - before.live < (int64_t)(65536 + 64 * count)); /* whatever the file claims */
  if (s) {
    mg_store_verify(s);
    go_through(s);
    mg_store_free(s);
  } else {
    assert(mg_last_status() == MG_BAD_FILE && mg_message()[0]);
  }
  mg_memory_read(&after);
  assert(after.live == before.live);
  close(file);
  return 0;
}

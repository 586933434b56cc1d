/* Arrays read from files. */
#include "array.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

static mg_array *new_handle(void) {
  mg_array *a = memory_new((int64_t)sizeof *a);
  if (a) *a = (mg_array){0};
  return a;
}

mg_array *array_new(const int64_t *shape, int axes) {
  mg_array *a = new_handle();
  if (!a) return NULL;
  a->axes = axes;
  a->count = 1;
  for (int i = 0; i < axes; i++) {
    a->shape[i] = shape[i];
    a->count *= shape[i];
  }
  a->values = memory_array(a->count, (int64_t)sizeof *a->values);
  if (a->values) return a;
  mg_array_free(a);
  return NULL;
}

int64_t array_count(const int64_t *shape, int axes) {
  int64_t count = 1, is_empty = 0;
  for (int i = 0; i < axes; i++) {
    if (shape[i] == 0) is_empty = 1;
    else count = memory_product(count, shape[i]);
    if (count < 0) return -1;
  }
  return is_empty ? 0 : count;
}

mg_array *array_of_bytes(char *bytes, int64_t count) {
  mg_array *a = new_handle();
  if (!a) {
    memory_free(bytes);
    return NULL;
  }
  a->bytes = bytes;
  a->count = a->shape[0] = count;
  a->axes = 1;
  return a;
}

void mg_array_free(mg_array *a) {
  if (!a) return;
  memory_free(a->values);
  memory_free(a->bytes);
  memory_free(a);
}

int mg_array_axes(const mg_array *a) { return a->axes; }

const int64_t *mg_array_shape(const mg_array *a) { return a->shape; }

mg_status mg_array_copy(const mg_array *a, mg_real *out) {
  if (!a->values)
    return fail(MG_BAD_ARGUMENT, "array_copy: expected an array of reals, got %lld bytes of a file",
                (long long)a->count);
  if (a->count > 0) memcpy(out, a->values, (size_t)a->count * sizeof *out);
  return MG_OK;
}

const char *mg_array_bytes(const mg_array *a) { return a->bytes; }

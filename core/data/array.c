/* Arrays read from files. */
#include "array.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* Elements read at a time; elements that there is room for before any is read, if their number is
 * only claimed: a multiple of STEP. */
enum { STEP = FILE_CHUNK / ELEMENT_MAX_BYTES, FIRST_CAPACITY = 8 * STEP };

static mg_array *new_handle(void) {
  mg_array *a = memory_new((int64_t)sizeof *a);
  if (a) *a = (mg_array){0};
  return a;
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

/* An array of that shape with room for `capacity` elements. */
static mg_array *new_reals(const int64_t *shape, int axes, int64_t capacity) {
  mg_array *a = new_handle();
  if (!a) return NULL;
  a->axes = axes;
  a->count = 1;
  for (int i = 0; i < axes; i++) {
    a->shape[i] = shape[i];
    a->count *= shape[i];
  }
  a->values = memory_array(a->count < capacity ? a->count : capacity, (int64_t)sizeof *a->values);
  if (a->values) return a;
  mg_array_free(a);
  return NULL;
}

mg_array *array_new(const int64_t *shape, int axes) { return new_reals(shape, axes, INT64_MAX); }

/* Twice the room, but not more than the array needs, all elements kept. */
static mg_status grow(mg_array *a, int64_t *capacity) {
  int64_t wanted = *capacity < a->count / 2 ? 2 * *capacity : a->count;
  mg_real *values = memory_array(wanted, (int64_t)sizeof *values);
  if (!values) return MG_NO_MEMORY;
  memcpy(values, a->values, (size_t)*capacity * sizeof *values);
  memory_free(a->values);
  a->values = values;
  *capacity = wanted;
  return MG_OK;
}

static mg_status read_elements(mg_array *a, file_source *f, const element_type *type, int is_big,
                               int64_t capacity) {
  unsigned char bytes[FILE_CHUNK];
  for (int64_t i = 0; i < a->count; i += STEP) {
    int64_t count = a->count - i < STEP ? a->count - i : STEP;
    mg_status status = file_read(f, bytes, count * type->bytes);
    if (status == MG_OK && i + count > capacity) status = grow(a, &capacity);
    if (status != MG_OK) return status;
    if (is_big != element_host_is_big()) element_swap(bytes, count, type->bytes);
    type->read(bytes, count, a->values + i);
  }
  return MG_OK;
}

mg_array *array_read(file_source *f, const int64_t *shape, int axes, const element_type *type,
                     int is_big) {
  int64_t capacity = f->is_claimed ? FIRST_CAPACITY : INT64_MAX;
  mg_array *a = new_reals(shape, axes, capacity);
  if (!a || read_elements(a, f, type, is_big, capacity) == MG_OK) return a;
  mg_array_free(a);
  return NULL;
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

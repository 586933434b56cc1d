/* Encoding in pieces of FILE_CHUNK bytes. */
#include "encoder.h"

#include <string.h>

#include "array.h"
#include "base/memory.h"
#include "base/status.h"

mg_status encoder_start(encoder *e, const char *function, const mg_real *values,
                        const int64_t *shape, int axes, const element_type *type) {
  if (axes < 0 || axes > MG_MAX_AXES)
    return fail(MG_BAD_SHAPE, "%s: %d axes, expected 0..%d", function, axes, (int)MG_MAX_AXES);
  for (int i = 0; i < axes; i++)
    if (shape[i] < 0)
      return fail(MG_BAD_SHAPE, "%s: extent %lld of axis %d is negative", function,
                  (long long)shape[i], i + 1);
  int64_t count = array_count(shape, axes);
  if (count < 0 || memory_product(count, ELEMENT_MAX_BYTES) < 0)
    return fail(MG_BAD_SHAPE, "%s: the shape has more elements than memory can hold", function);
  int64_t misfit = element_misfit(type, values, count);
  if (misfit < count)
    return fail(MG_BAD_ARGUMENT, "%s: value %.9g at index %lld cannot be held by type %s", function,
                (double)values[misfit], (long long)misfit, type->name);
  e->header_length = 0;
  e->values = values;
  e->count = count;
  e->type = type;
  e->is_big = element_host_is_big();
  encoder_rewind(e);
  return MG_OK;
}

void encoder_rewind(encoder *e) {
  e->done = 0;
  e->has_header = 0;
  e->at = e->filled = 0;
}

int64_t encoder_size(const encoder *e) { return e->header_length + e->count * e->type->bytes; }

/* The header or the next elements into the empty buffer. */
static void refill(encoder *e) {
  const int64_t step = FILE_CHUNK / ELEMENT_MAX_BYTES;
  e->at = e->filled = 0;
  if (!e->has_header) {
    memcpy(e->buffer, e->header, (size_t)e->header_length);
    e->filled = e->header_length;
    e->has_header = 1;
    if (e->filled > 0) return;
  }
  int64_t count = e->count - e->done < step ? e->count - e->done : step;
  if (count == 0) return;
  e->type->write(e->values + e->done, count, e->buffer);
  if (e->is_big != element_host_is_big()) element_swap(e->buffer, count, e->type->bytes);
  e->done += count;
  e->filled = (int)(count * e->type->bytes);
}

int64_t encoder_next(encoder *e, void *out, int64_t room) {
  if (e->at == e->filled) refill(e);
  int64_t count = e->filled - e->at < room ? e->filled - e->at : room;
  memcpy(out, e->buffer + e->at, (size_t)count);
  e->at += (int)count;
  return count;
}

mg_status encoder_fill(file_sink *sink, void *job) {
  encoder *e = job;
  unsigned char bytes[FILE_CHUNK];
  mg_status status = MG_OK;
  for (int64_t count; status == MG_OK && (count = encoder_next(e, bytes, FILE_CHUNK)) > 0;)
    status = file_put(sink, bytes, count);
  return status;
}

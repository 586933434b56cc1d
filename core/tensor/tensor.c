/* Tensors and their shared storage. Storage lives as long as a handle on it does; only here is it
 * counted, so views outlive their source. */
#include "tensor.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "shape.h"

typedef struct storage {
  _Atomic int64_t handles;
  int64_t bytes;
  mg_real *data;
} storage;

/* The size of a shape, or -1 after recording why there is none. */
static int64_t checked_size(const int64_t *shape, int axes) {
  if (axes < 0 || axes > MG_MAX_AXES)
    return fail(MG_BAD_SHAPE, "tensor: %d axes, expected 0..%d", axes, MG_MAX_AXES), -1;
  int64_t size = 1; /* of the extents that are not 0, so that any part's product is small enough too */
  int is_empty = 0;
  for (int i = 0; i < axes; i++) {
    if (shape[i] < 0)
      return fail(MG_BAD_SHAPE, "tensor: extent %lld of axis %d is negative", (long long)shape[i],
                  i + 1),
             -1;
    is_empty |= shape[i] == 0;
    if (size > 0 && shape[i] > 0) size = memory_product(size, shape[i]);
  }
  if (size < 0 || memory_product(size, (int64_t)sizeof(mg_real)) < 0) {
    char text[SHAPE_TEXT_BYTES];
    return fail(MG_BAD_SHAPE, "tensor: shape %s is too large", shape_text(text, shape, axes)), -1;
  }
  return is_empty ? 0 : size;
}

static mg_tensor *new_handle(storage *s, mg_real *data, int64_t size, const int64_t *shape,
                             int axes) {
  mg_tensor *t = memory_new((int64_t)sizeof *t);
  if (!t) return NULL;
  t->data = data;
  t->size = size;
  t->axes = axes;
  if (axes) memcpy(t->shape, shape, (size_t)axes * sizeof *shape);
  t->storage = s;
  return t;
}

mg_tensor *mg_tensor_new(const int64_t *shape, int axes) {
  int64_t size = checked_size(shape, axes);
  if (size < 0) return NULL;
  int64_t bytes = size * (int64_t)sizeof(mg_real), line = 64;
  storage *s = memory_new(line + bytes); /* the count on a line of its own, then the reals */
  if (!s) return NULL;
  atomic_init(&s->handles, 1);
  s->bytes = bytes;
  s->data = (mg_real *)(void *)((char *)s + line);
  mg_tensor *t = new_handle(s, s->data, size, shape, axes);
  if (!t) memory_free(s);
  return t;
}

mg_tensor *tensor_like(const mg_tensor *x) { return mg_tensor_new(x->shape, x->axes); }

static mg_tensor *share(mg_tensor *t, mg_real *data, int64_t size, const int64_t *shape, int axes) {
  mg_tensor *view = new_handle(t->storage, data, size, shape, axes);
  if (view) atomic_fetch_add(&t->storage->handles, 1);
  return view;
}

mg_tensor *mg_tensor_reshape(mg_tensor *t, const int64_t *shape, int axes) {
  int64_t size = checked_size(shape, axes);
  if (size < 0) return NULL;
  if (size != t->size) {
    char from[SHAPE_TEXT_BYTES], to[SHAPE_TEXT_BYTES];
    return fail_null(MG_BAD_SHAPE, "reshape: shape %s has %lld entries, %s has %lld",
                     shape_of(from, t), (long long)t->size, shape_text(to, shape, axes),
                     (long long)size);
  }
  return share(t, t->data, size, shape, axes);
}

mg_tensor *mg_tensor_rows(mg_tensor *t, int64_t first, int64_t count) {
  if (t->axes == 0) return fail_null(MG_BAD_SHAPE, "rows: a scalar has no rows");
  if (first < 0 || count < 0 || first > t->shape[0] - count)
    return fail_null(MG_BAD_ARGUMENT, "rows: %lld rows from row %.0f on, there are %lld",
                     (long long)count, (double)first + 1, (long long)t->shape[0]);
  int64_t row = shape_product(t->shape, 1, t->axes), shape[MG_MAX_AXES];
  memcpy(shape, t->shape, sizeof shape);
  shape[0] = count;
  return share(t, t->data + first * row, count * row, shape, t->axes);
}

void mg_tensor_free(mg_tensor *t) {
  if (!t) return;
  if (atomic_fetch_sub(&t->storage->handles, 1) == 1) memory_free(t->storage);
  memory_free(t);
}

mg_real *mg_tensor_data(mg_tensor *t) { return t->data; }

const int64_t *mg_tensor_shape(const mg_tensor *t) { return t->shape; }

int mg_tensor_axes(const mg_tensor *t) { return t->axes; }

int64_t mg_tensor_size(const mg_tensor *t) { return t->size; }

int64_t mg_tensor_bytes(const mg_tensor *t) {
  return atomic_load(&t->storage->handles) == 1 ? t->storage->bytes : 0;
}

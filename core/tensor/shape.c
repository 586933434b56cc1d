/* Shapes as text, and NumPy's broadcasting rules. */
#include "shape.h"

#include <stdio.h>

#include "base/status.h"

const char *shape_text(char text[SHAPE_TEXT_BYTES], const int64_t *shape, int axes) {
  int used = snprintf(text, SHAPE_TEXT_BYTES, axes ? "" : "scalar");
  for (int i = 0; i < axes && used < SHAPE_TEXT_BYTES; i++)
    used += snprintf(text + used, (size_t)(SHAPE_TEXT_BYTES - used), i ? "x%lld" : "%lld",
                     (long long)shape[i]);
  return text;
}

const char *shape_of(char text[SHAPE_TEXT_BYTES], const mg_tensor *x) {
  return shape_text(text, x->shape, x->axes);
}

int64_t shape_product(const int64_t *shape, int first, int last) {
  int64_t product = 1;
  for (int i = first; i < last; i++) product *= shape[i];
  return product;
}

int shape_equal(const mg_tensor *a, const mg_tensor *b) {
  if (a->axes != b->axes) return 0;
  for (int i = 0; i < a->axes; i++)
    if (a->shape[i] != b->shape[i]) return 0;
  return 1;
}

mg_status shape_expect(const char *op, const mg_tensor *a, const mg_tensor *b) {
  if (shape_equal(a, b)) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: expected shape %s, got %s", op, shape_of(expected, a),
              shape_of(got, b));
}

mg_status shape_expect_axes(const char *op, const char *what, const mg_tensor *x, int axes) {
  if (x->axes == axes) return MG_OK;
  char got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: %s has shape %s, expected %d axes", op, what, shape_of(got, x),
              axes);
}

mg_status shape_broadcast(const char *op, const mg_tensor *a, const mg_tensor *b, int64_t *shape,
                          int *axes) {
  *axes = a->axes > b->axes ? a->axes : b->axes;
  for (int i = 0; i < *axes; i++) { /* from the last axis on */
    int64_t p = i < a->axes ? a->shape[a->axes - 1 - i] : 1;
    int64_t q = i < b->axes ? b->shape[b->axes - 1 - i] : 1;
    if (p != q && p != 1 && q != 1) {
      char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
      return fail(MG_BAD_SHAPE, "%s: shapes %s and %s do not broadcast", op, shape_of(left, a),
                  shape_of(right, b));
    }
    shape[*axes - 1 - i] = p == 1 ? q : p;
  }
  return MG_OK;
}

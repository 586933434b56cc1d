/* Sums, means and extremes over neighbouring axes: x is seen as [outer, middle, inner], the result
 * as [outer, inner]. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

/* Where few results share much work, the middle axis is cut into parts; each part gives one row of
 * `inner` doubles, and the rows of a result are joined in order. */
typedef struct reduction {
  mg_reduce_kind kind;
  int64_t outer, middle, inner;
  int64_t parts, part; /* parts of the middle axis, indices in each but the last */
  const mg_real *x, *y, *dy;
  mg_real *out;
  double *partial; /* [outer, parts, inner] */
} reduction;

/* The larger of two, or the smaller; NaN wins. */
static inline mg_real extreme(mg_real best, mg_real value, int is_min) {
  int wins = is_min ? value < best : value > best;
  return (wins | (value != value)) ? value : best;
}

/* The extreme of x [n], n >= 1, in lanes. */
static inline mg_real lanes_extreme(const mg_real *x, int64_t n, int is_min) {
  enum { LANES = 32 };
  mg_real lane[LANES];
  for (int l = 0; l < LANES; l++) lane[l] = x[0];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] = extreme(lane[l], x[i + l], is_min);
  for (; i < n; i++) lane[0] = extreme(lane[0], x[i], is_min);
  for (int l = 1; l < LANES; l++) lane[0] = extreme(lane[0], lane[l], is_min);
  return lane[0];
}

static mg_real row_extreme(const mg_real *x, int64_t n, int is_min) {
  return is_min ? lanes_extreme(x, n, 1) : lanes_extreme(x, n, 0);
}

/* out [inner] = extremes of the columns of x [n, inner], n >= 1. */
static void column_extremes(const mg_real *x, int64_t n, int64_t inner, int is_min, double *out) {
  for (int64_t i = 0; i < inner; i++) out[i] = (double)x[i];
  for (int64_t m = 1; m < n; m++) {
    const mg_real *row = x + m * inner;
    if (is_min)
      for (int64_t i = 0; i < inner; i++) out[i] = (double)extreme((mg_real)out[i], row[i], 1);
    else
      for (int64_t i = 0; i < inner; i++) out[i] = (double)extreme((mg_real)out[i], row[i], 0);
  }
}

static void column_sums(const mg_real *x, int64_t n, int64_t inner, double *out) {
  for (int64_t i = 0; i < inner; i++) out[i] = 0;
  for (int64_t m = 0; m < n; m++) op_add(out, x + m * inner, inner);
}

/* Rows first..last-1 of partial. */
static mg_status reduce_parts(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  int is_min = r->kind == MG_MIN, is_extreme = is_min || r->kind == MG_MAX;
  for (int64_t i = first; i < last; i++) {
    int64_t start = i % r->parts * r->part, left = r->middle - start;
    int64_t n = left < r->part ? left : r->part;
    const mg_real *x = r->x + (i / r->parts * r->middle + start) * r->inner;
    double *out = r->partial + i * r->inner;
    if (is_extreme && r->inner == 1) *out = (double)row_extreme(x, n, is_min);
    else if (is_extreme) column_extremes(x, n, r->inner, is_min, out);
    else if (r->inner == 1) *out = op_sum(x, n);
    else column_sums(x, n, r->inner, out);
  }
  return MG_OK;
}

/* Joins the parts of results first..last-1 of the outer axis. */
static mg_status join_parts(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  int is_min = r->kind == MG_MIN, is_extreme = is_min || r->kind == MG_MAX;
  double divisor = r->kind == MG_MEAN ? (double)r->middle : 1;
  for (int64_t o = first; o < last; o++)
    for (int64_t i = 0; i < r->inner; i++) {
      const double *partial = r->partial + o * r->parts * r->inner + i;
      double joined = partial[0];
      for (int64_t p = 1; p < r->parts; p++) {
        double value = partial[p * r->inner];
        joined = is_extreme ? (double)extreme((mg_real)joined, (mg_real)value, is_min)
                            : joined + value;
      }
      r->out[o * r->inner + i] = (mg_real)(joined / divisor);
    }
  return MG_OK;
}

/* Sees x as [outer, middle, inner]; MG_BAD_SHAPE if the axes are not there. */
static mg_status plan(const char *op, mg_reduce_kind kind, const mg_tensor *x, int first, int count,
                      reduction *r) {
  enum { PARTS = 8 };
  if ((int)kind < 0 || kind >= MG_REDUCE_KINDS)
    return fail(MG_BAD_ARGUMENT, "%s: kind %d is not in 0..%d", op, (int)kind, MG_REDUCE_KINDS - 1);
  if (first < 0 || count < 0 || first > x->axes || count > x->axes - first)
    return fail(MG_BAD_SHAPE, "%s: %d axes from axis %d on, there are %d", op, count, first + 1,
                x->axes);
  *r = (reduction){.kind = kind, .x = x->data, .parts = 1};
  r->outer = shape_product(x->shape, 0, first);
  r->middle = shape_product(x->shape, first, first + count);
  r->inner = shape_product(x->shape, first + count, x->axes);
  if (r->outer < PARTS && x->size > OP_GRAIN) r->parts = r->middle < PARTS ? r->middle : PARTS;
  r->part = (r->middle + r->parts - 1) / r->parts;
  if (r->part > 0) r->parts = parallel_chunks(r->middle, r->part);
  return MG_OK;
}

static mg_status reduce_all(reduction *r) {
  int64_t rows = r->outer * r->parts;
  r->partial = memory_array(rows * r->inner, (int64_t)sizeof *r->partial);
  if (!r->partial) return MG_NO_MEMORY;
  mg_status status = op_for(rows, op_grain(r->part * r->inner), reduce_parts, r);
  if (status == MG_OK)
    status = op_for(r->outer, op_grain(r->parts * r->inner), join_parts, r);
  memory_free(r->partial);
  return status;
}

/* The shape of x without axes first..first+count-1; returns the number of axes left. */
static int shape_without(const mg_tensor *x, int first, int count, int64_t *shape) {
  int axes = 0;
  for (int i = 0; i < x->axes; i++)
    if (i < first || i >= first + count) shape[axes++] = x->shape[i];
  return axes;
}

mg_tensor *mg_reduce(mg_reduce_kind kind, const mg_tensor *x, int first, int count) {
  reduction r;
  int64_t shape[MG_MAX_AXES];
  if (plan("reduce", kind, x, first, count, &r) != MG_OK) return NULL;
  if (r.middle == 0 && (kind == MG_MAX || kind == MG_MIN)) {
    char text[SHAPE_TEXT_BYTES];
    return fail_null(MG_BAD_SHAPE, "reduce: no entries to take the %s of in shape %s",
                     kind == MG_MAX ? "largest" : "smallest", shape_of(text, x));
  }
  int axes = shape_without(x, first, count, shape);
  mg_tensor *y = mg_tensor_new(shape, axes);
  if (!y) return NULL;
  r.out = y->data;
  return op_finish(y, reduce_all(&r));
}

/* ---- gradients */

/* Rows first..last-1 of dx [outer * middle, inner] for sums and means. */
static mg_status spread_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  mg_real scale = (mg_real)(r->kind == MG_MEAN ? 1 / (double)r->middle : 1);
  for (int64_t row = first; row < last; row++) {
    const mg_real *dy = r->dy + row / r->middle * r->inner;
    mg_real *dx = r->out + row * r->inner;
    for (int64_t i = 0; i < r->inner; i++) dx[i] = scale * dy[i];
  }
  return MG_OK;
}

/* The same for inner = 1: rows first..last-1 of dx [outer, middle]. */
static mg_status spread_row_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  double scale = r->kind == MG_MEAN ? 1 / (double)r->middle : 1;
  for (int64_t row = first; row < last; row++) {
    mg_real value = (mg_real)(scale * (double)r->dy[row]), *dx = r->out + row * r->middle;
    for (int64_t i = 0; i < r->middle; i++) dx[i] = value;
  }
  return MG_OK;
}

/* The first middle index whose entry of x [middle, inner] is y, or NaN if y is; 0 if none is. */
static int64_t place_of(const reduction *r, const mg_real *x, mg_real y) {
  for (int64_t m = 0; m < r->middle; m++) {
    mg_real value = x[m * r->inner];
    if (value == y || (value != value && y != y)) return m;
  }
  return 0;
}

/* Indices first..last-1 of the outer axis for extremes. */
static mg_status route_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  int64_t block = r->middle * r->inner;
  for (int64_t o = first; o < last; o++) {
    memset(r->out + o * block, 0, (size_t)block * sizeof *r->out);
    for (int64_t i = 0; i < r->inner; i++) {
      int64_t at = o * r->inner + i;
      int64_t m = place_of(r, r->x + o * block + i, r->y[at]);
      r->out[o * block + m * r->inner + i] = r->dy[at];
    }
  }
  return MG_OK;
}

/* MG_BAD_SHAPE unless t has the shape of x without the reduced axes. */
static mg_status check_reduced(const char *what, const mg_tensor *x, int first, int count,
                               const mg_tensor *t) {
  int64_t shape[MG_MAX_AXES];
  int axes = shape_without(x, first, count, shape), fits = t->axes == axes;
  for (int i = 0; fits && i < axes; i++) fits = t->shape[i] == shape[i];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "reduce_vjp: %s has shape %s, the result has %s", what,
              shape_of(got, t), shape_text(expected, shape, axes));
}

mg_tensor *mg_reduce_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                         const mg_tensor *dy, int first, int count) {
  reduction r;
  if (plan("reduce_vjp", kind, x, first, count, &r) != MG_OK) return NULL;
  if (check_reduced("y", x, first, count, y) != MG_OK) return NULL;
  if (check_reduced("dy", x, first, count, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx || dx->size == 0) return dx;
  r.y = y->data;
  r.dy = dy->data;
  r.out = dx->data;
  int64_t block = r.middle * r.inner;
  if (kind == MG_MAX || kind == MG_MIN)
    return op_finish(dx, op_for(r.outer, op_grain(block), route_chunk, &r));
  if (r.inner == 1) return op_finish(dx, op_for(r.outer, op_grain(block), spread_row_chunk, &r));
  return op_finish(dx, op_for(r.outer * r.middle, op_grain(r.inner), spread_chunk, &r));
}

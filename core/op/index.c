/* Entries moved to other places: rows taken, axes permuted, slices, parts joined. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

/* ---- rows */

typedef struct row_job {
  const mg_real *x, *dy;
  mg_real *out;
  int64_t extent, count; /* of x and of the result along the axis */
  int64_t width;         /* entries of a row: of the axes after it */
  const int64_t *rows;
  const int64_t *start; /* row r of x was taken at places order[start[r]..start[r + 1] - 1] */
  const int64_t *order;
} row_job;

static mg_status check_rows(const char *op, const mg_tensor *x, int axis, const int64_t *rows,
                            int64_t count) {
  if (axis < 0 || axis >= x->axes)
    return fail(MG_BAD_SHAPE, "%s: axis %d, there are %d", op, axis + 1, x->axes);
  if (count < 0) return fail(MG_BAD_ARGUMENT, "%s: %lld rows", op, (long long)count);
  for (int64_t i = 0; i < count; i++)
    if (rows[i] < 0 || rows[i] >= x->shape[axis])
      return fail(MG_BAD_ARGUMENT, "%s: row %lld, there are %lld", op, (long long)rows[i] + 1,
                  (long long)x->shape[axis]);
  return MG_OK;
}

/* Rows first..last-1 of the result, those of all indices of the axes before counted. */
static mg_status take_chunk(void *job, int64_t first, int64_t last) {
  const row_job *j = job;
  for (int64_t i = first; i < last; i++)
    memcpy(j->out + i * j->width,
           j->x + (i / j->count * j->extent + j->rows[i % j->count]) * j->width,
           (size_t)j->width * sizeof *j->out);
  return MG_OK;
}

mg_tensor *mg_take(const mg_tensor *x, int axis, const int64_t *rows, int64_t count) {
  if (check_rows("take", x, axis, rows, count) != MG_OK) return NULL;
  int64_t shape[MG_MAX_AXES];
  memcpy(shape, x->shape, (size_t)x->axes * sizeof *shape);
  shape[axis] = count;
  mg_tensor *y = mg_tensor_new(shape, x->axes);
  if (!y || y->size == 0) return y;
  row_job job = {.x = x->data, .out = y->data, .rows = rows, .extent = x->shape[axis],
                 .count = count};
  job.width = shape_product(x->shape, axis + 1, x->axes);
  return op_finish(y, op_for(y->size / job.width, op_grain(job.width), take_chunk, &job));
}

/* out [width] = sum of the rows of dy at `places`, in their order. */
static void sum_rows(const row_job *j, const mg_real *dy, const int64_t *places, int64_t count,
                     mg_real *out) {
  enum { BLOCK = 256 };
  double total[BLOCK];
  for (int64_t at = 0; at < j->width; at += BLOCK) {
    int64_t n = j->width - at < BLOCK ? j->width - at : BLOCK;
    for (int64_t i = 0; i < n; i++) total[i] = 0;
    for (int64_t p = 0; p < count; p++) op_add(total, dy + places[p] * j->width + at, n);
    for (int64_t i = 0; i < n; i++) out[at + i] = (mg_real)total[i];
  }
}

static mg_status take_vjp_chunk(void *job, int64_t first, int64_t last) {
  const row_job *j = job;
  for (int64_t i = first; i < last; i++) {
    int64_t r = i % j->extent;
    sum_rows(j, j->dy + i / j->extent * j->count * j->width, j->order + j->start[r],
             j->start[r + 1] - j->start[r], j->out + i * j->width);
  }
  return MG_OK;
}

/* Sorts the places 0..count-1 by their rows: start [extent + 1], order [count]. */
static void sort_places(const int64_t *rows, int64_t count, int64_t extent, int64_t *start,
                        int64_t *order) {
  memset(start, 0, (size_t)(extent + 1) * sizeof *start);
  for (int64_t i = 0; i < count; i++) start[rows[i] + 1]++;
  for (int64_t r = 0; r < extent; r++) start[r + 1] += start[r];
  for (int64_t i = 0; i < count; i++) order[start[rows[i]]++] = i;
  for (int64_t r = extent; r > 0; r--) start[r] = start[r - 1]; /* each stood at its end */
  start[0] = 0;
}

/* MG_BAD_SHAPE unless dy has x's shape but for `count` along the axis. */
static mg_status check_taken(const mg_tensor *x, int axis, int64_t count, const mg_tensor *dy) {
  int fits = dy->axes == x->axes;
  for (int i = 0; fits && i < x->axes; i++)
    fits = dy->shape[i] == (i == axis ? count : x->shape[i]);
  if (fits) return MG_OK;
  char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "take_vjp: dy has shape %s for %lld rows of axis %d of shape %s",
              shape_of(left, dy), (long long)count, axis + 1, shape_of(right, x));
}

mg_tensor *mg_take_vjp(const mg_tensor *x, int axis, const int64_t *rows, int64_t count,
                       const mg_tensor *dy) {
  if (check_rows("take_vjp", x, axis, rows, count) != MG_OK) return NULL;
  if (check_taken(x, axis, count, dy) != MG_OK) return NULL;
  int64_t extent = x->shape[axis];
  int64_t *start = memory_array(extent + 1 + count, (int64_t)sizeof *start);
  if (!start) return NULL;
  sort_places(rows, count, extent, start, start + extent + 1);
  row_job job = {.dy = dy->data, .start = start, .order = start + extent + 1, .extent = extent,
                 .count = count};
  job.width = shape_product(x->shape, axis + 1, x->axes);
  mg_tensor *dx = tensor_like(x);
  if (dx && dx->size > 0) {
    job.out = dx->data;
    int64_t taken = count / extent + 1; /* rows of dy for one of dx, about */
    dx = op_finish(dx, op_for(dx->size / job.width, op_grain(job.width * taken), take_vjp_chunk,
                              &job));
  }
  memory_free(start);
  return dx;
}

/* ---- axes */

/* A permutation as planes: axes of extent 1 left out, neighbours that stay together merged. The
 * last axis of the result and the last of x (`row`) span planes, copied block by block. */
typedef struct permutation {
  int axes, row;                                   /* row < axes - 1, or -1: nothing moves */
  int64_t extent[MG_MAX_AXES], source[MG_MAX_AXES]; /* of the result; strides in x */
  int64_t target[MG_MAX_AXES];                     /* strides in the result */
  const mg_real *x;
  mg_real *out;
} permutation;

enum { TILE = 32 };

static mg_status check_order(const mg_tensor *x, const int *order) {
  unsigned seen = 0;
  for (int i = 0; i < x->axes; i++) {
    if (order[i] < 0 || order[i] >= x->axes)
      return fail(MG_BAD_SHAPE, "permute: axis %d, there are %d", order[i] + 1, x->axes);
    if (seen >> order[i] & 1) return fail(MG_BAD_SHAPE, "permute: axis %d twice", order[i] + 1);
    seen |= 1U << order[i];
  }
  return MG_OK;
}

static void plan_permutation(const mg_tensor *x, const int *order, permutation *p) {
  p->axes = 0;
  for (int i = 0; i < x->axes; i++) {
    int64_t extent = x->shape[order[i]], stride = shape_product(x->shape, order[i] + 1, x->axes);
    if (extent == 1) continue;
    int last = p->axes - 1;
    if (last < 0 || p->source[last] != stride * extent) {
      last = p->axes++;
      p->extent[last] = 1;
    }
    p->extent[last] *= extent;
    p->source[last] = stride;
  }
  p->row = -1;
  for (int i = 0; i < p->axes; i++) {
    p->target[i] = shape_product(p->extent, i + 1, p->axes);
    if (p->source[i] == 1 && i < p->axes - 1) p->row = i;
  }
}

/* out [rows, columns] = x [columns, rows] turned over, rows <= TILE; strides of the slow axes. */
static void turn(const mg_real *x, int64_t x_stride, mg_real *out, int64_t out_stride, int64_t rows,
                 int64_t columns) {
  for (int64_t start = 0; start < columns; start += TILE) {
    int64_t end = columns - start < TILE ? columns : start + TILE;
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = start; c < end; c++) out[r * out_stride + c] = x[c * x_stride + r];
  }
}

/* Strips first..last-1; a strip is TILE indices of the axis `row` at one index of all axes but it
 * and the last. */
static mg_status turn_chunk(void *job, int64_t first, int64_t last) {
  const permutation *p = job;
  int end = p->axes - 1;
  int64_t strips = parallel_chunks(p->extent[p->row], TILE);
  for (int64_t i = first; i < last; i++) {
    int64_t start = i % strips * TILE, rest = i / strips, left = p->extent[p->row] - start;
    int64_t from = start, to = start * p->target[p->row];
    for (int k = end - 1; k >= 0; k--) {
      if (k == p->row) continue;
      from += rest % p->extent[k] * p->source[k];
      to += rest % p->extent[k] * p->target[k];
      rest /= p->extent[k];
    }
    turn(p->x + from, p->source[end], p->out + to, p->target[p->row], left < TILE ? left : TILE,
         p->extent[end]);
  }
  return MG_OK;
}

/* Rows first..last-1 of the result where the last axis stays the last. */
static mg_status copy_rows_chunk(void *job, int64_t first, int64_t last) {
  const permutation *p = job;
  int end = p->axes - 1;
  int64_t width = p->extent[end];
  for (int64_t i = first; i < last; i++) {
    int64_t from = 0, rest = i;
    for (int k = end - 1; k >= 0; k--) {
      from += rest % p->extent[k] * p->source[k];
      rest /= p->extent[k];
    }
    memcpy(p->out + i * width, p->x + from, (size_t)width * sizeof *p->out);
  }
  return MG_OK;
}

mg_tensor *mg_permute(const mg_tensor *x, const int *order) {
  if (check_order(x, order) != MG_OK) return NULL;
  int64_t shape[MG_MAX_AXES];
  for (int i = 0; i < x->axes; i++) shape[i] = x->shape[order[i]];
  mg_tensor *y = mg_tensor_new(shape, x->axes);
  if (!y || y->size == 0) return y;
  permutation p = {.x = x->data, .out = y->data};
  plan_permutation(x, order, &p);
  if (p.axes == 0) {
    y->data[0] = x->data[0];
    return y;
  }
  int64_t width = p.extent[p.axes - 1];
  if (p.row < 0)
    return op_finish(y, op_for(y->size / width, op_grain(width), copy_rows_chunk, &p));
  int64_t strips = y->size / width / p.extent[p.row] * parallel_chunks(p.extent[p.row], TILE);
  return op_finish(y, op_for(strips, op_grain(TILE * width), turn_chunk, &p));
}

/* ---- slices */

/* Rows of `width` entries copied from one stride to another. */
typedef struct strided_copy {
  const mg_real *from;
  mg_real *to;
  int64_t from_stride, to_stride, width;
} strided_copy;

static mg_status strided_chunk(void *job, int64_t first, int64_t last) {
  const strided_copy *j = job;
  for (int64_t i = first; i < last; i++)
    memcpy(j->to + i * j->to_stride, j->from + i * j->from_stride,
           (size_t)j->width * sizeof *j->to);
  return MG_OK;
}

static mg_status copy_strided(int64_t rows, strided_copy *job) {
  if (job->width == 0) return MG_OK;
  return op_for(rows, op_grain(job->width), strided_chunk, job);
}

static mg_status check_slice(const char *op, const mg_tensor *x, int axis, int64_t first,
                             int64_t count) {
  if (axis < 0 || axis >= x->axes)
    return fail(MG_BAD_SHAPE, "%s: axis %d, there are %d", op, axis + 1, x->axes);
  if (first < 0 || count < 0 || first > x->shape[axis] - count)
    return fail(MG_BAD_SHAPE, "%s: %lld entries from entry %lld on, axis %d has %lld", op,
                (long long)count, (long long)first + 1, axis + 1, (long long)x->shape[axis]);
  return MG_OK;
}

mg_tensor *mg_slice(const mg_tensor *x, int axis, int64_t first, int64_t count) {
  if (check_slice("slice", x, axis, first, count) != MG_OK) return NULL;
  int64_t shape[MG_MAX_AXES], inner = shape_product(x->shape, axis + 1, x->axes);
  memcpy(shape, x->shape, (size_t)x->axes * sizeof *shape);
  shape[axis] = count;
  mg_tensor *y = mg_tensor_new(shape, x->axes);
  if (!y) return NULL;
  strided_copy job = {x->data + first * inner, y->data, x->shape[axis] * inner, count * inner,
                      count * inner};
  return op_finish(y, copy_strided(shape_product(shape, 0, axis), &job));
}

mg_tensor *mg_slice_vjp(const mg_tensor *x, int axis, int64_t first, const mg_tensor *dy) {
  int64_t count = axis >= 0 && axis < dy->axes ? dy->shape[axis] : 0;
  if (check_slice("slice_vjp", x, axis, first, count) != MG_OK) return NULL;
  int fits = x->axes == dy->axes;
  for (int i = 0; fits && i < x->axes; i++) fits = i == axis || x->shape[i] == dy->shape[i];
  if (!fits) {
    char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
    return fail_null(MG_BAD_SHAPE, "slice_vjp: dy has shape %s for a slice along axis %d of %s",
                     shape_of(left, dy), axis + 1, shape_of(right, x));
  }
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  int64_t inner = shape_product(x->shape, axis + 1, x->axes);
  strided_copy job = {dy->data, dx->data + first * inner, count * inner, x->shape[axis] * inner,
                      count * inner};
  mg_status status = mg_fill(dx, 0);
  if (status == MG_OK) status = copy_strided(shape_product(x->shape, 0, axis), &job);
  return op_finish(dx, status);
}

/* shape = that of the parts joined; MG_BAD_SHAPE if they do not fit. */
static mg_status join_shapes(const mg_tensor *const *parts, int count, int axis, int64_t *shape) {
  if (count < 1) return fail(MG_BAD_SHAPE, "concat: %d parts, expected 1 and more", count);
  const mg_tensor *head = parts[0];
  if (axis < 0 || axis >= head->axes)
    return fail(MG_BAD_SHAPE, "concat: axis %d, there are %d", axis + 1, head->axes);
  memcpy(shape, head->shape, (size_t)head->axes * sizeof *shape);
  for (int p = 1; p < count; p++) {
    int fits = parts[p]->axes == head->axes;
    for (int i = 0; fits && i < head->axes; i++)
      fits = i == axis || parts[p]->shape[i] == shape[i];
    if (!fits) {
      char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
      return fail(MG_BAD_SHAPE, "concat: part 1 has shape %s, part %d has %s, joined along axis %d",
                  shape_of(left, head), p + 1, shape_of(right, parts[p]), axis + 1);
    }
    shape[axis] += parts[p]->shape[axis];
  }
  return MG_OK;
}

mg_tensor *mg_concat(const mg_tensor *const *parts, int count, int axis) {
  int64_t shape[MG_MAX_AXES];
  if (join_shapes(parts, count, axis, shape) != MG_OK) return NULL;
  int axes = parts[0]->axes;
  mg_tensor *y = mg_tensor_new(shape, axes);
  if (!y) return NULL;
  int64_t outer = shape_product(shape, 0, axis), inner = shape_product(shape, axis + 1, axes);
  mg_real *to = y->data;
  mg_status status = MG_OK;
  for (int p = 0; p < count && status == MG_OK; p++) {
    int64_t width = parts[p]->shape[axis] * inner;
    strided_copy job = {parts[p]->data, to, width, shape[axis] * inner, width};
    status = copy_strided(outer, &job);
    to += width;
  }
  return op_finish(y, status);
}

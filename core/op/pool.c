/* Pooling: every plane [height, width] of [batch, channels, height, width] by itself. The largest
 * entries are found again for a gradient: that is cheaper than keeping where they were. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct pool {
  mg_reduce_kind kind;
  int64_t height, width, rows, columns; /* of a plane of x, of the result */
  int64_t kernel, stride, pad;
  const mg_real *x, *dy;
  mg_real *out;
} pool;

/* MG_BAD_SHAPE unless x has planes with cells, few enough for places of 32 bits. */
static mg_status check_planes(const char *op, const mg_tensor *x) {
  if (shape_expect_axes(op, "x", x, 4) != MG_OK) return MG_BAD_SHAPE;
  int64_t height = x->shape[2], width = x->shape[3];
  if (height > 0 && width > 0 && height <= INT32_MAX / width) return MG_OK;
  char text[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: x of shape %s has planes of no cells or too many", op,
              shape_of(text, x));
}

static mg_status check_dy(const char *op, const mg_tensor *x, const pool *p, const mg_tensor *dy) {
  int64_t shape[4] = {x->shape[0], x->shape[1], p->rows, p->columns};
  if (dy->axes == 4 && memcmp(dy->shape, shape, sizeof shape) == 0) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: dy has shape %s, the result has %s", op, shape_of(got, dy),
              shape_text(expected, shape, 4));
}

static mg_tensor *new_result(const mg_tensor *x, const pool *p) {
  int64_t shape[4] = {x->shape[0], x->shape[1], p->rows, p->columns};
  return mg_tensor_new(shape, 4);
}

/* body over planes first..last-1, each of so many entries of work. */
static mg_status for_planes(const mg_tensor *x, int64_t work, parallel_body body, pool *p) {
  return op_for(x->shape[0] * x->shape[1], op_grain(work), body, p);
}

/* ---- windows of a fixed size */

static mg_status plan_windows(const char *op, const mg_tensor *x, int kernel, int stride, int pad,
                              pool *p) {
  if (check_planes(op, x) != MG_OK) return MG_BAD_SHAPE;
  if (kernel < 1 || stride < 1 || pad < 0 || pad > kernel / 2)
    return fail(MG_BAD_ARGUMENT,
                "%s: kernel %d, stride %d and pad %d, expected 1 and 1 at least and pad in "
                "0..kernel / 2",
                op, kernel, stride, pad);
  int64_t down = x->shape[2] + 2 * (int64_t)pad - kernel;
  int64_t across = x->shape[3] + 2 * (int64_t)pad - kernel;
  if (down < 0 || across < 0) {
    char text[SHAPE_TEXT_BYTES];
    return fail(MG_BAD_SHAPE, "%s: kernel %d is larger than x of shape %s with pad %d", op, kernel,
                shape_of(text, x), pad);
  }
  *p = (pool){.kind = MG_MAX, .height = x->shape[2], .width = x->shape[3],
              .rows = down / stride + 1, .columns = across / stride + 1,
              .kernel = kernel, .stride = stride, .pad = pad, .x = x->data};
  return MG_OK;
}

/* The part of a kernel's extent that lies inside a plane's, from window i on: offsets into the
 * kernel. */
static void clip(const pool *p, int64_t i, int64_t extent, int64_t *first, int64_t *last) {
  int64_t start = i * p->stride - p->pad;
  *first = start < 0 ? -start : 0;
  *last = extent - start < p->kernel ? extent - start : p->kernel;
}

/* Windows first..last-1 of a row whose kernel column k lies inside the plane. */
static void inside(const pool *p, int64_t k, int64_t *first, int64_t *last) {
  int64_t left = p->pad - k, right = p->width + left; /* left <= i stride < right */
  *first = left > 0 ? (left + p->stride - 1) / p->stride : 0;
  *last = p->columns;
  if ((p->columns - 1) * p->stride >= right) /* seldom: divisions are slow */
    *last = right > 0 ? (right + p->stride - 1) / p->stride : 0;
  if (*first > *last) *first = *last;
}

/* NaN wins, as everywhere. */
static inline mg_real larger(mg_real best, mg_real value) {
  int wins = (value > best) | (value != value);
  return wins ? value : best;
}

/* best [n] = larger of it and every stride-th entry of x */
static void keep_larger(mg_real *restrict best, const mg_real *restrict x, int64_t stride,
                        int64_t n) {
  if (stride == 1)
    for (int64_t i = 0; i < n; i++) best[i] = larger(best[i], x[i]);
  else if (stride == 2)
    for (int64_t i = 0; i < n; i++) best[i] = larger(best[i], x[2 * i]);
  else
    for (int64_t i = 0; i < n; i++) best[i] = larger(best[i], x[stride * i]);
}

/* best [columns] = the largest entries of the windows of row i */
static void largest_of_row(const pool *p, const mg_real *plane, int64_t i, mg_real *best) {
  int64_t top, bottom, first, last;
  for (int64_t c = 0; c < p->columns; c++) best[c] = -(mg_real)INFINITY;
  clip(p, i, p->height, &top, &bottom);
  for (int64_t ky = top; ky < bottom; ky++)
    for (int64_t kx = 0; kx < p->kernel; kx++) {
      inside(p, kx, &first, &last);
      if (first == last) continue;
      const mg_real *x = plane + (i * p->stride - p->pad + ky) * p->width;
      keep_larger(best + first, x + first * p->stride - p->pad + kx, p->stride, last - first);
    }
}

static mg_status max_chunk(void *job, int64_t first, int64_t last) {
  const pool *p = job;
  for (int64_t i = first; i < last; i++)
    for (int64_t row = 0; row < p->rows; row++)
      largest_of_row(p, p->x + i * p->height * p->width, row,
                     p->out + (i * p->rows + row) * p->columns);
  return MG_OK;
}

mg_tensor *mg_max_pool2d(const mg_tensor *x, int kernel, int stride, int pad) {
  pool p;
  if (plan_windows("max_pool2d", x, kernel, stride, pad, &p) != MG_OK) return NULL;
  mg_tensor *y = new_result(x, &p);
  if (!y) return NULL;
  p.out = y->data;
  return op_finish(y, for_planes(x, p.rows * p.columns * p.kernel * p.kernel, max_chunk, &p));
}

/* As keep_larger; place [n] becomes `tap` where the entry of x is the new best. Places start
 * negative: a window's first entry always enters, and of equal ones the first stays. */
static inline void keep_place(mg_real *restrict best, int32_t *restrict place,
                              const mg_real *restrict x, int64_t stride, int32_t tap, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    mg_real value = x[stride * i], old = best[i];
    int wins = (place[i] < 0) | (value > old) | ((value != value) & (old == old));
    best[i] = wins ? value : old;
    place[i] = wins ? tap : place[i];
  }
}

/* place [columns] = where the largest entries of the windows of row i lie: entries of the plane
 * from the start of the window's first row inside it on, columns of the pad counted. */
static void places_of_row(const pool *p, const mg_real *plane, int64_t i, mg_real *best,
                          int32_t *place) {
  int64_t top, bottom, first, last;
  for (int64_t c = 0; c < p->columns; c++) place[c] = -1;
  for (int64_t c = 0; c < p->columns; c++) best[c] = 0;
  clip(p, i, p->height, &top, &bottom);
  for (int64_t ky = top; ky < bottom; ky++)
    for (int64_t kx = 0; kx < p->kernel; kx++) {
      inside(p, kx, &first, &last);
      if (first == last) continue;
      int64_t start = (i * p->stride - p->pad + ky) * p->width + first * p->stride - p->pad + kx;
      int32_t tap = (int32_t)((ky - top) * p->width + kx);
      if (p->stride == 1)
        keep_place(best + first, place + first, plane + start, 1, tap, last - first);
      else if (p->stride == 2)
        keep_place(best + first, place + first, plane + start, 2, tap, last - first);
      else
        keep_place(best + first, place + first, plane + start, p->stride, tap, last - first);
    }
}

/* dx [height, width] of a plane; best and place [columns] are scratch. */
static void max_vjp_plane(const pool *p, int64_t plane, mg_real *best, int32_t *place) {
  const mg_real *x = p->x + plane * p->height * p->width;
  const mg_real *dy = p->dy + plane * p->rows * p->columns;
  mg_real *dx = p->out + plane * p->height * p->width;
  memset(dx, 0, (size_t)(p->height * p->width) * sizeof *dx);
  for (int64_t row = 0; row < p->rows; row++, dy += p->columns) {
    int64_t y = row * p->stride - p->pad;
    places_of_row(p, x, row, best, place);
    int64_t start = (y > 0 ? y : 0) * p->width - p->pad; /* where a place counts from */
    for (int64_t c = 0; c < p->columns; c++) dx[start + c * p->stride + place[c]] += dy[c];
  }
}

static mg_status max_vjp_chunk(void *job, int64_t first, int64_t last) {
  const pool *p = job;
  int64_t size = (int64_t)(sizeof(mg_real) + sizeof(int32_t));
  mg_real *best = memory_array(p->columns, size);
  if (!best) return MG_NO_MEMORY;
  int32_t *place = (int32_t *)(void *)(best + p->columns);
  for (int64_t i = first; i < last; i++) max_vjp_plane(p, i, best, place);
  memory_free(best);
  return MG_OK;
}

mg_tensor *mg_max_pool2d_vjp(const mg_tensor *x, const mg_tensor *dy, int kernel, int stride,
                             int pad) {
  pool p;
  if (plan_windows("max_pool2d_vjp", x, kernel, stride, pad, &p) != MG_OK) return NULL;
  if (check_dy("max_pool2d_vjp", x, &p, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  p.dy = dy->data;
  p.out = dx->data;
  return op_finish(dx, for_planes(x, p.rows * p.columns * p.kernel * p.kernel, max_vjp_chunk, &p));
}

/* ---- windows that share a plane out */

static mg_status plan_shares(const char *op, mg_reduce_kind kind, const mg_tensor *x, int height,
                             int width, pool *p) {
  if (kind != MG_MAX && kind != MG_MEAN)
    return fail(MG_BAD_ARGUMENT, "%s: kind %d is not the largest or the mean", op, (int)kind);
  if (check_planes(op, x) != MG_OK) return MG_BAD_SHAPE;
  if (height < 1 || width < 1)
    return fail(MG_BAD_ARGUMENT, "%s: a result of %d x %d cells", op, height, width);
  *p = (pool){.kind = kind, .height = x->shape[2], .width = x->shape[3], .rows = height,
              .columns = width, .x = x->data};
  return MG_OK;
}

/* If every window is the same square, its side; else 0. Such windows are those of mg_max_pool2d. */
static int square_share(const pool *p) {
  int64_t side = p->height / p->rows;
  int fits = side * p->rows == p->height && side * p->columns == p->width && side <= INT_MAX;
  return fits ? (int)side : 0;
}

/* Entries of x that the windows of a plane may meet: work for a chunk. */
static int64_t work_of(const pool *p) {
  return p->height * p->width + p->rows * p->columns;
}

/* Cells top..bottom-1, left..right-1 of a plane. */
typedef struct window {
  int64_t top, bottom, left, right;
} window;

static window share(const pool *p, int64_t row, int64_t column) {
  return (window){row * p->height / p->rows, ((row + 1) * p->height + p->rows - 1) / p->rows,
                  column * p->width / p->columns,
                  ((column + 1) * p->width + p->columns - 1) / p->columns};
}

static mg_real mean_of(const mg_real *plane, int64_t width, window w) {
  double sum = 0;
  for (int64_t y = w.top; y < w.bottom; y++)
    for (int64_t x = w.left; x < w.right; x++) sum += (double)plane[y * width + x];
  return (mg_real)(sum / (double)((w.bottom - w.top) * (w.right - w.left)));
}

/* The place in the plane of the first largest entry; of a NaN if there is one. */
static int64_t place_of_largest(const mg_real *plane, int64_t width, window w) {
  int64_t place = w.top * width + w.left;
  for (int64_t y = w.top; y < w.bottom; y++)
    for (int64_t x = w.left; x < w.right; x++) {
      mg_real value = plane[y * width + x], best = plane[place];
      if (value > best || (value != value && best == best)) place = y * width + x;
    }
  return place;
}

static mg_status shares_chunk(void *job, int64_t first, int64_t last) {
  const pool *p = job;
  mg_real *out = p->out + first * p->rows * p->columns;
  for (int64_t i = first; i < last; i++) {
    const mg_real *plane = p->x + i * p->height * p->width;
    for (int64_t row = 0; row < p->rows; row++)
      for (int64_t column = 0; column < p->columns; column++) {
        window w = share(p, row, column);
        *out++ = p->kind == MG_MEAN ? mean_of(plane, p->width, w)
                                    : plane[place_of_largest(plane, p->width, w)];
      }
  }
  return MG_OK;
}

mg_tensor *mg_adaptive_pool2d(mg_reduce_kind kind, const mg_tensor *x, int height, int width) {
  pool p;
  if (plan_shares("adaptive_pool2d", kind, x, height, width, &p) != MG_OK) return NULL;
  int side = square_share(&p);
  if (kind == MG_MAX && side) return mg_max_pool2d(x, side, side, 0);
  mg_tensor *y = new_result(x, &p);
  if (!y) return NULL;
  p.out = y->data;
  return op_finish(y, for_planes(x, work_of(&p), shares_chunk, &p));
}

/* Adds dy / cells to the cells of a window. */
static void spread(mg_real *plane, int64_t width, window w, mg_real dy) {
  mg_real value = dy / (mg_real)((w.bottom - w.top) * (w.right - w.left));
  for (int64_t y = w.top; y < w.bottom; y++)
    for (int64_t x = w.left; x < w.right; x++) plane[y * width + x] += value;
}

static mg_status shares_vjp_chunk(void *job, int64_t first, int64_t last) {
  const pool *p = job;
  const mg_real *dy = p->dy + first * p->rows * p->columns;
  int64_t size = p->height * p->width;
  for (int64_t i = first; i < last; i++) {
    const mg_real *x = p->x + i * size;
    mg_real *dx = p->out + i * size;
    memset(dx, 0, (size_t)size * sizeof *dx);
    for (int64_t row = 0; row < p->rows; row++)
      for (int64_t column = 0; column < p->columns; column++, dy++) {
        window w = share(p, row, column);
        if (p->kind == MG_MEAN) spread(dx, p->width, w, *dy);
        else dx[place_of_largest(x, p->width, w)] += *dy;
      }
  }
  return MG_OK;
}

mg_tensor *mg_adaptive_pool2d_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *dy,
                                  int height, int width) {
  pool p;
  if (plan_shares("adaptive_pool2d_vjp", kind, x, height, width, &p) != MG_OK) return NULL;
  if (check_dy("adaptive_pool2d_vjp", x, &p, dy) != MG_OK) return NULL;
  int side = square_share(&p);
  if (kind == MG_MAX && side) return mg_max_pool2d_vjp(x, dy, side, side, 0);
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  p.dy = dy->data;
  p.out = dx->data;
  return op_finish(dx, for_planes(x, work_of(&p), shares_vjp_chunk, &p));
}

/* Pooling: every plane [height, width] of [batch, channels, height, width] by itself. Where the
 * largest entries were is found again for a gradient: that is cheaper than keeping it. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct pool {
  mg_reduce_kind kind;
  int64_t height, width, rows, columns; /* of a plane of x, of the result */
  mg_pool window;
  const mg_real *x, *y, *dy;
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

/* MG_BAD_SHAPE unless t, y or dy, has the shape of the result. */
static mg_status check_result(const char *op, const char *what, const mg_tensor *x, const pool *p,
                              const mg_tensor *t) {
  int64_t shape[4] = {x->shape[0], x->shape[1], p->rows, p->columns};
  if (t->axes == 4 && memcmp(t->shape, shape, sizeof shape) == 0) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: %s has shape %s, the result has %s", op, what, shape_of(got, t),
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

static mg_status check_kind(const char *op, mg_reduce_kind kind) {
  if (kind == MG_MAX || kind == MG_MEAN) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: kind %d is not the largest or the mean", op, (int)kind);
}

static mg_status check_window(const char *op, const mg_pool *o) {
  for (int i = 0; i < 2; i++)
    if (o->kernel[i] < 1 || o->stride[i] < 1 || o->pad[i] < 0 || o->pad[i] > o->kernel[i] / 2)
      return fail(MG_BAD_ARGUMENT,
                  "%s: kernel %d, stride %d and pad %d, expected 1 and 1 at least and pad in "
                  "0..kernel / 2",
                  op, o->kernel[i], o->stride[i], o->pad[i]);
  return MG_OK;
}

static mg_status plan_windows(const char *op, mg_reduce_kind kind, const mg_tensor *x,
                              const mg_pool *o, pool *p) {
  if (check_kind(op, kind) != MG_OK || check_window(op, o) != MG_OK) return MG_BAD_ARGUMENT;
  if (check_planes(op, x) != MG_OK) return MG_BAD_SHAPE;
  int64_t room[2];
  for (int i = 0; i < 2; i++) room[i] = x->shape[2 + i] + 2 * (int64_t)o->pad[i] - o->kernel[i];
  if (room[0] < 0 || room[1] < 0) {
    char text[SHAPE_TEXT_BYTES];
    return fail(MG_BAD_SHAPE, "%s: kernel %dx%d is larger than x of shape %s with pad %dx%d", op,
                o->kernel[0], o->kernel[1], shape_of(text, x), o->pad[0], o->pad[1]);
  }
  *p = (pool){.kind = kind, .height = x->shape[2], .width = x->shape[3], .window = *o,
              .rows = room[0] / o->stride[0] + 1, .columns = room[1] / o->stride[1] + 1,
              .x = x->data};
  return MG_OK;
}

/* The part of a kernel that lies inside a plane's height, from row i of the result on: offsets into
 * the kernel. */
static void clip(const pool *p, int64_t i, int64_t *first, int64_t *last) {
  int64_t start = i * p->window.stride[0] - p->window.pad[0];
  *first = start < 0 ? -start : 0;
  *last = p->height - start < p->window.kernel[0] ? p->height - start : p->window.kernel[0];
}

/* For a kernel column: results first..last-1 of a row for which it lies inside the plane, and its
 * column for the first of them. */
typedef struct tap {
  int64_t first, last, column;
} tap;

/* Scratch of a thread. */
typedef struct scratch {
  tap *taps;      /* [kernel columns] */
  double *total;  /* [columns] */
  int32_t *place; /* [columns] */
  int32_t *least; /* [columns]: first kernel column inside the plane */
} scratch;

static tap tap_at(const pool *p, int64_t k) {
  int64_t stride = p->window.stride[1];
  int64_t left = p->window.pad[1] - k, right = p->width + left; /* left <= i stride < right */
  tap t = {.first = left > 0 ? (left + stride - 1) / stride : 0, .last = p->columns};
  int64_t fit = right > 0 ? (right + stride - 1) / stride : 0;
  if (t.last > fit) t.last = fit;
  if (t.first > t.last) t.first = t.last;
  t.column = t.first * stride - left;
  return t;
}

static mg_status scratch_new(const pool *p, scratch *s) {
  int64_t taps = p->window.kernel[1] * (int64_t)sizeof(tap);
  int64_t columns = p->columns * (int64_t)(sizeof(double) + 2 * sizeof(int32_t));
  char *bytes = memory_new(taps + columns);
  if (!bytes) return MG_NO_MEMORY;
  s->taps = (tap *)(void *)bytes;
  s->total = (double *)(void *)(bytes + taps);
  s->place = (int32_t *)(void *)(s->total + p->columns);
  s->least = s->place + p->columns;
  for (int64_t k = 0; k < p->window.kernel[1]; k++) s->taps[k] = tap_at(p, k);
  for (int64_t c = 0; c < p->columns; c++) {
    int64_t left = p->window.pad[1] - c * p->window.stride[1];
    s->least[c] = (int32_t)(left > 0 ? left : 0);
  }
  return MG_OK;
}

static void scratch_free(scratch *s) { memory_free(s->taps); }

/* Where row ky of the window of row i starts in a plane. */
static int64_t row_place(const pool *p, int64_t i, int64_t ky) {
  return (i * p->window.stride[0] - p->window.pad[0] + ky) * p->width;
}

/* ---- the largest */

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
static void largest_of_row(const pool *p, const scratch *s, const mg_real *plane, int64_t i,
                           mg_real *best) {
  int64_t top, bottom;
  for (int64_t c = 0; c < p->columns; c++) best[c] = -(mg_real)INFINITY;
  clip(p, i, &top, &bottom);
  for (int64_t ky = top; ky < bottom; ky++) {
    const mg_real *x = plane + row_place(p, i, ky);
    for (int k = 0; k < p->window.kernel[1]; k++) {
      tap t = s->taps[k];
      keep_larger(best + t.first, x + t.column, p->window.stride[1], t.last - t.first);
    }
  }
}

/* place [n] = `here` where every stride-th entry of x is y */
static void mark_places(int32_t *restrict place, const mg_real *restrict x,
                        const mg_real *restrict y, int64_t stride, int32_t here, int64_t n) {
#define IS_PLACE(x) (((x) == y[i]) | (((x) != (x)) & (y[i] != y[i])))
  if (stride == 1)
    for (int64_t i = 0; i < n; i++) place[i] = IS_PLACE(x[i]) ? here : place[i];
  else if (stride == 2)
    for (int64_t i = 0; i < n; i++) place[i] = IS_PLACE(x[2 * i]) ? here : place[i];
  else
    for (int64_t i = 0; i < n; i++) place[i] = IS_PLACE(x[stride * i]) ? here : place[i];
#undef IS_PLACE
}

/* Adds dy [columns] of row i where the first of the largest entries y of its windows lie: the taps
 * are met from the last to the first, so that the first stays. A window without its y: its first cell. */
static void route_row(const pool *p, const scratch *s, const mg_real *plane, int64_t i,
                      const mg_real *y, const mg_real *dy, mg_real *dx) {
  int64_t top, bottom, stride = p->window.stride[1];
  clip(p, i, &top, &bottom);
  int64_t start = row_place(p, i, top) - p->window.pad[1];
  memcpy(s->place, s->least, (size_t)p->columns * sizeof *s->place);
  for (int64_t ky = bottom - 1; ky >= top; ky--)
    for (int k = p->window.kernel[1] - 1; k >= 0; k--) {
      tap t = s->taps[k];
      int32_t here = (int32_t)((ky - top) * p->width + k);
      mark_places(s->place + t.first, plane + row_place(p, i, ky) + t.column, y + t.first, stride,
                  here, t.last - t.first);
    }
  for (int64_t c = 0; c < p->columns; c++) dx[start + c * stride + s->place[c]] += dy[c];
}

/* ---- the mean: zeros around count */

static mg_real cells_of(const pool *p) {
  return (mg_real)((int64_t)p->window.kernel[0] * p->window.kernel[1]);
}

static void mean_of_row(const pool *p, const scratch *s, const mg_real *plane, int64_t i,
                        mg_real *out) {
  int64_t top, bottom, stride = p->window.stride[1];
  for (int64_t c = 0; c < p->columns; c++) s->total[c] = 0;
  clip(p, i, &top, &bottom);
  for (int64_t ky = top; ky < bottom; ky++)
    for (int k = 0; k < p->window.kernel[1]; k++) {
      tap t = s->taps[k];
      const mg_real *x = plane + row_place(p, i, ky) + t.column;
      for (int64_t c = t.first; c < t.last; c++, x += stride) s->total[c] += (double)*x;
    }
  for (int64_t c = 0; c < p->columns; c++) out[c] = (mg_real)(s->total[c] / (double)cells_of(p));
}

static void spread_row(const pool *p, const scratch *s, int64_t i, const mg_real *dy, mg_real *dx) {
  int64_t top, bottom, stride = p->window.stride[1];
  mg_real scale = 1 / cells_of(p);
  clip(p, i, &top, &bottom);
  for (int64_t ky = top; ky < bottom; ky++)
    for (int k = 0; k < p->window.kernel[1]; k++) {
      tap t = s->taps[k];
      mg_real *to = dx + row_place(p, i, ky) + t.column;
      for (int64_t c = t.first; c < t.last; c++, to += stride) *to += scale * dy[c];
    }
}

/* ---- both */

/* Planes first..last-1. */
static mg_status pool_chunk(void *job, int64_t first, int64_t last) {
  const pool *p = job;
  scratch s;
  mg_status status = scratch_new(p, &s);
  if (status != MG_OK) return status;
  for (int64_t i = first; i < last; i++) {
    const mg_real *plane = p->x + i * p->height * p->width;
    for (int64_t row = 0; row < p->rows; row++) {
      mg_real *out = p->out + (i * p->rows + row) * p->columns;
      if (p->kind == MG_MAX) largest_of_row(p, &s, plane, row, out);
      else mean_of_row(p, &s, plane, row, out);
    }
  }
  scratch_free(&s);
  return MG_OK;
}

mg_tensor *mg_pool2d(mg_reduce_kind kind, const mg_tensor *x, const mg_pool *window) {
  pool p;
  if (plan_windows("pool2d", kind, x, window, &p) != MG_OK) return NULL;
  mg_tensor *y = new_result(x, &p);
  if (!y) return NULL;
  p.out = y->data;
  int64_t cells = (int64_t)window->kernel[0] * window->kernel[1];
  return op_finish(y, for_planes(x, p.rows * p.columns * cells, pool_chunk, &p));
}

static mg_status pool_vjp_chunk(void *job, int64_t first, int64_t last) {
  const pool *p = job;
  scratch s;
  mg_status status = scratch_new(p, &s);
  if (status != MG_OK) return status;
  for (int64_t i = first; i < last; i++) {
    int64_t size = p->height * p->width;
    const mg_real *plane = p->x + i * size;
    mg_real *dx = p->out + i * size;
    memset(dx, 0, (size_t)size * sizeof *dx);
    for (int64_t row = 0; row < p->rows; row++) {
      int64_t at = (i * p->rows + row) * p->columns;
      if (p->kind == MG_MAX) route_row(p, &s, plane, row, p->y + at, p->dy + at, dx);
      else spread_row(p, &s, row, p->dy + at, dx);
    }
  }
  scratch_free(&s);
  return MG_OK;
}

mg_tensor *mg_pool2d_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                         const mg_tensor *dy, const mg_pool *window) {
  pool p;
  if (plan_windows("pool2d_vjp", kind, x, window, &p) != MG_OK) return NULL;
  if (check_result("pool2d_vjp", "y", x, &p, y) != MG_OK) return NULL;
  if (check_result("pool2d_vjp", "dy", x, &p, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  p.y = y->data;
  p.dy = dy->data;
  p.out = dx->data;
  int64_t cells = (int64_t)window->kernel[0] * window->kernel[1];
  return op_finish(dx, for_planes(x, p.rows * p.columns * cells, pool_vjp_chunk, &p));
}

/* ---- windows that share a plane out */

static mg_status plan_shares(const char *op, mg_reduce_kind kind, const mg_tensor *x, int height,
                             int width, pool *p) {
  if (check_kind(op, kind) != MG_OK) return MG_BAD_ARGUMENT;
  if (check_planes(op, x) != MG_OK) return MG_BAD_SHAPE;
  if (height < 1 || width < 1)
    return fail(MG_BAD_ARGUMENT, "%s: a result of %d x %d cells", op, height, width);
  *p = (pool){.kind = kind, .height = x->shape[2], .width = x->shape[3], .rows = height,
              .columns = width, .x = x->data};
  return MG_OK;
}

/* Whether all windows are of one size; they are those of *window then. */
static int has_equal_shares(const pool *p, mg_pool *window) {
  int64_t down = p->height / p->rows, across = p->width / p->columns;
  if (down * p->rows != p->height || across * p->columns != p->width) return 0;
  *window = (mg_pool){.kernel = {(int)down, (int)across}, .stride = {(int)down, (int)across}};
  return 1;
}

/* Entries of x that the windows of a plane may meet: work for a chunk. */
static int64_t work_of(const pool *p) {
  return p->height * p->width + p->rows * p->columns;
}

/* Cells top..bottom-1, left..right-1 of a plane. */
typedef struct cells {
  int64_t top, bottom, left, right;
} cells;

static cells share(const pool *p, int64_t row, int64_t column) {
  return (cells){row * p->height / p->rows, ((row + 1) * p->height + p->rows - 1) / p->rows,
                  column * p->width / p->columns,
                  ((column + 1) * p->width + p->columns - 1) / p->columns};
}

static mg_real mean_of(const mg_real *plane, int64_t width, cells w) {
  double sum = 0;
  for (int64_t y = w.top; y < w.bottom; y++)
    for (int64_t x = w.left; x < w.right; x++) sum += (double)plane[y * width + x];
  return (mg_real)(sum / (double)((w.bottom - w.top) * (w.right - w.left)));
}

/* The place in the plane of the first largest entry; of a NaN if there is one. */
static int64_t place_of_largest(const mg_real *plane, int64_t width, cells w) {
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
        cells w = share(p, row, column);
        *out++ = p->kind == MG_MEAN ? mean_of(plane, p->width, w)
                                    : plane[place_of_largest(plane, p->width, w)];
      }
  }
  return MG_OK;
}

mg_tensor *mg_adaptive_pool2d(mg_reduce_kind kind, const mg_tensor *x, int height, int width) {
  pool p;
  if (plan_shares("adaptive_pool2d", kind, x, height, width, &p) != MG_OK) return NULL;
  mg_pool window;
  if (has_equal_shares(&p, &window)) return mg_pool2d(kind, x, &window);
  mg_tensor *y = new_result(x, &p);
  if (!y) return NULL;
  p.out = y->data;
  return op_finish(y, for_planes(x, work_of(&p), shares_chunk, &p));
}

/* Adds dy / cells to the cells of a window. */
static void spread(mg_real *plane, int64_t width, cells w, mg_real dy) {
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
        cells w = share(p, row, column);
        if (p->kind == MG_MEAN) spread(dx, p->width, w, *dy);
        else dx[place_of_largest(x, p->width, w)] += *dy;
      }
  }
  return MG_OK;
}

mg_tensor *mg_adaptive_pool2d_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                                  const mg_tensor *dy, int height, int width) {
  pool p;
  if (plan_shares("adaptive_pool2d_vjp", kind, x, height, width, &p) != MG_OK) return NULL;
  if (check_result("adaptive_pool2d_vjp", "y", x, &p, y) != MG_OK) return NULL;
  if (check_result("adaptive_pool2d_vjp", "dy", x, &p, dy) != MG_OK) return NULL;
  mg_pool window;
  if (has_equal_shares(&p, &window)) return mg_pool2d_vjp(kind, x, y, dy, &window);
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  p.dy = dy->data;
  p.out = dx->data;
  return op_finish(dx, for_planes(x, work_of(&p), shares_vjp_chunk, &p));
}

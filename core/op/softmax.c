/* Softmax and its logarithm along an axis: x is seen as [outer, n, inner]. Rows (inner = 1) are
 * done one by one while they lie in the cache, columns in tiles that share their rows. */
#include <math.h>

#include "base/real_math.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

enum { TILE = 64 };

typedef struct softmax {
  int is_log;
  int64_t outer, n, inner;
  int64_t tiles; /* of the inner axis */
  const mg_real *x, *y, *dy;
  mg_real *out;
} softmax;

/* Tile `index` of all: its width; its first entry goes to *at. */
static int tile_at(const softmax *s, int64_t index, int64_t *at) {
  int64_t start = index % s->tiles * TILE, left = s->inner - start;
  *at = index / s->tiles * s->n * s->inner + start;
  return (int)(left < TILE ? left : TILE);
}

/* ---- forward: exp(x - max) / sum, or x - max - log sum. A row without a finite largest entry is
 * NaN throughout. */

/* The largest entry of x [n], n >= 1. NaN need not be seen: it makes the sum NaN. */
static mg_real largest(const mg_real *x, int64_t n) {
  enum { LANES = 32 };
  mg_real lane[LANES];
  for (int l = 0; l < LANES; l++) lane[l] = x[0];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
  for (; i < n; i++) lane[0] = x[i] > lane[0] ? x[i] : lane[0];
  for (int l = 1; l < LANES; l++) lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
  return lane[0];
}

static void forward_row(const softmax *s, const mg_real *x, mg_real *y) {
  mg_real high = largest(x, s->n);
  for (int64_t i = 0; i < s->n; i++) y[i] = real_exp(x[i] - high);
  double sum = op_sum(y, s->n);
  if (s->is_log) {
    mg_real shift = (mg_real)log(sum);
    for (int64_t i = 0; i < s->n; i++) y[i] = (x[i] - high) - shift;
  } else {
    mg_real scale = (mg_real)(1 / sum);
    for (int64_t i = 0; i < s->n; i++) y[i] *= scale;
  }
}

static void forward_tile(const softmax *s, const mg_real *x, mg_real *y, int width) {
  mg_real high[TILE], last[TILE];
  double sum[TILE] = {0};
  for (int i = 0; i < width; i++) high[i] = x[i];
  for (int64_t m = 1; m < s->n; m++)
    for (int i = 0; i < width; i++) {
      mg_real v = x[m * s->inner + i];
      high[i] = v > high[i] ? v : high[i];
    }
  for (int64_t m = 0; m < s->n; m++)
    for (int i = 0; i < width; i++) {
      mg_real e = real_exp(x[m * s->inner + i] - high[i]);
      y[m * s->inner + i] = e;
      sum[i] += (double)e;
    }
  for (int i = 0; i < width; i++) last[i] = (mg_real)(s->is_log ? log(sum[i]) : 1 / sum[i]);
  for (int64_t m = 0; m < s->n; m++) {
    const mg_real *row = x + m * s->inner;
    mg_real *to = y + m * s->inner;
    if (s->is_log)
      for (int i = 0; i < width; i++) to[i] = (row[i] - high[i]) - last[i];
    else
      for (int i = 0; i < width; i++) to[i] *= last[i];
  }
}

static mg_status forward_chunk(void *job, int64_t first, int64_t last) {
  const softmax *s = job;
  for (int64_t k = first; k < last; k++) {
    int64_t at;
    int width = tile_at(s, k, &at);
    if (s->inner == 1) forward_row(s, s->x + at, s->out + at);
    else forward_tile(s, s->x + at, s->out + at, width);
  }
  return MG_OK;
}

/* ---- gradients: y (dy - sum(dy y)); of the logarithm dy - exp(y) sum(dy) */

static void vjp_row(const softmax *s, const mg_real *y, const mg_real *dy, mg_real *dx) {
  if (s->is_log) {
    mg_real sum = (mg_real)op_sum(dy, s->n);
    for (int64_t i = 0; i < s->n; i++) dx[i] = dy[i] - real_exp(y[i]) * sum;
  } else {
    mg_real sum = (mg_real)op_product(y, 0, dy, 0, s->n);
    for (int64_t i = 0; i < s->n; i++) dx[i] = y[i] * (dy[i] - sum);
  }
}

static void vjp_tile(const softmax *s, const mg_real *y, const mg_real *dy, mg_real *dx,
                     int width) {
  double sum[TILE] = {0};
  for (int64_t m = 0; m < s->n; m++)
    for (int i = 0; i < width; i++) {
      int64_t at = m * s->inner + i;
      sum[i] += (double)dy[at] * (s->is_log ? 1 : (double)y[at]);
    }
  for (int64_t m = 0; m < s->n; m++)
    for (int i = 0; i < width; i++) {
      int64_t at = m * s->inner + i;
      dx[at] = s->is_log ? dy[at] - real_exp(y[at]) * (mg_real)sum[i]
                         : y[at] * (dy[at] - (mg_real)sum[i]);
    }
}

static mg_status vjp_chunk(void *job, int64_t first, int64_t last) {
  const softmax *s = job;
  for (int64_t k = first; k < last; k++) {
    int64_t at;
    int width = tile_at(s, k, &at);
    if (s->inner == 1) vjp_row(s, s->y + at, s->dy + at, s->out + at);
    else vjp_tile(s, s->y + at, s->dy + at, s->out + at, width);
  }
  return MG_OK;
}

static mg_status plan(const char *op, const mg_tensor *x, int axis, int is_log, softmax *s) {
  if (axis < 0 || axis >= x->axes)
    return fail(MG_BAD_SHAPE, "%s: axis %d, there are %d", op, axis + 1, x->axes);
  *s = (softmax){.is_log = is_log, .x = x->data, .n = x->shape[axis]};
  s->outer = shape_product(x->shape, 0, axis);
  s->inner = shape_product(x->shape, axis + 1, x->axes);
  s->tiles = (s->inner + TILE - 1) / TILE;
  return MG_OK;
}

static mg_tensor *run(softmax *s, mg_tensor *out, parallel_body body) {
  s->out = out->data;
  if (out->size == 0) return out;
  int64_t width = s->inner < TILE ? s->inner : TILE;
  return op_finish(out, op_for(s->outer * s->tiles, op_grain(s->n * width), body, s));
}

mg_tensor *mg_softmax(const mg_tensor *x, int axis, int is_log) {
  softmax s;
  if (plan("softmax", x, axis, is_log, &s) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(x);
  return y ? run(&s, y, forward_chunk) : NULL;
}

mg_tensor *mg_softmax_vjp(const mg_tensor *y, const mg_tensor *dy, int axis, int is_log) {
  softmax s;
  if (plan("softmax_vjp", y, axis, is_log, &s) != MG_OK) return NULL;
  if (shape_expect("softmax_vjp", y, dy) != MG_OK) return NULL;
  s.y = y->data;
  s.dy = dy->data;
  mg_tensor *dx = tensor_like(y);
  return dx ? run(&s, dx, vjp_chunk) : NULL;
}

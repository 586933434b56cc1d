/* Cumulative sums along an axis: x is seen as [outer, n, inner]; running sums are double. */
#include "base/interrupt.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

/* Columns done together; entries between two looks for interrupts. */
enum { TILE = 64, STEPS = 1 << 15 };

typedef struct scan {
  int64_t outer, n, inner;
  int64_t tiles;       /* of the inner axis */
  int64_t start, step; /* the first index of the axis and the way on: 0, 1 or n - 1, -1 */
  const mg_real *x;
  mg_real *y;
} scan;

static mg_status scan_row(const scan *s, const mg_real *x, mg_real *y) {
  double sum = 0;
  for (int64_t m = 0, i = s->start; m < s->n; m++, i += s->step) {
    sum += (double)x[i];
    y[i] = (mg_real)sum;
    if (m % STEPS == STEPS - 1 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

static mg_status scan_tile(const scan *s, const mg_real *x, mg_real *y, int width) {
  double sum[TILE] = {0};
  for (int64_t m = 0, row = s->start; m < s->n; m++, row += s->step) {
    const mg_real *from = x + row * s->inner;
    mg_real *to = y + row * s->inner;
    for (int i = 0; i < width; i++) {
      sum[i] += (double)from[i];
      to[i] = (mg_real)sum[i];
    }
    if (m % (STEPS / TILE) == STEPS / TILE - 1 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

static mg_status scan_chunk(void *job, int64_t first, int64_t last) {
  const scan *s = job;
  mg_status status = MG_OK;
  for (int64_t k = first; k < last && status == MG_OK; k++) {
    int64_t column = k % s->tiles * TILE, left = s->inner - column;
    int64_t at = k / s->tiles * s->n * s->inner + column;
    if (s->inner == 1) status = scan_row(s, s->x + at, s->y + at);
    else status = scan_tile(s, s->x + at, s->y + at, (int)(left < TILE ? left : TILE));
  }
  return status;
}

mg_tensor *mg_cumsum(const mg_tensor *x, int axis, int is_reverse) {
  if (axis < 0 || axis >= x->axes)
    return fail_null(MG_BAD_SHAPE, "cumsum: axis %d, there are %d", axis + 1, x->axes);
  mg_tensor *y = tensor_like(x);
  if (!y || y->size == 0) return y;
  scan s = {.n = x->shape[axis], .step = is_reverse ? -1 : 1, .x = x->data, .y = y->data};
  s.start = is_reverse ? s.n - 1 : 0;
  s.outer = shape_product(x->shape, 0, axis);
  s.inner = shape_product(x->shape, axis + 1, x->axes);
  s.tiles = (s.inner + TILE - 1) / TILE;
  int64_t width = s.inner < TILE ? s.inner : TILE;
  return op_finish(y, op_for(s.outer * s.tiles, op_grain(s.n * width), scan_chunk, &s));
}

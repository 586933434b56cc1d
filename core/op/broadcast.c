/* Walking operands that broadcast. */
#include "broadcast.h"

#include "base/memory.h"
#include "base/status.h"
#include "tensor/shape.h"

/* How operands are walked: the axes of the result, those of extent 1 left out and neighbours merged
 * where all operands allow it, so that the last axis is as long as can be. Strides are 0 along
 * broadcast axes; along the last axis they are 0 or 1, not all 0. */
typedef struct walk {
  int operands, axes; /* axes: at least 1 */
  int64_t extent[MG_MAX_AXES], stride[BROADCAST_MOST][MG_MAX_AXES];
} walk;

/* A position in a walk and the offsets of the operands there. */
typedef struct cursor {
  int64_t index[MG_MAX_AXES], offset[BROADCAST_MOST];
} cursor;

/* Strides of x in a result of so many axes, 0 where x has extent 1. */
static void strides_in(const mg_tensor *x, int axes, int64_t *stride) {
  int64_t step = 1;
  for (int i = axes - 1, j = x->axes - 1; i >= 0; i--, j--) {
    int64_t extent = j >= 0 ? x->shape[j] : 1;
    stride[i] = extent == 1 ? 0 : step;
    step *= extent;
  }
}

static walk walk_of(const mg_tensor *const *x, int count, const int64_t *shape, int axes) {
  int64_t stride[BROADCAST_MOST][MG_MAX_AXES];
  walk w = {.operands = count};
  for (int k = 0; k < count; k++) strides_in(x[k], axes, stride[k]);
  for (int i = 0; i < axes; i++) {
    if (shape[i] == 1) continue;
    int last = w.axes - 1, merges = last >= 0;
    for (int k = 0; merges && k < count; k++)
      merges = w.stride[k][last] == stride[k][i] * shape[i];
    if (!merges) {
      last = w.axes++;
      w.extent[last] = 1;
    }
    w.extent[last] *= shape[i];
    for (int k = 0; k < count; k++) w.stride[k][last] = stride[k][i];
  }
  if (w.axes == 0) {
    w.axes = 1;
    w.extent[0] = 1;
    for (int k = 0; k < count; k++) w.stride[k][0] = 1;
  }
  return w;
}

/* The cursor at a position of the result. */
static cursor seek(const walk *w, int64_t position) {
  cursor c = {.offset = {0}};
  for (int i = w->axes - 1; i >= 0; i--) {
    c.index[i] = i > 0 ? position % w->extent[i] : position;
    if (i > 0) position /= w->extent[i];
    for (int k = 0; k < w->operands; k++) c.offset[k] += c.index[i] * w->stride[k][i];
  }
  return c;
}

/* Moves on by n places, at most to the end of the row. */
static void advance(const walk *w, cursor *c, int64_t n) {
  int i = w->axes - 1;
  c->index[i] += n;
  for (int k = 0; k < w->operands; k++) c->offset[k] += n * w->stride[k][i];
  for (; i > 0 && c->index[i] == w->extent[i]; i--) {
    c->index[i] = 0;
    c->index[i - 1]++;
    for (int k = 0; k < w->operands; k++)
      c->offset[k] += w->stride[k][i - 1] - w->extent[i] * w->stride[k][i];
  }
}

typedef struct broadcast_job {
  walk w;
  piece_body body;
  const void *formula;
  int which;
  const mg_real *x[BROADCAST_MOST], *dy;
  mg_real *out;
  double *total;       /* sums for the gradient's entries, a row of `size` for each part */
  int64_t size;        /* entries of the gradient */
  int64_t slice;       /* entries of the result for one index of the first axis */
  int64_t part_slices; /* indices of the first axis that share a part */
} broadcast_job;

/* The piece of at most `limit` results that starts at a cursor and ends with the row. */
static piece piece_at(const broadcast_job *j, const cursor *c, int64_t position, int64_t limit) {
  int last = j->w.axes - 1;
  int64_t left = j->w.extent[last] - c->index[last];
  piece p = {.n = left < limit ? left : limit};
  for (int k = 0; k < j->w.operands; k++) {
    p.x[k] = j->x[k] + c->offset[k];
    p.step[k] = j->w.stride[k][last];
  }
  if (j->dy) p.dy = j->dy + position;
  return p;
}

/* Entries first..last-1 of the result, or of a gradient as large as it. */
static mg_status broadcast_chunk(void *job, int64_t first, int64_t last) {
  const broadcast_job *j = job;
  cursor c = seek(&j->w, first);
  while (first < last) {
    piece p = piece_at(j, &c, first, last - first);
    p.out = j->out + first;
    j->body(j->formula, &p);
    advance(&j->w, &c, p.n);
    first += p.n;
  }
  return MG_OK;
}

/* Adds what indices first..last-1 of the first axis give to the sums of their part. */
static mg_status broadcast_sum_chunk(void *job, int64_t first, int64_t last) {
  enum { BLOCK = 512 };
  mg_real values[BLOCK];
  const broadcast_job *j = job;
  double *total = j->total + first / j->part_slices * j->size;
  int64_t step = j->w.stride[j->which][j->w.axes - 1];
  int64_t position = first * j->slice, end = last * j->slice;
  cursor c = seek(&j->w, position);
  while (position < end) {
    piece p = piece_at(j, &c, position, BLOCK);
    p.out = values;
    j->body(j->formula, &p);
    double *place = total + c.offset[j->which];
    if (step) op_add(place, values, p.n);
    else *place += op_sum(values, p.n);
    advance(&j->w, &c, p.n);
    position += p.n;
  }
  return MG_OK;
}

/* The shape of the result of 2 or 3 operands; fails as shape_broadcast does. */
static mg_status shape_of_all(const char *op, const mg_tensor *const *x, int count, int64_t *shape,
                              int *axes) {
  mg_status status = shape_broadcast(op, x[0], x[1], shape, axes);
  if (status != MG_OK || count == 2) return status;
  mg_tensor joint = {.axes = *axes};
  for (int i = 0; i < joint.axes; i++) joint.shape[i] = shape[i];
  return shape_broadcast(op, &joint, x[2], shape, axes);
}

mg_tensor *broadcast(const char *op, const mg_tensor *const *x, int count, piece_body body,
                     const void *formula) {
  int64_t shape[MG_MAX_AXES];
  int axes;
  if (shape_of_all(op, x, count, shape, &axes) != MG_OK) return NULL;
  mg_tensor *y = mg_tensor_new(shape, axes);
  if (!y) return NULL;
  broadcast_job job = {.body = body, .formula = formula, .out = y->data};
  for (int k = 0; k < count; k++) job.x[k] = x[k]->data;
  job.w = walk_of(x, count, shape, axes);
  return op_finish(y, op_for(y->size, OP_GRAIN, broadcast_chunk, &job));
}

/* The gradient of an operand that was broadcast. Along the first axis of the walk the operand moves
 * or not: if it moves, chunks have their own entries of it; else chunks are at most PARTS parts
 * with sums of their own, which are added in order. */
static mg_status sum_broadcast(broadcast_job *j, mg_tensor *g) {
  enum { PARTS = 8 };
  if (g->size == 0) return MG_OK;
  int64_t slices = j->w.extent[0], grain, parts = 1;
  j->slice = shape_product(j->w.extent, 1, j->w.axes);
  j->size = g->size;
  grain = op_grain(j->slice);
  j->part_slices = slices > 0 ? slices : 1;
  if (j->w.stride[j->which][0] == 0 && slices > 0) {
    int64_t least = (slices + PARTS - 1) / PARTS;
    j->part_slices = grain = grain < least ? least : grain;
    parts = parallel_chunks(slices, grain);
  }
  j->total = memory_array(parts * g->size, (int64_t)sizeof *j->total);
  if (!j->total) return MG_NO_MEMORY;
  for (int64_t i = 0; i < parts * g->size; i++) j->total[i] = 0;
  mg_status status = op_for(j->slice > 0 ? slices : 0, grain, broadcast_sum_chunk, j);
  for (int64_t i = 0; i < g->size; i++) {
    double sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += j->total[p * g->size + i];
    g->data[i] = (mg_real)sum;
  }
  memory_free(j->total);
  return status;
}

/* MG_BAD_SHAPE unless dy has the shape of the result. */
static mg_status check_dy(const char *op, const mg_tensor *dy, const int64_t *shape, int axes) {
  int fits = dy->axes == axes;
  for (int i = 0; fits && i < axes; i++) fits = dy->shape[i] == shape[i];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: dy has shape %s, the result has %s", op, shape_of(got, dy),
              shape_text(expected, shape, axes));
}

mg_tensor *broadcast_vjp(const char *op, const mg_tensor *const *x, int count, int which,
                         const mg_tensor *dy, piece_body body, const void *formula) {
  int64_t shape[MG_MAX_AXES];
  int axes;
  if (shape_of_all(op, x, count, shape, &axes) != MG_OK) return NULL;
  if (check_dy(op, dy, shape, axes) != MG_OK) return NULL;
  mg_tensor *g = tensor_like(x[which]);
  if (!g) return NULL;
  broadcast_job job = {
      .body = body, .formula = formula, .which = which, .dy = dy->data, .out = g->data};
  for (int k = 0; k < count; k++) job.x[k] = x[k]->data;
  job.w = walk_of(x, count, shape, axes);
  if (g->size != dy->size) return op_finish(g, sum_broadcast(&job, g));
  return op_finish(g, op_for(g->size, OP_GRAIN, broadcast_chunk, &job));
}

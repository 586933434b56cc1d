/* Entries picked and added by an index of their own along an axis: x is seen as [outer, n, inner], index
 * as [outer, m, inner]. Blocks of columns (of `inner`) are done by one thread each, so that entries that
 * are added to the same place are added in order. */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct gathering {
  int64_t outer, n, m, inner;
  int64_t block, blocks; /* columns of a block, blocks of an outer index */
  const mg_real *x, *index, *source;
  mg_real *out;
} gathering;

/* MG_BAD_SHAPE unless `t` has x's shape but for the axis. */
static mg_status check_index_shape(const char *op, const char *what, const mg_tensor *x, int axis,
                                   const mg_tensor *t) {
  int fits = t->axes == x->axes;
  for (int i = 0; fits && i < x->axes; i++) fits = i == axis || t->shape[i] == x->shape[i];
  if (fits) return MG_OK;
  char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: %s has shape %s, expected that of x, %s, but for axis %d", op,
              what, shape_of(left, t), shape_of(right, x), axis + 1);
}

/* MG_BAD_ARGUMENT unless all entries are whole numbers in 1..n. */
static mg_status check_index(const char *op, const mg_tensor *index, int64_t n) {
  for (int64_t i = 0; i < index->size; i++) {
    double value = (double)index->data[i];
    if (!(value >= 1 && value <= (double)n && value == floor(value)))
      return fail(MG_BAD_ARGUMENT,
                  "%s: entry %lld of the index is %g, expected a whole number in 1..%lld", op,
                  (long long)i + 1, value != value ? (double)NAN : value, (long long)n);
  }
  return MG_OK;
}

static mg_status plan(const char *op, const mg_tensor *x, int axis, const mg_tensor *index,
                      gathering *g) {
  enum { COLUMNS = 256 };
  if (axis < 0 || axis >= x->axes)
    return fail(MG_BAD_SHAPE, "%s: axis %d, there are %d", op, axis + 1, x->axes);
  if (check_index_shape(op, "the index", x, axis, index) != MG_OK) return MG_BAD_SHAPE;
  if (check_index(op, index, x->shape[axis]) != MG_OK) return MG_BAD_ARGUMENT;
  *g = (gathering){.outer = shape_product(x->shape, 0, axis),
                   .n = x->shape[axis],
                   .m = index->shape[axis],
                   .inner = shape_product(x->shape, axis + 1, x->axes),
                   .block = COLUMNS,
                   .x = x->data,
                   .index = index->data};
  g->blocks = parallel_chunks(g->inner, g->block);
  return MG_OK;
}

/* body over all blocks of columns, each of so many rows. */
static mg_status for_blocks(const gathering *g, int64_t rows, parallel_body body) {
  int64_t width = g->inner < g->block ? g->inner : g->block;
  return op_for(g->outer * g->blocks, op_grain(rows * width), body, (void *)g);
}

/* The columns of block i: their first, and how many. */
static int64_t columns_of(const gathering *g, int64_t i, int64_t *first) {
  *first = i % g->blocks * g->block;
  return g->inner - *first < g->block ? g->inner - *first : g->block;
}

static mg_status gather_chunk(void *job, int64_t first, int64_t last) {
  const gathering *g = job;
  for (int64_t i = first; i < last; i++) {
    int64_t column, count = columns_of(g, i, &column), o = i / g->blocks;
    for (int64_t k = 0; k < g->m; k++) {
      int64_t at = (o * g->m + k) * g->inner + column;
      const mg_real *x = g->x + o * g->n * g->inner + column;
      for (int64_t c = 0; c < count; c++)
        g->out[at + c] = x[((int64_t)g->index[at + c] - 1) * g->inner + c];
    }
  }
  return MG_OK;
}

mg_tensor *mg_gather(const mg_tensor *x, int axis, const mg_tensor *index) {
  gathering g;
  if (plan("gather", x, axis, index, &g) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(index);
  if (!y || y->size == 0) return y;
  g.out = y->data;
  return op_finish(y, for_blocks(&g, g.m, gather_chunk));
}

static mg_status scatter_chunk(void *job, int64_t first, int64_t last) {
  const gathering *g = job;
  for (int64_t i = first; i < last; i++) {
    int64_t column, count = columns_of(g, i, &column), o = i / g->blocks;
    mg_real *out = g->out + o * g->n * g->inner + column;
    for (int64_t k = 0; k < g->n; k++)
      memcpy(out + k * g->inner, g->x + (out - g->out) + k * g->inner, (size_t)count * sizeof *out);
    for (int64_t k = 0; k < g->m; k++) {
      int64_t at = (o * g->m + k) * g->inner + column;
      for (int64_t c = 0; c < count; c++)
        out[((int64_t)g->index[at + c] - 1) * g->inner + c] += g->source[at + c];
    }
  }
  return MG_OK;
}

mg_tensor *mg_scatter_add(const mg_tensor *x, int axis, const mg_tensor *index,
                          const mg_tensor *source) {
  gathering g;
  if (plan("scatter_add", x, axis, index, &g) != MG_OK) return NULL;
  if (!shape_equal(index, source)) {
    char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
    return fail_null(MG_BAD_SHAPE, "scatter_add: the source has shape %s, the index %s",
                     shape_of(left, source), shape_of(right, index));
  }
  mg_tensor *y = tensor_like(x);
  if (!y || y->size == 0) return y;
  g.source = source->data;
  g.out = y->data;
  return op_finish(y, for_blocks(&g, g.n + g.m, scatter_chunk));
}

/* ---- triangles */

typedef struct triangle {
  const mg_real *x;
  mg_real *out;
  int64_t rows, columns, diagonal;
  int is_upper;
} triangle;

/* Rows first..last-1 of all matrices. */
static mg_status triangle_chunk(void *job, int64_t first, int64_t last) {
  const triangle *t = job;
  for (int64_t i = first; i < last; i++) {
    int64_t edge = i % t->rows + t->diagonal + (t->is_upper ? 0 : 1); /* first column above */
    edge = edge < 0 ? 0 : edge > t->columns ? t->columns : edge;
    int64_t start = t->is_upper ? edge : 0, end = t->is_upper ? t->columns : edge;
    mg_real *out = t->out + i * t->columns;
    memset(out, 0, (size_t)t->columns * sizeof *out);
    memcpy(out + start, t->x + i * t->columns + start, (size_t)(end - start) * sizeof *out);
  }
  return MG_OK;
}

mg_tensor *mg_triangle(const mg_tensor *x, int is_upper, int64_t diagonal) {
  if (x->axes < 2) {
    char text[SHAPE_TEXT_BYTES];
    return fail_null(MG_BAD_SHAPE, "triangle: shape %s has no two axes", shape_of(text, x));
  }
  mg_tensor *y = tensor_like(x);
  if (!y || y->size == 0) return y;
  int64_t rows = x->shape[x->axes - 2], columns = x->shape[x->axes - 1];
  int64_t most = rows + columns; /* beyond it all or nothing is kept */
  diagonal = diagonal > most ? most : diagonal < -most ? -most : diagonal;
  triangle t = {x->data, y->data, rows, columns, diagonal, is_upper};
  return op_finish(y, op_for(x->size / columns, op_grain(columns), triangle_chunk, &t));
}

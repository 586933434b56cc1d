/* Products of matrices and of batches of them, cut into blocks that are one BLAS call each. */
#include <limits.h>

#include "base/memory.h"
#include "base/status.h"
#include "blas.h"
#include "op.h"
#include "tensor/shape.h"

/* Axes of a batch, the last one first; a and b move by so many reals along them, 0 where broadcast. */
typedef struct walk {
  int axes;
  int64_t extent[MG_MAX_AXES], a[MG_MAX_AXES], b[MG_MAX_AXES];
} walk;

/* Of each matrix of the results a grid of blocks is cut; the matrices of `summed` are added to it. */
typedef struct product {
  int64_t rows, columns, inner;
  blas_matrix a, b; /* the first of each batch */
  mg_real *c;       /* [results..., rows, columns] */
  walk results, summed;
  int64_t row_block, column_block, row_blocks, blocks;
  int64_t parts, part_terms; /* the sum is cut into so many parts of so many terms */
  int64_t size;              /* entries of c for one part */
} product;

static int64_t walk_count(const walk *w) { return shape_product(w->extent, 0, w->axes); }

/* Adds an axis before those there are, joined to the last one added where both matrices allow it. */
static void walk_push(walk *w, int64_t extent, int64_t a, int64_t b) {
  int last = w->axes - 1;
  if (extent == 1) return;
  if (last >= 0 && a == w->a[last] * w->extent[last] && b == w->b[last] * w->extent[last]) {
    w->extent[last] *= extent;
    return;
  }
  w->extent[w->axes] = extent;
  w->a[w->axes] = a;
  w->b[w->axes++] = b;
}

/* Moves a and b on to a position of the walk. */
static void walk_seek(const walk *w, int64_t position, blas_matrix *a, blas_matrix *b) {
  for (int i = 0; i < w->axes; i++) {
    int64_t index = position % w->extent[i];
    position /= w->extent[i];
    a->data += index * w->a[i];
    b->data += index * w->b[i];
  }
}

/* Takes away the last axis, the first one added before all others. */
static int64_t walk_drop(walk *w) {
  int64_t extent = w->extent[0];
  for (int i = 1; i < w->axes; i++) {
    w->extent[i - 1] = w->extent[i];
    w->a[i - 1] = w->a[i];
    w->b[i - 1] = w->b[i];
  }
  w->axes--;
  return extent;
}

/* Moves a matrix on by so many of its (meant) rows. */
static blas_matrix from_row(blas_matrix m, int64_t row) {
  m.data += m.transposed ? row : row * m.stride;
  return m;
}

static blas_matrix from_column(blas_matrix m, int64_t column) {
  m.data += m.transposed ? column * m.stride : column;
  return m;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* One block of one result: the terms of one part. */
static mg_status multiply_block(const product *p, int64_t part, int64_t result, int64_t block) {
  int64_t row = block % p->row_blocks * p->row_block;
  int64_t column = block / p->row_blocks * p->column_block;
  int64_t rows = smaller(p->row_block, p->rows - row);
  int64_t columns = smaller(p->column_block, p->columns - column);
  int64_t first = part * p->part_terms, terms = walk_count(&p->summed) - first;
  blas_matrix a = from_row(p->a, row), b = from_column(p->b, column);
  mg_real *c = p->c + part * p->size + (result * p->rows + row) * p->columns + column;
  walk_seek(&p->results, result, &a, &b);
  mg_status status = MG_OK;
  for (int64_t i = 0; status == MG_OK && i < smaller(terms, p->part_terms); i++) {
    blas_matrix left = a, right = b;
    walk_seek(&p->summed, first + i, &left, &right);
    status = blas_gemm(rows, columns, p->inner, left, right, i > 0, c, p->columns);
  }
  return status;
}

static mg_status multiply(void *job, int64_t first, int64_t last) {
  const product *p = job;
  int64_t results = p->size / (p->rows * p->columns);
  mg_status status = MG_OK;
  for (int64_t i = first; status == MG_OK && i < last; i++) {
    int64_t matrix = i / p->blocks;
    status = multiply_block(p, matrix / results, matrix % results, i % p->blocks);
  }
  return status;
}

/* A side cut once more, in multiples of 16, which BLAS works in. */
static int64_t half(int64_t side) { return (side / 2 + 15) / 16 * 16; }

/* Chooses the blocks: two of a product of some 20 us and more, more where they stay large. Each block
 * packs its rows and columns anew, which costs some 10 / side of the time of the product. */
static void cut(product *p) {
  enum { LEAST = 64, GOOD = 256 };
  const double two = 1 << 20, many = 1 << 24; /* multiplications */
  int64_t *side;
  int is_whole = 1;
  p->row_block = p->rows;
  p->column_block = p->columns;
  for (;; is_whole = 0) {
    side = p->row_block >= p->column_block ? &p->row_block : &p->column_block;
    double work = (double)p->row_block * (double)p->column_block * (double)p->inner;
    if (work < (is_whole ? two : many) || *side < 2 * (is_whole ? LEAST : GOOD)) break;
    *side = half(*side);
  }
  p->row_blocks = parallel_chunks(p->rows, p->row_block);
  p->blocks = p->row_blocks * parallel_chunks(p->columns, p->column_block);
}

/* Makes fewer, larger products: rows of one result below those of the next where all have the same b;
 * terms of the sum side by side. */
static void merge(product *p) {
  walk *w = &p->results;
  if (w->axes > 0 && w->b[0] == 0 && !p->a.transposed && w->a[0] == p->rows * p->a.stride)
    p->rows *= walk_drop(w);
  w = &p->summed;
  if (w->axes > 0 && p->a.transposed && !p->b.transposed && w->a[0] == p->inner * p->a.stride &&
      w->b[0] == p->inner * p->b.stride && p->inner * w->extent[0] <= INT_MAX)
    p->inner *= walk_drop(w);
}

/* c = the parts [parts, size], added in order. */
typedef struct parts_job {
  const mg_real *parts;
  int64_t count, size;
  mg_real *c;
} parts_job;

static mg_status add_parts(void *job, int64_t first, int64_t last) {
  const parts_job *j = job;
  for (int64_t i = first; i < last; i++) {
    double sum = 0;
    for (int64_t p = 0; p < j->count; p++) sum += (double)j->parts[p * j->size + i];
    j->c[i] = (mg_real)sum;
  }
  return MG_OK;
}

/* Matrices, blocks and parts, a chunk at least as long as a small product. */
static mg_status run(product *p) {
  const double chunk = 1 << 18;
  double work = (double)p->row_block * (double)p->column_block * (double)p->inner *
                (double)p->part_terms;
  int64_t grain = work < chunk ? (int64_t)(chunk / (work + 1)) + 1 : 1;
  int64_t results = p->size / (p->rows * p->columns);
  return op_for(p->parts * results * p->blocks, grain, multiply, p);
}

/* Fills c, which is not empty; sums of many terms go by parts, so that threads share them. */
static mg_status fill(product *p, mg_tensor *c) {
  enum { PARTS = 8 };
  int64_t terms = walk_count(&p->summed);
  if (terms == 0 || p->inner == 0) return mg_fill(c, 0);
  p->size = c->size;
  p->part_terms = (terms + PARTS - 1) / PARTS;
  p->parts = parallel_chunks(terms, p->part_terms);
  cut(p);
  if (p->parts == 1) return run(p);
  p->c = memory_array(p->parts * p->size, (int64_t)sizeof *p->c);
  if (!p->c) return mg_last_status();
  parts_job sum = {p->c, p->parts, p->size, c->data};
  mg_status status = run(p);
  if (status == MG_OK) status = op_for(p->size, op_grain(p->parts), add_parts, &sum);
  memory_free(p->c);
  return status;
}

/* Axis i of the batch, from its end. */
static int64_t batch_extent(const mg_tensor *x, int i) {
  return i < x->axes - 2 ? x->shape[x->axes - 3 - i] : 1;
}

static int most_axes(const mg_tensor *a, const mg_tensor *b) {
  return a->axes > b->axes ? a->axes : b->axes;
}

/* c = op(a) op(b) of all matrices of the batches, summed over axes where c has extent 1 (or none); op
 * transposes where the flag is 1. Shapes fit. */
static mg_status contract(const mg_tensor *a, int turn_a, const mg_tensor *b, int turn_b,
                          mg_tensor *c) {
  const int64_t *left = a->shape + a->axes - 2, *right = b->shape + b->axes - 2;
  product p = {.rows = left[turn_a],
               .columns = right[1 - turn_b],
               .inner = left[1 - turn_a],
               .a = {a->data, left[1], turn_a},
               .b = {b->data, right[1], turn_b},
               .c = c->data};
  int64_t step_a = left[0] * left[1], step_b = right[0] * right[1];
  if (c->size == 0) return MG_OK;
  for (int i = 0; i < most_axes(a, b) - 2; i++) {
    int64_t of_a = batch_extent(a, i), of_b = batch_extent(b, i);
    int64_t extent = of_a == 1 ? of_b : of_a;
    walk_push(batch_extent(c, i) == extent ? &p.results : &p.summed, extent,
              of_a == 1 ? 0 : step_a, of_b == 1 ? 0 : step_b);
    step_a *= of_a;
    step_b *= of_b;
  }
  merge(&p);
  return fill(&p, c);
}

static mg_status expect_matrices(const char *op, const char *what, const mg_tensor *x) {
  if (x->axes >= 2) return MG_OK;
  char text[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: %s has shape %s, expected 2 axes or more", op, what,
              shape_of(text, x));
}

/* The shape of the product; MG_BAD_SHAPE if a and b do not fit. */
static mg_status product_shape(const char *op, const mg_tensor *a, const mg_tensor *b, int turn_a,
                               int turn_b, int64_t *shape, int *axes) {
  char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
  if (expect_matrices(op, "a", a) != MG_OK || expect_matrices(op, "b", b) != MG_OK)
    return mg_last_status();
  int64_t inner = a->shape[a->axes - 1 - turn_a], other = b->shape[b->axes - 2 + turn_b];
  if (inner != other)
    return fail(MG_BAD_SHAPE, "%s: a is %s%s with %lld columns, b is %s%s with %lld rows", op,
                shape_of(left, a), turn_a ? " transposed" : "", (long long)inner,
                shape_of(right, b), turn_b ? " transposed" : "", (long long)other);
  *axes = most_axes(a, b);
  for (int i = 0; i < *axes - 2; i++) {
    int64_t of_a = batch_extent(a, i), of_b = batch_extent(b, i);
    if (of_a != of_b && of_a != 1 && of_b != 1)
      return fail(MG_BAD_SHAPE, "%s: the batches of %s and %s do not broadcast", op,
                  shape_of(left, a), shape_of(right, b));
    shape[*axes - 3 - i] = of_a == 1 ? of_b : of_a;
  }
  shape[*axes - 2] = a->shape[a->axes - 2 + turn_a];
  shape[*axes - 1] = b->shape[b->axes - 1 - turn_b];
  return MG_OK;
}

mg_tensor *mg_matmul(const mg_tensor *a, const mg_tensor *b, int transpose_a, int transpose_b) {
  int64_t shape[MG_MAX_AXES];
  int axes, turn_a = transpose_a != 0, turn_b = transpose_b != 0;
  if (product_shape("matmul", a, b, turn_a, turn_b, shape, &axes) != MG_OK) return NULL;
  mg_tensor *c = mg_tensor_new(shape, axes);
  return c ? op_finish(c, contract(a, turn_a, b, turn_b, c)) : NULL;
}

mg_tensor *mg_matmul_vjp(int which, const mg_tensor *a, const mg_tensor *b, const mg_tensor *dy,
                         int transpose_a, int transpose_b) {
  mg_tensor y = {.axes = 0};
  int turn_a = transpose_a != 0, turn_b = transpose_b != 0;
  if (which != 0 && which != 1)
    return fail_null(MG_BAD_ARGUMENT, "matmul_vjp: which = %d is not 0 or 1", which);
  if (product_shape("matmul_vjp", a, b, turn_a, turn_b, y.shape, &y.axes) != MG_OK) return NULL;
  if (shape_expect("matmul_vjp", &y, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(which ? b : a);
  if (!dx) return NULL;
  if (which == 0)
    return op_finish(dx, turn_a ? contract(b, turn_b, dy, 1, dx) : contract(dy, 0, b, !turn_b, dx));
  return op_finish(dx, turn_b ? contract(dy, 1, a, turn_a, dx) : contract(a, !turn_a, dy, 0, dx));
}

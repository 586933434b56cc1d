/* Products of matrices, cut into blocks of rows or columns that are one BLAS call each. */
#include "base/status.h"
#include "blas.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct product {
  int64_t rows, columns, inner;
  int by_rows; /* blocks are of rows, else of columns */
  blas_matrix a, b;
  mg_real *c; /* [rows, columns] */
} product;

/* Moves a matrix on by so many of its (meant) rows. */
static blas_matrix from_row(blas_matrix m, int64_t row) {
  m.data += m.transposed ? row : row * m.stride;
  return m;
}

static blas_matrix from_column(blas_matrix m, int64_t column) {
  m.data += m.transposed ? column * m.stride : column;
  return m;
}

static mg_status multiply(void *job, int64_t first, int64_t last) {
  const product *p = job;
  if (p->by_rows)
    return blas_gemm(last - first, p->columns, p->inner, from_row(p->a, first), p->b, 0,
                     p->c + first * p->columns, p->columns);
  return blas_gemm(p->rows, last - first, p->inner, p->a, from_column(p->b, first), 0, p->c + first,
                   p->columns);
}

/* Rows or columns of a block: an eighth of the longer side, within bounds that keep BLAS quick. */
static int64_t block(const product *p) {
  enum { ROUND = 16, LEAST = 64, MOST = 256, SMALL = 1 << 18 };
  int64_t side = p->by_rows ? p->rows : p->columns;
  if ((double)p->rows * (double)p->columns * (double)p->inner < SMALL) return side;
  int64_t part = (side / 8 + ROUND) / ROUND * ROUND;
  return part < LEAST ? LEAST : part > MOST ? MOST : part;
}

mg_tensor *mg_matmul(const mg_tensor *a, const mg_tensor *b, int transpose_a, int transpose_b) {
  if (shape_expect_axes("matmul", "a", a, 2) != MG_OK) return NULL;
  if (shape_expect_axes("matmul", "b", b, 2) != MG_OK) return NULL;
  int turn_a = transpose_a != 0, turn_b = transpose_b != 0;
  int64_t inner = a->shape[1 - turn_a];
  if (inner != b->shape[turn_b]) {
    char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
    return fail_null(MG_BAD_SHAPE, "matmul: a is %s%s with %lld columns, b is %s%s with %lld rows",
                     shape_of(left, a), turn_a ? " transposed" : "", (long long)inner,
                     shape_of(right, b), turn_b ? " transposed" : "", (long long)b->shape[turn_b]);
  }
  int64_t shape[2] = {a->shape[turn_a], b->shape[1 - turn_b]};
  mg_tensor *c = mg_tensor_new(shape, 2);
  if (!c) return NULL;
  product p = {shape[0],
               shape[1],
               inner,
               shape[0] >= shape[1],
               {a->data, a->shape[1], turn_a},
               {b->data, b->shape[1], turn_b},
               c->data};
  return op_finish(c, op_for(p.by_rows ? p.rows : p.columns, block(&p), multiply, &p));
}

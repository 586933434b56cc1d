/* The one door to BLAS: matrix products, each on the calling thread. */
#ifndef BLAS_H
#define BLAS_H
#include "../mapgrad.h"

/* A matrix as it lies in memory: rows of `stride` reals. Transposed: it is meant turned over. */
typedef struct blas_matrix {
  const mg_real *data;
  int64_t stride;
  int transposed;
} blas_matrix;

/* c [rows, columns] = a [rows, inner] b [inner, columns], added to c if `add` is 1. Rows of c lie
 * c_stride reals apart. The bits depend on the arguments alone. MG_BAD_SHAPE if an extent or a
 * stride is too large for BLAS. */
mg_status blas_gemm(int64_t rows, int64_t columns, int64_t inner, blas_matrix a, blas_matrix b,
                    int add, mg_real *c, int64_t c_stride);

#endif

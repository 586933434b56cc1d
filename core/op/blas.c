/* OpenBLAS, made single-threaded: the pool of this library splits the work. */
#include "blas.h"

#include <cblas.h>
#include <limits.h>
#include <stdio.h>

#include "base/parallel.h"
#include "base/status.h"

#ifdef MG_DOUBLE
#define REAL_NAME "double"
#define GEMM cblas_dgemm
#else
#define REAL_NAME "float"
#define GEMM cblas_sgemm
#endif

#ifdef __clang__
#define COMPILER_NAME __VERSION__ /* "Clang 14.0.6" */
#else
#define COMPILER_NAME "gcc " __VERSION__
#endif

static spin_lock lock;

/* Takes OpenBLAS's own threads out of service, once. */
static void prepare(void) {
  static atomic_int ready;
  if (atomic_load_explicit(&ready, memory_order_acquire)) return;
  lock_take(&lock);
  if (!atomic_load(&ready)) openblas_set_num_threads(1);
  atomic_store_explicit(&ready, 1, memory_order_release);
  lock_give(&lock);
}

const char *mg_build(void) {
  static char text[256];
  lock_take(&lock);
  if (!text[0])
    snprintf(text, sizeof text, "%s, %s, %s", COMPILER_NAME, openblas_get_config(), REAL_NAME);
  lock_give(&lock);
  return text;
}

static int64_t largest(int64_t a, int64_t b) { return a > b ? a : b; }

static CBLAS_TRANSPOSE turned(blas_matrix m) { return m.transposed ? CblasTrans : CblasNoTrans; }

/* BLAS refuses strides of 0, which matrices without columns have. */
static blasint stride_of(int64_t stride) { return stride > 0 ? (blasint)stride : 1; }

mg_status blas_gemm(int64_t rows, int64_t columns, int64_t inner, blas_matrix a, blas_matrix b,
                    int add, mg_real *c, int64_t c_stride) {
  if (rows == 0 || columns == 0) return MG_OK;
  int64_t extent = largest(largest(rows, columns), inner);
  int64_t stride = largest(largest(a.stride, b.stride), c_stride);
  if (largest(extent, stride) > INT_MAX)
    return fail(MG_BAD_SHAPE, "gemm: extent or stride %lld is more than BLAS takes, %d",
                (long long)largest(extent, stride), INT_MAX);
  prepare();
  GEMM(CblasRowMajor, turned(a), turned(b), (blasint)rows, (blasint)columns, (blasint)inner, 1,
       a.data, stride_of(a.stride), b.data, stride_of(b.stride), (mg_real)(add ? 1 : 0), c,
       stride_of(c_stride));
  return MG_OK;
}

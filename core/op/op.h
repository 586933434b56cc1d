/* What the files of this floor share: grains, sums, the end of an operation. */
#ifndef OP_H
#define OP_H
#include <stddef.h>

#include "base/parallel.h"
#include "tensor/tensor.h"

/* Elements of cheap work that make a chunk. Chunks never depend on the number of threads. */
enum { OP_GRAIN = 1 << 15 };

/* How many items of so many elements each make a chunk; at least 1. */
int64_t op_grain(int64_t elements);

/* parallel_for, with a shorter way for a single chunk. */
mg_status op_for(int64_t count, int64_t grain, parallel_body body, void *job);

/* y if status is MG_OK; else frees y and returns NULL. */
mg_tensor *op_finish(mg_tensor *y, mg_status status);

/* Sum of x [n]: eight lanes of double, added in a fixed order. */
double op_sum(const mg_real *x, int64_t n);

/* Sum of (x - x_mean) (y - y_mean) over [n], in the same way. */
double op_product(const mg_real *x, double x_mean, const mg_real *y, double y_mean, int64_t n);

/* The larger of two, or the smaller; NaN wins. */
static inline mg_real op_extreme(mg_real best, mg_real value, int is_min) {
  int wins = is_min ? value < best : value > best;
  return (wins | (value != value)) ? value : best;
}

/* The largest entry of x [n], n >= 1, or the smallest. */
mg_real op_row_extreme(const mg_real *x, int64_t n, int is_min);

/* total [n] += x [n]. */
void op_add(double *total, const mg_real *x, int64_t n);

#endif

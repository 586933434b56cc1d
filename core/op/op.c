/* Grains, sums, the end of an operation. */
#include "op.h"

enum { LANES = 8 };

int64_t op_grain(int64_t elements) {
  if (elements < 1) elements = 1;
  return elements >= OP_GRAIN ? 1 : OP_GRAIN / elements;
}

mg_status op_for(int64_t count, int64_t grain, parallel_body body, void *job) {
  if (count <= 0) return MG_OK;
  return count <= grain ? body(job, 0, count) : parallel_for(count, grain, body, job);
}

mg_tensor *op_finish(mg_tensor *y, mg_status status) {
  if (status == MG_OK) return y;
  mg_tensor_free(y);
  return NULL;
}

double op_sum(const mg_real *x, int64_t n) {
  double lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] += (double)x[i + l];
  for (int l = 0; i + l < n; l++) lane[l] += (double)x[i + l];
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double op_product(const mg_real *x, double x_mean, const mg_real *y, double y_mean, int64_t n) {
  double lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++)
      lane[l] += ((double)x[i + l] - x_mean) * ((double)y[i + l] - y_mean);
  for (int l = 0; i + l < n; l++)
    lane[l] += ((double)x[i + l] - x_mean) * ((double)y[i + l] - y_mean);
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static inline mg_real lanes_extreme(const mg_real *x, int64_t n, int is_min) {
  enum { WIDTH = 32 };
  mg_real lane[WIDTH];
  for (int l = 0; l < WIDTH; l++) lane[l] = x[0];
  int64_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH)
    for (int l = 0; l < WIDTH; l++) lane[l] = op_extreme(lane[l], x[i + l], is_min);
  for (; i < n; i++) lane[0] = op_extreme(lane[0], x[i], is_min);
  for (int l = 1; l < WIDTH; l++) lane[0] = op_extreme(lane[0], lane[l], is_min);
  return lane[0];
}

mg_real op_row_extreme(const mg_real *x, int64_t n, int is_min) {
  return is_min ? lanes_extreme(x, n, 1) : lanes_extreme(x, n, 0);
}

void op_add(double *total, const mg_real *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) total[i] += (double)x[i];
}

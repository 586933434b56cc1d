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

void op_add(double *total, const mg_real *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) total[i] += (double)x[i];
}

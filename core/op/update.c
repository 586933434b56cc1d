/* Update rules of optimisers, one pass over memory. */
#include <tgmath.h>

#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct adam {
  mg_real *weight, *moment, *square;
  const mg_real *gradient;
  mg_real beta1, beta2, rest1, rest2, epsilon, decay;
  mg_real step;  /* rate / (1 - beta1^t) */
  mg_real scale; /* 1 / sqrt(1 - beta2^t) */
} adam;

static mg_status adam_chunk(void *job, int64_t first, int64_t last) {
  const adam o = *(const adam *)job;
  for (int64_t i = first; i < last; i++) {
    mg_real g = o.gradient[i] + o.decay * o.weight[i];
    mg_real m = o.beta1 * o.moment[i] + o.rest1 * g;
    mg_real v = o.beta2 * o.square[i] + o.rest2 * g * g;
    o.moment[i] = m;
    o.square[i] = v;
    o.weight[i] -= o.step * m / (sqrt(v) * o.scale + o.epsilon);
  }
  return MG_OK;
}

/* NaN is no rate either. */
static int is_rate(double beta) { return beta >= 0 && beta < 1; }

mg_status mg_adam(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *moment,
                  mg_tensor *square, double rate, double beta1, double beta2, double epsilon,
                  double decay, int64_t step) {
  const mg_tensor *others[] = {gradient, moment, square};
  for (int i = 0; i < 3; i++)
    if (shape_expect("adam", weight, others[i]) != MG_OK) return MG_BAD_SHAPE;
  if (step < 1)
    return fail(MG_BAD_ARGUMENT, "adam: step = %lld, they count from 1", (long long)step);
  if (!is_rate(beta1) || !is_rate(beta2))
    return fail(MG_BAD_ARGUMENT, "adam: beta1 = %g and beta2 = %g, expected 0 <= beta < 1", beta1,
                beta2);
  adam o = {.weight = weight->data,
            .moment = moment->data,
            .square = square->data,
            .gradient = gradient->data,
            .beta1 = (mg_real)beta1,
            .beta2 = (mg_real)beta2,
            .rest1 = (mg_real)(1 - beta1),
            .rest2 = (mg_real)(1 - beta2),
            .epsilon = (mg_real)epsilon,
            .decay = (mg_real)decay,
            .step = (mg_real)(rate / (1 - pow(beta1, (double)step))),
            .scale = (mg_real)(1 / sqrt(1 - pow(beta2, (double)step)))};
  return op_for(weight->size, OP_GRAIN, adam_chunk, &o);
}

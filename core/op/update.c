/* Update rules of optimisers, one pass over memory each, and what clipping of gradients needs. The
 * formulas and their order of rounding are PyTorch's. */
#include <tgmath.h>

#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

/* NaN is no rate either. */
static int is_rate(double beta) { return beta >= 0 && beta < 1; }

static mg_status check_rate(const char *op, const char *name, double beta) {
  if (is_rate(beta)) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: %s = %g, expected 0 <= %s < 1", op, name, beta, name);
}

static mg_status check_step(const char *op, int64_t step) {
  if (step >= 1) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: step = %lld, they count from 1", op, (long long)step);
}

/* MG_BAD_SHAPE unless the tensors that are there have the shape of the weight. */
static mg_status check_shapes(const char *op, const mg_tensor *weight,
                              const mg_tensor *const *others, int count) {
  for (int i = 0; i < count; i++)
    if (others[i] && shape_expect(op, weight, others[i]) != MG_OK) return MG_BAD_SHAPE;
  return MG_OK;
}

static mg_real *data_of(const mg_tensor *t) { return t ? t->data : NULL; }

/* ---- stochastic gradient descent */

typedef struct sgd {
  mg_real *weight, *velocity;
  const mg_real *gradient;
  mg_real rate, decay;
  mg_real keep, fresh; /* velocity = keep velocity + fresh g */
  mg_real ahead;       /* w -= rate (here g + ahead velocity) */
  mg_real here;
} sgd;

static mg_status sgd_chunk(void *job, int64_t first, int64_t last) {
  const sgd o = *(const sgd *)job;
  for (int64_t i = first; i < last; i++) {
    mg_real w = o.weight[i];
    o.weight[i] = w - o.rate * (o.gradient[i] + o.decay * w);
  }
  return MG_OK;
}

static mg_status momentum_chunk(void *job, int64_t first, int64_t last) {
  const sgd o = *(const sgd *)job;
  for (int64_t i = first; i < last; i++) {
    mg_real w = o.weight[i], g = o.gradient[i] + o.decay * w;
    mg_real v = o.keep * o.velocity[i] + o.fresh * g;
    o.velocity[i] = v;
    o.weight[i] = w - o.rate * (o.here * g + o.ahead * v);
  }
  return MG_OK;
}

mg_status mg_sgd(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *velocity, double rate,
                 double momentum, double dampening, int nesterov, double decay, int64_t step) {
  const mg_tensor *others[] = {gradient, velocity};
  if (check_shapes("sgd", weight, others, 2) != MG_OK) return MG_BAD_SHAPE;
  if (check_step("sgd", step) != MG_OK) return MG_BAD_ARGUMENT;
  if (check_rate("sgd", "momentum", momentum) != MG_OK) return MG_BAD_ARGUMENT;
  if (!velocity && momentum > 0)
    return fail(MG_BAD_ARGUMENT, "sgd: momentum = %g without a velocity", momentum);
  sgd o = {.weight = weight->data,
           .velocity = data_of(velocity),
           .gradient = gradient->data,
           .rate = (mg_real)rate,
           .decay = (mg_real)decay,
           .keep = (mg_real)(step == 1 ? 0 : momentum),
           .fresh = (mg_real)(step == 1 ? 1 : 1 - dampening),
           .ahead = (mg_real)(nesterov ? momentum : 1),
           .here = nesterov ? 1 : 0};
  return op_for(weight->size, OP_GRAIN, velocity ? momentum_chunk : sgd_chunk, &o);
}

/* ---- Adam */

typedef struct adam {
  mg_real *weight, *moment, *square;
  const mg_real *gradient;
  mg_real beta1, beta2, rest1, rest2, epsilon;
  mg_real decay;  /* added to the gradient, times w */
  mg_real shrink; /* w is multiplied by it */
  mg_real step;   /* rate / (1 - beta1^t) */
  mg_real scale;  /* 1 / sqrt(1 - beta2^t) */
} adam;

static mg_status adam_chunk(void *job, int64_t first, int64_t last) {
  const adam o = *(const adam *)job;
  for (int64_t i = first; i < last; i++) {
    mg_real g = o.gradient[i] + o.decay * o.weight[i];
    mg_real m = o.beta1 * o.moment[i] + o.rest1 * g;
    mg_real v = o.beta2 * o.square[i] + o.rest2 * g * g;
    o.moment[i] = m;
    o.square[i] = v;
    o.weight[i] = o.shrink * o.weight[i] - o.step * m / (sqrt(v) * o.scale + o.epsilon);
  }
  return MG_OK;
}

mg_status mg_adam(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *moment,
                  mg_tensor *square, double rate, double beta1, double beta2, double epsilon,
                  double decay, int decoupled, int64_t step) {
  const mg_tensor *others[] = {gradient, moment, square};
  if (check_shapes("adam", weight, others, 3) != MG_OK) return MG_BAD_SHAPE;
  if (check_step("adam", step) != MG_OK) return MG_BAD_ARGUMENT;
  if (check_rate("adam", "beta1", beta1) != MG_OK) return MG_BAD_ARGUMENT;
  if (check_rate("adam", "beta2", beta2) != MG_OK) return MG_BAD_ARGUMENT;
  adam o = {.weight = weight->data,
            .moment = moment->data,
            .square = square->data,
            .gradient = gradient->data,
            .beta1 = (mg_real)beta1,
            .beta2 = (mg_real)beta2,
            .rest1 = (mg_real)(1 - beta1),
            .rest2 = (mg_real)(1 - beta2),
            .epsilon = (mg_real)epsilon,
            .decay = (mg_real)(decoupled ? 0 : decay),
            .shrink = (mg_real)(decoupled ? 1 - rate * decay : 1),
            .step = (mg_real)(rate / (1 - pow(beta1, (double)step))),
            .scale = (mg_real)(1 / sqrt(1 - pow(beta2, (double)step)))};
  return op_for(weight->size, OP_GRAIN, adam_chunk, &o);
}

/* ---- RMSprop */

typedef struct rmsprop {
  mg_real *weight, *square, *mean, *velocity;
  const mg_real *gradient;
  mg_real rate, beta, rest, epsilon, decay, momentum;
} rmsprop;

/* The step of entry i before the rate; updates square and mean. */
static inline mg_real rmsprop_step(const rmsprop *o, int64_t i, int centered) {
  mg_real g = o->gradient[i] + o->decay * o->weight[i];
  mg_real s = o->beta * o->square[i] + o->rest * g * g;
  o->square[i] = s;
  if (centered) {
    mg_real m = o->beta * o->mean[i] + o->rest * g;
    o->mean[i] = m;
    s -= m * m;
    s = s < 0 ? 0 : s; /* by rounding; NaN stays */
  }
  return g / (sqrt(s) + o->epsilon);
}

static inline void rmsprop_range(const rmsprop *job, int64_t first, int64_t last, int centered) {
  const rmsprop o = *job;
  if (!o.velocity) {
    for (int64_t i = first; i < last; i++) o.weight[i] -= o.rate * rmsprop_step(&o, i, centered);
    return;
  }
  for (int64_t i = first; i < last; i++) {
    mg_real v = o.momentum * o.velocity[i] + rmsprop_step(&o, i, centered);
    o.velocity[i] = v;
    o.weight[i] -= o.rate * v;
  }
}

static mg_status rmsprop_chunk(void *job, int64_t first, int64_t last) {
  const rmsprop *o = job;
  if (o->mean) rmsprop_range(o, first, last, 1);
  else rmsprop_range(o, first, last, 0);
  return MG_OK;
}

mg_status mg_rmsprop(mg_tensor *weight, const mg_tensor *gradient, mg_tensor *square,
                     mg_tensor *mean, mg_tensor *velocity, double rate, double beta, double epsilon,
                     double momentum, double decay) {
  const mg_tensor *others[] = {gradient, square, mean, velocity};
  if (check_shapes("rmsprop", weight, others, 4) != MG_OK) return MG_BAD_SHAPE;
  if (check_rate("rmsprop", "beta", beta) != MG_OK) return MG_BAD_ARGUMENT;
  if (check_rate("rmsprop", "momentum", momentum) != MG_OK) return MG_BAD_ARGUMENT;
  if (!velocity && momentum > 0)
    return fail(MG_BAD_ARGUMENT, "rmsprop: momentum = %g without a velocity", momentum);
  rmsprop o = {.weight = weight->data,
               .square = square->data,
               .mean = data_of(mean),
               .velocity = data_of(velocity),
               .gradient = gradient->data,
               .rate = (mg_real)rate,
               .beta = (mg_real)beta,
               .rest = (mg_real)(1 - beta),
               .epsilon = (mg_real)epsilon,
               .decay = (mg_real)decay,
               .momentum = (mg_real)momentum};
  return op_for(weight->size, OP_GRAIN, rmsprop_chunk, &o);
}

/* ---- clipping */

typedef struct squares {
  const mg_real *x;
  double *partial; /* a sum for each chunk */
} squares;

static mg_status squares_chunk(void *job, int64_t first, int64_t last) {
  enum { LANES = 8 };
  const squares *s = job;
  const mg_real *x = s->x;
  double lane[LANES] = {0};
  int64_t i = first;
  for (; i + LANES <= last; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] += (double)x[i + l] * (double)x[i + l];
  for (; i < last; i++) lane[0] += (double)x[i] * (double)x[i];
  s->partial[first / OP_GRAIN] =
      ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  return MG_OK;
}

mg_status mg_squares(const mg_tensor *x, double *sum) {
  *sum = 0;
  int64_t chunks = parallel_chunks(x->size, OP_GRAIN);
  squares s = {x->data, memory_array(chunks, (int64_t)sizeof *s.partial)};
  if (!s.partial) return MG_NO_MEMORY;
  mg_status status = op_for(x->size, OP_GRAIN, squares_chunk, &s);
  for (int64_t i = 0; status == MG_OK && i < chunks; i++) *sum += s.partial[i];
  memory_free(s.partial);
  return status;
}

typedef struct clip {
  mg_real *y, limit;
} clip;

static mg_status clip_chunk(void *job, int64_t first, int64_t last) {
  const clip c = *(const clip *)job;
  for (int64_t i = first; i < last; i++) {
    mg_real value = c.y[i];
    value = value > c.limit ? c.limit : value;
    c.y[i] = value < -c.limit ? -c.limit : value;
  }
  return MG_OK;
}

mg_status mg_clip(mg_tensor *y, double limit) {
  if (!(limit >= 0)) return fail(MG_BAD_ARGUMENT, "clip: limit = %g, expected 0 at least", limit);
  clip c = {y->data, (mg_real)limit};
  return op_for(y->size, OP_GRAIN, clip_chunk, &c);
}

/* Operations on one operand entry by entry: one formula a kind, forward and gradient side by side. Loops
 * are made from the formulas with the kind a constant, so that each becomes vector code. */
#include <string.h>
#include <tgmath.h>

#include "base/real_math.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

#define UNARY_LIST(X) \
  X(MG_ABS)           \
  X(MG_EXP)           \
  X(MG_LOG)           \
  X(MG_SQRT)          \
  X(MG_SQUARE)        \
  X(MG_RELU)          \
  X(MG_SIGMOID)       \
  X(MG_SOFTPLUS)      \
  X(MG_TANH)          \
  X(MG_SIGN)          \
  X(MG_EXPM1)         \
  X(MG_LOG1P)         \
  X(MG_RSQRT)         \
  X(MG_ERF)           \
  X(MG_GELU)          \
  X(MG_SIN)           \
  X(MG_COS)           \
  X(MG_FLOOR)         \
  X(MG_ELU)           \
  X(MG_LEAKY_RELU)    \
  X(MG_CLAMP)

typedef struct unary_job {
  mg_unary_kind kind;
  mg_real p, q; /* the kind's parameters */
  const mg_real *x, *y, *dy;
  mg_real *out;
} unary_job;

INLINED mg_real clamped(mg_real x, mg_real low, mg_real high) {
  mg_real raised = x < low ? low : x;
  return raised > high ? high : raised; /* NaN stays */
}

INLINED mg_real unary_at(mg_unary_kind kind, mg_real x, mg_real p, mg_real q) {
  switch (kind) {
    case MG_ABS: return fabs(x);
    case MG_EXP: return real_exp(x);
    case MG_LOG: return real_log(x);
    case MG_SQRT: return sqrt(x);
    case MG_SQUARE: return x * x;
    case MG_RELU: return x <= 0 ? 0 : x;
    case MG_SIGMOID: return real_sigmoid(x);
    case MG_SOFTPLUS: return real_softplus(x);
    case MG_TANH: return real_tanh(x);
    case MG_EXPM1: return real_expm1(x);
    case MG_LOG1P: return real_log1p(x);
    case MG_RSQRT: return 1 / sqrt(x);
    case MG_ERF: return real_erf(x);
    case MG_GELU: return real_gelu(x);
    case MG_SIN: return sin(x);
    case MG_COS: return cos(x);
    case MG_FLOOR: return floor(x);
    case MG_ELU: return x > 0 ? x : p * real_expm1(x);
    case MG_LEAKY_RELU: return x > 0 ? x : p * x;
    case MG_CLAMP: return clamped(x, p, q);
    default: return x > 0 ? 1 : x < 0 ? -1 : x; /* MG_SIGN; NaN stays */
  }
}

/* The gradient at x, where the result is y. */
INLINED mg_real unary_vjp_at(mg_unary_kind kind, mg_real x, mg_real y, mg_real dy, mg_real p,
                             mg_real q) {
  switch (kind) {
    case MG_ABS: return x > 0 ? dy : x < 0 ? -dy : 0;
    case MG_EXP: return dy * y;
    case MG_LOG: return dy / x;
    case MG_SQRT: return dy / (2 * y);
    case MG_SQUARE: return 2 * dy * x;
    case MG_RELU: return x <= 0 ? 0 : dy;
    case MG_SIGMOID: return dy * y * (1 - y);
    case MG_SOFTPLUS: return dy * real_sigmoid(x);
    case MG_TANH: return dy * (1 - y * y);
    case MG_EXPM1: return dy * real_exp(x);
    case MG_LOG1P: return dy / (1 + x);
    case MG_RSQRT: return (mg_real)-0.5 * dy * y * y * y;
    case MG_ERF: return dy * (mg_real)1.12837916709551257390 * real_exp(-x * x);
    case MG_GELU: return dy * real_gelu_slope(x);
    case MG_SIN: return dy * cos(x);
    case MG_COS: return -dy * sin(x);
    case MG_ELU: return x > 0 ? dy : dy * p * real_exp(x);
    case MG_LEAKY_RELU: return x > 0 ? dy : dy * p;
    case MG_CLAMP: return x >= p && x <= q ? dy : 0;
    default: return 0; /* MG_SIGN, MG_FLOOR */
  }
}

INLINED void unary_loop(mg_unary_kind kind, const unary_job *j, int64_t first, int64_t last) {
  const mg_real *x = j->x, p = j->p, q = j->q;
  mg_real *out = j->out;
  for (int64_t i = first; i < last; i++) out[i] = unary_at(kind, x[i], p, q);
}

INLINED void unary_vjp_loop(mg_unary_kind kind, const unary_job *j, int64_t first, int64_t last) {
  const mg_real *x = j->x, *y = j->y, *dy = j->dy, p = j->p, q = j->q;
  mg_real *out = j->out;
  for (int64_t i = first; i < last; i++) out[i] = unary_vjp_at(kind, x[i], y[i], dy[i], p, q);
}

static mg_status unary_chunk(void *job, int64_t first, int64_t last) {
  const unary_job *j = job;
  switch (j->kind) {
#define CASE(kind) \
  case kind: unary_loop(kind, j, first, last); break;
    UNARY_LIST(CASE)
#undef CASE
    default: break;
  }
  return MG_OK;
}

static mg_status unary_vjp_chunk(void *job, int64_t first, int64_t last) {
  const unary_job *j = job;
  switch (j->kind) {
#define CASE(kind) \
  case kind: unary_vjp_loop(kind, j, first, last); break;
    UNARY_LIST(CASE)
#undef CASE
    default: break;
  }
  return MG_OK;
}

static mg_status check_kind(const char *op, mg_unary_kind kind, double p, double q) {
  if ((int)kind < 0 || kind >= MG_UNARY_KINDS)
    return fail(MG_BAD_ARGUMENT, "%s: kind %d is not in 0..%d", op, (int)kind, MG_UNARY_KINDS - 1);
  if (p == p && q == q) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: a parameter is NaN", op);
}

/* MG_BAD_ARGUMENT if y and x share some entries but not in the same places. */
static mg_status check_overlap(const char *op, const mg_tensor *y, const mg_tensor *x) {
  uintptr_t a = (uintptr_t)y->data, b = (uintptr_t)x->data;
  uintptr_t apart = a > b ? a - b : b - a, bytes = (uintptr_t)y->size * sizeof(mg_real);
  if (apart == 0 || apart >= bytes) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: the tensors overlap; clone one of them", op);
}

mg_tensor *mg_unary(mg_unary_kind kind, const mg_tensor *x, double p, double q) {
  if (check_kind("unary", kind, p, q) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  unary_job job = {kind, (mg_real)p, (mg_real)q, x->data, NULL, NULL, y->data};
  return op_finish(y, op_for(x->size, OP_GRAIN, unary_chunk, &job));
}

mg_status mg_unary_into(mg_tensor *y, mg_unary_kind kind, const mg_tensor *x, double p, double q) {
  if (check_kind("unary_into", kind, p, q) != MG_OK) return MG_BAD_ARGUMENT;
  if (shape_expect("unary_into", y, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_overlap("unary_into", y, x) != MG_OK) return MG_BAD_ARGUMENT;
  unary_job job = {kind, (mg_real)p, (mg_real)q, x->data, NULL, NULL, y->data};
  return op_for(x->size, OP_GRAIN, unary_chunk, &job);
}

mg_tensor *mg_unary_vjp(mg_unary_kind kind, const mg_tensor *x, const mg_tensor *y,
                        const mg_tensor *dy, double p, double q) {
  if (check_kind("unary_vjp", kind, p, q) != MG_OK) return NULL;
  if (shape_expect("unary_vjp", x, y) != MG_OK) return NULL;
  if (shape_expect("unary_vjp", x, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx) return NULL;
  unary_job job = {kind, (mg_real)p, (mg_real)q, x->data, y->data, dy->data, dx->data};
  return op_finish(dx, op_for(x->size, OP_GRAIN, unary_vjp_chunk, &job));
}

/* ---- linear */

typedef struct linear_job {
  const mg_real *x;
  mg_real *y;
  mg_real keep, scale, shift;
} linear_job;

static mg_status affine_chunk(void *job, int64_t first, int64_t last) {
  const linear_job j = *(const linear_job *)job;
  for (int64_t i = first; i < last; i++) j.y[i] = j.scale * j.x[i] + j.shift;
  return MG_OK;
}

static mg_status fill_chunk(void *job, int64_t first, int64_t last) {
  const linear_job j = *(const linear_job *)job;
  for (int64_t i = first; i < last; i++) j.y[i] = j.shift;
  return MG_OK;
}

static mg_status copy_chunk(void *job, int64_t first, int64_t last) {
  const linear_job *j = job;
  memmove(j->y + first, j->x + first, (size_t)(last - first) * sizeof *j->x);
  return MG_OK;
}

static mg_status accumulate_chunk(void *job, int64_t first, int64_t last) {
  const linear_job j = *(const linear_job *)job;
  for (int64_t i = first; i < last; i++) j.y[i] = j.keep * j.y[i] + j.scale * j.x[i];
  return MG_OK;
}

mg_tensor *mg_affine(const mg_tensor *x, double scale, double shift) {
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  linear_job job = {x->data, y->data, 0, (mg_real)scale, (mg_real)shift};
  return op_finish(y, op_for(x->size, OP_GRAIN, affine_chunk, &job));
}

mg_status mg_fill(mg_tensor *y, double value) {
  linear_job job = {.y = y->data, .shift = (mg_real)value};
  return op_for(y->size, OP_GRAIN, fill_chunk, &job);
}

mg_status mg_copy(mg_tensor *y, const mg_tensor *x) {
  if (shape_expect("copy", y, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_overlap("copy", y, x) != MG_OK) return MG_BAD_ARGUMENT;
  linear_job job = {.x = x->data, .y = y->data};
  return op_for(y->size, OP_GRAIN, copy_chunk, &job);
}

mg_status mg_accumulate(mg_tensor *y, double keep, const mg_tensor *x, double scale) {
  if (shape_expect("accumulate", y, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_overlap("accumulate", y, x) != MG_OK) return MG_BAD_ARGUMENT;
  linear_job job = {x->data, y->data, (mg_real)keep, (mg_real)scale, 0};
  /* Entries of y do not matter where nothing of them is kept: they may be unset. */
  return op_for(y->size, OP_GRAIN, keep == 0 ? affine_chunk : accumulate_chunk, &job);
}

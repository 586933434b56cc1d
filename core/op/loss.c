/* Losses in one pass: cross entropy and Bernoulli's negative log-likelihood, of logits. Logits are seen
 * as [rows, n]; the target has as many rows or fewer, and repeats: row r is compared with row
 * r % target_rows of it. */
#include <math.h>

#include "base/memory.h"
#include "base/status.h"
#include "exponential.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct loss {
  const mg_real *x, *target, *dy;
  mg_real *out;
  int64_t rows, target_rows, n;
  int is_class;     /* the target holds a class number from 1 for each row */
  double smoothing; /* share of the uniform distribution in the target */
} loss;

enum { BLOCK = 512, LANES = 8 };

static int64_t target_row(const loss *l, int64_t row) {
  return l->target_rows == l->rows ? row : row % l->target_rows;
}

/* The shape of x without its last `axes` axes: a new tensor. */
static mg_tensor *new_rows(const mg_tensor *x, int axes) {
  return mg_tensor_new(x->shape, x->axes - axes);
}

/* MG_BAD_SHAPE unless the target has the last axes of shape[axes], or all of them but the first. */
static mg_status check_target(const char *op, const mg_tensor *target, const int64_t *shape,
                              int axes) {
  int missing = axes - target->axes, fits = missing == 0 || missing == 1;
  for (int i = 0; fits && i < target->axes; i++) fits = target->shape[i] == shape[i + missing];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: the target has shape %s, expected %s or that without its first axis",
              op, shape_of(got, target), shape_text(expected, shape, axes));
}

/* MG_BAD_SHAPE unless dy has the shape of x without its last `axes` axes. */
static mg_status check_dy(const char *op, const mg_tensor *x, int axes, const mg_tensor *dy) {
  int fits = dy->axes == x->axes - axes;
  for (int i = 0; fits && i < dy->axes; i++) fits = dy->shape[i] == x->shape[i];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: dy has shape %s, the result has %s", op, shape_of(got, dy),
              shape_text(expected, x->shape, x->axes - axes));
}

static mg_status check_which(const char *op, int which) {
  if (which == 0 || which == 1) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: input %d, expected 0 or 1", op, which);
}

/* What row `row` adds to the gradient [n] of its target. */
typedef void (*target_part)(const loss *l, int64_t row, double *total);

/* The gradients of rows first..last-1 of the target. */
static mg_status sum_repeats(const loss *l, target_part add, int64_t first, int64_t last) {
  double *total = memory_array(l->n, (int64_t)sizeof *total);
  if (!total) return MG_NO_MEMORY;
  for (int64_t t = first; t < last; t++) {
    for (int64_t i = 0; i < l->n; i++) total[i] = 0;
    for (int64_t row = t; row < l->rows; row += l->target_rows) add(l, row, total);
    for (int64_t i = 0; i < l->n; i++) l->out[t * l->n + i] = (mg_real)total[i];
  }
  memory_free(total);
  return MG_OK;
}

/* ---- cross entropy */

/* Of a row x [n]: the largest entry, and the logarithm of the sum of exp(x - largest). NaN stays. */
typedef struct partition {
  mg_real largest;
  double log_sum;
} partition;

static partition partition_of(const mg_real *x, int64_t n) {
  mg_real e[BLOCK], largest = x[0];
  double sum = 0;
  for (int64_t i = 1; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  for (int64_t first = 0; first < n; first += BLOCK) {
    int64_t count = n - first < BLOCK ? n - first : BLOCK;
    for (int64_t i = 0; i < count; i++) e[i] = exp_below(x[first + i] - largest);
    sum += op_sum(e, count);
  }
  return (partition){largest, log(sum)};
}

/* Minus the logarithm of the probability of class i. */
static inline double surprise(const partition *p, mg_real x) {
  return p->log_sum - (double)(x - p->largest);
}

/* *i = the class, from 0, that the target names for a row. */
static mg_status class_of(const loss *l, int64_t row, int64_t *i) {
  int64_t entry = target_row(l, row);
  double label = (double)l->target[entry];
  *i = label >= 1 && label <= (double)l->n ? (int64_t)label - 1 : -1;
  if (*i >= 0 && (double)(*i + 1) == label) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "cross_entropy: label %g at entry %lld, expected a class from 1 to %lld",
              label, (long long)entry + 1, (long long)l->n);
}

/* sum over c of t[c] * surprise, classes of probability 0 left out. */
static double expected_surprise(const partition *p, const mg_real *x, const mg_real *t, int64_t n) {
  double sum = 0, mass = 0;
  for (int64_t c = 0; c < n; c++) {
    mass += (double)t[c];
    if (t[c] != 0) sum += (double)t[c] * (double)(x[c] - p->largest);
  }
  return mass * p->log_sum - sum;
}

static double mean_surprise(const partition *p, const mg_real *x, int64_t n) {
  double sum = 0;
  for (int64_t c = 0; c < n; c++) sum += (double)(x[c] - p->largest);
  return p->log_sum - sum / (double)n;
}

static mg_status entropy_chunk(void *job, int64_t first, int64_t last) {
  const loss *l = job;
  for (int64_t row = first; row < last; row++) {
    const mg_real *x = l->x + row * l->n;
    partition p = partition_of(x, l->n);
    double value;
    if (l->is_class) {
      int64_t c;
      if (class_of(l, row, &c) != MG_OK) return MG_BAD_ARGUMENT;
      value = surprise(&p, x[c]);
    } else {
      value = expected_surprise(&p, x, l->target + target_row(l, row) * l->n, l->n);
    }
    if (l->smoothing > 0)
      value = (1 - l->smoothing) * value + l->smoothing * mean_surprise(&p, x, l->n);
    l->out[row] = (mg_real)value;
  }
  return MG_OK;
}

/* dx = dy (mass softmax(x) - smoothed target), mass being the sum of the smoothed target. */
static mg_status entropy_vjp_chunk(void *job, int64_t first, int64_t last) {
  const loss *l = job;
  mg_real rest = (mg_real)(1 - l->smoothing), share = (mg_real)(l->smoothing / (double)l->n);
  for (int64_t row = first; row < last; row++) {
    const mg_real *x = l->x + row * l->n, *t = l->target + target_row(l, row) * l->n;
    mg_real *dx = l->out + row * l->n, dy = l->dy[row];
    int64_t c = 0;
    if (l->is_class && class_of(l, row, &c) != MG_OK) return MG_BAD_ARGUMENT;
    mg_real largest = x[0];
    for (int64_t i = 1; i < l->n; i++) largest = x[i] > largest ? x[i] : largest;
    for (int64_t i = 0; i < l->n; i++) dx[i] = exp_below(x[i] - largest);
    double mass = l->is_class ? 1 : op_sum(t, l->n);
    mg_real scale = (mg_real)(((1 - l->smoothing) * mass + l->smoothing) / op_sum(dx, l->n));
    if (l->is_class) {
      for (int64_t i = 0; i < l->n; i++) dx[i] = dy * (scale * dx[i] - share);
      dx[c] -= dy * rest;
    } else {
      for (int64_t i = 0; i < l->n; i++) dx[i] = dy * (scale * dx[i] - rest * t[i] - share);
    }
  }
  return MG_OK;
}

static void add_surprise(const loss *l, int64_t row, double *total) {
  const mg_real *x = l->x + row * l->n;
  double dy = (double)l->dy[row] * (1 - l->smoothing);
  partition p = partition_of(x, l->n);
  for (int64_t c = 0; c < l->n; c++) total[c] += dy * surprise(&p, x[c]);
}

static mg_status entropy_target_chunk(void *job, int64_t first, int64_t last) {
  return sum_repeats(job, add_surprise, first, last);
}

static mg_status plan_entropy(const char *op, const mg_tensor *logits, const mg_tensor *target,
                              int is_class, double smoothing, loss *l) {
  char text[SHAPE_TEXT_BYTES];
  int axes = logits->axes;
  if (axes == 0 || logits->shape[axes - 1] == 0)
    return fail(MG_BAD_SHAPE, "%s: no classes: the logits have shape %s", op, shape_of(text, logits));
  if (check_target(op, target, logits->shape, is_class ? axes - 1 : axes) != MG_OK)
    return MG_BAD_SHAPE;
  if (!(smoothing >= 0 && smoothing <= 1))
    return fail(MG_BAD_ARGUMENT, "%s: smoothing = %g, expected 0 to 1", op, smoothing);
  int64_t n = logits->shape[axes - 1];
  *l = (loss){.x = logits->data,
              .target = target->data,
              .rows = logits->size / n,
              .target_rows = is_class ? target->size : target->size / n,
              .n = n,
              .is_class = is_class,
              .smoothing = smoothing};
  return MG_OK;
}

mg_tensor *mg_cross_entropy(const mg_tensor *logits, const mg_tensor *target, int is_class,
                            double smoothing) {
  loss l;
  if (plan_entropy("cross_entropy", logits, target, is_class, smoothing, &l) != MG_OK) return NULL;
  mg_tensor *y = new_rows(logits, 1);
  if (!y) return NULL;
  l.out = y->data;
  return op_finish(y, op_for(l.rows, op_grain(4 * l.n), entropy_chunk, &l));
}

mg_tensor *mg_cross_entropy_vjp(int which, const mg_tensor *logits, const mg_tensor *target,
                                int is_class, double smoothing, const mg_tensor *dy) {
  const char *op = "cross_entropy_vjp";
  loss l;
  if (check_which(op, which) != MG_OK) return NULL;
  if (plan_entropy(op, logits, target, is_class, smoothing, &l) != MG_OK) return NULL;
  if (check_dy(op, logits, 1, dy) != MG_OK) return NULL;
  if (which == 1 && is_class)
    return fail_null(MG_BAD_ARGUMENT, "cross_entropy: class numbers have no gradient");
  mg_tensor *out = tensor_like(which ? target : logits);
  if (!out) return NULL;
  l.dy = dy->data;
  l.out = out->data;
  if (which == 0) return op_finish(out, op_for(l.rows, op_grain(4 * l.n), entropy_vjp_chunk, &l));
  int64_t repeats = l.target_rows ? l.rows / l.target_rows : 0;
  return op_finish(out, op_for(l.target_rows, op_grain(4 * l.n * repeats), entropy_target_chunk, &l));
}

/* ---- Bernoulli: log(1 + exp x) - t x = max(x, 0) - t x + log(1 + exp(-|x|)) */

/* The sum over x [n]. Logarithms of BLOCK factors 1 + exp(-|x|) <= 2 are that of their product. */
static double row_loss(const mg_real *x, const mg_real *t, int64_t n) {
  mg_real e[BLOCK], linear[BLOCK];
  double sum = 0;
  for (int64_t first = 0; first < n; first += BLOCK) {
    int64_t count = n - first < BLOCK ? n - first : BLOCK, i = 0;
    for (int64_t k = 0; k < count; k++) {
      mg_real value = x[first + k];
      linear[k] = (value > 0 ? value : 0) - t[first + k] * value;
      e[k] = exp_below(-(mg_real)fabs(value));
    }
    double lane[LANES] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (; i + LANES <= count; i += LANES)
      for (int k = 0; k < LANES; k++) lane[k] *= 1 + (double)e[i + k];
    for (; i < count; i++) lane[0] *= 1 + (double)e[i];
    for (int k = 1; k < LANES; k++) lane[0] *= lane[k];
    sum += op_sum(linear, count) + log(lane[0]);
  }
  return sum;
}

static mg_status bernoulli_chunk(void *job, int64_t first, int64_t last) {
  const loss *l = job;
  for (int64_t row = first; row < last; row++)
    l->out[row] = (mg_real)row_loss(l->x + row * l->n, l->target + target_row(l, row) * l->n, l->n);
  return MG_OK;
}

/* dx = dy (sigmoid(x) - t) */
static mg_status bernoulli_vjp_chunk(void *job, int64_t first, int64_t last) {
  const loss *l = job;
  for (int64_t row = first; row < last; row++) {
    const mg_real *x = l->x + row * l->n, *t = l->target + target_row(l, row) * l->n;
    mg_real *dx = l->out + row * l->n, dy = l->dy[row];
    for (int64_t i = 0; i < l->n; i++) {
      mg_real e = exp_below(-(mg_real)fabs(x[i])), s = 1 / (1 + e);
      dx[i] = dy * ((x[i] < 0 ? e * s : s) - t[i]);
    }
  }
  return MG_OK;
}

static void add_logits(const loss *l, int64_t row, double *total) {
  const mg_real *x = l->x + row * l->n;
  double dy = (double)l->dy[row];
  for (int64_t i = 0; i < l->n; i++) total[i] -= dy * (double)x[i];
}

static mg_status bernoulli_target_chunk(void *job, int64_t first, int64_t last) {
  return sum_repeats(job, add_logits, first, last);
}

static mg_status plan_bernoulli(const char *op, const mg_tensor *logits, const mg_tensor *target,
                                int axes, loss *l) {
  if (axes < 0 || axes > logits->axes || axes > target->axes)
    return fail(MG_BAD_SHAPE, "%s: sum over the last %d axes of %d and %d", op, axes, logits->axes,
                target->axes);
  if (check_target(op, target, logits->shape, logits->axes) != MG_OK) return MG_BAD_SHAPE;
  *l = (loss){.x = logits->data,
              .target = target->data,
              .rows = shape_product(logits->shape, 0, logits->axes - axes),
              .target_rows = shape_product(target->shape, 0, target->axes - axes),
              .n = shape_product(logits->shape, logits->axes - axes, logits->axes)};
  return MG_OK;
}

mg_tensor *mg_bernoulli(const mg_tensor *logits, const mg_tensor *target, int axes) {
  loss l;
  if (plan_bernoulli("bernoulli", logits, target, axes, &l) != MG_OK) return NULL;
  mg_tensor *y = new_rows(logits, axes);
  if (!y) return NULL;
  l.out = y->data;
  return op_finish(y, op_for(l.rows, op_grain(4 * l.n), bernoulli_chunk, &l));
}

mg_tensor *mg_bernoulli_vjp(int which, const mg_tensor *logits, const mg_tensor *target, int axes,
                            const mg_tensor *dy) {
  const char *op = "bernoulli_vjp";
  loss l;
  if (check_which(op, which) != MG_OK) return NULL;
  if (plan_bernoulli(op, logits, target, axes, &l) != MG_OK) return NULL;
  if (check_dy(op, logits, axes, dy) != MG_OK) return NULL;
  mg_tensor *out = tensor_like(which ? target : logits);
  if (!out) return NULL;
  l.dy = dy->data;
  l.out = out->data;
  if (which == 0) return op_finish(out, op_for(l.rows, op_grain(4 * l.n), bernoulli_vjp_chunk, &l));
  int64_t repeats = l.target_rows ? l.rows / l.target_rows : 0;
  return op_finish(out, op_for(l.target_rows, op_grain(l.n * repeats), bernoulli_target_chunk, &l));
}

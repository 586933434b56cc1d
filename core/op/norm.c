/* Batch normalisation. x is seen as [batch, channels, inner]; a channel is `batch` runs of `inner`
 * entries, and all that is done with it is done by one thread while it lies in the cache. */
#include <math.h>

#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

typedef struct norm {
  int64_t batch, channels, inner;
  int64_t count; /* entries of a channel */
  double epsilon;
  int fixed;
  const mg_real *x, *gain, *bias, *dy;
  mg_real *mean, *variance, *out, *dgain, *dbias;
} norm;

/* ---- sums over a channel, in double */

/* Where run b of channel c starts. */
static int64_t run_of(const norm *n, int64_t b, int64_t c) {
  return (b * n->channels + c) * n->inner;
}

static double sum_of(const norm *n, const mg_real *x, int64_t c) {
  double sum = 0;
  if (n->inner == 1) /* one entry a run: no call for each */
    for (int64_t b = 0; b < n->batch; b++) sum += (double)x[run_of(n, b, c)];
  else
    for (int64_t b = 0; b < n->batch; b++) sum += op_sum(x + run_of(n, b, c), n->inner);
  return sum;
}

enum { LANES = 8 };

/* Sum of (x - mean) (y - y_mean) over a run, in eight lanes. */
static double run_product(const mg_real *x, double mean, const mg_real *y, double y_mean,
                          int64_t length) {
  double lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= length; i += LANES)
    for (int l = 0; l < LANES; l++)
      lane[l] += ((double)x[i + l] - mean) * ((double)y[i + l] - y_mean);
  for (int l = 0; i + l < length; l++)
    lane[l] += ((double)x[i + l] - mean) * ((double)y[i + l] - y_mean);
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* Sum of (x - mean) (y - y_mean) over channel c. */
static double product_of(const norm *n, const mg_real *x, double mean, const mg_real *y,
                         double y_mean, int64_t c) {
  double sum = 0;
  for (int64_t b = 0; b < n->batch; b++) {
    int64_t at = run_of(n, b, c);
    if (n->inner == 1) sum += ((double)x[at] - mean) * ((double)y[at] - y_mean);
    else sum += run_product(x + at, mean, y + at, y_mean, n->inner);
  }
  return sum;
}

/* ---- forward */

/* Mean, then the mean of squared distances from it; both 0 for no entries. */
static void measure(const norm *n, int64_t c) {
  double count = n->count > 0 ? (double)n->count : 1;
  double mean = sum_of(n, n->x, c) / count;
  n->mean[c] = (mg_real)mean;
  n->variance[c] = (mg_real)(product_of(n, n->x, mean, n->x, mean, c) / count);
}

static double scale_of(const norm *n, int64_t c) {
  return 1 / sqrt((double)n->variance[c] + n->epsilon);
}

static void normalise(const norm *n, int64_t c) {
  mg_real mean = n->mean[c], scale = (mg_real)(scale_of(n, c) * (double)n->gain[c]);
  mg_real bias = n->bias[c];
  for (int64_t b = 0; b < n->batch; b++) {
    const mg_real *x = n->x + run_of(n, b, c);
    mg_real *y = n->out + run_of(n, b, c);
    for (int64_t i = 0; i < n->inner; i++) y[i] = (x[i] - mean) * scale + bias;
  }
}

static mg_status forward_chunk(void *job, int64_t first, int64_t last) {
  const norm *n = job;
  for (int64_t c = first; c < last; c++) {
    if (!n->fixed) measure(n, c);
    normalise(n, c);
  }
  return MG_OK;
}

/* Reads the shape of x; MG_BAD_SHAPE unless the others are [channels]. */
static mg_status plan(const char *op, const mg_tensor *x, const mg_tensor *const others[],
                      const char *const names[], int count, norm *n) {
  char left[SHAPE_TEXT_BYTES], right[SHAPE_TEXT_BYTES];
  if (x->axes < 2)
    return fail(MG_BAD_SHAPE, "%s: x has shape %s, expected 2 axes and more", op,
                shape_of(left, x));
  n->batch = x->shape[0];
  n->channels = x->shape[1];
  n->inner = shape_product(x->shape, 2, x->axes);
  n->count = n->batch * n->inner;
  n->x = x->data;
  for (int i = 0; i < count; i++)
    if (others[i]->axes != 1 || others[i]->shape[0] != n->channels)
      return fail(MG_BAD_SHAPE, "%s: %s has shape %s, x has %lld channels (shape %s)", op, names[i],
                  shape_of(left, others[i]), (long long)n->channels, shape_of(right, x));
  return MG_OK;
}

mg_tensor *mg_batch_norm(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *bias,
                         mg_tensor *mean, mg_tensor *variance, double epsilon, int fixed) {
  const mg_tensor *others[] = {gain, bias, mean, variance};
  const char *names[] = {"gain", "bias", "mean", "variance"};
  norm n = {.epsilon = epsilon, .fixed = fixed, .gain = gain->data, .bias = bias->data,
            .mean = mean->data, .variance = variance->data};
  if (plan("batch_norm", x, others, names, 4, &n) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  n.out = y->data;
  return op_finish(y, op_for(n.channels, op_grain(n.count), forward_chunk, &n));
}

/* ---- gradients. With r = 1 / sqrt(variance + epsilon) and h = (x - mean) r:
 *   dbias = sum dy,  dgain = sum dy h,
 *   dx = gain r dy if mean and variance are fixed, else
 *   dx = gain r (dy - dbias / count - h dgain / count). */

static void input_gradient(const norm *n, int64_t c, double r, double dgain, double dbias) {
  double count = n->count > 0 ? (double)n->count : 1, scale = (double)n->gain[c] * r;
  mg_real times = (mg_real)scale, mean = n->mean[c];
  mg_real level = n->fixed ? 0 : (mg_real)(scale * dbias / count);
  mg_real slope = n->fixed ? 0 : (mg_real)(scale * r * dgain / count);
  for (int64_t b = 0; b < n->batch; b++) {
    int64_t at = run_of(n, b, c);
    const mg_real *x = n->x + at, *dy = n->dy + at;
    mg_real *dx = n->out + at;
    for (int64_t i = 0; i < n->inner; i++)
      dx[i] = times * dy[i] - level - slope * (x[i] - mean);
  }
}

static mg_status vjp_chunk(void *job, int64_t first, int64_t last) {
  const norm *n = job;
  for (int64_t c = first; c < last; c++) {
    double r = scale_of(n, c);
    double dbias = sum_of(n, n->dy, c);
    double dgain = r * product_of(n, n->x, (double)n->mean[c], n->dy, 0, c);
    n->dbias[c] = (mg_real)dbias;
    n->dgain[c] = (mg_real)dgain;
    input_gradient(n, c, r, dgain, dbias);
  }
  return MG_OK;
}

mg_tensor *mg_batch_norm_vjp(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *mean,
                             const mg_tensor *variance, const mg_tensor *dy, double epsilon,
                             int fixed, mg_tensor **dgain, mg_tensor **dbias) {
  const mg_tensor *others[] = {gain, mean, variance};
  const char *names[] = {"gain", "mean", "variance"};
  norm n = {.epsilon = epsilon, .fixed = fixed, .gain = gain->data, .dy = dy->data,
            .mean = mean->data, .variance = variance->data};
  if (plan("batch_norm_vjp", x, others, names, 3, &n) != MG_OK) return NULL;
  if (shape_expect("batch_norm_vjp", x, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x), *dg = dx ? tensor_like(gain) : NULL;
  mg_tensor *db = dg ? tensor_like(gain) : NULL;
  if (!db) goto fail;
  n.out = dx->data;
  n.dgain = dg->data;
  n.dbias = db->data;
  if (op_for(n.channels, op_grain(n.count), vjp_chunk, &n) != MG_OK) goto fail;
  *dgain = dg;
  *dbias = db;
  return dx;
fail:
  mg_tensor_free(dx);
  mg_tensor_free(dg);
  mg_tensor_free(db);
  return NULL;
}

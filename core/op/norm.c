/* Batch, layer and group normalisation. */
#include <math.h>

#include "base/memory.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

/* ================ batch normalisation: x is seen as [batch, channels, inner]; a channel is `batch`
 * runs of `inner` entries, and all that is done with it is done by one thread while it lies in the
 * cache. */

typedef struct norm {
  int64_t batch, channels, inner;
  int64_t count; /* entries of a channel */
  double epsilon;
  int fixed, is_rectified;
  const mg_real *x, *y, *gain, *bias, *dy;
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

/* Sum of (x - mean) (y - y_mean) over channel c. */
static double product_of(const norm *n, const mg_real *x, double mean, const mg_real *y,
                         double y_mean, int64_t c) {
  double sum = 0;
  for (int64_t b = 0; b < n->batch; b++) {
    int64_t at = run_of(n, b, c);
    if (n->inner == 1) sum += ((double)x[at] - mean) * ((double)y[at] - y_mean);
    else sum += op_product(x + at, mean, y + at, y_mean, n->inner);
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
    if (n->is_rectified)
      for (int64_t i = 0; i < n->inner; i++) {
        mg_real value = (x[i] - mean) * scale + bias;
        y[i] = value <= 0 ? 0 : value;
      }
    else
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
                         mg_tensor *mean, mg_tensor *variance, double epsilon, int fixed,
                         int rectified) {
  const mg_tensor *others[] = {gain, bias, mean, variance};
  const char *names[] = {"gain", "bias", "mean", "variance"};
  norm n = {.epsilon = epsilon, .fixed = fixed, .is_rectified = rectified, .gain = gain->data,
            .bias = bias->data, .mean = mean->data, .variance = variance->data};
  if (plan("batch_norm", x, others, names, 4, &n) != MG_OK) return NULL;
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  n.out = y->data;
  return op_finish(y, op_for(n.channels, op_grain(n.count), forward_chunk, &n));
}

/* ---- gradients. With r = 1 / sqrt(variance + epsilon) and h = (x - mean) r:
 *   dbias = sum dy,  dgain = sum dy h,
 *   dx = gain r dy if mean and variance are fixed, else
 *   dx = gain r (dy - dbias / count - h dgain / count),
 * where dy counts as 0 where the result was rectified to 0. */

static inline mg_real masked(int is_rectified, mg_real y, mg_real dy) {
  return (is_rectified & (y <= 0)) ? 0 : dy;
}

enum { LANES = 8 };

static double sum_lanes(const double *lane) {
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* Adds the sums of dy and of (x - mean) dy over a run to sums[2]; eight lanes each. */
static inline __attribute__((always_inline)) void run_sums(const norm *n, int is_rectified,
                                                           int64_t at, double mean, double *sums) {
  const mg_real *x = n->x + at, *y = n->y + at, *dy = n->dy + at;
  double plain[LANES] = {0}, slope[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n->inner; i += LANES) {
    mg_real g[LANES];
    for (int l = 0; l < LANES; l++) g[l] = masked(is_rectified, y[i + l], dy[i + l]);
    for (int l = 0; l < LANES; l++) plain[l] += (double)g[l];
    for (int l = 0; l < LANES; l++) slope[l] += ((double)x[i + l] - mean) * (double)g[l];
  }
  for (int l = 0; i + l < n->inner; l++) {
    double g = (double)masked(is_rectified, y[i + l], dy[i + l]);
    plain[l] += g;
    slope[l] += ((double)x[i + l] - mean) * g;
  }
  sums[0] += sum_lanes(plain);
  sums[1] += sum_lanes(slope);
}

static void gradient_sums(const norm *n, int64_t c, double *sums) {
  double mean = (double)n->mean[c];
  sums[0] = sums[1] = 0;
  for (int64_t b = 0; b < n->batch; b++) {
    int64_t at = run_of(n, b, c);
    if (n->inner == 1) { /* one entry a run: no lanes for each */
      double g = (double)masked(n->is_rectified, n->y[at], n->dy[at]);
      sums[0] += g;
      sums[1] += ((double)n->x[at] - mean) * g;
    } else if (n->is_rectified) {
      run_sums(n, 1, at, mean, sums);
    } else {
      run_sums(n, 0, at, mean, sums);
    }
  }
}

/* dx may be dy. */
static void input_gradient(const norm *n, int64_t c, double r, double dgain, double dbias) {
  double count = n->count > 0 ? (double)n->count : 1, scale = (double)n->gain[c] * r;
  mg_real times = (mg_real)scale, mean = n->mean[c];
  mg_real level = n->fixed ? 0 : (mg_real)(scale * dbias / count);
  mg_real slope = n->fixed ? 0 : (mg_real)(scale * r * dgain / count);
  for (int64_t b = 0; b < n->batch; b++) {
    int64_t at = run_of(n, b, c);
    const mg_real *x = n->x + at, *y = n->y + at, *dy = n->dy + at;
    mg_real *dx = n->out + at;
    if (n->is_rectified)
      for (int64_t i = 0; i < n->inner; i++)
        dx[i] = times * masked(1, y[i], dy[i]) - level - slope * (x[i] - mean);
    else
      for (int64_t i = 0; i < n->inner; i++)
        dx[i] = times * dy[i] - level - slope * (x[i] - mean);
  }
}

static mg_status vjp_chunk(void *job, int64_t first, int64_t last) {
  const norm *n = job;
  for (int64_t c = first; c < last; c++) {
    double r = scale_of(n, c), sums[2];
    gradient_sums(n, c, sums);
    n->dbias[c] = (mg_real)sums[0];
    n->dgain[c] = (mg_real)(r * sums[1]);
    input_gradient(n, c, r, r * sums[1], sums[0]);
  }
  return MG_OK;
}

mg_status mg_batch_norm_vjp(const mg_tensor *x, const mg_tensor *y, const mg_tensor *gain,
                            const mg_tensor *mean, const mg_tensor *variance, const mg_tensor *dy,
                            double epsilon, int fixed, int rectified, mg_tensor *dx,
                            mg_tensor *dgain, mg_tensor *dbias) {
  const mg_tensor *others[] = {gain, mean, variance, dgain, dbias};
  const char *names[] = {"gain", "mean", "variance", "dgain", "dbias"};
  const mg_tensor *alike[] = {y, dy, dx};
  norm n = {.epsilon = epsilon, .fixed = fixed, .is_rectified = rectified, .y = y->data,
            .gain = gain->data, .dy = dy->data, .mean = mean->data, .variance = variance->data,
            .out = dx->data, .dgain = dgain->data, .dbias = dbias->data};
  if (plan("batch_norm_vjp", x, others, names, 5, &n) != MG_OK) return MG_BAD_SHAPE;
  for (int i = 0; i < 3; i++)
    if (shape_expect("batch_norm_vjp", x, alike[i]) != MG_OK) return MG_BAD_SHAPE;
  return op_for(n.channels, op_grain(n.count), vjp_chunk, &n);
}

/* ================ layer and group normalisation: x is seen as [rows, runs, inner]; a row is
 * normalised by itself, a run of `inner` entries shares a weight (gain and bias). Rows take their
 * weights in turn: those of row r start at (r % groups) runs. Layer norms: groups = inner = 1. */

typedef struct row_norm {
  int64_t rows, groups, runs, inner;
  int64_t length;  /* runs * inner */
  int64_t weights; /* groups * runs */
  int64_t part;    /* rows that a part of the sums for gain and bias holds */
  double epsilon;
  const mg_real *x, *gain, *bias, *dy; /* gain and bias may be NULL: 1 and 0 */
  mg_real *out;
  double *total; /* [parts, 2, weights], gain then bias; NULL: not wanted */
} row_norm;

/* Mean and 1 / sqrt(variance + epsilon) of a row. */
static void measure_row(const row_norm *n, const mg_real *x, double *mean, double *scale) {
  double count = (double)n->length;
  *mean = op_sum(x, n->length) / count;
  *scale = 1 / sqrt(op_product(x, *mean, x, *mean, n->length) / count + n->epsilon);
}

static void normalise_row(const row_norm *n, int64_t row) {
  const mg_real *x = n->x + row * n->length;
  mg_real *y = n->out + row * n->length;
  int64_t weight = row % n->groups * n->runs;
  double center, r;
  measure_row(n, x, &center, &r);
  mg_real mean = (mg_real)center, scale = (mg_real)r;
  for (int64_t j = 0; j < n->length; j++) y[j] = (x[j] - mean) * scale;
  const mg_real *gain = n->gain ? n->gain + weight : NULL;
  const mg_real *bias = n->bias ? n->bias + weight : NULL;
  if (n->inner == 1) {
    for (int64_t j = 0; gain && j < n->runs; j++) y[j] *= gain[j];
    for (int64_t j = 0; bias && j < n->runs; j++) y[j] += bias[j];
    return;
  }
  for (int64_t k = 0; (gain || bias) && k < n->runs; k++) {
    mg_real times = gain ? gain[k] : 1, plus = bias ? bias[k] : 0, *run = y + k * n->inner;
    for (int64_t i = 0; i < n->inner; i++) run[i] = run[i] * times + plus;
  }
}

static mg_status normalise_rows(void *job, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; row++) normalise_row(job, row);
  return MG_OK;
}

/* With h = (x - mean) r and g = gain dy: dx = r (g - mean g - h mean(g h)) along a row. */
static void row_gradient(const row_norm *n, int64_t row, double mean, double r) {
  const mg_real *x = n->x + row * n->length, *dy = n->dy + row * n->length;
  const mg_real *gain = n->gain ? n->gain + row % n->groups * n->runs : NULL;
  mg_real *dx = n->out + row * n->length;
  if (!gain)
    for (int64_t j = 0; j < n->length; j++) dx[j] = dy[j];
  else if (n->inner == 1)
    for (int64_t j = 0; j < n->length; j++) dx[j] = dy[j] * gain[j];
  else
    for (int64_t k = 0; k < n->runs; k++)
      for (int64_t i = k * n->inner; i < (k + 1) * n->inner; i++) dx[i] = dy[i] * gain[k];
  double count = (double)n->length;
  mg_real level = (mg_real)(op_sum(dx, n->length) / count), scale = (mg_real)r;
  mg_real slope = (mg_real)(r * r * op_product(dx, 0, x, mean, n->length) / count);
  mg_real middle = (mg_real)mean;
  for (int64_t j = 0; j < n->length; j++)
    dx[j] = scale * (dx[j] - level - slope * (x[j] - middle));
}

/* Adds a row's part of the gradients of its gains and biases. */
static void weight_gradient(const row_norm *n, int64_t row, double mean, double r) {
  const mg_real *x = n->x + row * n->length, *dy = n->dy + row * n->length;
  double *dgain = n->total + row / n->part * 2 * n->weights + row % n->groups * n->runs;
  double *dbias = dgain + n->weights;
  if (n->inner == 1) {
    for (int64_t j = 0; j < n->runs; j++) dgain[j] += (double)dy[j] * (((double)x[j] - mean) * r);
    op_add(dbias, dy, n->runs);
    return;
  }
  for (int64_t k = 0; k < n->runs; k++) {
    dgain[k] += r * op_product(x + k * n->inner, mean, dy + k * n->inner, 0, n->inner);
    dbias[k] += op_sum(dy + k * n->inner, n->inner);
  }
}

static mg_status row_vjp_chunk(void *job, int64_t first, int64_t last) {
  const row_norm *n = job;
  for (int64_t row = first; row < last; row++) {
    double mean, r;
    measure_row(n, n->x + row * n->length, &mean, &r);
    row_gradient(n, row, mean, r);
    if (n->total) weight_gradient(n, row, mean, r);
  }
  return MG_OK;
}

/* Gradients of all rows; dgain and dbias, if wanted, are sums of at most PARTS parts in order. */
static mg_status row_vjp(row_norm *n, mg_tensor *dgain, mg_tensor *dbias) {
  enum { PARTS = 16 };
  int64_t least = (n->rows + PARTS - 1) / PARTS, grain = op_grain(n->length);
  n->part = dgain && grain < least ? least : grain;
  int64_t parts = n->rows > 0 ? parallel_chunks(n->rows, n->part) : 1;
  if (!dgain) return op_for(n->rows, n->part, row_vjp_chunk, n);
  int64_t sums = 2 * n->weights;
  n->total = memory_array(parts, sums * (int64_t)sizeof *n->total);
  if (!n->total) return MG_NO_MEMORY;
  for (int64_t i = 0; i < parts * sums; i++) n->total[i] = 0;
  mg_status status = op_for(n->rows, n->part, row_vjp_chunk, n);
  for (int64_t i = 0; i < sums; i++) {
    double sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += n->total[p * sums + i];
    if (i < n->weights) dgain->data[i] = (mg_real)sum;
    else dbias->data[i - n->weights] = (mg_real)sum;
  }
  memory_free(n->total);
  return status;
}

static mg_tensor *row_norm_forward(row_norm *n, const mg_tensor *x, const mg_tensor *gain,
                                   const mg_tensor *bias) {
  mg_tensor *y = tensor_like(x);
  if (!y) return NULL;
  n->x = x->data;
  n->gain = gain ? gain->data : NULL;
  n->bias = bias ? bias->data : NULL;
  n->out = y->data;
  return op_finish(y, op_for(n->rows, op_grain(n->length), normalise_rows, n));
}

/* shape [axes]: that of a weight. dgain and dbias: where to, both or neither NULL. */
static mg_tensor *row_norm_vjp(row_norm *n, const mg_tensor *x, const mg_tensor *gain,
                               const mg_tensor *dy, const int64_t *shape, int axes,
                               mg_tensor **dgain, mg_tensor **dbias) {
  mg_tensor *dx = tensor_like(x), *dg = NULL, *db = NULL;
  if (!dx) return NULL;
  if (dgain) dg = mg_tensor_new(shape, axes);
  if (dg) db = mg_tensor_new(shape, axes);
  n->x = x->data;
  n->gain = gain ? gain->data : NULL;
  n->dy = dy->data;
  n->out = dx->data;
  mg_status status = dgain && !db ? MG_NO_MEMORY : row_vjp(n, dg, db);
  if (status == MG_OK && dgain) {
    *dgain = dg;
    *dbias = db;
  }
  if (status == MG_OK) return dx;
  mg_tensor_free(dx);
  mg_tensor_free(dg);
  mg_tensor_free(db);
  return NULL;
}

/* MG_BAD_SHAPE unless t is NULL or has this shape. */
static mg_status check_weight(const char *op, const char *what, const mg_tensor *t,
                              const int64_t *shape, int axes, const mg_tensor *x) {
  int fits = !t || t->axes == axes;
  for (int i = 0; t && fits && i < axes; i++) fits = t->shape[i] == shape[i];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES], whole[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "%s: %s has shape %s, expected %s for x of shape %s", op, what,
              shape_of(got, t), shape_text(expected, shape, axes), shape_of(whole, x));
}

static mg_status check_epsilon(const char *op, double epsilon) {
  if (epsilon >= 0 && epsilon < (double)INFINITY) return MG_OK;
  return fail(MG_BAD_ARGUMENT, "%s: epsilon = %g is not a number from 0", op, epsilon);
}

static mg_status plan_layer(const char *op, const mg_tensor *x, const mg_tensor *gain,
                            const mg_tensor *bias, int count, double epsilon, row_norm *n) {
  if (count < 1 || count > x->axes)
    return fail(MG_BAD_SHAPE, "%s: the last %d axes, there are %d", op, count, x->axes);
  const int64_t *shape = x->shape + x->axes - count;
  if (check_weight(op, "gain", gain, shape, count, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_weight(op, "bias", bias, shape, count, x) != MG_OK) return MG_BAD_SHAPE;
  *n = (row_norm){.groups = 1, .inner = 1, .epsilon = epsilon};
  n->rows = shape_product(x->shape, 0, x->axes - count);
  n->length = n->runs = n->weights = shape_product(shape, 0, count);
  return check_epsilon(op, epsilon);
}

mg_tensor *mg_layer_norm(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *bias,
                         int count, double epsilon) {
  row_norm n;
  if (plan_layer("layer_norm", x, gain, bias, count, epsilon, &n) != MG_OK) return NULL;
  return row_norm_forward(&n, x, gain, bias);
}

mg_tensor *mg_layer_norm_vjp(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *dy,
                             int count, double epsilon, mg_tensor **dgain, mg_tensor **dbias) {
  row_norm n;
  if (plan_layer("layer_norm_vjp", x, gain, NULL, count, epsilon, &n) != MG_OK) return NULL;
  if (shape_expect("layer_norm_vjp", x, dy) != MG_OK) return NULL;
  return row_norm_vjp(&n, x, gain, dy, x->shape + x->axes - count, count, dgain, dbias);
}

static mg_status plan_group(const char *op, const mg_tensor *x, const mg_tensor *gain,
                            const mg_tensor *bias, int64_t groups, double epsilon, row_norm *n) {
  char text[SHAPE_TEXT_BYTES];
  if (x->axes < 2)
    return fail(MG_BAD_SHAPE, "%s: x has shape %s, expected 2 axes and more", op,
                shape_of(text, x));
  if (groups < 1 || x->shape[1] % groups != 0)
    return fail(MG_BAD_SHAPE, "%s: %lld groups of %lld channels (shape %s)", op, (long long)groups,
                (long long)x->shape[1], shape_of(text, x));
  if (check_weight(op, "gain", gain, x->shape + 1, 1, x) != MG_OK) return MG_BAD_SHAPE;
  if (check_weight(op, "bias", bias, x->shape + 1, 1, x) != MG_OK) return MG_BAD_SHAPE;
  *n = (row_norm){.groups = groups, .weights = x->shape[1], .epsilon = epsilon};
  n->runs = x->shape[1] / groups;
  n->inner = shape_product(x->shape, 2, x->axes);
  n->length = n->runs * n->inner;
  n->rows = n->length > 0 ? x->size / n->length : 0;
  return check_epsilon(op, epsilon);
}

mg_tensor *mg_group_norm(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *bias,
                         int64_t groups, double epsilon) {
  row_norm n;
  if (plan_group("group_norm", x, gain, bias, groups, epsilon, &n) != MG_OK) return NULL;
  return row_norm_forward(&n, x, gain, bias);
}

mg_tensor *mg_group_norm_vjp(const mg_tensor *x, const mg_tensor *gain, const mg_tensor *dy,
                             int64_t groups, double epsilon, mg_tensor **dgain,
                             mg_tensor **dbias) {
  row_norm n;
  if (plan_group("group_norm_vjp", x, gain, NULL, groups, epsilon, &n) != MG_OK) return NULL;
  if (shape_expect("group_norm_vjp", x, dy) != MG_OK) return NULL;
  return row_norm_vjp(&n, x, gain, dy, x->shape + 1, 1, dgain, dbias);
}

/* Reductions over neighbouring axes: x is seen as [outer, middle, inner], the result as
 * [outer, inner]. A reduction is one fold over the middle axis or two: variances need the mean
 * first, logsumexp the largest entry, which the second fold takes as its centre. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/real_math.h"
#include "base/status.h"
#include "op.h"
#include "tensor/shape.h"

/* What is gathered over the middle axis. */
typedef enum fold {
  FOLD_SUM,
  FOLD_ABS,      /* sum of |x| */
  FOLD_SQUARE,   /* sum of x^2 */
  FOLD_DISTANCE, /* sum of (x - centre)^2 */
  FOLD_EXP,      /* sum of exp(x - centre); centre is the largest entry */
  FOLD_ZEROS,    /* number of zeros */
  FOLD_PROD,
  FOLD_NONZERO,  /* product of the entries that are not 0 */
  FOLD_PEAK,     /* largest |x|; 0 of nothing */
  FOLD_MAX,      /* these two need an entry */
  FOLD_MIN
} fold;

#define FOLD_LIST(X) \
  X(FOLD_SUM)        \
  X(FOLD_ABS)        \
  X(FOLD_SQUARE)     \
  X(FOLD_DISTANCE)   \
  X(FOLD_EXP)        \
  X(FOLD_ZEROS)      \
  X(FOLD_PROD)       \
  X(FOLD_NONZERO)    \
  X(FOLD_PEAK)

/* Where few results share much work, the middle axis is cut into parts; each part gives one row of
 * `inner` doubles, and the rows of a result are joined in order. */
typedef struct reduction {
  mg_reduce_kind kind;
  fold fold;
  int64_t outer, middle, inner;
  int64_t parts, part; /* parts of the middle axis, indices in each but the last */
  const mg_real *x, *y, *dy;
  mg_real *out;
  const double *centre; /* [outer, inner] */
  double *partial;      /* [outer, parts, inner] */
  double *folded;       /* [outer, inner] */
  double *slope;        /* [outer, inner], of gradients */
  int64_t *place;       /* [outer, inner], middle indices */
} reduction;

/* ---- folds */

/* out [inner] = extremes of the columns of x [n, inner], n >= 1. */
static inline void column_extremes(const mg_real *x, int64_t n, int64_t inner, int is_min,
                                   double *out) {
  for (int64_t i = 0; i < inner; i++) out[i] = (double)x[i];
  for (int64_t m = 1; m < n; m++) {
    const mg_real *row = x + m * inner;
    for (int64_t i = 0; i < inner; i++)
      out[i] = (double)op_extreme((mg_real)out[i], row[i], is_min);
  }
}

INLINED void fold_extremes(const mg_real *x, int64_t n, int64_t inner, int is_min, double *out) {
  if (inner == 1) *out = (double)op_row_extreme(x, n, is_min);
  else column_extremes(x, n, inner, is_min, out);
}

INLINED double fold_start(fold f) { return f == FOLD_PROD || f == FOLD_NONZERO ? 1 : 0; }

INLINED double fold_at(fold f, double total, mg_real x, double centre) {
  double v = (double)x, d = v - centre, a = fabs(v);
  switch (f) {
    case FOLD_ABS: return total + a;
    case FOLD_SQUARE: return total + v * v;
    case FOLD_DISTANCE: return total + d * d;
    case FOLD_EXP: return total + (double)real_exp(x - (mg_real)centre);
    case FOLD_ZEROS: return total + (x == 0 ? 1 : 0);
    case FOLD_PROD: return total * v;
    case FOLD_NONZERO: return total * (x == 0 ? 1 : v);
    case FOLD_PEAK: return ((a > total) | (a != a)) ? a : total;
    default: return total + v; /* FOLD_SUM */
  }
}

/* Joins what two pieces gave. */
INLINED double fold_join(fold f, double a, double b) {
  switch (f) {
    case FOLD_PROD:
    case FOLD_NONZERO: return a * b;
    case FOLD_PEAK:
    case FOLD_MAX: return ((b > a) | (b != b)) ? b : a;
    case FOLD_MIN: return ((b < a) | (b != b)) ? b : a;
    default: return a + b;
  }
}

/* The fold of x [n], in eight lanes that are joined in a fixed order. */
INLINED double fold_row(fold f, const mg_real *x, int64_t n, double centre) {
  enum { LANES = 8 };
  double lane[LANES];
  for (int l = 0; l < LANES; l++) lane[l] = fold_start(f);
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] = fold_at(f, lane[l], x[i + l], centre);
  for (int l = 0; i + l < n; l++) lane[l] = fold_at(f, lane[l], x[i + l], centre);
  for (int apart = 1; apart < LANES; apart *= 2)
    for (int l = 0; l < LANES; l += 2 * apart) lane[l] = fold_join(f, lane[l], lane[l + apart]);
  return lane[0];
}

/* out [inner] = folds of the columns of x [n, inner]. */
INLINED void fold_columns(fold f, const mg_real *x, int64_t n, int64_t inner, const double *centre,
                          double *out) {
  for (int64_t i = 0; i < inner; i++) out[i] = fold_start(f);
  for (int64_t m = 0; m < n; m++) {
    const mg_real *row = x + m * inner;
    for (int64_t i = 0; i < inner; i++) out[i] = fold_at(f, out[i], row[i], centre ? centre[i] : 0);
  }
}

INLINED void fold_block(fold f, const mg_real *x, int64_t n, int64_t inner, const double *centre,
                        double *out) {
  if (inner == 1) *out = fold_row(f, x, n, centre ? *centre : 0);
  else if (centre) fold_columns(f, x, n, inner, centre, out);
  else fold_columns(f, x, n, inner, NULL, out);
}

/* Rows first..last-1 of partial. */
static mg_status fold_parts(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  for (int64_t i = first; i < last; i++) {
    int64_t start = i % r->parts * r->part, left = r->middle - start;
    int64_t n = left < r->part ? left : r->part;
    const mg_real *x = r->x + (i / r->parts * r->middle + start) * r->inner;
    const double *centre = r->centre ? r->centre + i / r->parts * r->inner : NULL;
    double *out = r->partial + i * r->inner;
    switch (r->fold) {
#define CASE(f) \
  case f: fold_block(f, x, n, r->inner, centre, out); break;
      FOLD_LIST(CASE)
#undef CASE
      case FOLD_MAX: fold_extremes(x, n, r->inner, 0, out); break;
      case FOLD_MIN: fold_extremes(x, n, r->inner, 1, out); break;
    }
  }
  return MG_OK;
}

/* Joins the parts of results first..last-1 of the outer axis. */
static mg_status join_parts(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  for (int64_t o = first; o < last; o++)
    for (int64_t i = 0; i < r->inner; i++) {
      const double *partial = r->partial + o * r->parts * r->inner + i;
      double joined = partial[0];
      for (int64_t p = 1; p < r->parts; p++)
        joined = fold_join(r->fold, joined, partial[p * r->inner]);
      r->folded[o * r->inner + i] = joined;
    }
  return MG_OK;
}

/* out [outer, inner] = fold f of x; centre [outer, inner] or NULL. */
static mg_status fold_all(reduction *r, fold f, const double *centre, double *out) {
  int64_t rows = r->outer * r->parts;
  r->fold = f;
  r->centre = centre;
  r->folded = r->partial = out;
  if (r->parts > 1) r->partial = memory_array(rows * r->inner, (int64_t)sizeof *r->partial);
  if (!r->partial) return MG_NO_MEMORY;
  mg_status status = op_for(rows, op_grain(r->part * r->inner), fold_parts, r);
  if (r->parts == 1) return status;
  if (status == MG_OK)
    status = op_for(r->outer, op_grain(r->parts * r->inner), join_parts, r);
  memory_free(r->partial);
  return status;
}

/* ---- kinds */

static const fold folds[MG_REDUCE_KINDS] = {
    [MG_SUM] = FOLD_SUM,           [MG_MEAN] = FOLD_SUM,
    [MG_MAX] = FOLD_MAX,           [MG_MIN] = FOLD_MIN,
    [MG_PROD] = FOLD_PROD,         [MG_LOGSUMEXP] = FOLD_EXP,
    [MG_VAR] = FOLD_DISTANCE,      [MG_VAR_BIASED] = FOLD_DISTANCE,
    [MG_STD] = FOLD_DISTANCE,      [MG_STD_BIASED] = FOLD_DISTANCE,
    [MG_NORM_1] = FOLD_ABS,        [MG_NORM_2] = FOLD_SQUARE,
    [MG_NORM_INF] = FOLD_PEAK,     [MG_ANY] = FOLD_ZEROS,
    [MG_ALL] = FOLD_ZEROS,         [MG_ARGMAX] = FOLD_MAX,
    [MG_ARGMIN] = FOLD_MIN};

static int is_extreme(mg_reduce_kind kind) {
  return folds[kind] == FOLD_MAX || folds[kind] == FOLD_MIN;
}

static int is_place(mg_reduce_kind kind) { return kind == MG_ARGMAX || kind == MG_ARGMIN; }

static int is_variance(mg_reduce_kind kind) { return folds[kind] == FOLD_DISTANCE; }

/* What the squared distances are divided by; NaN if that is not above 0. */
static double freedom(const reduction *r) {
  int is_biased = r->kind == MG_VAR_BIASED || r->kind == MG_STD_BIASED;
  double n = (double)r->middle - (is_biased ? 0 : 1);
  return n > 0 ? n : (double)NAN;
}

/* Sees x as [outer, middle, inner]; MG_BAD_SHAPE if the axes are not there. */
static mg_status plan(const char *op, mg_reduce_kind kind, const mg_tensor *x, int first, int count,
                      reduction *r) {
  enum { PARTS = 8 };
  if ((int)kind < 0 || kind >= MG_REDUCE_KINDS)
    return fail(MG_BAD_ARGUMENT, "%s: kind %d is not in 0..%d", op, (int)kind, MG_REDUCE_KINDS - 1);
  if (first < 0 || count < 0 || first > x->axes || count > x->axes - first)
    return fail(MG_BAD_SHAPE, "%s: %d axes from axis %d on, there are %d", op, count, first + 1,
                x->axes);
  *r = (reduction){.kind = kind, .x = x->data, .parts = 1};
  r->outer = shape_product(x->shape, 0, first);
  r->middle = shape_product(x->shape, first, first + count);
  r->inner = shape_product(x->shape, first + count, x->axes);
  if (r->outer < PARTS && x->size > OP_GRAIN) r->parts = r->middle < PARTS ? r->middle : PARTS;
  r->part = (r->middle + r->parts - 1) / r->parts;
  if (r->part > 0) r->parts = parallel_chunks(r->middle, r->part);
  return MG_OK;
}

/* MG_BAD_SHAPE if there is nothing to take an extreme of, or more places than a real can name. */
static mg_status check_entries(const reduction *r, const mg_tensor *x) {
  static const int64_t most = sizeof(mg_real) == 4 ? (int64_t)1 << 24 : (int64_t)1 << 53;
  char text[SHAPE_TEXT_BYTES];
  if (is_extreme(r->kind) && r->middle == 0)
    return fail(MG_BAD_SHAPE, "reduce: no entries to take the %s of in shape %s",
                folds[r->kind] == FOLD_MAX ? "largest" : "smallest", shape_of(text, x));
  if (is_place(r->kind) && r->middle > most)
    return fail(MG_BAD_SHAPE, "reduce: a place among %lld entries (shape %s) is no real number",
                (long long)r->middle, shape_of(text, x));
  return MG_OK;
}

/* The shape of x without axes first..first+count-1; returns the number of axes left. */
static int shape_without(const mg_tensor *x, int first, int count, int64_t *shape) {
  int axes = 0;
  for (int i = 0; i < x->axes; i++)
    if (i < first || i >= first + count) shape[axes++] = x->shape[i];
  return axes;
}

/* means [outer, inner] of x */
static mg_status find_means(reduction *r, double *means) {
  mg_status status = fold_all(r, FOLD_SUM, NULL, means);
  for (int64_t k = 0; k < r->outer * r->inner; k++) means[k] /= (double)r->middle;
  return status;
}

/* The centre of the second fold: means, or largest entries (-inf of nothing). */
static mg_status find_centre(reduction *r, double *centre) {
  if (is_variance(r->kind)) return find_means(r, centre);
  if (r->middle > 0) return fold_all(r, FOLD_MAX, NULL, centre);
  for (int64_t k = 0; k < r->outer * r->inner; k++) centre[k] = -(double)INFINITY;
  return MG_OK;
}

/* The result from what was folded. */
static double result_of(const reduction *r, double v, double centre) {
  switch (r->kind) {
    case MG_MEAN: return v / (double)r->middle;
    case MG_LOGSUMEXP: return isfinite(centre) ? centre + log(v) : centre;
    case MG_VAR:
    case MG_VAR_BIASED: return v / freedom(r);
    case MG_STD:
    case MG_STD_BIASED: return sqrt(v / freedom(r));
    case MG_NORM_2: return sqrt(v);
    case MG_ANY: return v < (double)r->middle ? 1 : 0;
    case MG_ALL: return v == 0 ? 1 : 0;
    default: return v;
  }
}

static mg_status find_places(reduction *r, const mg_real *y, int is_absolute);

/* Entries of out become the places where they stand. */
static mg_status name_places(reduction *r) {
  int64_t results = r->outer * r->inner;
  mg_status status = find_places(r, r->out, 0);
  if (status != MG_OK) return status;
  for (int64_t k = 0; k < results; k++) r->out[k] = (mg_real)r->place[k];
  memory_free(r->place);
  return MG_OK;
}

static mg_status reduce_all(reduction *r) {
  int64_t results = r->outer * r->inner;
  int has_centre = is_variance(r->kind) || r->kind == MG_LOGSUMEXP;
  double *value = memory_array(results, (has_centre ? 2 : 1) * (int64_t)sizeof *value);
  double *centre = has_centre && value ? value + results : NULL;
  if (!value) return MG_NO_MEMORY;
  mg_status status = centre ? find_centre(r, centre) : MG_OK;
  if (status == MG_OK) status = fold_all(r, folds[r->kind], centre, value);
  if (status == MG_OK)
    for (int64_t k = 0; k < results; k++)
      r->out[k] = (mg_real)result_of(r, value[k], centre ? centre[k] : 0);
  memory_free(value);
  return status == MG_OK && is_place(r->kind) ? name_places(r) : status;
}

mg_tensor *mg_reduce(mg_reduce_kind kind, const mg_tensor *x, int first, int count) {
  reduction r;
  int64_t shape[MG_MAX_AXES];
  if (plan("reduce", kind, x, first, count, &r) != MG_OK) return NULL;
  if (check_entries(&r, x) != MG_OK) return NULL;
  int axes = shape_without(x, first, count, shape);
  mg_tensor *y = mg_tensor_new(shape, axes);
  if (!y) return NULL;
  r.out = y->data;
  return op_finish(y, reduce_all(&r));
}

/* ---- places of extremes */

INLINED int is_hit(mg_real x, mg_real y, int is_absolute) {
  mg_real v = is_absolute && x < 0 ? -x : x;
  return (v == y) | ((v != v) & (y != y));
}

/* The first index whose entry of x [n] is y, or NaN if y is; 0 if none is. */
INLINED int64_t row_place(const mg_real *x, int64_t n, mg_real y, int is_absolute) {
  enum { LANES = 32 };
  int64_t m = 0;
  for (int hits = 0; m + LANES <= n; m += LANES) {
    for (int l = 0; l < LANES; l++) hits |= is_hit(x[m + l], y, is_absolute);
    if (hits) break;
  }
  for (; m < n; m++)
    if (is_hit(x[m], y, is_absolute)) return m;
  return 0;
}

/* The same for the columns of x [n, inner]: from the last row up, so that the first one stays. */
INLINED void column_places(const mg_real *x, int64_t n, int64_t inner, const mg_real *y,
                           int is_absolute, int64_t *place) {
  for (int64_t i = 0; i < inner; i++) place[i] = 0;
  for (int64_t m = n - 1; m >= 0; m--)
    for (int64_t i = 0; i < inner; i++)
      place[i] = is_hit(x[m * inner + i], y[i], is_absolute) ? m : place[i];
}

INLINED void place_loop(const reduction *r, int64_t first, int64_t last, int is_absolute) {
  for (int64_t o = first; o < last; o++) {
    const mg_real *x = r->x + o * r->middle * r->inner, *y = r->y + o * r->inner;
    int64_t *place = r->place + o * r->inner;
    if (r->inner == 1) *place = row_place(x, r->middle, *y, is_absolute);
    else column_places(x, r->middle, r->inner, y, is_absolute, place);
  }
}

static mg_status place_chunk(void *job, int64_t first, int64_t last) {
  place_loop(job, first, last, 0);
  return MG_OK;
}

static mg_status peak_place_chunk(void *job, int64_t first, int64_t last) {
  place_loop(job, first, last, 1);
  return MG_OK;
}

/* r->place [outer, inner], the caller's: the first middle indices where x, or |x|, is y. */
static mg_status find_places(reduction *r, const mg_real *y, int is_absolute) {
  r->place = memory_array(r->outer * r->inner, (int64_t)sizeof *r->place);
  if (!r->place) return MG_NO_MEMORY;
  r->y = y;
  mg_status status = op_for(r->outer, op_grain(r->middle * r->inner),
                            is_absolute ? peak_place_chunk : place_chunk, r);
  if (status != MG_OK) memory_free(r->place);
  return status;
}

/* ---- gradients */

/* Rows first..last-1 of dx [outer * middle, inner] for sums and means. */
static mg_status spread_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  mg_real scale = (mg_real)(r->kind == MG_MEAN ? 1 / (double)r->middle : 1);
  for (int64_t row = first; row < last; row++) {
    const mg_real *dy = r->dy + row / r->middle * r->inner;
    mg_real *dx = r->out + row * r->inner;
    for (int64_t i = 0; i < r->inner; i++) dx[i] = scale * dy[i];
  }
  return MG_OK;
}

/* The same for inner = 1: rows first..last-1 of dx [outer, middle]. */
static mg_status spread_row_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  double scale = r->kind == MG_MEAN ? 1 / (double)r->middle : 1;
  for (int64_t row = first; row < last; row++) {
    mg_real value = (mg_real)(scale * (double)r->dy[row]), *dx = r->out + row * r->middle;
    for (int64_t i = 0; i < r->middle; i++) dx[i] = value;
  }
  return MG_OK;
}

static mg_status spread_sum(reduction *r) {
  if (r->inner == 1) return op_for(r->outer, op_grain(r->middle), spread_row_chunk, r);
  return op_for(r->outer * r->middle, op_grain(r->inner), spread_chunk, r);
}

static mg_status zero_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  memset(r->out + first, 0, (size_t)(last - first) * sizeof *r->out);
  return MG_OK;
}

/* dx = 0, but dy where the extreme of a result stands first, with the sign of x for a norm. */
static mg_status spread_extreme(reduction *r) {
  int is_norm = r->kind == MG_NORM_INF;
  mg_status status = op_for(r->outer * r->middle * r->inner, OP_GRAIN, zero_chunk, r);
  if (status == MG_OK) status = find_places(r, r->y, is_norm);
  if (status != MG_OK) return status;
  for (int64_t k = 0; k < r->outer * r->inner; k++) {
    int64_t at = (k / r->inner * r->middle + r->place[k]) * r->inner + k % r->inner;
    mg_real x = r->x[at], sign = x > 0 ? 1 : x < 0 ? -1 : x;
    r->out[at] = is_norm ? sign * r->dy[k] : r->dy[k];
  }
  memory_free(r->place);
  return MG_OK;
}

/* The other kinds: dx is a function of x and of two numbers for each result, slope and centre. */
INLINED mg_real gradient_at(fold f, mg_real x, double slope, double centre) {
  switch (f) {
    case FOLD_ABS: return (mg_real)slope * (x > 0 ? 1 : x < 0 ? -1 : x);
    case FOLD_EXP: return (mg_real)slope * real_exp(x - (mg_real)centre);
    case FOLD_PROD: /* slope: dy times the product of all that is not 0; centre: number of zeros */
      return (mg_real)(centre == 0 ? slope / (double)x : x == 0 ? slope : slope * 0);
    default: return (mg_real)(slope * ((double)x - centre)); /* squares and distances */
  }
}

/* Entries of row `row` of dx [outer * middle, inner]; if inner = 1, rows up to last-1 that share a
 * result. Returns the row after them. */
INLINED int64_t gradient_run(fold f, const reduction *r, int64_t row, int64_t last) {
  int64_t result = row / r->middle;
  const double *slope = r->slope + result * r->inner, *centre = r->centre + result * r->inner;
  const mg_real *x = r->x + row * r->inner;
  mg_real *dx = r->out + row * r->inner;
  if (r->inner == 1) {
    int64_t end = (result + 1) * r->middle, n = (end < last ? end : last) - row;
    double s = *slope, c = *centre;
    for (int64_t i = 0; i < n; i++) dx[i] = gradient_at(f, x[i], s, c);
    return row + n;
  }
  for (int64_t i = 0; i < r->inner; i++) dx[i] = gradient_at(f, x[i], slope[i], centre[i]);
  return row + 1;
}

static mg_status gradient_chunk(void *job, int64_t first, int64_t last) {
  const reduction *r = job;
  for (int64_t row = first; row < last;) switch (r->fold) {
      case FOLD_ABS: row = gradient_run(FOLD_ABS, r, row, last); break;
      case FOLD_EXP: row = gradient_run(FOLD_EXP, r, row, last); break;
      case FOLD_PROD: row = gradient_run(FOLD_PROD, r, row, last); break;
      default: row = gradient_run(FOLD_DISTANCE, r, row, last); break;
    }
  return MG_OK;
}

/* slope and centre [outer, inner] of gradient_at. */
static mg_status find_slopes(reduction *r, double *slope, double *centre) {
  int64_t results = r->outer * r->inner;
  int is_std = r->kind == MG_STD || r->kind == MG_STD_BIASED;
  mg_status status = MG_OK;
  for (int64_t k = 0; k < results; k++) centre[k] = 0;
  if (is_variance(r->kind)) status = find_means(r, centre);
  if (r->kind == MG_PROD) status = fold_all(r, FOLD_ZEROS, NULL, centre);
  if (r->kind == MG_PROD && status == MG_OK) status = fold_all(r, FOLD_NONZERO, NULL, slope);
  for (int64_t k = 0; k < results && status == MG_OK; k++) {
    double y = (double)r->y[k], dy = (double)r->dy[k];
    if (r->kind == MG_PROD) slope[k] *= centre[k] > 1 ? dy * 0 : dy;
    else if (r->kind == MG_NORM_2) slope[k] = y == 0 ? 0 : dy / y;
    else if (is_std) slope[k] = y == 0 ? 0 : dy / (y * freedom(r));
    else if (is_variance(r->kind)) slope[k] = 2 * dy / freedom(r);
    else slope[k] = dy;
    if (r->kind != MG_LOGSUMEXP) continue;
    centre[k] = y;
    if (isinf(y) && y < 0) slope[k] = centre[k] = 0; /* all entries are -inf */
  }
  return status;
}

/* The gradient of product k where the product of all entries underflows or overflows, or one is infinite:
 * the products before and behind each entry, without a division. */
static void gradient_by_sides(const reduction *r, int64_t k, double *before) {
  int64_t inner = r->inner, start = k / inner * r->middle * inner + k % inner;
  const mg_real *x = r->x + start;
  double product = 1;
  for (int64_t j = 0; j < r->middle; j++) {
    before[j] = product;
    product *= (double)x[j * inner];
  }
  product = (double)r->dy[k];
  for (int64_t j = r->middle - 1; j >= 0; j--) {
    r->out[start + j * inner] = (mg_real)(before[j] * product);
    product *= (double)x[j * inner];
  }
}

/* A second look at products that are not regular; those with zeros are done. */
static mg_status mend_products(reduction *r, const double *product, const double *zeros) {
  double *before = NULL;
  mg_status status = MG_OK;
  for (int64_t k = 0; k < r->outer * r->inner && status == MG_OK; k++) {
    if (isnormal(product[k]) || zeros[k] > 0) continue;
    if (!before) before = memory_array(r->middle, (int64_t)sizeof *before);
    if (!before) return MG_NO_MEMORY;
    gradient_by_sides(r, k, before);
    status = interrupt_tick();
  }
  memory_free(before);
  return status;
}

static mg_status spread_slopes(reduction *r) {
  int64_t results = r->outer * r->inner;
  double *slope = memory_array(results, 2 * (int64_t)sizeof *slope);
  if (!slope) return MG_NO_MEMORY;
  mg_status status = find_slopes(r, slope, slope + results);
  r->fold = folds[r->kind];
  r->slope = slope;
  r->centre = slope + results;
  if (status == MG_OK)
    status = op_for(r->outer * r->middle, op_grain(r->inner), gradient_chunk, r);
  if (status == MG_OK && r->kind == MG_PROD) status = mend_products(r, slope, slope + results);
  memory_free(slope);
  return status;
}

/* MG_BAD_SHAPE unless t has the shape of x without the reduced axes. */
static mg_status check_reduced(const char *what, const mg_tensor *x, int first, int count,
                               const mg_tensor *t) {
  int64_t shape[MG_MAX_AXES];
  int axes = shape_without(x, first, count, shape), fits = t->axes == axes;
  for (int i = 0; fits && i < axes; i++) fits = t->shape[i] == shape[i];
  if (fits) return MG_OK;
  char expected[SHAPE_TEXT_BYTES], got[SHAPE_TEXT_BYTES];
  return fail(MG_BAD_SHAPE, "reduce_vjp: %s has shape %s, the result has %s", what,
              shape_of(got, t), shape_text(expected, shape, axes));
}

mg_tensor *mg_reduce_vjp(mg_reduce_kind kind, const mg_tensor *x, const mg_tensor *y,
                         const mg_tensor *dy, int first, int count) {
  reduction r;
  if (plan("reduce_vjp", kind, x, first, count, &r) != MG_OK) return NULL;
  if (check_reduced("y", x, first, count, y) != MG_OK) return NULL;
  if (check_reduced("dy", x, first, count, dy) != MG_OK) return NULL;
  mg_tensor *dx = tensor_like(x);
  if (!dx || dx->size == 0) return dx;
  r.y = y->data;
  r.dy = dy->data;
  r.out = dx->data;
  if (kind == MG_SUM || kind == MG_MEAN) return op_finish(dx, spread_sum(&r));
  if (is_place(kind) || folds[kind] == FOLD_ZEROS)
    return op_finish(dx, op_for(dx->size, OP_GRAIN, zero_chunk, &r));
  if (is_extreme(kind) || kind == MG_NORM_INF) return op_finish(dx, spread_extreme(&r));
  return op_finish(dx, spread_slopes(&r));
}

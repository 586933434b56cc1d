/* Functions of sums of gamma variates, by inverting their transform on a contour, and tabled draws.
 * Y = (x + tau ln terms / k) / unit is a sum of Gamma(shape a) of rates r_1 = 1 < r_2 < ..., a = 1/k. Its transform
 * phi(p) = prod (1 + p / r_i)^-a has its singularities on the real axis from -1 down, so integrals of
 * Talbot's kind reach 1e-13 with few nodes (Trefethen, Weideman, Schmelzer 2006), relative to their size at both
 * ends: the distribution function on a contour at 0, the upper tail and the density on one at -1. */
#include <complex.h>
#include <math.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/real_math.h"
#include "base/status.h"
#include "sum_of_gamma.h"

enum { MOST_NODES = 48 };

typedef struct gamma_sum {
  double a, unit, low; /* x = low + unit * y */
  int terms, inverse;
} gamma_sum;

static gamma_sum sum_of(const mg_noise *noise) {
  double k = noise->values[GAMMA_K], tau = noise->values[GAMMA_TAU], terms = noise->values[GAMMA_TERMS];
  int inverse = noise->values[GAMMA_INVERSE] != 0;
  return (gamma_sum){.a = 1 / k,
                     .unit = inverse ? tau * terms / (k * k) : tau,
                     .low = -tau * log(terms) / k,
                     .terms = (int)terms,
                     .inverse = inverse};
}

static double rate(const gamma_sum *s, int i) { return s->inverse ? (double)s->terms / i : i; }

/* log phi(p) for p above the real axis: factors are multiplied, turns through the negative axis counted. */
static double complex log_phi(const gamma_sum *s, double complex p) {
  const double x = creal(p), y = cimag(p);
  double re = 1, im = 0, log_size = 0;
  int turns = 0;
  for (int i = 1; i <= s->terms; i++) {
    double u = 1 + x / rate(s, i), v = y / rate(s, i), next = re * v + im * u;
    re = re * u - im * v;
    turns += im >= 0 && next < 0;
    im = next;
    double size = re * re + im * im;
    if (size > 1e100 || size < 1e-100 || i == s->terms) {
      log_size += log(size) / 2;
      re /= sqrt(size);
      im /= sqrt(size);
    }
  }
  return -s->a * (log_size + I * (atan2(im, re) + 2 * 3.14159265358979323846 * turns));
}

/* What is wanted at y: log F, log (1 - F), log density. */
typedef enum part { LOWER, UPPER, DENSITY } part;

static double complex complex_expm1(double complex z) {
  double half = sin(cimag(z) / 2), e = expm1(creal(z));
  return e - 2 * half * half * (e + 1) + I * ((e + 1) * sin(cimag(z)));
}

/* What is integrated at p, from l = log phi(p). */
static double complex transform(part what, double complex p, double complex l) {
  if (what == DENSITY) return cexp(l);
  return what == LOWER ? cexp(l) / p : -complex_expm1(l) / p;
}

/* p^-shape is steep near 0: the contour keeps further from it. */
static int nodes_for(const gamma_sum *s) {
  double nodes = 12 + s->a * s->terms;
  return nodes < MOST_NODES ? (int)nodes : MOST_NODES;
}

/* The logarithm of the inverse transform at y > 0: -infinity if that is not positive. density, if not NULL: that of y, by
 * the same nodes. */
static double log_inverse(const gamma_sum *s, part what, double y, double *density) {
  const double pi = 3.14159265358979323846;
  const double start = what == LOWER || (what == DENSITY && y < 1) ? 0 : -1;
  const int nodes = nodes_for(s), n = 2 * nodes; /* those in the upper half-plane */
  double sum = 0, slopes = 0, largest = -INFINITY;
  double complex exponents[MOST_NODES], weights[MOST_NODES];
  for (int j = 0; j < nodes; j++) {
    double angle = (2 * j + 1) * pi / n, cot = 1 / tan(0.6407 * angle), csc = 1 / sin(0.6407 * angle);
    double complex z = n * (0.5017 * angle * cot - 0.6122 + I * 0.2645 * angle);
    double complex slope = 0.5017 * cot - 0.5017 * 0.6407 * angle * csc * csc + I * 0.2645;
    double complex p = start + z / y, l = log_phi(s, p);
    exponents[j] = z + clog(transform(what, p, l));
    weights[j] = slope / I;
    if (density) slopes += creal(cexp(z + l) * weights[j]);
    largest = fmax(largest, creal(exponents[j]));
  }
  for (int j = 0; j < nodes; j++) sum += creal(cexp(exponents[j] - largest) * weights[j]);
  if (density) *density = 2 * slopes / y * exp(start * y);
  return sum > 0 ? log(2 * sum / y) + largest + start * y : -INFINITY;
}

/* Below this the first term of the series of F is exact to 1e-13. */
static double tiny(const gamma_sum *s) { return 1e-14 / s->terms; }

static double log_rates(const gamma_sum *s) {
  double sum = 0;
  for (int i = 1; i <= s->terms; i++) sum += log(rate(s, i));
  return sum;
}

/* log F(y) or log (1 - F(y)), y = exp(log_y); density may be NULL. */
static double log_part(const gamma_sum *s, part what, double log_y, double *density) {
  double y = exp(log_y), shape = s->a * s->terms;
  if (y > tiny(s)) return fmin(log_inverse(s, what, y, density), 0);
  double log_lower = s->a * log_rates(s) + shape * log_y - lgamma(shape + 1);
  if (density) *density = shape * exp(log_lower - log_y);
  return what == LOWER ? log_lower : log1p(-exp(log_lower));
}

/* log of the density of y. */
static double log_density(const gamma_sum *s, double log_y) {
  double y = exp(log_y), shape = s->a * s->terms;
  if (y > tiny(s)) return log_inverse(s, DENSITY, y, NULL);
  return s->a * log_rates(s) + (shape - 1) * log_y - lgamma(shape);
}

static const double MOST_UP = 2;

/* log y with F or 1 - F = exp(log_p), from a start: Newton's method for log p over log y, in a bracket. Far in the other
 * tail log p is flat and the way up would be endless: a step is MOST_UP at most. */
static double solve(const gamma_sum *s, part what, double log_p, double start) {
  double low = -INFINITY, high = INFINITY, at = start;
  for (int i = 0; i < 100; i++) {
    double density, value = log_part(s, what, at, &density), wrong = value - log_p;
    int is_high = what == LOWER ? wrong > 0 : wrong < 0;
    if (is_high) high = at;
    else low = at;
    double slope = density * exp(at - value); /* of log p over log y, but for its sign; infinite: no step */
    double next = isinf(slope) ? NAN : at - (what == LOWER ? wrong : -wrong) / slope;
    if (next > at + MOST_UP) next = at + MOST_UP;
    if (fabs(wrong) < 1e-9 || fabs(next - at) < 1e-14 * (1 + fabs(at))) /* what is left is rounding */
      return isfinite(next) ? next : at;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (isinf(next) || isnan(next)) next = is_high ? at - 2 : at + 2;
    at = next;
  }
  return at;
}

/* A place to start from: the quantile of the leading term, or of an exponential tail. */
static double guess(const gamma_sum *s, part what, double log_p) {
  double shape = s->a * s->terms;
  if (what == UPPER) return log(1 - log_p);
  return fmin((log_p + lgamma(shape + 1) - s->a * log_rates(s)) / shape, log(20));
}

/* Whether the contour's nodes do not reach: cancellation would leave nothing of the sums. */
static int is_beyond(const gamma_sum *s) {
  return s->terms > GAMMA_MOST_TERMS || s->a > GAMMA_MOST_SHAPE;
}

double gamma_log_density(const mg_noise *noise, double x) {
  gamma_sum s = sum_of(noise);
  double y = (x - s.low) / s.unit;
  if (is_beyond(&s)) return NAN;
  if (!(y > 0) || isinf(y)) return -INFINITY;
  return log_density(&s, log(y)) - log(s.unit);
}

double gamma_cdf(const mg_noise *noise, double x) {
  gamma_sum s = sum_of(noise);
  double y = (x - s.low) / s.unit;
  if (is_beyond(&s)) return NAN;
  if (!(y > 0)) return 0;
  if (isinf(y)) return 1;
  double lower = log_part(&s, LOWER, log(y), NULL);
  return lower < -0.1 ? exp(lower) : -expm1(log_part(&s, UPPER, log(y), NULL));
}

double gamma_quantile(const mg_noise *noise, double p) {
  gamma_sum s = sum_of(noise);
  if (is_beyond(&s)) return NAN;
  if (p == 0) return s.low;
  if (p == 1) return INFINITY;
  part what = p < 0.5 ? LOWER : UPPER;
  double log_p = p < 0.5 ? log(p) : log1p(-p);
  return s.low + s.unit * exp(solve(&s, what, log_p, guess(&s, what, log_p)));
}

/* ---------------------------------------------------------------- the table */

/* A folded uniform's size t is from 1/2 to half of RANDOM_FOLDS: an octave has PIECES pieces, a piece is the
 * polynomial of DEGREE through Chebyshev's points. Its number stands in the bits of t; the pieces of the upper end
 * come after those of the lower one. The last octave is that of t = RANDOM_FOLDS / 2 itself. */
enum { PIECE_BITS = 3, PIECES = 1 << PIECE_BITS, TERMS = 6 };
#ifdef MG_DOUBLE
typedef uint64_t bits_of_real;
enum { FRACTION_BITS = 52, BIAS = 1023, OCTAVES = 53 };
static const double MOST_WRONG = 1e-6;
#else
typedef uint32_t bits_of_real;
enum { FRACTION_BITS = 23, BIAS = 127, OCTAVES = 33 };
static const double MOST_WRONG = 1e-5;
#endif
enum { FIRST = (BIAS - 1) << PIECE_BITS, HALF_TABLE = OCTAVES * PIECES };

/* Where in its piece t is, from -1 to 1, and the piece. */
INLINED mg_real piece_of(mg_real t, bits_of_real *piece) {
  const bits_of_real one = (bits_of_real)BIAS << FRACTION_BITS;
  const bits_of_real inside = ((bits_of_real)1 << (FRACTION_BITS - PIECE_BITS)) - 1;
  bits_of_real bits;
  mg_real x;
  memcpy(&bits, &t, sizeof bits);
  *piece = (bits >> (FRACTION_BITS - PIECE_BITS)) - FIRST;
  bits = one | (bits & inside) << PIECE_BITS;
  memcpy(&x, &bits, sizeof x);
  return 2 * x - 3;
}

/* In pairs: shorter chains than one by one. */
INLINED mg_real polynomial(const mg_real *c, mg_real x) {
  mg_real square = x * x;
  return (c[0] + c[1] * x) + square * ((c[2] + c[3] * x) + square * (c[4] + c[5] * x));
}

enum { STEP = 128 };

void gamma_fill_tabled(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                       mg_real *out) {
  const mg_real *table = noise->table;
  random_fill(RANDOM_FOLDED, place, first, last, out);
  for (int64_t start = 0; start < last - first; start += STEP) {
    int n = (int)(last - first - start < STEP ? last - first - start : STEP);
    mg_real *values = out + start, x[STEP];
    bits_of_real pieces[STEP];
    for (int i = 0; i < n; i++) {
      mg_real folded = values[i];
      x[i] = piece_of(folded < 0 ? -folded : folded, &pieces[i]);
      pieces[i] += folded < 0 ? 0 : HALF_TABLE;
    }
    for (int i = 0; i < n; i++) values[i] = polynomial(table + pieces[i] * TERMS, x[i]);
  }
}

/* The quantile where the end `what` has probability t / RANDOM_FOLDS; *log_y is where to start, and the answer. */
static double value_at(const gamma_sum *s, part what, double t, double *log_y) {
  *log_y = solve(s, what, log(t / (double)RANDOM_FOLDS), *log_y);
  return s->low + s->unit * exp(*log_y);
}

/* Coefficients of the polynomial with the values v at the Chebyshev points x, by Newton's differences. */
static void interpolate(const double *x, double *v, double *c) {
  for (int order = 1; order < TERMS; order++)
    for (int i = TERMS - 1; i >= order; i--) v[i] = (v[i] - v[i - 1]) / (x[i] - x[i - order]);
  for (int i = 0; i < TERMS; i++) c[i] = 0;
  for (int i = TERMS - 1; i >= 0; i--) { /* c = c * (X - x[i]) + v[i] */
    for (int j = TERMS - 1; j > 0; j--) c[j] = c[j - 1] - x[i] * c[j];
    c[0] = v[i] - x[i] * c[0];
  }
}

/* Fills one piece; returns how far it is off in its middle. */
static double make_piece(const gamma_sum *s, part what, int piece, double *log_y, mg_real *out) {
  double octave = ldexp(1, piece / PIECES - 1), x[TERMS], v[TERMS], c[TERMS];
  for (int i = 0; i <= TERMS; i++) { /* the last one is the middle of two points */
    double at = -cos((i + 0.5) * 3.14159265358979323846 / TERMS);
    if (i == TERMS) at = -cos(2 * 3.14159265358979323846 / TERMS);
    double t = octave * (1 + (piece % PIECES + (at + 1) / 2) / PIECES);
    double value = value_at(s, what, t, log_y);
    if (i < TERMS) {
      x[i] = at;
      v[i] = value;
      if (i == TERMS - 1) interpolate(x, v, c);
    } else {
      double p = 0;
      for (int j = TERMS - 1; j >= 0; j--) p = p * at + c[j];
      for (int j = 0; j < TERMS; j++) out[j] = (mg_real)c[j];
      return fabs(p - value);
    }
  }
  return 0;
}

/* Only the first piece of the last octave is used. */
static mg_status make_half(const gamma_sum *s, part what, mg_real *table, double *worst) {
  const int pieces = (OCTAVES - 1) * PIECES + 1;
  double log_y = guess(s, what, log(0.5));
  mg_status status = MG_OK;
  for (int piece = pieces - 1; piece >= 0 && status == MG_OK; piece--) {
    *worst = fmax(*worst, make_piece(s, what, piece, &log_y, table + piece * TERMS));
    status = interrupt_tick();
  }
  return status;
}

mg_status gamma_tabulate(mg_noise *noise) {
  gamma_sum s = sum_of(noise);
  double worst = 0, variance = 0;
  if (is_beyond(&s))
    return fail(MG_BAD_ARGUMENT, "sum_of_gamma: k = %g, expected at least %g of a tabled law", 1 / s.a,
                1.0 / GAMMA_MOST_SHAPE);
  for (int i = 1; i <= s.terms; i++) variance += s.a / (rate(&s, i) * rate(&s, i));
  mg_real *table = noise->table = memory_array(2 * HALF_TABLE * TERMS, (int64_t)sizeof(mg_real));
  if (!table) return MG_NO_MEMORY;
  memset(table, 0, 2 * HALF_TABLE * TERMS * sizeof(mg_real));
  mg_status status = make_half(&s, LOWER, table, &worst);
  if (status == MG_OK) status = make_half(&s, UPPER, table + HALF_TABLE * TERMS, &worst);
  double share = worst / (s.unit * sqrt(variance));
  if (status == MG_OK && !(share <= MOST_WRONG))
    return fail(MG_BAD_ARGUMENT,
                "sum_of_gamma: a table for k = %g, terms = %d would be off by %.1g standard deviations: k and "
                "terms are too far apart; take tabled = false",
                1 / s.a, s.terms, share);
  return status;
}

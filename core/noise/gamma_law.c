/* Functions of sums of gamma variates, by inverting their transform on a contour, and tabled draws.
 * Y = (x + tau ln terms / k) / unit is a sum of Gamma(shape a) of rates r_1 = 1 < r_2 < ..., a = 1/k. Its transform
 * phi(p) = prod (1 + p / r_i)^-a has its singularities on the real axis from -1 down, so sums of 10 to 60 nodes on
 * parabolas round them reach 1e-11, relative to their size at both ends: below the mean the distribution function on a
 * parabola that crosses the axis above 0, above the mean the upper tail on one between -1 and 0. */
#include <complex.h>
#include <math.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/real_math.h"
#include "base/status.h"
#include "sum_of_gamma.h"

enum { MOST_NODES = 1000 };

typedef struct gamma_sum {
  double a, unit, low; /* x = low + unit * y */
  int terms, inverse;
  double mean; /* of y */
} gamma_sum;

static double rate(const gamma_sum *s, int i) { return s->inverse ? (double)s->terms / i : i; }

static gamma_sum sum_of(const mg_noise *noise) {
  double k = noise->values[GAMMA_K], tau = noise->values[GAMMA_TAU], terms = noise->values[GAMMA_TERMS];
  int inverse = noise->values[GAMMA_INVERSE] != 0;
  gamma_sum s = {.a = 1 / k,
                 .unit = inverse ? tau * terms / (k * k) : tau,
                 .low = -tau * log(terms) / k,
                 .terms = (int)terms,
                 .inverse = inverse};
  for (int i = 1; i <= s.terms; i++) s.mean += s.a / rate(&s, i);
  return s;
}

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

/* The path of an integral: p = cross + i t - bend t^2, looked at for t = 0, step, 2 step, ...; whether it goes round
 * the pole of the upper part at 0, too. */
typedef struct contour {
  double cross, bend, step;
  int around;
} contour;

/* What is integrated at p, from l = log phi(p). */
static double complex transform(part what, int around, double complex p, double complex l) {
  if (what == DENSITY) return cexp(l);
  if (what == LOWER) return cexp(l) / p;
  return around ? -complex_expm1(l) / p : -cexp(l) / p;
}

/* a sum (r_i + p)^-power for the powers 1, 2, 3. */
static void slopes_at(const gamma_sum *s, double p, double sums[3]) {
  sums[0] = sums[1] = sums[2] = 0;
  for (int i = s->terms; i >= 1; i--) {
    double inverse = 1 / (rate(s, i) + p), square = inverse * inverse;
    sums[0] += s->a * inverse;
    sums[1] += s->a * square;
    sums[2] += s->a * square * inverse;
  }
}

/* How far above `start` the integrand's saddle on the real axis is: Newton's method, kept between the poles. */
static double saddle(const gamma_sum *s, part what, double start, double y, double sums[3]) {
  const double pole = what == DENSITY ? 0 : 1;
  double above = (what == LOWER ? 1 : s->a) / y; /* too near */
  if (what == UPPER) above = fmin(above, 0.5);
  for (int i = 0; i < 60; i++) {
    double p = start + above, most = what == UPPER ? -p / 2 : INFINITY, scale = what == UPPER ? -p : above;
    slopes_at(s, p, sums);
    double more = (sums[0] + pole / p - y) / (sums[1] + pole / (p * p));
    above += fmin(fmax(more, -above / 2), most);
    if (fabs(more) < 0.01 * fmin(scale, above)) break;
  }
  slopes_at(s, start + above, sums);
  return above;
}

/* The part is that of its side of the mean. Through the saddle, where nothing cancels, bent as the steepest
 * descent is; or, for few terms of small shapes, the parabola round the singularities of Weideman, Trefethen
 * 2007. */
static contour contour_for(const gamma_sum *s, part what, double y) {
  const double start = what == LOWER ? 0 : -1, parabola = 4.19 / y;
  double sums[3], above = saddle(s, what, start, y, sums), cross = start + above;
  if (above < parabola)
    return (contour){.cross = start + parabola, .bend = 0.25 / parabola, .step = 0.3 * parabola, .around = 1};
  double curvature = sums[1] + (what == DENSITY ? 0 : 1 / (cross * cross));
  double poles = what == DENSITY ? above : fmin(fabs(cross), above);
  return (contour){.cross = cross,
                   .bend = fmin(0.25 / (1 + cross), sums[2] / (3 * sums[1])),
                   .step = fmin(0.6 / sqrt(curvature), 0.2 * poles)};
}

/* The logarithm of the inverse transform at y > 0, from the right side of the mean: -infinity if that is not positive.
 * density, if not NULL: that of y, by the same nodes. */
static double log_inverse(const gamma_sum *s, part what, double y, double *density) {
  const contour c = contour_for(s, what, y);
  double sum = 0, slopes = 0, largest = 0;
  for (int j = 0; j < MOST_NODES; j++) {
    double t = j * c.step;
    double complex p = c.cross - c.bend * t * t + I * t, l = log_phi(s, p), turn = 1 + 2 * c.bend * t * I;
    double complex exponent = p * y + clog(transform(what, c.around, p, l));
    if (j == 0) largest = creal(exponent);
    double share = j == 0 ? 0.5 : 1;
    sum += share * creal(cexp(exponent - largest) * turn);
    if (density) slopes += share * creal(cexp(p * y + l - largest) * turn);
    if (creal(exponent) < largest - 40) break;
  }
  const double scale = c.step / 3.14159265358979323846;
  if (density) *density = slopes * scale * exp(largest);
  return sum > 0 ? log(sum * scale) + largest : -INFINITY;
}

/* Below this the first term of the series of F is exact to 1e-13. */
static double tiny(const gamma_sum *s) { return 1e-14 / s->terms; }

static double log_rates(const gamma_sum *s) {
  double sum = 0;
  for (int i = 1; i <= s->terms; i++) sum += log(rate(s, i));
  return sum;
}

/* lgamma of a positive number, for several threads: lgamma itself writes a sign that all share. */
static double log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

/* log F(y) or log (1 - F(y)), y = exp(log_y); density may be NULL. */
static double log_part(const gamma_sum *s, part what, double log_y, double *density) {
  double y = exp(log_y), shape = s->a * s->terms;
  if (y > tiny(s)) {
    part near = y < s->mean ? LOWER : UPPER; /* the other end's part is 0.1 at least, or rounded to 1 */
    double log_near = fmin(log_inverse(s, near, y, density), 0);
    return near == what ? log_near : log1p(-exp(log_near));
  }
  double log_lower = s->a * log_rates(s) + shape * log_y - log_gamma(shape + 1);
  if (density) *density = shape * exp(log_lower - log_y);
  return what == LOWER ? log_lower : log1p(-exp(log_lower));
}

/* log of the density of y. */
static double log_density(const gamma_sum *s, double log_y) {
  double y = exp(log_y), shape = s->a * s->terms;
  if (y > tiny(s)) return log_inverse(s, DENSITY, y, NULL);
  return s->a * log_rates(s) + (shape - 1) * log_y - log_gamma(shape);
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
  return fmin((log_p + log_gamma(shape + 1) - s->a * log_rates(s)) / shape, log(20));
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

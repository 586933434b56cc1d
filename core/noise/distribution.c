/* The laws of noise, a row each at the end. Drawn from the words of counter-based blocks; functions are those
 * of location 0 and scale 1. */
#include <math.h>

#include "base/real_math.h"
#include "base/status.h"
#include "sum_of_gamma.h"

static const double PI = 3.14159265358979323846;
static const double LOG_2 = 0.69314718055994530942;

/* ---------------------------------------------------------------- gumbel */

static void gumbel_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                        mg_real *out) {
  (void)noise;
  random_fill(RANDOM_GUMBEL, place, first, last, out);
}

static void gumbel_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = 0.57721566490153286061; /* Euler's constant */
  out[1] = PI * PI / 6;
  out[2] = 2 * 1.20205690315959428540; /* 2 zeta(3) */
  out[3] = PI * PI * PI * PI / 15;
}

static double gumbel_log_density(const mg_noise *noise, double x) {
  (void)noise;
  return isinf(x) ? -INFINITY : -x - exp(-x);
}

static double gumbel_score(const mg_noise *noise, double x) {
  (void)noise;
  return -expm1(-x);
}

static double gumbel_cdf(const mg_noise *noise, double x) {
  (void)noise;
  return exp(-exp(-x));
}

static double gumbel_quantile(const mg_noise *noise, double p) {
  (void)noise;
  return -log(-log(p));
}

/* ---------------------------------------------------------------- normal, multiplicative */

static void normal_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                        mg_real *out) {
  (void)noise;
  random_fill(RANDOM_NORMAL, place, first, last, out);
}

static void normal_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = out[2] = out[3] = 0;
  out[1] = 1;
}

static double normal_log_density(const mg_noise *noise, double x) {
  (void)noise;
  return -x * x / 2 - log(2 * PI) / 2;
}

static double normal_score(const mg_noise *noise, double x) {
  (void)noise;
  return x;
}

static double normal_cdf(const mg_noise *noise, double x) {
  (void)noise;
  return erfc(-x / sqrt(2)) / 2;
}

/* The a with P(N > a) = p <= 1/2: Abramowitz, Stegun 26.2.23, then steps of Halley's method. */
static double normal_upper(double p) {
  if (p == 0) return INFINITY;
  double t = sqrt(-2 * log(p));
  double a = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                     (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 3; i++) {
    double density = exp(-a * a / 2) / sqrt(2 * PI);
    if (density < 1e-290) break; /* p is subnormal or nearly so */
    double step = (erfc(a / sqrt(2)) / 2 - p) / density;
    a += step / (1 + a * step / 2);
  }
  return a;
}

static double normal_quantile(const mg_noise *noise, double p) {
  (void)noise;
  return p <= 0.5 ? -normal_upper(p) : normal_upper(1 - p);
}

/* ---------------------------------------------------------------- logistic */

/* The probability of the nearer end, from a folded uniform. */
INLINED mg_real end_of(mg_real folded) {
  return (mg_real)(1 / RANDOM_FOLDS) * (folded < 0 ? -folded : folded);
}

INLINED mg_real with_sign(mg_real size, mg_real sign) { return sign < 0 ? -size : size; }

static void logistic_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                          mg_real *out) {
  (void)noise;
  random_fill(RANDOM_FOLDED, place, first, last, out);
  for (int64_t i = 0; i < last - first; i++) {
    mg_real q = end_of(out[i]);
    out[i] = with_sign(real_log1p(-q) - real_log(q), out[i]);
  }
}

static void logistic_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = out[2] = 0;
  out[1] = PI * PI / 3;
  out[3] = 2 * PI * PI * PI * PI / 15;
}

static double logistic_log_density(const mg_noise *noise, double x) {
  (void)noise;
  return -fabs(x) - 2 * log1p(exp(-fabs(x)));
}

static double logistic_score(const mg_noise *noise, double x) {
  (void)noise;
  return tanh(x / 2);
}

static double logistic_cdf(const mg_noise *noise, double x) {
  (void)noise;
  return 1 / (1 + exp(-x));
}

static double logistic_quantile(const mg_noise *noise, double p) {
  (void)noise;
  return log(p) - log1p(-p);
}

/* ---------------------------------------------------------------- laplace */

static void laplace_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                         mg_real *out) {
  (void)noise;
  random_fill(RANDOM_FOLDED, place, first, last, out);
  for (int64_t i = 0; i < last - first; i++) out[i] = with_sign(-real_log(2 * end_of(out[i])), out[i]);
}

static void laplace_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = out[2] = 0;
  out[1] = 2;
  out[3] = 12;
}

static double laplace_log_density(const mg_noise *noise, double x) {
  (void)noise;
  return -fabs(x) - LOG_2;
}

static double laplace_score(const mg_noise *noise, double x) {
  (void)noise;
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

static double laplace_cdf(const mg_noise *noise, double x) {
  (void)noise;
  return x < 0 ? exp(x) / 2 : 1 - exp(-x) / 2;
}

static double laplace_quantile(const mg_noise *noise, double p) {
  (void)noise;
  return p < 0.5 ? log(2 * p) : -log(2 * (1 - p));
}

/* ---------------------------------------------------------------- uniform */

static void uniform_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                         mg_real *out) {
  (void)noise;
  const mg_real most = 1 - (sizeof(mg_real) == 4 ? (mg_real)0x1p-24 : (mg_real)0x1p-53);
  random_fill(RANDOM_FOLDED, place, first, last, out);
  for (int64_t i = 0; i < last - first; i++) {
    mg_real size = 1 - 2 * end_of(out[i]);
    out[i] = with_sign(size < most ? size : most, out[i]);
  }
}

static void uniform_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = out[2] = 0;
  out[1] = 1.0 / 3;
  out[3] = -2.0 / 15;
}

static double uniform_log_density(const mg_noise *noise, double x) {
  (void)noise;
  return fabs(x) <= 1 ? -LOG_2 : -INFINITY;
}

static double uniform_cdf(const mg_noise *noise, double x) {
  (void)noise;
  return x <= -1 ? 0 : x >= 1 ? 1 : (x + 1) / 2;
}

static double uniform_quantile(const mg_noise *noise, double p) {
  (void)noise;
  return 2 * p - 1;
}

/* ---------------------------------------------------------------- exponential */

static void exponential_fill(const mg_noise *noise, const random_place *place, int64_t first,
                             int64_t last, mg_real *out) {
  (void)noise;
  random_fill(RANDOM_EXPONENTIAL, place, first, last, out);
}

static void exponential_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = out[1] = 1;
  out[2] = 2;
  out[3] = 6;
}

static double exponential_log_density(const mg_noise *noise, double x) {
  (void)noise;
  return x >= 0 ? -x : -INFINITY;
}

static double exponential_cdf(const mg_noise *noise, double x) {
  (void)noise;
  return x > 0 ? -expm1(-x) : 0;
}

static double exponential_quantile(const mg_noise *noise, double p) {
  (void)noise;
  return -log1p(-p);
}

/* ---------------------------------------------------------------- frechet */

enum { FRECHET_SHAPE };

static mg_status frechet_prepare(mg_noise *noise, const settings *given) {
  double shape = noise->values[FRECHET_SHAPE] = settings_real(given, "shape");
  if (shape < 0.3) /* exp(22.9 / shape) is the largest entry in float */
    return fail(MG_BAD_ARGUMENT, "frechet: shape = %g, expected at least 0.3: entries would overflow", shape);
  return MG_OK;
}

static void frechet_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                         mg_real *out) {
  mg_real power = (mg_real)(1 / noise->values[FRECHET_SHAPE]);
  random_fill(RANDOM_GUMBEL, place, first, last, out);
  for (int64_t i = 0; i < last - first; i++) out[i] = real_exp(power * out[i]);
}

/* From the moments Gamma(1 - order / shape), finite below order = shape. */
static void frechet_cumulants(const mg_noise *noise, double out[4]) {
  double shape = noise->values[FRECHET_SHAPE], m[5];
  for (int order = 1; order <= 4; order++)
    m[order] = order < shape ? tgamma(1 - order / shape) : INFINITY;
  double mean = m[1], square = mean * mean;
  out[0] = mean;
  out[1] = shape > 2 ? m[2] - square : INFINITY;
  out[2] = shape > 3 ? m[3] - 3 * m[2] * mean + 2 * mean * square : INFINITY;
  out[3] = shape > 4 ? m[4] - 4 * m[3] * mean - 3 * m[2] * m[2] + 12 * m[2] * square - 6 * square * square
                     : INFINITY;
}

static double frechet_log_density(const mg_noise *noise, double x) {
  double shape = noise->values[FRECHET_SHAPE];
  if (x <= 0 || isinf(x)) return -INFINITY;
  return log(shape) - (1 + shape) * log(x) - pow(x, -shape);
}

static double frechet_score(const mg_noise *noise, double x) {
  double shape = noise->values[FRECHET_SHAPE];
  return x > 0 ? (1 + shape - shape * pow(x, -shape)) / x : NAN;
}

static double frechet_cdf(const mg_noise *noise, double x) {
  return x > 0 ? exp(-pow(x, -noise->values[FRECHET_SHAPE])) : 0;
}

static double frechet_quantile(const mg_noise *noise, double p) {
  return pow(-log(p), -1 / noise->values[FRECHET_SHAPE]);
}

/* ---------------------------------------------------------------- sum of gamma */

static const int MOST_TERMS = 1 << 20;

static mg_status gamma_prepare(mg_noise *noise, const settings *given) {
  int is_tabled = settings_real(given, "tabled") != 0;
  double terms = settings_real(given, "terms");
  noise->values[GAMMA_K] = settings_real(given, "k");
  noise->values[GAMMA_TAU] = settings_real(given, "tau");
  noise->values[GAMMA_TERMS] = terms;
  noise->values[GAMMA_INVERSE] = settings_real(given, "inverse_scale");
  noise->values[GAMMA_TABLED] = is_tabled;
  if (terms > (is_tabled ? GAMMA_MOST_TERMS : MOST_TERMS))
    return fail(MG_BAD_ARGUMENT, "sum_of_gamma: terms = %.0f, expected at most %d%s", terms,
                is_tabled ? GAMMA_MOST_TERMS : MOST_TERMS, is_tabled ? " of a tabled law" : "");
  if (noise->is_antithetic && !is_tabled)
    return fail(MG_BAD_ARGUMENT,
                "sum_of_gamma: antithetic draws reflect the quantile function, which exact draws do not use; "
                "take tabled = true");
  return is_tabled ? gamma_tabulate(noise) : gamma_mix(noise);
}

static void gamma_fill(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                       mg_real *out) {
  if (noise->values[GAMMA_TABLED] != 0) gamma_fill_tabled(noise, place, first, last, out);
  else gamma_fill_exact(noise, place, first, last, out);
}

static void gamma_cumulants(const mg_noise *noise, double out[4]) {
  double k = noise->values[GAMMA_K], tau = noise->values[GAMMA_TAU], factor = 1;
  int terms = (int)noise->values[GAMMA_TERMS], inverse = noise->values[GAMMA_INVERSE] != 0;
  for (int order = 1; order <= 4; order++) {
    double sum = 0; /* of scale^order, times (order - 1)! / k */
    for (int i = terms; i >= 1; i--) sum += pow(inverse ? i / k : k / i, order);
    out[order - 1] = pow(tau / k, order) * factor * sum / k;
    factor *= order;
  }
  out[0] -= tau * log(terms) / k;
}

/* ---------------------------------------------------------------- the rows */

#define ANTITHETIC \
  {.name = "antithetic", \
   .form = "flag", \
   .preset = "0", \
   .doc = "1: samples 2i - 1 and 2i of an instance are made of uniforms u and 1 - u"}
#define COMMON \
  {.name = "location", .form = "real", .preset = "0", .doc = "is added to each number"}, \
      {.name = "scale", .form = "positive", .preset = "1", .doc = "multiplies each number"}, ANTITHETIC

static const mg_option common_options[] = {COMMON, {0}};
static const mg_option factor_options[] = {ANTITHETIC, {0}};
static const mg_option frechet_options[] = {
    {.name = "shape", .form = "positive", .doc = "moments of orders below it are finite; at least 0.3"},
    COMMON,
    {0},
};
static const mg_option gamma_options[] = {
    {.name = "k", .form = "positive", .doc = "number of ones of a solution, any real above 0"},
    {.name = "tau", .form = "positive", .preset = "1", .doc = "temperature of the Gumbel law it adds up to"},
    {.name = "terms", .form = "count", .preset = "10", .doc = "gamma variates that are added"},
    {.name = "inverse_scale",
     .form = "flag",
     .preset = "0",
     .doc = "1: scale i/k in place of k/i, as some published codes have it"},
    {.name = "tabled",
     .form = "flag",
     .preset = "0",
     .doc = "1: one uniform and a look-up in a table of the quantile function, in place of gamma variates; "
            "antithetic draws need it"},
    COMMON,
    {0},
};
static const mg_option nothing[] = {{0}};

#define KIND(NAME, DOC, SETTINGS) \
  {.name = NAME, .sense = "", .shape = "", .doc = DOC, .settings = SETTINGS, .contexts = nothing}
#define FUNCTIONS(LAW, SCORE) \
  {[MG_NOISE_LOG_DENSITY] = LAW##_log_density, \
   [MG_NOISE_SCORE] = SCORE, \
   [MG_NOISE_CDF] = LAW##_cdf, \
   [MG_NOISE_QUANTILE] = LAW##_quantile}

const noise_kind noise_list[] = {
    {.kind = KIND("gumbel", "Gumbel's law: mean 0.5772, variance 1.6449", common_options),
     .fill = gumbel_fill,
     .cumulants = gumbel_cumulants,
     .functions = FUNCTIONS(gumbel, gumbel_score)},
    {.kind = KIND("normal", "the normal law: mean 0, variance 1", common_options),
     .fill = normal_fill,
     .cumulants = normal_cumulants,
     .functions = FUNCTIONS(normal, normal_score)},
    {.kind = KIND("logistic", "the logistic law: mean 0, variance 3.2899", common_options),
     .fill = logistic_fill,
     .cumulants = logistic_cumulants,
     .functions = FUNCTIONS(logistic, logistic_score)},
    {.kind = KIND("laplace", "Laplace's law: mean 0, variance 2", common_options),
     .fill = laplace_fill,
     .cumulants = laplace_cumulants,
     .functions = FUNCTIONS(laplace, laplace_score)},
    {.kind = KIND("uniform", "the uniform law on -1..1: mean 0, variance 1/3", common_options),
     .fill = uniform_fill,
     .cumulants = uniform_cumulants,
     .functions = FUNCTIONS(uniform, NULL),
     .no_score = "its density jumps at -1 and 1"},
    {.kind = KIND("exponential", "the exponential law: mean 1, variance 1", common_options),
     .fill = exponential_fill,
     .cumulants = exponential_cumulants,
     .functions = FUNCTIONS(exponential, NULL),
     .no_score = "its density jumps at 0"},
    {.kind = KIND("frechet", "Frechet's law of a shape: P(X <= x) = exp(-x^-shape) for x > 0", frechet_options),
     .prepare = frechet_prepare,
     .fill = frechet_fill,
     .cumulants = frechet_cumulants,
     .functions = FUNCTIONS(frechet, frechet_score)},
    {.kind = KIND("sum_of_gamma",
                  "a law of which k independent copies add up to Gumbel(0, tau) as terms grow (Niepert, "
                  "Minervini, Franceschi 2021)",
                  gamma_options),
     .prepare = gamma_prepare,
     .fill = gamma_fill,
     .cumulants = gamma_cumulants,
     .functions = FUNCTIONS(gamma, NULL),
     .no_score = "its density is singular and has no closed form"},
    {.kind = KIND("multiplicative",
                  "theta exp(T e - T^2 / 2) in place of theta + T e, e normal: factors of mean 1, which keep "
                  "signs (Dalle, Baty, Bouvier, Parmentier 2022)",
                  factor_options),
     .fill = normal_fill,
     .cumulants = normal_cumulants,
     .functions = FUNCTIONS(normal, normal_score),
     .is_factor = 1},
    {.kind = {0}},
};

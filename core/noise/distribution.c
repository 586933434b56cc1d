/* The laws of noise, a row each at the end. Drawn from the words of counter-based blocks. */
#include <math.h>

#include "base/random.h"
#include "base/status.h"
#include "noise.h"

static const double PI = 3.14159265358979323846;

static void fill(random_law law, const noise_place *at, int64_t first, int64_t last, mg_real *out) {
  random_place place = {{at->key[0], at->key[1]}, at->sample, at->instance};
  random_fill(law, &place, first, last, out);
}

/* ---------------------------------------------------------------- gumbel */

static void gumbel_fill(const mg_noise *noise, const noise_place *place, int64_t first,
                        int64_t last, mg_real *out) {
  (void)noise;
  fill(RANDOM_GUMBEL, place, first, last, out);
}

static void gumbel_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = 0.57721566490153286061; /* Euler's constant */
  out[1] = PI * PI / 6;
  out[2] = 2 * 1.20205690315959428540; /* 2 zeta(3) */
  out[3] = PI * PI * PI * PI / 15;
}

/* ---------------------------------------------------------------- normal */

static void normal_fill(const mg_noise *noise, const noise_place *place, int64_t first,
                        int64_t last, mg_real *out) {
  (void)noise;
  fill(RANDOM_NORMAL, place, first, last, out);
}

static void normal_cumulants(const mg_noise *noise, double out[4]) {
  (void)noise;
  out[0] = out[2] = out[3] = 0;
  out[1] = 1;
}

/* ---------------------------------------------------------------- sum of gamma */

enum { GAMMA_K, GAMMA_TAU, GAMMA_TERMS, GAMMA_INVERSE, MOST_TRIES = 256, MOST_TERMS = 1 << 20 };

static mg_status gamma_prepare(mg_noise *noise, const settings *given) {
  noise->values[GAMMA_K] = settings_real(given, "k");
  noise->values[GAMMA_TAU] = settings_real(given, "tau");
  noise->values[GAMMA_TERMS] = settings_real(given, "terms");
  noise->values[GAMMA_INVERSE] = settings_real(given, "inverse_scale");
  if (noise->values[GAMMA_TERMS] > MOST_TERMS) /* attempts are numbered in 32 bits */
    return fail(MG_BAD_ARGUMENT, "sum_of_gamma: terms = %.0f, expected at most %d",
                noise->values[GAMMA_TERMS], MOST_TERMS);
  return MG_OK;
}

/* A uniform on (0, 1) from one word. */
static double coarse(uint32_t word) { return (word + 0.5) * 0x1p-32; }

/* Gamma(shape, 1) for shape > 0, from attempts first_try, first_try + 1, ... of entry j: Marsaglia, Tsang
 * 2000 for shape + 1, times U^(1/shape). */
static double gamma_variate(const noise_place *place, uint32_t j, uint32_t first_try, double shape) {
  double d = shape + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (uint32_t try = 0; try < MOST_TRIES; try++) { /* each accepted with probability above 0.95 */
    uint32_t w[4];
    random_words(place->key, j, first_try + try, place->sample, place->instance, w);
    double x = sqrt(-2 * log(coarse(w[0]))) * cos(2 * PI * coarse(w[1]));
    double v = 1 + c * x, u = coarse(w[2]);
    if (v <= 0) continue;
    v = v * v * v;
    if (u < 1 - 0.0331 * x * x * x * x || log(u) < 0.5 * x * x + d * (1 - v + log(v)))
      return d * v * pow(coarse(w[3]), 1 / shape);
  }
  return shape; /* its mean; probability below 1e-300 */
}

/* Niepert, Minervini, Franceschi 2021, Lemma 1: (tau / k) (sum_i Gamma(1/k, scale k/i) - ln terms). */
static void gamma_fill(const mg_noise *noise, const noise_place *place, int64_t first, int64_t last,
                       mg_real *out) {
  double k = noise->values[GAMMA_K], tau = noise->values[GAMMA_TAU];
  int terms = (int)noise->values[GAMMA_TERMS], inverse = noise->values[GAMMA_INVERSE] != 0;
  for (int64_t j = first; j < last; j++) {
    double sum = 0;
    for (int i = 1; i <= terms; i++) {
      double scale = inverse ? i / k : k / i;
      sum += scale * gamma_variate(place, (uint32_t)j, (uint32_t)i * MOST_TRIES, 1 / k);
    }
    out[j - first] = (mg_real)(tau * (sum - log(terms)) / k);
  }
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

static const mg_option nothing[] = {{0}};
static const mg_option gamma_options[] = {
    {.name = "k", .form = "positive", .doc = "number of ones of a solution, any real above 0"},
    {.name = "tau", .form = "positive", .preset = "1", .doc = "temperature of the Gumbel law it adds up to"},
    {.name = "terms", .form = "count", .preset = "10", .doc = "gamma variates that are added"},
    {.name = "inverse_scale",
     .form = "flag",
     .preset = "0",
     .doc = "1: scale i/k in place of k/i, as some published codes have it"},
    {0},
};

const noise_kind noise_list[] = {
    {.kind = {.name = "gumbel",
              .sense = "",
              .shape = "",
              .doc = "the standard Gumbel law: mean 0.5772, variance 1.6449",
              .settings = nothing,
              .contexts = nothing},
     .fill = gumbel_fill,
     .cumulants = gumbel_cumulants},
    {.kind = {.name = "normal",
              .sense = "",
              .shape = "",
              .doc = "the standard normal law",
              .settings = nothing,
              .contexts = nothing},
     .fill = normal_fill,
     .cumulants = normal_cumulants},
    {.kind = {.name = "sum_of_gamma",
              .sense = "",
              .shape = "",
              .doc = "a law of which k independent copies add up to Gumbel(0, tau) as terms grow "
                     "(Niepert, Minervini, Franceschi 2021)",
              .settings = gamma_options,
              .contexts = nothing},
     .prepare = gamma_prepare,
     .fill = gamma_fill,
     .cumulants = gamma_cumulants},
    {.kind = {0}},
};

/* Exact draws of sums of gamma variates, from the words of counter-based blocks. */
#include "sum_of_gamma.h"

#include <math.h>

#include "base/random_lanes.h"

enum { MOST_TRIES = 256 };

/* Gamma(shape, 1) as Marsaglia, Tsang 2000 for shape + 1, times U^(1/shape). */
typedef struct gamma_law {
  mg_real d, c, power; /* 1 / shape */
} gamma_law;

static gamma_law gamma_of(double shape) {
  double d = shape + 1 - 1.0 / 3;
  return (gamma_law){(mg_real)d, (mg_real)(1 / sqrt(9 * d)), (mg_real)(1 / shape)};
}

/* v = 1 + c x for a normal x made of the first two words of a block. */
INLINED void gamma_start(gamma_law law, mg_real square, uint32_t w1, mg_real *x, mg_real *v) {
  mg_real unused;
  turn_by(square, w1, x, &unused);
  *v = 1 + law.c * *x;
}

/* Whether d v^3 is accepted by the third word: with probability above 0.95, never for v <= 0. */
INLINED int gamma_accepts(gamma_law law, mg_real x, mg_real v, uint32_t w2) {
  mg_real bound = x * x + 2 * law.d * (1 - v * v * v + 3 * real_log(v));
  return -square_radius_of(w2) < bound;
}

/* The variate: d v^3 times U^(1/shape), U from the fourth word. */
INLINED mg_real gamma_value(gamma_law law, mg_real v, uint32_t w3) {
  return law.d * v * v * v * real_exp((mg_real)-0.5 * law.power * square_radius_of(w3));
}

enum { BATCH = 128 }; /* a multiple of LANES */

/* One attempt from each of n blocks, word k of block i in w[k][i]; n is a multiple of LANES. */
static void gamma_try(gamma_law law, uint32_t w[4][BATCH], int n, int32_t *accepted,
                      mg_real *values) {
  mg_real x[BATCH], v[BATCH];
  for (int i = 0; i < n; i++) x[i] = square_radius_of(w[0][i]);
  for (int i = 0; i < n; i++) gamma_start(law, x[i], w[1][i], &x[i], &v[i]);
  for (int i = 0; i < n; i++) accepted[i] = gamma_accepts(law, x[i], v[i], w[2][i]);
  for (int i = 0; i < n; i++) values[i] = gamma_value(law, v[i], w[3][i]);
}

static int whole_lanes(int n) { return (n + LANES - 1) / LANES * LANES; }

/* values [BATCH]: the variates of entries first..first+n-1, from attempts first_try, first_try + 1, ... of
 * each. What stands behind them is overwritten. */
static void gamma_batch(gamma_law law, const random_place *place, int64_t first, int n,
                        uint32_t first_try, mg_real *values) {
  uint32_t w[4][BATCH], block[4];
  int32_t accepted[BATCH];
  mg_real again[BATCH];
  int rejected[BATCH], count = 0;
  const lanes_out to = {w[0], LANES, {0, BATCH, 2 * BATCH, 3 * BATCH}};
  philox_lanes(place, (uint64_t)first_try << 32 | (uint32_t)first, whole_lanes(n) / LANES, &to);
  gamma_try(law, w, whole_lanes(n), accepted, values);
  for (int i = 0; i < n; i++) {
    rejected[count] = i;
    count += !accepted[i];
  }
  for (uint32_t try = 1; count > 0 && try < MOST_TRIES; try++) {
    for (int r = 0; r < count; r++) {
      random_words(place->key, (uint32_t)(first + rejected[r]), first_try + try, place->sample,
                   place->instance, block);
      for (int k = 0; k < 4; k++) w[k][r] = block[k];
    }
    gamma_try(law, w, whole_lanes(count), accepted, again);
    int left = 0;
    for (int r = 0; r < count; r++) {
      int i = rejected[r];
      values[i] = again[r];
      rejected[left] = i;
      left += !accepted[r];
    }
    count = left;
  }
  for (int r = 0; r < count; r++) values[rejected[r]] = 1 / law.power; /* the mean; below 1e-300 */
}

/* Niepert, Minervini, Franceschi 2021, Lemma 1: (tau / k) (sum_i Gamma(1/k, scale k/i) - ln terms). */
void gamma_fill_exact(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                      mg_real *out) {
  double k = noise->values[GAMMA_K], tau = noise->values[GAMMA_TAU], sum[BATCH];
  int terms = (int)noise->values[GAMMA_TERMS], inverse = noise->values[GAMMA_INVERSE] != 0;
  gamma_law law = gamma_of(1 / k);
  for (int64_t j = first; j < last; j += BATCH) {
    int n = (int)(last - j < BATCH ? last - j : BATCH);
    mg_real values[BATCH];
    for (int l = 0; l < n; l++) sum[l] = 0;
    for (int i = 1; i <= terms; i++) {
      double scale = inverse ? i / k : k / i;
      gamma_batch(law, place, j, n, (uint32_t)i * MOST_TRIES, values);
      for (int l = 0; l < n; l++) sum[l] += scale * (double)values[l];
    }
    for (int l = 0; l < n; l++) out[j - first + l] = (mg_real)(tau * (sum[l] - log(terms)) / k);
  }
}

/* Exact draws of sums of gamma variates, from the words of counter-based blocks. */
#include "sum_of_gamma.h"

#include <math.h>

#include "base/random_lanes.h"

enum { MOST_TRIES = 255, BATCH = 128 }; /* a multiple of LANES */

/* Attempts of a variate are numbered from its number times this; the last one stands for rests. */
enum { NUMBERS = MOST_TRIES + 1 };

#ifdef MG_DOUBLE

/* t - t^2 / 2 + t^3 / 3 - log(1 + t), at least 0; infinite for t <= -1 */
INLINED double fourth_order(double t) {
  double y = t - t * t * (0.5 - t * (1.0 / 3)) - log1p(t);
  return t > -1 ? y : INFINITY;
}

#else

/* To a few units of the last place near 0, where it is t^4 / 4, and 1e-7 elsewhere. */
INLINED float fourth_order(float t) {
  int32_t k;
  float m = split_power(1 + t, &k), f = k == 0 ? t : m - 1;
  float high = f * f * f * f * log_quartic(f); /* log(1 + f) = f - f^2 / 2 + f^3 / 3 + high */
  float whole = fmaf(fmaf(t, 0.33333333F, -0.5F), t * t, t);
  float part = fmaf(fmaf(f, 0.33333333F, -0.5F), f * f, f);
  float y = k == 0 ? -high : fmaf((float)k, -0.69314718F, whole - part) - high;
  return t > -1 ? y : INFINITY;
}

#endif

typedef struct tries {
  uint32_t words[4][BATCH];
  mg_real shapes[BATCH], values[BATCH];
  int32_t accepted[BATCH];
} tries;

/* Gamma(shape, 1), n of them, n a multiple of LANES: d (1 + t)^3 for t = x / sqrt(9 d), d = shape - 1/3, x normal, is
 * accepted with probability exp(-3 d fourth_order(t)), above 0.95: where an exponential number is larger (Marsaglia,
 * Tsang 2000). What it is larger by is exponential again and independent, and makes of shape + 1 a shape below 1: by the
 * factor exp(-that / shape). The first word of a block is not used. */
static void gamma_try(int is_small, tries *g, int n) {
  mg_real t[BATCH], over[BATCH];
  for (int i = 0; i < n; i++) t[i] = radius_of(g->words[1][i]);
  for (int i = 0; i < n; i++) {
    mg_real unused;
    turn_by(t[i], g->words[2][i], &t[i], &unused);
  }
  for (int i = 0; i < n; i++) over[i] = exponential_of(g->words[3][i]);
  for (int i = 0; i < n; i++) {
    mg_real shape = g->shapes[i], d = shape + (shape < 1 ? 1 : 0) - (mg_real)(1.0 / 3);
    mg_real x = t[i] / real_sqrt(9 * d), v = 1 + x;
    over[i] -= 3 * d * fourth_order(x);
    g->accepted[i] = over[i] > 0;
    g->values[i] = d * v * v * v;
  }
  if (!is_small) return;
  for (int i = 0; i < n; i++) {
    mg_real shape = g->shapes[i], factor = real_exp(-over[i] / shape);
    g->values[i] *= shape < 1 ? factor : 1;
  }
}

static int whole_lanes(int n) { return (n + LANES - 1) / LANES * LANES; }

/* Where a variate of a part stands: entries from `first` on, its attempts from first_try on. */
typedef struct gamma_place {
  const random_place *place;
  int64_t first;
  uint32_t first_try;
} gamma_place;

static void block_of(const gamma_place *at, int entry, uint32_t try, uint32_t words[4]) {
  random_words(at->place->key, (uint32_t)(at->first + entry), at->first_try + try, at->place->sample,
               at->place->instance, words);
}

/* shapes = shape + N by the first words. */
static void choose_shapes(const gamma_place *at, const gamma_part *part, const gamma_choice *choices,
                          mg_real shape, tries *g, int n) {
  const int shift = 32 - part->bits;
  for (int i = 0; i < n; i++) {
    uint32_t word = g->words[0][i], chosen = word >> shift, bits = word & ((1u << shift) - 1);
    const gamma_choice *choice = &choices[chosen];
    uint32_t keeps = bits < choice->limit;
    if (bits == choice->limit) { /* once in 2^shift entries */
      uint32_t words[4];
      block_of(at, i, MOST_TRIES, words);
      keeps = words[0] < choice->rest;
    }
    g->shapes[i] = shape + (mg_real)(keeps ? chosen : choice->other);
  }
}

/* Tries again what was not accepted, g being the tries of n entries; their words are lost. */
static void try_again(const gamma_place *at, int is_small, tries *g, int n) {
  tries again;
  int rejected[BATCH], count = 0;
  for (int i = 0; i < n; i++) {
    rejected[count] = i;
    count += !g->accepted[i];
  }
  for (uint32_t try = 1; count > 0 && try < MOST_TRIES; try++) {
    int padded = whole_lanes(count), left = 0;
    for (int r = 0; r < padded; r++) {
      uint32_t words[4] = {0};
      if (r < count) block_of(at, rejected[r], try, words);
      for (int k = 0; k < 4; k++) again.words[k][r] = words[k];
      again.shapes[r] = r < count ? g->shapes[rejected[r]] : 1;
    }
    gamma_try(is_small, &again, padded);
    for (int r = 0; r < count; r++) {
      int i = rejected[r];
      g->values[i] = again.values[r];
      rejected[left] = i;
      left += !again.accepted[r];
    }
    count = left;
  }
  for (int r = 0; r < count; r++) g->values[rejected[r]] = g->shapes[rejected[r]]; /* below 1e-300 */
}

/* sum += scale * Gamma(shape + N) for n entries. */
static void add_variates(const gamma_place *at, const gamma_part *part, const gamma_choice *choices,
                         double shape, double scale, double *sum, int n) {
  tries g;
  const int padded = whole_lanes(n);
  const lanes_out to = {g.words[0], LANES, {0, BATCH, 2 * BATCH, 3 * BATCH}};
  philox_lanes(at->place, (uint64_t)at->first_try << 32 | (uint32_t)at->first, padded / LANES, &to);
  if (part->bits > 0) choose_shapes(at, part, choices, (mg_real)shape, &g, padded);
  else
    for (int i = 0; i < padded; i++) g.shapes[i] = (mg_real)shape;
  gamma_try(shape < 1, &g, padded);
  try_again(at, shape < 1, &g, n);
  for (int i = 0; i < n; i++) sum[i] += scale * (double)g.values[i];
}

/* Niepert, Minervini, Franceschi 2021, Lemma 1: (tau / k) (sum_i Gamma(1/k, scale k/i) - ln terms). */
void gamma_fill_exact(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                      mg_real *out) {
  const gamma_mixture *mixture = noise->table;
  double k = noise->values[GAMMA_K], tau = noise->values[GAMMA_TAU], terms = noise->values[GAMMA_TERMS];
  for (int64_t j = first; j < last; j += BATCH) {
    double sum[BATCH] = {0};
    int n = (int)(last - j < BATCH ? last - j : BATCH);
    gamma_place at = {place, j, 0};
    for (const gamma_part *part = mixture->parts; part < mixture->parts + mixture->count; part++) {
      int draws = part->bits > 0 ? 1 : part->terms;
      for (int i = 0; i < draws; i++, at.first_try += NUMBERS)
        add_variates(&at, part, mixture->choices + part->choices, part->terms / (draws * k),
                     gamma_scale(noise, part->first + i), sum, n);
    }
    for (int l = 0; l < n; l++) out[j - first + l] = (mg_real)(tau * (sum[l] - log(terms)) / k);
  }
}

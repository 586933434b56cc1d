/* Sums of gamma variates as mixtures of single ones. With w(t) the transform of an exponential variate of scale b, a
 * variate Gamma(a) of scale r >= b has
 *   w^a (b / r)^a (1 - (1 - b / r) w)^-a,
 * so it is b * Gamma(a + N) with N negative binomial, and a sum of such is b * Gamma(sum of a + sum of N). All
 * probabilities of the sum of N come from a recursion over positive numbers. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/status.h"
#include "sum_of_gamma.h"

enum { MOST_BITS = 11, MOST = 1 << MOST_BITS, WIDEST = 32, MOST_MIXED = 40, TICK = 1 << 12 };

double gamma_scale(const mg_noise *noise, int term) {
  double k = noise->values[GAMMA_K];
  return noise->values[GAMMA_INVERSE] != 0 ? (term + 1) / k : k / (noise->values[GAMMA_TERMS] - term);
}

typedef struct work {
  double slopes[MOST], weights[MOST]; /* of log G and of G, G the generating function of N */
  int small[MOST], large[MOST];
  double shares[MOST];
  gamma_mixture *mixture; /* with room for the choices of MOST_MIXED parts */
} work;

/* The end of the terms that go with `first`: their scales are up to WIDEST times the first one's, and N has nearly all
 * of its probability below MOST. */
static int end_of(const mg_noise *noise, int first) {
  const int terms = (int)noise->values[GAMMA_TERMS];
  double mean = 0, variance = 0, a = 1 / noise->values[GAMMA_K], b = gamma_scale(noise, first);
  int last = first + 1;
  for (; last < terms; last++) {
    double ratio = gamma_scale(noise, last) / b;
    mean += a * (ratio - 1);
    variance += a * (ratio - 1) * ratio;
    if (ratio > WIDEST || mean + 6 * sqrt(variance) > MOST) break;
  }
  return last;
}

/* slopes[j] = j times the coefficient of z^j in log G. */
static mg_status find_slopes(const mg_noise *noise, int first, int last, double *slopes) {
  double a = 1 / noise->values[GAMMA_K], b = gamma_scale(noise, first);
  memset(slopes, 0, MOST * sizeof *slopes);
  for (int i = first; i < last; i++) {
    double q = 1 - b / gamma_scale(noise, i), power = a * q;
    for (int j = 1; j < MOST && power > 1e-25 * a; j++, power *= q) slopes[j] += power;
    mg_status status = i % TICK == 0 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* The probabilities of N = 0, 1, ... but for a factor, as long as 2^-60 of them are left; how many, or 0: too many. */
static int weigh(double most_ratio, const double *slopes, double *weights) {
  double sum = weights[0] = 1;
  for (int n = 1; n < MOST; n++) {
    double four[4] = {0}, next;
    int j = 1;
    for (; j + 3 <= n; j += 4)
      for (int k = 0; k < 4; k++) four[k] += slopes[j + k] * weights[n - j - k];
    for (; j <= n; j++) four[0] += slopes[j] * weights[n - j];
    next = weights[n] = ((four[0] + four[1]) + (four[2] + four[3])) / n;
    sum += next;
    if (!(sum < 1e280)) return 0;
    double ratio = fmax(next / weights[n - 1], most_ratio);
    if (ratio < 1 && next * ratio / (1 - ratio) < 0x1p-60 * sum) return n + 1;
  }
  return 0;
}

static void keep(gamma_choice *choice) { *choice = (gamma_choice){.limit = UINT32_MAX}; }

static void choose(gamma_choice *choice, double share, int bits, int other) {
  uint64_t threshold = (uint64_t)(share * 0x1p63) << 1; /* share < 1 */
  choice->limit = (uint32_t)(threshold >> (32 + bits));
  choice->rest = (uint32_t)(threshold >> bits);
  choice->other = (uint32_t)other;
}

/* The alias table of `count` weights, 2^bits >= count: Vose 1991. */
static void make_choices(work *w, int count, int bits, gamma_choice *choices) {
  const int size = 1 << bits;
  int smalls = 0, larges = 0;
  double sum = 0;
  for (int i = count - 1; i >= 0; i--) sum += w->weights[i];
  for (int i = 0; i < size; i++) {
    w->shares[i] = i < count ? w->weights[i] / sum * size : 0;
    if (w->shares[i] < 1) w->small[smalls++] = i;
    else w->large[larges++] = i;
  }
  while (smalls > 0 && larges > 0) {
    int i = w->small[--smalls], j = w->large[larges - 1];
    choose(&choices[i], w->shares[i], bits, j);
    w->shares[j] -= 1 - w->shares[i];
    if (w->shares[j] < 1) w->small[smalls++] = w->large[--larges];
  }
  while (larges > 0) keep(&choices[w->large[--larges]]);
  while (smalls > 0) keep(&choices[w->small[--smalls]]); /* their share is 1 but for rounding */
}

/* The part that begins with term `first`: as many terms as the table of its N allows, or one. */
static mg_status make_part(const mg_noise *noise, work *w, int first, gamma_part *part) {
  gamma_mixture *mixture = w->mixture;
  *part = (gamma_part){.first = first, .terms = 1};
  for (int last = end_of(noise, first); last > first + 1; last = first + (last - first) / 2) {
    mg_status status = find_slopes(noise, first, last, w->slopes);
    if (status != MG_OK) return status;
    double most_ratio = 1 - gamma_scale(noise, first) / gamma_scale(noise, last - 1);
    int count = weigh(most_ratio, w->slopes, w->weights);
    if (count == 0) continue;
    part->terms = last - first;
    part->choices = mixture->choice_count;
    for (part->bits = 1; 1 << part->bits < count;) part->bits++;
    make_choices(w, count, part->bits, mixture->choices + part->choices);
    mixture->choice_count += 1 << part->bits;
    return MG_OK;
  }
  return MG_OK;
}

/* Parts of one term join; so do all terms that are left when there are MOST_MIXED others. */
static mg_status make_parts(const mg_noise *noise, work *w) {
  const int terms = (int)noise->values[GAMMA_TERMS];
  gamma_mixture *mixture = w->mixture;
  mg_status status = MG_OK;
  int mixed = 0;
  for (int first = 0; first < terms && status == MG_OK;) {
    gamma_part part = {.first = first, .terms = terms - first}, *before = mixture->parts + mixture->count - 1;
    if (mixed < MOST_MIXED) status = make_part(noise, w, first, &part);
    mixed += part.bits > 0;
    if (mixture->count > 0 && part.bits == 0 && before->bits == 0) before->terms += part.terms;
    else mixture->parts[mixture->count++] = part;
    first += part.terms;
    if (status == MG_OK) status = interrupt_tick();
  }
  return status;
}

/* A copy without the room left. */
static mg_status copy_mixture(mg_noise *noise, const gamma_mixture *mixture) {
  size_t bytes = sizeof *mixture + (size_t)mixture->choice_count * sizeof *mixture->choices;
  noise->table = memory_new((int64_t)bytes);
  if (!noise->table) return MG_NO_MEMORY;
  memcpy(noise->table, mixture, bytes);
  return MG_OK;
}

mg_status gamma_mix(mg_noise *noise) {
  work *w = memory_new((int64_t)sizeof *w);
  gamma_mixture *mixture =
      memory_new((int64_t)(sizeof *mixture + MOST_MIXED * MOST * sizeof *mixture->choices));
  mg_status status = MG_NO_MEMORY;
  if (w && mixture) {
    w->mixture = mixture;
    mixture->count = mixture->choice_count = 0;
    status = make_parts(noise, w);
    if (status == MG_OK) status = copy_mixture(noise, mixture);
  }
  memory_free(w);
  memory_free(mixture);
  return status;
}

/* The law of tau * (sum_i Gamma(shape 1/k, scale r_i) - ln terms) / k for i = 1..terms, r_i = k/i, or i/k if inverse:
 * Niepert, Minervini, Franceschi 2021, Lemma 1. */
#ifndef SUM_OF_GAMMA_H
#define SUM_OF_GAMMA_H
#include "noise.h"

/* Places in noise->values. */
enum { GAMMA_K, GAMMA_TAU, GAMMA_TERMS, GAMMA_INVERSE, GAMMA_TABLED };

/* One outcome of an alias table (Walker 1977): the value that stands here where the bits of a word that do not choose
 * the place are below limit, or equal to it and the next word is below rest; else other. */
typedef struct gamma_choice {
  uint32_t limit, rest, other;
} gamma_choice;

/* Neighbouring terms in ascending order of their scales. bits > 0: their sum is scale * Gamma(shape + N), N random by
 * the 2^bits choices from `choices` on. bits = 0: each of the `terms` for itself. */
typedef struct gamma_part {
  int first, terms, bits, choices;
} gamma_part;

/* A sum of gamma variates of one shape in few of them (Moschopoulos 1985, "The distribution of the sum of independent
 * gamma random variables"). */
enum { GAMMA_PARTS = 96 };
typedef struct gamma_mixture {
  int count, choice_count;
  gamma_part parts[GAMMA_PARTS];
  gamma_choice choices[];
} gamma_mixture;

/* The scale of a term, terms counted from 0 by ascending scales. */
double gamma_scale(const mg_noise *noise, int term);

/* Makes the mixture as noise->table, once for a law: in below 10 ms, up to 0.5 s for 1e5 terms and more or k below 0.1.
 * Probabilities of N are off by 1e-15 at most. MG_NO_MEMORY, MG_INTERRUPTED. */
mg_status gamma_mix(mg_noise *noise);

/* Draws from the mixture by rejection: a gamma variate or two an entry, of any number of terms. In float a variate
 * is off by at most 1e-6 of its size, and 1e-7 * k / terms where its shape is below 1. */
void gamma_fill_exact(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                      mg_real *out);

/* The law's functions, by inverting its transform; up to GAMMA_MOST_TERMS terms of a shape 1 / k up to
 * GAMMA_MOST_SHAPE, else NaN. */
enum { GAMMA_MOST_TERMS = 4096, GAMMA_MOST_SHAPE = 20 };
double gamma_log_density(const mg_noise *noise, double x);
double gamma_cdf(const mg_noise *noise, double x);
double gamma_quantile(const mg_noise *noise, double p);

/* The quantile function as a table for gamma_fill_tabled, once for a law: about 1e4 evaluations of it, 2 ms a term.
 * MG_NO_MEMORY; MG_BAD_ARGUMENT where it would be off by more than 1e-6 standard deviations (float: 1e-5). */
mg_status gamma_tabulate(mg_noise *noise);
/* One uniform and one look-up an entry. */
void gamma_fill_tabled(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                       mg_real *out);

#endif

/* The law of tau * (sum_i Gamma(shape 1/k, scale r_i) - ln terms) / k for i = 1..terms, r_i = k/i, or i/k if inverse:
 * Niepert, Minervini, Franceschi 2021, Lemma 1. */
#ifndef SUM_OF_GAMMA_H
#define SUM_OF_GAMMA_H
#include "noise.h"

/* Places in noise->values. */
enum { GAMMA_K, GAMMA_TAU, GAMMA_TERMS, GAMMA_INVERSE };

/* Draws by rejection; attempts are numbered in 32 bits: at most 2^20 terms. */
void gamma_fill_exact(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                      mg_real *out);

/* The law's functions, by inverting its transform; up to GAMMA_MOST_TERMS terms of a shape 1 / k up to
 * GAMMA_MOST_SHAPE, else NaN. */
enum { GAMMA_MOST_TERMS = 4096, GAMMA_MOST_SHAPE = 20 };
double gamma_log_density(const mg_noise *noise, double x);
double gamma_cdf(const mg_noise *noise, double x);
double gamma_quantile(const mg_noise *noise, double p);

/* The quantile function as a table for gamma_fill_tabled, once for a law: about 1e4 evaluations of it.
 * MG_NO_MEMORY; MG_BAD_ARGUMENT where it would be off by more than 1e-6 standard deviations (float: 1e-5). */
mg_status gamma_tabulate(mg_noise *noise);
/* One uniform and one look-up an entry. */
void gamma_fill_tabled(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
                       mg_real *out);

#endif

/* Counter-based random numbers: pure functions of a draw and a position. */
#ifndef RANDOM_H
#define RANDOM_H
#include "../mapgrad.h"

/* The Philox key of a draw: Philox(key = seed, counter = (stream, index)), first two words. */
void random_key(const mg_draw *draw, uint32_t key[2]);

/* The four words at position (element, attempt, sample, instance) of a key's sequence. */
void random_words(const uint32_t key[2], uint32_t element, uint32_t attempt, uint32_t sample,
                  uint32_t instance, uint32_t out[4]);

/* A double on the open interval (0, 1) with 52 random bits. */
double random_open(uint32_t high, uint32_t low);

/* Standard laws: uniform on (0, 1), exponential, Gumbel's, normal; folded: a uniform u as RANDOM_FOLDS * u if that is
 * below one half, negated, else RANDOM_FOLDS * (1 - u), at least 1/2 in size: both ends of u are as fine. */
typedef enum random_law {
  RANDOM_UNIFORM,
  RANDOM_EXPONENTIAL,
  RANDOM_GUMBEL,
  RANDOM_NORMAL,
  RANDOM_FOLDED
} random_law;

#ifdef MG_DOUBLE
#define RANDOM_FOLDS 0x1p52
#else
#define RANDOM_FOLDS 0x1p32F
#endif

/* Where a row of numbers stands: a sample of an instance, in the draw of a key. flip all ones: each uniform
 * u is taken as 1 - u, each normal number as its negative; else 0. */
typedef struct random_place {
  uint32_t key[2], sample, instance, flip;
} random_place;

/* out [last - first]: entries first..last-1 of a place, each a function of the place and its number alone.
 * In float an entry is made of 32 bits: uniforms are multiples of 2^-33 below 2^-8, then floats below 1;
 * exponential entries reach from 2^-33 to 22.9, Gumbel's from -3.1 to 22.9, normal ones from -6.7 to 6.7:
 * each end is one the law passes once in 10^9.6 entries (normal: 10^10.8). In double an entry is made of
 * 52 bits: exponential to 36.7, normal to 8.5. */
void random_fill(random_law law, const random_place *place, int64_t first, int64_t last,
                 mg_real *out);

#endif

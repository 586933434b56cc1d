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

#endif

/* Eight blocks of Philox4x32-10 side by side, and words made into numbers, as inline code for loops that
 * become vector code. */
#ifndef RANDOM_LANES_H
#define RANDOM_LANES_H
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "random.h"
#include "real_math.h"

enum { LANES = 8 };

/* Word k of the blocks with counters (element + l, attempt, sample, instance), l < 8, goes to
 * w[k][0..7]. element + 7 does not pass 2^32. */
INLINED void philox_lanes(const uint32_t key[2], uint32_t element, uint32_t attempt, uint32_t sample,
                          uint32_t instance, uint32_t *const w[4]) {
#ifdef __AVX2__ /* compilers find no way from 64-bit products in a loop to the one instruction */
  const __m256i p = _mm256_set1_epi64x(0xD2511F53), q = _mm256_set1_epi64x(0xCD9E8D57);
  __m256i a[2], b[2], c[2], d[2]; /* the words, lanes l = 2 i + h in the low halves of item h */
  for (int h = 0; h < 2; h++) {
    a[h] = _mm256_add_epi64(_mm256_set1_epi64x(element), _mm256_set_epi64x(6 + h, 4 + h, 2 + h, h));
    b[h] = _mm256_set1_epi64x(attempt);
    c[h] = _mm256_set1_epi64x(sample);
    d[h] = _mm256_set1_epi64x(instance);
  }
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    __m256i first = _mm256_set1_epi64x(k0), second = _mm256_set1_epi64x(k1);
    for (int h = 0; h < 2; h++) {
      __m256i x = _mm256_mul_epu32(a[h], p), y = _mm256_mul_epu32(c[h], q);
      a[h] = _mm256_xor_si256(_mm256_srli_epi64(y, 32), _mm256_xor_si256(b[h], first));
      c[h] = _mm256_xor_si256(_mm256_srli_epi64(x, 32), _mm256_xor_si256(d[h], second));
      b[h] = y;
      d[h] = x;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  const __m256i *words[4] = {a, b, c, d};
  for (int k = 0; k < 4; k++) {
    __m256i odd = _mm256_slli_epi64(words[k][1], 32);
    _mm256_storeu_si256((__m256i *)(void *)w[k], _mm256_blend_epi32(words[k][0], odd, 0xAA));
  }
#else
  for (uint32_t l = 0; l < LANES; l++) {
    uint32_t block[4];
    random_words(key, element + l, attempt, sample, instance, block);
    for (int k = 0; k < 4; k++) w[k][l] = block[k];
  }
#endif
}

#ifndef MG_DOUBLE

/* ---- laws from a word of 32 bits, u = (word + 1/2) / 2^32 */

/* u, the largest of which are the float below 1 */
INLINED float uniform_of(uint32_t word) {
  float high = (float)(int32_t)(word >> 16), low = (float)(int32_t)(word & 0xFFFF);
  float u = fmaf(high, 65536, low + 0.5F) * 0x1p-32F;
  return u < 1 - 0x1p-24F ? u : 1 - 0x1p-24F;
}

/* -log u, as exact near 0 as elsewhere: t is the smaller of u and 1 - u */
INLINED float exponential_of(uint32_t word) {
  int is_high = word > 0x7FFFFFFFu;
  int32_t k;
  float t = ((float)(int32_t)(is_high ? ~word : word) + 0.5F) * 0x1p-32F;
  float low = split_power(t, &k) - 1;
  int halves = t > 0.29289322F; /* 1 - u = 2^-1 (1 + f), 1 - sqrt(1/2) */
  float high = halves ? fmaf(-2, t, 1) : -t;
  float exponent = is_high ? (halves ? -1.0F : 0.0F) : (float)k;
  return -log_of_parts(exponent, is_high ? high : low);
}

/* -log(-log u) */
INLINED float gumbel_of(uint32_t word) {
  int32_t k;
  float m = split_power(exponential_of(word), &k);
  return -log_of_parts((float)k, m - 1);
}

/* Two independent normal numbers (Box, Muller 1958): x in -pi/4..pi/4 from 30 bits of the second word, two
 * bits turn it to any quarter of the circle. */
INLINED void normal_of(uint32_t word, uint32_t turn, float *first, float *second) {
  float radius = sqrtf(2 * exponential_of(word));
  float signed_radius = float_of_bits(float_bits(radius) | (turn & 0x80000000u));
  float x = (float)(int32_t)(turn << 2 | 2) * (float)(1.57079632679489661923 * 0x1p-32);
  float z = x * x;
  float s = fmaf(fmaf(-1.9515295891e-4F, z, 8.3321608736e-3F), z, -1.6666654611e-1F);
  s = fmaf(s * z, x, x);
  float c = fmaf(fmaf(2.443315711809948e-5F, z, -1.388731625493765e-3F), z, 4.166664568298827e-2F);
  c = fmaf(c * z, z, fmaf(-0.5F, z, 1));
  int swaps = (turn & 0x40000000u) != 0;
  *first = signed_radius * (swaps ? s : c);
  *second = signed_radius * (swaps ? c : s);
}

#endif
#endif

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

/* Where words go: word k of lane l of group g to out[g * stride + offset[k] + l]. */
typedef struct lanes_out {
  uint32_t *out;
  int64_t stride, offset[4];
} lanes_out;

#ifdef __AVX2__ /* compilers find no way from 64-bit products in a loop to the one instruction */

/* What the rounds add: keys[k] is that of w[k % 2 * 2], and as the counters of a place differ in their first
 * word only, half of the first two rounds is the same for all of them and stands in the first five. */
typedef struct philox_keys {
  __m256i keys[20];
} philox_keys;

INLINED __m256i philox_high(__m256i x) { return _mm256_srli_epi64(x, 32); }

INLINED void philox_prepare(const random_place *place, uint32_t counter, philox_keys *s) {
  uint32_t keys[20];
  for (uint32_t round = 0; round < 10; round++) {
    keys[2 * round] = place->key[0] + round * 0x9E3779B9u;
    keys[2 * round + 1] = place->key[1] + round * 0xBB67AE85u;
  }
  uint64_t y = (uint64_t)0xCD9E8D57u * place->sample;
  uint64_t x = (uint64_t)0xD2511F53u * ((uint32_t)(y >> 32) ^ counter ^ keys[0]);
  keys[1] ^= place->instance;
  keys[2] ^= (uint32_t)y;
  keys[3] ^= (uint32_t)(x >> 32);
  keys[5] ^= (uint32_t)x;
  for (int k = 0; k < 20; k++) s->keys[k] = _mm256_set1_epi64x(keys[k]);
}

/* The rounds of 64-bit lanes: w[0] holds the first counters, the words come in the low halves. */
INLINED void philox_rounds(const philox_keys *s, int items, __m256i w[4][4]) {
  const __m256i p = _mm256_set1_epi64x(0xD2511F53), q = _mm256_set1_epi64x(0xCD9E8D57);
  const __m256i *keys = s->keys, zero = _mm256_setzero_si256();
  for (int i = 0; i < items; i++) {
    __m256i x = _mm256_mul_epu32(w[0][i], p);
    __m256i y = _mm256_mul_epu32(_mm256_xor_si256(philox_high(x), keys[1]), q);
    w[0][i] = _mm256_xor_si256(philox_high(y), keys[2]);
    w[1][i] = y;
    w[2][i] = _mm256_xor_si256(x, keys[3]);
    w[3][i] = zero;
  }
  for (int round = 2; round < 10; round++)
    for (int i = 0; i < items; i++) {
      __m256i x = _mm256_mul_epu32(w[0][i], p), y = _mm256_mul_epu32(w[2][i], q);
      w[0][i] = _mm256_xor_si256(philox_high(y), _mm256_xor_si256(w[1][i], keys[2 * round]));
      w[2][i] = _mm256_xor_si256(philox_high(x), _mm256_xor_si256(w[3][i], keys[2 * round + 1]));
      w[1][i] = y;
      w[3][i] = x;
    }
}

/* Blocks of `groups` groups of lanes, 1 or 2. Items 2 g and 2 g + 1 have the words of the even and the odd
 * lanes of group g in the low halves of 64 bits. */
INLINED void philox_items(const philox_keys *keys, uint64_t block, int groups, uint32_t *out,
                          const lanes_out *to) {
  const __m256i even = _mm256_set_epi64x(6, 4, 2, 0), uneven = _mm256_set_epi64x(7, 5, 3, 1);
  __m256i w[4][4];
  for (int g = 0; g < groups; g++) {
    __m256i low = _mm256_set1_epi64x((int64_t)((block + LANES * (uint64_t)g) & 0xFFFFFFFFu));
    w[0][2 * g] = _mm256_add_epi64(low, even);
    w[0][2 * g + 1] = _mm256_add_epi64(low, uneven);
  }
  philox_rounds(keys, 2 * groups, w);
  for (int g = 0; g < groups; g++)
    for (int k = 0; k < 4; k++) {
      __m256i odd = _mm256_slli_epi64(w[k][2 * g + 1], 32);
      __m256i *place_of_k = (__m256i *)(void *)(out + g * to->stride + to->offset[k]);
      _mm256_storeu_si256(place_of_k, _mm256_blend_epi32(w[k][2 * g], odd, 0xAA));
    }
}

#endif

/* The blocks with counters (block, block >> 32, sample, instance) of a place, from `block` on, in groups
 * of 8; no group passes a multiple of 2^32. */
INLINED void philox_lanes(const random_place *place, uint64_t block, int groups,
                          const lanes_out *to) {
#ifdef __AVX2__
  philox_keys keys;
  for (int g = 0; g < groups;) {
    uint64_t from = block + LANES * (uint64_t)g;
    uint64_t room = (((uint64_t)1 << 32) - (uint32_t)from + LANES - 1) / LANES; /* under one second counter */
    int end = room < (uint64_t)(groups - g) ? g + (int)room : groups;
    philox_prepare(place, (uint32_t)(from >> 32), &keys);
    for (; g + 2 <= end; g += 2) /* two at a time keep the processor busy */
      philox_items(&keys, block + LANES * (uint64_t)g, 2, to->out + g * to->stride, to);
    if (g < end) {
      philox_items(&keys, block + LANES * (uint64_t)g, 1, to->out + g * to->stride, to);
      g++;
    }
  }
#else
  for (int i = 0; i < LANES * groups; i++, block++) {
    uint32_t words[4];
    random_words(place->key, (uint32_t)block, (uint32_t)(block >> 32), place->sample,
                 place->instance, words);
    for (int k = 0; k < 4; k++)
      to->out[i / LANES * to->stride + to->offset[k] + i % LANES] = words[k];
  }
#endif
}

/* ---- laws from words of 32 bits */

#ifdef MG_DOUBLE

INLINED double exponential_of(uint32_t word) { return -log((word + 0.5) * 0x1p-32); }

INLINED double radius_of(uint32_t word) { return sqrt(2 * exponential_of(word)); }

INLINED void turn_by(double radius, uint32_t word, double *first, double *second) {
  double angle = 6.283185307179586 * 0x1p-32 * word;
  *first = radius * cos(angle);
  *second = radius * sin(angle);
}

#else

/* (m + 1/2) / 2^31, m the upper 31 bits; the largest are the float below 1 */
INLINED float uniform_of(uint32_t word) {
  float u = fmaf((float)(int32_t)(word >> 1), 0x1p-31F, 0x1p-32F);
  return u < 1 - 0x1p-24F ? u : 1 - 0x1p-24F;
}

/* -(k log 2 + log(1 + f)) as log_of_parts, log 2 in one part: shorter, 3 units of the last place. */
INLINED float minus_log_of_parts(float k, float f) {
  float z = f * f, z2 = z * z;
  float a = fmaf(fmaf(-7.0376836292e-2F, f, 1.1514610310e-1F), z,
                 fmaf(-1.1676998740e-1F, f, 1.2420140846e-1F));
  float b = fmaf(fmaf(-1.4249322787e-1F, f, 1.6668057665e-1F), z,
                 fmaf(-2.0000714765e-1F, f, 2.4999993993e-1F));
  float c = fmaf(fmaf(-3.3333331174e-1F, f, 0.5F), z, fmaf(k, -0.69314718F, -f));
  return fmaf(fmaf(a, z2, b), z2, c);
}

/* -log x for normal x > 0 */
INLINED float minus_log(float x) {
  int32_t k;
  float m = split_power(x, &k);
  return minus_log_of_parts((float)k, m - 1);
}

/* -log u, u = (word + 1/2) / 2^32, as exact near u = 1 as elsewhere: t is the smaller of u and 1 - u */
INLINED float exponential_of(uint32_t word) {
  int32_t k;
  int is_high = (int32_t)word < 0;
  float t = ((float)(int32_t)(is_high ? ~word : word) + 0.5F) * 0x1p-32F;
  float low = split_power(t, &k) - 1;
  int halves = t > 0.29289322F; /* 1 - u = 2^-1 (1 + f), 1 - sqrt(1/2) */
  float high = halves ? fmaf(-2, t, 1) : -t;
  float exponent = is_high ? (halves ? -1.0F : 0.0F) : (float)k;
  return minus_log_of_parts(exponent, is_high ? high : low);
}

/* Two independent normal numbers as a point of the plane (Box, Muller 1958). Their distance from 0:
 * sqrt(-2 log u), u = (m + 1/2) / 2^31, m the upper 31 bits of a word; 0 where u rounds to 1. */
INLINED float radius_of(uint32_t word) {
  const uint32_t root = 0x3F3504F3u;
  uint32_t bits = float_bits((float)(int32_t)(word >> 1) + 0.5F) - (root + (31u << 23));
  float k = (float)((int32_t)bits >> 23); /* u = 2^k (1 + f) */
  float f = float_of_bits((bits & 0x7FFFFFu) + root) - 1, z = f * f;
  /* -2 log(1 + f) / f to 1.7e-7 of its size, the best polynomial */
  float a = fmaf(fmaf(-3.2445168049e-1F, z, -3.9800330522e-1F), z, -6.6670117890e-1F);
  float b = fmaf(fmaf(2.0213778671e-1F, z, 3.4501666032e-1F), z, 4.9939817607e-1F);
  a = fmaf(a, z, -1.9999998906F);
  b = fmaf(b, z, 1.0000073026F);
  return sqrtf(fmaf(k, -1.38629436F, fmaf(b, f, a) * f));
}

/* The point: an angle x in -pi/4..pi/4 from 30 bits of a word, whose first two turn it to a quarter of the
 * circle. */
INLINED void turn_by(float radius, uint32_t word, float *first, float *second) {
  float x = (float)(int32_t)(word << 2 | 2) * (float)(1.57079632679489661923 * 0x1p-32);
  radius = float_of_bits(float_bits(radius) ^ (word & 0x80000000u));
  float z = x * x;
  float s = fmaf(fmaf(-1.9515295891e-4F, z, 8.3321608736e-3F), z, -1.6666654611e-1F);
  float c = fmaf(fmaf(-1.35794e-3F, z, 4.165442e-2F), z, -4.9999842e-1F);
  s = fmaf(s, z, 1) * (radius * x);
  c = fmaf(c, z, 1) * radius;
  int swaps = (int32_t)(word << 1) < 0;
  *first = swaps ? s : c;
  *second = swaps ? c : s;
}

#endif
#endif

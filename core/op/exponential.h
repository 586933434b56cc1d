/* The exponential that loops become vector code with. */
#ifndef EXPONENTIAL_H
#define EXPONENTIAL_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "real.h"

#ifdef MG_DOUBLE
static inline __attribute__((always_inline)) mg_real exponential(mg_real x) { return exp(x); }
#else
/* exp x = 2^n exp r, x = n log 2 + r, |r| <= log(2) / 2; the polynomial is that of Cephes. Within
 * 2 units of the last place, right at infinities and NaN, free of branches and calls. */
static inline __attribute__((always_inline)) mg_real exponential(mg_real x) {
  const float round = 12582912; /* 1.5 * 2^23: adding it leaves an integer in the low bits */
  x = x > 89 ? 89 : x;          /* infinite from 88.73 on */
  x = x < -104 ? -104 : x;      /* 0 from -103.98 on */
  float shifted = x * 1.44269504F + round;
  float n = shifted - round;
  float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1;
  int32_t power, base;
  memcpy(&power, &shifted, sizeof power);
  memcpy(&base, &round, sizeof base);
  power -= base;
  int32_t half = power >> 1; /* 2^n in two factors: it may be subnormal or infinite */
  uint32_t first_bits = (uint32_t)(half + 127) << 23;
  uint32_t second_bits = (uint32_t)(power - half + 127) << 23;
  float first, second;
  memcpy(&first, &first_bits, sizeof first);
  memcpy(&second, &second_bits, sizeof second);
  return p * first * second;
}
#endif

#endif

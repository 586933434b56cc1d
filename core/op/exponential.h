/* The exponential below 0, in a form that becomes vector code. */
#ifndef EXPONENTIAL_H
#define EXPONENTIAL_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "real.h"

#ifdef MG_DOUBLE
static inline __attribute__((always_inline)) mg_real exp_below(mg_real x) { return exp(x); }
#else
/* exp x for x <= 0, or NaN. exp x = 2^n exp r, x = n log 2 + r, |r| <= log(2) / 2; the polynomial is
 * that of Cephes. Within 1.5 units of the last place; 0 below -87.33, where the result is no longer a
 * normal number. */
static inline __attribute__((always_inline)) mg_real exp_below(mg_real x) {
  const float round = 12582912; /* 1.5 * 2^23: adding it leaves an integer in the low bits */
  int is_tiny = x < -87.33F;
  float z = is_tiny ? -87.33F : x;
  float shifted = z * 1.44269504F + round;
  float n = shifted - round;
  float r = (z - n * 0.693359375F) + n * 2.12194440e-4F;
  float square = r * r;
  float a = 1.9875691500e-4F * r + 1.3981999507e-3F;
  float b = 8.3334519073e-3F * r + 4.1665795894e-2F;
  float c = 1.6666665459e-1F * r + 5.0000001201e-1F;
  float p = ((a * square + b) * square + c) * square + r + 1;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return is_tiny ? 0 : p * power;
}
#endif

#endif

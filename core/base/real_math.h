/* Functions of one real as branch-free inline code: a loop that calls one becomes vector code, special
 * cases are selects. In float they lie within 2 units of the last place of the exact value, results that
 * are subnormal included (the normal tail and gelu: within 4, and 1e-43), and keep infinities, NaN and the sign
 * of 0; in double they are libm's. Fused multiply-adds are written out, so bits are the same on any
 * machine; without the instruction they are calls. tests/c/test_math.c holds all against libm in double. */
#ifndef REAL_MATH_H
#define REAL_MATH_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../mapgrad.h"

#define INLINED static inline __attribute__((always_inline, unused))

#ifdef MG_DOUBLE

INLINED mg_real real_sqrt(mg_real x) { return sqrt(x); }
INLINED mg_real real_exp(mg_real x) { return exp(x); }
INLINED mg_real real_expm1(mg_real x) { return expm1(x); }
INLINED mg_real real_log(mg_real x) { return log(x); }
INLINED mg_real real_log1p(mg_real x) { return log1p(x); }
INLINED mg_real real_tanh(mg_real x) { return tanh(x); }
INLINED mg_real real_sigmoid(mg_real x) {
  double e = exp(-fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
INLINED mg_real real_softplus(mg_real x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
INLINED mg_real real_erf(mg_real x) { return erf(x); }
INLINED mg_real real_normal_tail(mg_real a) { return 0.5 * erfc(a * 0.70710678118654752440); }

#else

INLINED mg_real real_sqrt(mg_real x) { return sqrtf(x); }

INLINED uint32_t float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINED float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* 2^n, n in -126..127 */
INLINED float power_of_two(uint32_t n) { return float_of_bits((n + 127) << 23); }

/* x = n log 2 + r with |r| <= log(2) / 2, for |x| < 2000; beyond, n and r mean nothing. Returns r. */
INLINED float reduce_exponent(float x, uint32_t *n) {
  const float round = 12582912; /* 1.5 * 2^23: adding it leaves an integer in the low bits */
  float shifted = fmaf(x, 1.44269504F, round);
  float whole = shifted - round;
  *n = float_bits(shifted) - float_bits(round);
  return fmaf(whole, 2.12194440e-4F, fmaf(whole, -0.693359375F, x));
}

/* exp(r) - 1 for |r| <= log(2) / 2: the polynomial of Cephes. */
INLINED float small_expm1(float r) {
  float z = r * r;
  float high = fmaf(fmaf(1.9875691500e-4F, r, 1.3981999507e-3F), z,
                    fmaf(8.3334519073e-3F, r, 4.1665795894e-2F));
  float p = fmaf(high, z, fmaf(1.6666665459e-1F, r, 5.0000001201e-1F));
  return fmaf(p, z, r);
}

/* exp(x + low), low tiny beside x; x in -104..89 */
INLINED float exp_of_sum(float x, float low) {
  uint32_t n;
  float p = 1 + small_expm1(reduce_exponent(x, &n) + low);
  uint32_t half = (uint32_t)((int32_t)n >> 1); /* two factors: 2^n may be subnormal or infinite */
  return p * power_of_two(half) * power_of_two(n - half);
}

INLINED float real_exp(float x) {
  float y = exp_of_sum(x, 0);
  y = x > 89 ? INFINITY : y; /* from 88.73 on */
  return x < -104 ? 0 : y;   /* from -103.98 on */
}

/* exp(-|x|) */
INLINED float exp_of_minus(float x) {
  float a = -fabsf(x), y = exp_of_sum(a, 0);
  return a < -104 ? 0 : y;
}

INLINED float real_expm1(float x) {
  uint32_t n;
  float p = small_expm1(reduce_exponent(x, &n));
  float half = power_of_two(n - 1); /* n may be 128 */
  float y = 2 * fmaf(half, p, half - 0.5F);
  y = x > 89 ? INFINITY : y;
  y = x < -30 ? -1 : y; /* from -17.4 on */
  return x == 0 ? x : y;
}

/* (log(1 + f) - f + f^2 / 2 - f^3 / 3) / f^4, 1 + f in [sqrt(1/2), sqrt(2)]: the polynomial of Cephes. */
INLINED float log_quartic(float f) {
  float z = f * f;
  float a = fmaf(fmaf(7.0376836292e-2F, f, -1.1514610310e-1F), z,
                 fmaf(1.1676998740e-1F, f, -1.2420140846e-1F));
  float b = fmaf(fmaf(1.4249322787e-1F, f, -1.6668057665e-1F), z,
                 fmaf(2.0000714765e-1F, f, -2.4999993993e-1F));
  return fmaf(a, z * z, b);
}

/* k log 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)] */
INLINED float log_of_parts(float k, float f) {
  float z = f * f;
  float p = fmaf(log_quartic(f), f, 3.3333331174e-1F);
  float low = fmaf(-0.5F, z, fmaf(p, f * z, k * -2.12194440e-4F));
  return fmaf(k, 0.693359375F, f + low);
}

/* x = 2^k m, m in [sqrt(1/2), sqrt(2)), for normal x > 0. Returns m. */
INLINED float split_power(float x, int32_t *k) {
  const uint32_t root = 0x3F3504F3u; /* of 1/2 */
  uint32_t bits = float_bits(x) - root;
  *k = (int32_t)bits >> 23;
  return float_of_bits((bits & 0x7FFFFFu) + root);
}

INLINED float real_log(float x) {
  int32_t k;
  float scale = x < 0x1p-126F ? 0x1p23F : 1, shift = x < 0x1p-126F ? 23 : 0; /* subnormal */
  float m = split_power(x * scale, &k);
  float y = log_of_parts((float)k - shift, m - 1);
  y = x < INFINITY ? y : x;
  return x > 0 ? y : x == 0 ? -INFINITY : NAN;
}

/* 1 + x = 2^k m with m = 1 + f, f computed from x itself; s is 4 / 2^k. */
INLINED float real_log1p(float x) {
  int32_t k;
  split_power(1 + x, &k);
  float s = power_of_two(2 - (uint32_t)k);
  float f = k == 0 ? x : fmaf(0.25F * x, s, fmaf(0.25F, s, -1));
  float y = log_of_parts((float)k, f);
  y = x < INFINITY ? y : x;
  y = x > -1 ? y : x == -1 ? -INFINITY : NAN;
  return x == 0 ? x : y;
}

/* log(1 + e), e in [0, 1] */
INLINED float log_of_one_and(float e) {
  const float root = 0.41421356F; /* sqrt(2) - 1 */
  return log_of_parts(e > root ? 1 : 0, e > root ? fmaf(0.5F, e, -0.5F) : e);
}

/* 1 / (1 + exp(-x)), with the effect of rounding the sum */
INLINED float real_sigmoid(float x) {
  float e = exp_of_minus(x), sum = 1 + e, lost = e - (sum - 1);
  float y = (x < 0 ? e : 1) / sum;
  return fmaf(-lost, y, y);
}

/* log(1 + exp x) */
INLINED float real_softplus(float x) {
  float y = (x > 0 ? x : 0) + log_of_one_and(exp_of_minus(x));
  return y;
}

INLINED float real_tanh(float x) {
  float a = fabsf(x), z = x * x;
  float p = -5.70498872745e-3F; /* of Cephes, for a < 0.625 */
  p = fmaf(p, z, 2.06390887954e-2F);
  p = fmaf(p, z, -5.37397155531e-2F);
  p = fmaf(p, z, 1.33314422036e-1F);
  p = fmaf(p, z, -3.33332819422e-1F);
  float low = fmaf(p * z, a, a);
  float high = 1 - 2 / (real_exp(a + a) + 1);
  return copysignf(a < 0.625F ? low : high, x);
}

/* For |x| above 0.93: 1 - exp(-q), q a polynomial; below: an odd polynomial (after N. Juffa). */
INLINED float real_erf(float x) {
  float a = fabsf(x), z = x * x;
  float t = a > 4 ? 4 : a; /* 1 from 3.92 on */
  float q = fmaf(-1.72853470e-5F, t, 3.83197126e-4F);
  q = fmaf(q, t, -3.88396438e-3F);
  q = fmaf(q, t, 2.42546219e-2F);
  q = fmaf(q, t, -1.06777877e-1F);
  q = fmaf(q, t, -6.34846687e-1F);
  q = fmaf(q, t, -1.28717512e-1F);
  float high = 1 - real_exp(fmaf(q, t, -t));
  float p = fmaf(-5.96761703e-4F, z, 4.99119423e-3F);
  p = fmaf(p, z, -2.67681349e-2F);
  p = fmaf(p, z, 1.12819925e-1F);
  p = fmaf(p, z, -3.76125336e-1F);
  p = fmaf(p, z, 1.28379166e-1F);
  float low = fmaf(p, a, a);
  return copysignf(a > 0.927734375F ? high : low, x);
}

/* P(N > a) of a standard normal N for a >= 0: exp(-a^2 / 2) times a smooth function of a, a polynomial in
 * (a - 3.5) / (a + 3.5) over 1 + 0.8 a, fitted on 0..14.5 to 1.1e-8. */
INLINED float real_normal_tail(float a) {
  float t = a > 14.4F ? 14.4F : a, square = t * t; /* 0 from 14.2 on */
  float u = (t - 3.5F) / (t + 3.5F);
  float p = fmaf(1.1557947163e-4F, u, 1.0282448228e-4F);
  p = fmaf(p, u, -1.0399113996e-3F);
  p = fmaf(p, u, -4.2962187269e-5F);
  p = fmaf(p, u, 7.9874095852e-3F);
  p = fmaf(p, u, -2.0396638847e-2F);
  p = fmaf(p, u, 1.8110619711e-2F);
  p = fmaf(p, u, 2.5800880222e-2F);
  p = fmaf(p, u, -1.1559800871e-1F);
  p = fmaf(p, u, 4.0411157961e-1F);
  float e = exp_of_sum(-0.5F * square, -0.5F * fmaf(t, t, -square));
  return p / fmaf(0.8F, t, 1) * e;
}

#endif

/* x Phi(x), Phi the normal distribution function; -0 at minus infinity */
INLINED mg_real real_gelu(mg_real x) {
  mg_real inside = x < -40 ? -40 : x > 40 ? 40 : x;
  mg_real lost = inside * real_normal_tail(x < 0 ? -x : x);
  return x < 0 ? lost : x - lost;
}

/* Its derivative, Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi) */
INLINED mg_real real_gelu_slope(mg_real x) {
  mg_real tail = real_normal_tail(x < 0 ? -x : x);
  mg_real inside = x < -40 ? -40 : x > 40 ? 40 : x;
  mg_real density = (mg_real)0.39894228040143267794 * real_exp((mg_real)-0.5 * inside * inside);
  return (x < 0 ? tail : 1 - tail) + inside * density;
}
#endif

/* A Newton step of a regularised layer over the weights of its active solutions: lua/mapgrad/solver/hull.lua. */
#include <math.h>

#include "../mapgrad.h"

enum { LANES = 8 };

/* In a fixed order, of lanes that run beside each other. */
static double dot(const double *a, const double *b, int64_t n) {
  double lanes[LANES] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lanes[j] += a[i + j] * b[i + j];
  for (int j = 0; j < LANES; j++) sum += lanes[j];
  for (; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* Cholesky's factor of m [k, k], of which the lower half counts, in place; rows that depend on those before get a
 * diagonal and a column of 0. */
static void factor(double *m, int64_t k) {
  for (int64_t i = 0; i < k; i++) {
    double *row = m + i * k;
    for (int64_t j = 0; j < i; j++) {
      const double *other = m + j * k;
      row[j] = other[j] > 0 ? (row[j] - dot(row, other, j)) / other[j] : 0;
    }
    double left = row[i] - dot(row, row, i);
    row[i] = left > 1e-11 * row[i] ? sqrt(left) : 0;
  }
}

/* a = m^-1 r, m factored; 0 for rows without a diagonal. */
static void solve(const double *m, const double *r, int64_t k, double *a) {
  for (int64_t i = 0; i < k; i++) {
    const double *row = m + i * k;
    a[i] = row[i] > 0 ? (r[i] - dot(row, a, i)) / row[i] : 0;
  }
  for (int64_t i = k; i-- > 0;) {
    const double *row = m + i * k;
    a[i] = row[i] > 0 ? a[i] / row[i] : 0;
    for (int64_t j = 0; j < i; j++) a[j] -= row[j] * a[i];
  }
}

double mg_hull_newton(const double *directions, const double *curved, int64_t k, int64_t n, const double *q,
                      double *a, double *step, double *largest, double *room) {
  double *m = room, *r = room + k * k, gain = 0;
  *largest = 0;
  for (int64_t i = 0; i < n; i++) step[i] = 0;
  for (int64_t i = 0; i < k; i++) {
    r[i] = dot(directions + i * n, q, n);
    *largest = fmax(*largest, fabs(r[i]));
    for (int64_t j = 0; j <= i; j++) m[i * k + j] = dot(directions + i * n, curved + j * n, n);
  }
  factor(m, k);
  solve(m, r, k, a);
  for (int64_t i = 0; i < k; i++) {
    gain += a[i] * r[i];
    for (int64_t j = 0; j < n; j++) step[j] += a[i] * directions[i * n + j];
  }
  return gain;
}

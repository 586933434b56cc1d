/* The entropy-regularised assignment: P maximises <theta, P> + tau H(P) over doubly stochastic matrices.
 * Sinkhorn, Knopp 1967, in the log domain; its gradient by the implicit function theorem (Luise, Rudi,
 * Pontil, Ciliberto 2018). Rows of the batch are worked on in double. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

typedef struct sinkhorn {
  const mg_real *theta, *p, *dp; /* theta: forward only; p, dp: vjp only */
  mg_real *out;
  int64_t n, most;
  double tau, tolerance;
  _Atomic int64_t open; /* instances whose sums miss the tolerance */
} sinkhorn;

/* tau log sum_j exp((x[j step] + g[j]) / tau) */
static double soft_max(const mg_real *x, int64_t step, const double *g, int64_t n, double tau) {
  double peak = -INFINITY, sum = 0;
  for (int64_t j = 0; j < n; j++) {
    double v = (double)x[j * step] + g[j];
    peak = v > peak ? v : peak;
  }
  if (peak == -INFINITY) return peak;
  for (int64_t j = 0; j < n; j++) sum += exp(((double)x[j * step] + g[j] - peak) / tau);
  return peak + tau * log(sum);
}

/* The largest distance of a row sum from 1; columns are exact after their update. */
static double row_error(const sinkhorn *s, const mg_real *theta, const double *f, const double *g) {
  double worst = 0;
  for (int64_t i = 0; i < s->n; i++) {
    double sum = 0;
    for (int64_t j = 0; j < s->n; j++)
      sum += exp(((double)theta[i * s->n + j] + f[i] + g[j]) / s->tau);
    double error = fabs(sum - 1);
    worst = error <= worst ? worst : error; /* NaN, too */
  }
  return worst;
}

static int64_t first_infinite(const double *x, int64_t n) {
  int64_t i = 0;
  while (i < n && isfinite(x[i])) i++;
  return i;
}

static mg_status balance(sinkhorn *s, int64_t instance, double *f, double *g) {
  const int64_t n = s->n;
  const mg_real *theta = s->theta + instance * n * n;
  mg_real *p = s->out + instance * n * n;
  memset(g, 0, (size_t)n * sizeof *g);
  double error = INFINITY;
  for (int64_t round = 0; round < s->most && !(error <= s->tolerance); round++) {
    for (int64_t i = 0; i < n; i++) f[i] = -soft_max(theta + i * n, 1, g, n, s->tau);
    for (int64_t j = 0; j < n; j++) g[j] = -soft_max(theta + j, n, f, n, s->tau);
    int64_t bad = first_infinite(f, n);
    if (bad == n) bad = first_infinite(g, n);
    if (bad < n)
      return fail(MG_NO_SOLUTION, "sinkhorn: instance %lld: row or column %lld has no allowed entry",
                  (long long)instance + 1, (long long)bad + 1);
    error = row_error(s, theta, f, g);
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  if (!(error <= s->tolerance)) s->open++;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++)
      p[i * n + j] = (mg_real)exp(((double)theta[i * n + j] + f[i] + g[j]) / s->tau);
  return MG_OK;
}

static mg_status balance_rows(void *job, int64_t first, int64_t last) {
  sinkhorn *s = job;
  double *f = memory_array(2 * s->n, (int64_t)sizeof *f);
  if (!f) return MG_NO_MEMORY;
  mg_status status = MG_OK;
  for (int64_t r = first; r < last && status == MG_OK; r++) status = balance(s, r, f, f + s->n);
  memory_free(f);
  return status;
}

/* Solves a x = b for a symmetric positive definite a [n, n] by Cholesky, in place; x in b. A pivot that
 * rounding has eaten counts as an equation that says nothing. */
static void solve_positive(double *a, double *b, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    double pivot = a[j * n + j];
    for (int64_t k = 0; k < j; k++) pivot -= a[j * n + k] * a[j * n + k];
    double root = pivot > 1e-14 ? sqrt(pivot) : INFINITY;
    a[j * n + j] = root;
    for (int64_t i = j + 1; i < n; i++) {
      double v = a[i * n + j];
      for (int64_t k = 0; k < j; k++) v -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = v / root;
    }
  }
  for (int64_t i = 0; i < n; i++) {
    for (int64_t k = 0; k < i; k++) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (int64_t i = n; i-- > 0;) {
    for (int64_t k = i + 1; k < n; k++) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

/* a and b with [diag(P 1), P; P^T, diag(P^T 1)] [a; b] = [(P * U) 1; (P * U)^T 1], b_n = 0: b from the Schur
 * complement diag(P^T 1) - P^T diag(P 1)^-1 P, which is singular along 1. */
static void solve_duals(const mg_real *p, const mg_real *u, int64_t n, double *work, double *a,
                        double *b) {
  double *rows = work, *schur = work + n;
  for (int64_t i = 0; i < n; i++) {
    rows[i] = a[i] = 0;
    for (int64_t j = 0; j < n; j++) {
      rows[i] += (double)p[i * n + j];
      a[i] += (double)p[i * n + j] * (double)u[i * n + j];
    }
  }
  for (int64_t j = 0; j < n; j++) {
    b[j] = 0;
    for (int64_t i = 0; i < n; i++)
      b[j] += (double)p[i * n + j] * ((double)u[i * n + j] - a[i] / rows[i]);
  }
  const int64_t m = n - 1;
  for (int64_t j = 0; j < m; j++)
    for (int64_t k = 0; k <= j; k++) {
      double v = 0;
      for (int64_t i = 0; i < n; i++) {
        double pij = (double)p[i * n + j], pik = (double)p[i * n + k];
        v += (j == k ? pij : 0) - pij * pik / rows[i];
      }
      schur[j * m + k] = v;
    }
  solve_positive(schur, b, m);
  b[m] = 0;
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < n; j++) a[i] -= (double)p[i * n + j] * b[j];
    a[i] /= rows[i];
  }
}

static mg_status pull_rows(void *job, int64_t first, int64_t last) {
  const sinkhorn *s = job;
  const int64_t n = s->n;
  double *work = memory_array(3 * n + n * n, (int64_t)sizeof *work);
  if (!work) return MG_NO_MEMORY;
  double *a = work + n + n * n, *b = a + n;
  mg_status status = MG_OK;
  for (int64_t r = first; r < last && status == MG_OK; r++) {
    const mg_real *p = s->p + r * n * n, *u = s->dp + r * n * n;
    solve_duals(p, u, n, work, a, b);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++)
        s->out[r * n * n + i * n + j] =
            (mg_real)((double)p[i * n + j] * ((double)u[i * n + j] - a[i] - b[j]) / s->tau);
    status = interrupt_tick();
  }
  memory_free(work);
  return status;
}

mg_status mg_sinkhorn(const mg_real *theta, int64_t rows, int64_t n, double tau, double tolerance,
                      int64_t most, mg_real *p, int64_t *open) {
  if (!(tau > 0)) return fail(MG_BAD_ARGUMENT, "sinkhorn: tau = %g, expected a number above 0", tau);
  sinkhorn s = {.theta = theta, .out = p, .n = n, .most = most, .tau = tau, .tolerance = tolerance};
  for (int64_t i = 0; i < rows * n * n; i++)
    if (isnan(theta[i]) || theta[i] == INFINITY)
      return fail(MG_BAD_ARGUMENT, "sinkhorn: instance %lld: score at entry %lld is %s",
                  (long long)(i / (n * n)) + 1, (long long)(i % (n * n)) + 1,
                  isnan(theta[i]) ? "NaN" : "inf");
  mg_status status = parallel_for(rows, 1, balance_rows, &s);
  *open = s.open;
  return status;
}

mg_status mg_sinkhorn_vjp(const mg_real *p, const mg_real *dp, int64_t rows, int64_t n, double tau,
                          mg_real *out) {
  sinkhorn s = {.p = p, .dp = dp, .out = out, .n = n, .tau = tau};
  return parallel_for(rows, 1, pull_rows, &s);
}

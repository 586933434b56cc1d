/* The projections of Identity with projection: Sahoo, Paulus, Vlastelica, Musil, Kuleshov, Martius 2023.
 *
 *   mean  P(x) = x - mean(x)           P'(x)^T u = u - mean(u)
 *   norm  P(x) = x / r, r = |x|        P'(x)^T u = u / r - x <x, u> / r^3
 *   std   norm after mean              the two in turn */
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/status.h"

typedef struct projecting {
  mg_projection kind;
  const mg_real *theta, *u; /* u: the vjp only */
  int64_t n;
  mg_real *out;
  _Atomic int64_t zeros;
} projecting;

static double mean_of(const mg_real *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i];
  return n ? sum / (double)n : 0;
}

static int centres(mg_projection kind) {
  return kind == MG_PROJECT_MEAN || kind == MG_PROJECT_STD;
}

static int scales(mg_projection kind) {
  return kind == MG_PROJECT_NORM || kind == MG_PROJECT_STD;
}

/* sum (x - a) (y - b). A vector of equal entries that misses its mean by rounding counts as zero. */
static double inner(const mg_real *x, double a, const mg_real *y, double b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (x[i] - a) * (y[i] - b);
  return sum;
}

static int all_equal(const mg_real *x, int64_t n) {
  for (int64_t i = 1; i < n; i++)
    if (x[i] != x[0]) return 0;
  return 1;
}

/* Mean to subtract and norm of what remains; 1 where there is nothing to divide by. */
static int measure(mg_projection kind, const mg_real *x, int64_t n, double *mean, double *norm) {
  *mean = centres(kind) ? mean_of(x, n) : 0;
  *norm = 1;
  if (!scales(kind)) return 0;
  int is_zero = centres(kind) && all_equal(x, n);
  *norm = is_zero ? 0 : sqrt(inner(x, *mean, x, *mean, n));
  return *norm == 0;
}

static mg_status project_rows(void *job, int64_t first, int64_t last) {
  projecting *p = job;
  int64_t zeros = 0, n = p->n;
  for (int64_t row = first; row < last; row++) {
    const mg_real *x = p->theta + row * n;
    mg_real *out = p->out + row * n;
    double mean, norm;
    int zero = measure(p->kind, x, n, &mean, &norm);
    for (int64_t i = 0; i < n; i++) out[i] = zero ? 0 : (mg_real)((x[i] - mean) / norm);
    zeros += zero;
  }
  atomic_fetch_add(&p->zeros, zeros);
  return MG_OK;
}

static mg_status pull_rows(void *job, int64_t first, int64_t last) {
  const projecting *p = job;
  int64_t n = p->n;
  for (int64_t row = first; row < last; row++) {
    const mg_real *x = p->theta + row * n, *u = p->u + row * n;
    mg_real *out = p->out + row * n;
    double mean, norm;
    int zero = measure(p->kind, x, n, &mean, &norm);
    double u_mean = centres(p->kind) ? mean_of(u, n) : 0;
    double along = scales(p->kind) && !zero ? inner(x, mean, u, 0, n) / (norm * norm * norm) : 0;
    for (int64_t i = 0; i < n; i++)
      out[i] = zero ? 0 : (mg_real)((u[i] - u_mean) / norm - (x[i] - mean) * along);
  }
  return MG_OK;
}

static mg_status run(projecting *p, int64_t rows, parallel_body body) {
  if (p->kind < 0 || p->kind >= MG_PROJECTIONS)
    return fail(MG_BAD_ARGUMENT, "project: there is no projection %d", (int)p->kind);
  if (p->n < 1) return MG_OK;
  return parallel_for(rows, p->n >= 4096 ? 1 : 4096 / p->n, body, p);
}

mg_status mg_project(mg_projection kind, const mg_real *theta, int64_t rows, int64_t n,
                     mg_real *out, int64_t *zero_norms) {
  projecting p = {.kind = kind, .theta = theta, .n = n, .out = out};
  mg_status status = run(&p, rows, project_rows);
  *zero_norms = atomic_load(&p.zeros);
  return status;
}

mg_status mg_project_vjp(mg_projection kind, const mg_real *theta, const mg_real *u, int64_t rows,
                         int64_t n, mg_real *out) {
  projecting p = {.kind = kind, .theta = theta, .u = u, .n = n, .out = out};
  return run(&p, rows, pull_rows);
}

/* SparseMAP (Niculae, Martins, Blondel, Cardie 2018): the projection of theta / tau onto the convex hull of
 * a solver's solutions, by the minimum-norm-point method of Wolfe 1976. The caller alternates with a
 * solver: mg_sparsemap_query says what to solve, mg_sparsemap_step takes the solutions. Each instance keeps an
 * active set of affinely independent solutions with weights above 0. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

typedef struct active_set {
  double *atoms;  /* [room, n]: solutions less theta / tau */
  mg_real *z;     /* [room, n]: the solutions themselves */
  double *weight; /* [room] */
  double *m;      /* [n]: the weighted mean of the atoms */
  int64_t count, room;
  int is_done;
  double gap;
} active_set;

struct mg_sparsemap {
  int64_t rows, n;
  double tau, tolerance;
  double *target; /* [rows, n]: theta / tau */
  active_set *sets;
};

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

mg_sparsemap *mg_sparsemap_new(const mg_real *theta, int64_t rows, int64_t n, double tau,
                               double tolerance) {
  if (!(tau > 0) || rows < 0 || n < 1)
    return fail_null(MG_BAD_ARGUMENT, "sparsemap: tau = %g, expected a number above 0", tau);
  for (int64_t i = 0; i < rows * n; i++)
    if (!isfinite(theta[i]))
      return fail_null(MG_BAD_ARGUMENT, "sparsemap: instance %lld: score at entry %lld is not finite",
                       (long long)(i / n) + 1, (long long)(i % n) + 1);
  mg_sparsemap *p = memory_new((int64_t)sizeof *p);
  if (!p) return NULL;
  *p = (mg_sparsemap){.n = n, .tau = tau, .tolerance = tolerance};
  p->target = memory_array(rows * n + 1, (int64_t)sizeof *p->target);
  p->sets = memory_array(rows + 1, (int64_t)sizeof *p->sets);
  if (!p->target || !p->sets) return mg_sparsemap_free(p), NULL;
  memset(p->sets, 0, (size_t)(rows + 1) * sizeof *p->sets);
  p->rows = rows;
  for (int64_t i = 0; i < rows * n; i++) p->target[i] = (double)theta[i] / tau;
  for (int64_t r = 0; r < rows; r++) {
    p->sets[r].m = memory_array(n, (int64_t)sizeof *p->sets[r].m);
    if (!p->sets[r].m) return mg_sparsemap_free(p), NULL;
    /* the first query is theta itself: the point 0 stands for an empty set */
    for (int64_t i = 0; i < n; i++) p->sets[r].m[i] = -p->target[r * n + i];
  }
  return p;
}

void mg_sparsemap_free(mg_sparsemap *p) {
  if (!p) return;
  for (int64_t r = 0; p->sets && r < p->rows; r++) {
    memory_free(p->sets[r].atoms);
    memory_free(p->sets[r].z);
    memory_free(p->sets[r].weight);
    memory_free(p->sets[r].m);
  }
  memory_free(p->sets);
  memory_free(p->target);
  memory_free(p);
}

void mg_sparsemap_query(const mg_sparsemap *p, mg_real *query) {
  for (int64_t r = 0; r < p->rows; r++)
    for (int64_t i = 0; i < p->n; i++) query[r * p->n + i] = (mg_real)(-p->tau * p->sets[r].m[i]);
}

static mg_status make_room(active_set *s, int64_t n) {
  if (s->count < s->room) return MG_OK;
  int64_t room = s->room ? 2 * s->room : 8;
  double *atoms = memory_array(room * n, (int64_t)sizeof *atoms);
  mg_real *z = memory_array(room * n, (int64_t)sizeof *z);
  double *weight = memory_array(room, (int64_t)sizeof *weight);
  if (!atoms || !z || !weight) {
    memory_free(atoms);
    memory_free(z);
    memory_free(weight);
    return MG_NO_MEMORY;
  }
  if (s->count > 0) {
    memcpy(z, s->z, (size_t)(s->count * n) * sizeof *z);
    memcpy(atoms, s->atoms, (size_t)(s->count * n) * sizeof *atoms);
    memcpy(weight, s->weight, (size_t)s->count * sizeof *weight);
  }
  memory_free(s->atoms);
  memory_free(s->z);
  memory_free(s->weight);
  s->atoms = atoms;
  s->z = z;
  s->weight = weight;
  s->room = room;
  return MG_OK;
}

static void drop(active_set *s, int64_t j, int64_t n) {
  s->count--;
  memmove(s->atoms + j * n, s->atoms + (j + 1) * n, (size_t)((s->count - j) * n) * sizeof *s->atoms);
  memmove(s->z + j * n, s->z + (j + 1) * n, (size_t)((s->count - j) * n) * sizeof *s->z);
  memmove(s->weight + j, s->weight + j + 1, (size_t)(s->count - j) * sizeof *s->weight);
}

/* The affine combination of the atoms of least norm: (G + 1 1^T) y = 1, alpha = y / sum y, by Cholesky. 0 if
 * the atoms are not affinely independent. work [k * k]. */
static int affine_minimum(const active_set *s, int64_t n, double *work, double *alpha) {
  int64_t k = s->count;
  double largest = 0, sum = 0;
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j <= i; j++) {
      work[i * k + j] = 1 + dot(s->atoms + i * n, s->atoms + j * n, n);
      if (i == j && work[i * k + j] > largest) largest = work[i * k + j];
    }
  for (int64_t j = 0; j < k; j++) {
    for (int64_t i = j; i < k; i++) {
      double v = work[i * k + j];
      for (int64_t l = 0; l < j; l++) v -= work[i * k + l] * work[j * k + l];
      if (i == j && !(v > 1e-13 * largest)) return 0;
      work[i * k + j] = i == j ? sqrt(v) : v / work[j * k + j];
    }
  }
  for (int64_t i = 0; i < k; i++) {
    alpha[i] = 1;
    for (int64_t l = 0; l < i; l++) alpha[i] -= work[i * k + l] * alpha[l];
    alpha[i] /= work[i * k + i];
  }
  for (int64_t i = k; i-- > 0;) {
    for (int64_t l = i + 1; l < k; l++) alpha[i] -= work[l * k + i] * alpha[l];
    alpha[i] /= work[i * k + i];
    sum += alpha[i];
  }
  for (int64_t i = 0; i < k; i++) alpha[i] /= sum;
  return 1;
}

static void recompute_mean(active_set *s, int64_t n) {
  memset(s->m, 0, (size_t)n * sizeof *s->m);
  for (int64_t j = 0; j < s->count; j++)
    for (int64_t i = 0; i < n; i++) s->m[i] += s->weight[j] * s->atoms[j * n + i];
}

/* Moves the weights to the least norm over the hull of the atoms; each turn but the last drops an atom. */
static void correct(active_set *s, int64_t n, double *work, double *alpha) {
  while (s->count > 1) {
    if (!affine_minimum(s, n, work, alpha)) { /* the newest adds nothing that rounding lets through */
      drop(s, s->count - 1, n);
      s->is_done = 1;
      break;
    }
    double step = 1;
    int64_t leaving = -1;
    for (int64_t j = 0; j < s->count; j++) {
      if (alpha[j] > 1e-12) continue;
      double t = s->weight[j] / (s->weight[j] - alpha[j]);
      if (leaving < 0 || t < step) step = t, leaving = j;
    }
    for (int64_t j = 0; j < s->count; j++) s->weight[j] += step * (alpha[j] - s->weight[j]);
    if (leaving < 0) break;
    drop(s, leaving, n);
  }
  double sum = 0;
  for (int64_t j = 0; j < s->count; j++) sum += s->weight[j];
  for (int64_t j = 0; j < s->count; j++) s->weight[j] /= sum;
  recompute_mean(s, n);
}

static mg_status add_solution(mg_sparsemap *p, int64_t row, const mg_real *z) {
  active_set *s = &p->sets[row];
  const int64_t n = p->n;
  const double *target = p->target + row * n;
  if (s->count > 0) { /* gap = <theta - tau m, z - m>: here m and z are less theta / tau */
    s->gap = 0;
    for (int64_t i = 0; i < n; i++) s->gap -= p->tau * s->m[i] * ((double)z[i] - target[i] - s->m[i]);
    s->is_done = s->gap <= p->tolerance;
    if (s->is_done) return MG_OK;
  }
  mg_status status = make_room(s, n);
  if (status != MG_OK) return status;
  double *atom = s->atoms + s->count * n;
  for (int64_t i = 0; i < n; i++) atom[i] = (double)z[i] - target[i];
  memcpy(s->z + s->count * n, z, (size_t)n * sizeof *z);
  s->weight[s->count] = s->count == 0 ? 1 : 0;
  s->count++;
  double *work = memory_array(s->count * s->count + s->count, (int64_t)sizeof *work);
  if (!work) return MG_NO_MEMORY;
  double *alpha = work + s->count * s->count;
  correct(s, n, work, alpha);
  memory_free(work);
  return MG_OK;
}

typedef struct step {
  mg_sparsemap *p;
  const mg_real *z;
} step;

static mg_status step_rows(void *job, int64_t first, int64_t last) {
  const step *s = job;
  mg_status status = MG_OK;
  for (int64_t r = first; r < last && status == MG_OK; r++) {
    if (s->p->sets[r].is_done) continue;
    status = add_solution(s->p, r, s->z + r * s->p->n);
    if (status == MG_OK) status = interrupt_tick();
  }
  return status;
}

mg_status mg_sparsemap_step(mg_sparsemap *p, const mg_real *z, int64_t *open) {
  step s = {p, z};
  mg_status status = parallel_for(p->rows, 4, step_rows, &s);
  *open = 0;
  for (int64_t r = 0; r < p->rows; r++) *open += !p->sets[r].is_done;
  return status;
}

void mg_sparsemap_answer(const mg_sparsemap *p, mg_real *m, int64_t *atoms) {
  *atoms = 0;
  for (int64_t r = 0; r < p->rows; r++) {
    const active_set *s = &p->sets[r];
    for (int64_t i = 0; i < p->n; i++) {
      double sum = 0; /* of the solutions themselves, so that zeros are exact */
      for (int64_t j = 0; j < s->count; j++) sum += s->weight[j] * (double)s->z[j * p->n + i];
      m[r * p->n + i] = (mg_real)sum;
    }
    *atoms += s->count;
  }
}

/* out = Q Q^T u / tau, Q an orthonormal basis of the differences of the atoms (Gram, Schmidt, twice). */
static mg_status pull(const mg_sparsemap *p, int64_t row, const mg_real *u, mg_real *out) {
  const active_set *s = &p->sets[row];
  const int64_t n = p->n, most = s->count - 1;
  memset(out, 0, (size_t)n * sizeof *out);
  if (most < 1) return MG_OK;
  double *basis = memory_array((most + 1) * n, (int64_t)sizeof *basis);
  if (!basis) return MG_NO_MEMORY;
  double *sum = basis + most * n;
  int64_t count = 0;
  memset(sum, 0, (size_t)n * sizeof *sum);
  for (int64_t j = 1; j <= most; j++) {
    double *q = basis + count * n, before;
    for (int64_t i = 0; i < n; i++) q[i] = s->atoms[j * n + i] - s->atoms[i];
    before = dot(q, q, n);
    for (int pass = 0; pass < 2; pass++)
      for (int64_t l = 0; l < count; l++) {
        double along = dot(q, basis + l * n, n);
        for (int64_t i = 0; i < n; i++) q[i] -= along * basis[l * n + i];
      }
    double square = dot(q, q, n), along = 0;
    if (!(square > 1e-20 * before)) continue;
    for (int64_t i = 0; i < n; i++) q[i] /= sqrt(square);
    for (int64_t i = 0; i < n; i++) along += q[i] * (double)u[i];
    for (int64_t i = 0; i < n; i++) sum[i] += along * q[i];
    count++;
  }
  for (int64_t i = 0; i < n; i++) out[i] = (mg_real)(sum[i] / p->tau);
  memory_free(basis);
  return MG_OK;
}

mg_status mg_sparsemap_vjp(const mg_sparsemap *p, const mg_real *u, mg_real *out) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < p->rows && status == MG_OK; r++) {
    status = pull(p, r, u + r * p->n, out + r * p->n);
    if (status == MG_OK) status = interrupt_tick();
  }
  return status;
}

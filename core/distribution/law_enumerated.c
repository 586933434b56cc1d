/* A set of solutions given one by one. O(states n). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "law.h"

enum { TICK = 1 << 10 };

typedef struct plan {
  int64_t states;
  mg_real *z; /* [states, n] */
} plan;

static void release(mg_law *p) { memory_free(((plan *)p->plan)->z); }

/* Probabilities in the order of the states. */
static int64_t scratch_bytes(const mg_law *p) {
  return ((const plan *)p->plan)->states * (int64_t)sizeof(double);
}

/* <z, x>, entries that z does not have left out. */
static double inner(const mg_real *z, const double *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    if (z[i] != 0) sum += (double)z[i] * x[i];
  return sum;
}

static mg_status forward(const mg_law *p, const double *x, void *scratch, double *log_partition) {
  const plan *q = p->plan;
  double *share = scratch, most = -INFINITY, sum = 0;
  mg_status status = MG_OK;
  for (int64_t s = 0; s < q->states && status == MG_OK; s++) {
    share[s] = inner(q->z + s * p->n, x, p->n);
    most = share[s] > most ? share[s] : most;
    status = s % TICK == TICK - 1 ? interrupt_tick() : MG_OK;
  }
  *log_partition = most;
  if (status != MG_OK || most == -INFINITY) return status;
  for (int64_t s = 0; s < q->states; s++) sum += share[s] = exp(share[s] - most);
  for (int64_t s = 0; s < q->states; s++) share[s] /= sum;
  *log_partition = most + log(sum);
  return MG_OK;
}

static mg_status backward(const mg_law *p, const double *x, const double *dx, void *scratch,
                          double *mu, double *dmu) {
  const plan *q = p->plan;
  const double *share = scratch;
  double slope = 0; /* of the log of the partition function */
  mg_status status = MG_OK;
  (void)x;
  memset(mu, 0, (size_t)p->n * sizeof *mu);
  for (int64_t s = 0; s < q->states && status == MG_OK; s++) {
    for (int64_t i = 0; i < p->n; i++) mu[i] += share[s] * (double)q->z[s * p->n + i];
    status = s % TICK == TICK - 1 ? interrupt_tick() : MG_OK;
  }
  if (!dx || status != MG_OK) return status;
  memset(dmu, 0, (size_t)p->n * sizeof *dmu);
  for (int64_t i = 0; i < p->n; i++) slope += mu[i] * dx[i];
  for (int64_t s = 0; s < q->states && status == MG_OK; s++) {
    double change = share[s] * (inner(q->z + s * p->n, dx, p->n) - slope);
    for (int64_t i = 0; i < p->n; i++) dmu[i] += change * ((double)q->z[s * p->n + i] - mu[i]);
    status = s % TICK == TICK - 1 ? interrupt_tick() : MG_OK;
  }
  return status;
}

static void sample(const mg_law *p, const double *x, void *scratch, law_place *place, mg_real *z) {
  const plan *q = p->plan;
  const double *share = scratch;
  double u = law_uniform(place), sum = 0;
  int64_t found = 0;
  (void)x;
  for (int64_t s = 0; s < q->states && sum <= u; s++) {
    if (share[s] > 0) found = s;
    sum += share[s];
  }
  memcpy(z, q->z + found * p->n, (size_t)p->n * sizeof *z);
}

static const mg_option options[] = {{0}};

const law_kind law_enumerated = {.kind = {.name = "enumerated", .settings = options},
                                 .none = "no solution is allowed",
                                 .release = release,
                                 .scratch_bytes = scratch_bytes,
                                 .forward = forward,
                                 .backward = backward,
                                 .sample = sample};

mg_law *mg_law_enumerated(const mg_real *z, int64_t states, int64_t n) {
  if (states < 1 || n < 1) return fail_null(MG_NO_SOLUTION, "enumerated: there is no solution");
  mg_law *p = memory_new((int64_t)sizeof *p);
  plan *q = memory_new((int64_t)sizeof *q);
  if (!p || !q) return memory_free(p), memory_free(q), NULL;
  *p = (mg_law){.kind = &law_enumerated, .plan = q, .n = n, .blocks = 1, .cost = states * n};
  *q = (plan){.states = states, .z = memory_array(states * n, (int64_t)sizeof *q->z)};
  if (!q->z) return mg_law_free(p), NULL;
  memcpy(q->z, z, (size_t)(states * n) * sizeof *z);
  return p;
}

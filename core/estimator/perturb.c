/* Perturb-and-MAP, fused: noise, perturbed scores and solutions of a few rows at a time, in scratch. */
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "noise/noise.h"
#include "solver/solver.h"

typedef struct perturbation {
  const mg_noise *noise; /* NULL: none */
  double temperature;
  noise_place place; /* its key */
  const mg_real *theta;
  int64_t theta_rows; /* row i of the result starts from theta row i % theta_rows */
  int64_t batch, first_instance, n;
  mg_real *out;
  const mg_solver *solver; /* the rest: mg_perturb_solve only */
  const mg_context *contexts[SOLVER_MOST_CONTEXTS];
  double *warm; /* [rows, s->warm], or NULL */
  _Atomic int64_t repaired;
  solver_gaps gaps;
} perturbation;

/* out [n] = theta, perturbed by the noise of row `row`, counted over samples and batch. */
static mg_status perturb_row(const perturbation *p, int64_t row, mg_real *out) {
  const mg_real *theta = p->theta + row % p->theta_rows * p->n;
  if (!p->noise) {
    memcpy(out, theta, (size_t)p->n * sizeof *out);
    return MG_OK;
  }
  noise_place place = p->place;
  place.row = row;
  place.sample = (uint32_t)(row / p->batch);
  place.instance = (uint32_t)(p->first_instance + row % p->batch);
  mg_status status = noise_row(p->noise, &place, p->n, out);
  if (status == MG_OK) noise_add(p->noise, p->temperature, theta, p->n, out);
  return status;
}

static mg_status perturb_rows(void *job, int64_t first, int64_t last) {
  const perturbation *p = job;
  mg_status status = MG_OK;
  for (int64_t row = first; row < last && status == MG_OK; row++)
    status = perturb_row(p, row, p->out + row * p->n);
  return status;
}

static mg_status start(perturbation *p, const mg_draw *draw, int64_t samples,
                       int64_t theta_samples) {
  if (theta_samples != 1 && theta_samples != samples)
    return fail(MG_BAD_SHAPE, "perturb: theta for %lld samples, expected 1 or %lld",
                (long long)theta_samples, (long long)samples);
  if (p->temperature == 0) p->noise = NULL;
  p->theta_rows = theta_samples * p->batch;
  random_key(draw, p->place.key);
  return p->noise ? noise_expect(p->noise, samples, p->batch, p->n) : MG_OK;
}

mg_status mg_perturb(const mg_noise *noise, const mg_draw *draw, double temperature,
                     const mg_real *theta, int64_t theta_samples, int64_t samples, int64_t batch,
                     int64_t first_instance, int64_t n, mg_real *out) {
  perturbation p = {.noise = noise,
                    .temperature = temperature,
                    .theta = theta,
                    .batch = batch,
                    .first_instance = first_instance,
                    .n = n,
                    .out = out};
  mg_status status = start(&p, draw, samples, theta_samples);
  if (status != MG_OK || n == 0) return status;
  int64_t grain = n >= 1024 ? 1 : 1024 / n;
  return parallel_for(samples * batch, grain, perturb_rows, &p);
}

/* Rows that are perturbed and solved together: enough for the solver's lanes, of at most 256 KiB. */
static int64_t rows_together(const mg_solver *s) {
  int64_t fit = (256 << 10) / (s->n * (int64_t)sizeof(mg_real)) + 1;
  return fit < s->kind->rows_at_once ? fit : s->kind->rows_at_once;
}

static mg_status solve_rows(void *job, int64_t first, int64_t last) {
  perturbation *p = job;
  const mg_solver *s = p->solver;
  mg_status status = MG_NO_MEMORY;
  void *scratch = solver_take_scratch(s);
  mg_real *theta = memory_array((last - first) * s->n, (int64_t)sizeof *theta);
  if (scratch && theta) {
    status = MG_OK;
    for (int64_t row = first; row < last && status == MG_OK; row++)
      status = perturb_row(p, row, theta + (row - first) * s->n);
    solver_rows rows = {.theta = theta,
                        .z = p->out + first * s->n,
                        .count = last - first,
                        .first = first,
                        .period = p->batch,
                        .warm = p->warm && s->warm ? p->warm + first * s->warm : NULL,
                        .gaps = &p->gaps};
    memcpy(rows.contexts, p->contexts, sizeof rows.contexts);
    if (status == MG_OK) status = solver_solve_rows(s, &rows, scratch);
    atomic_fetch_add(&p->repaired, rows.repaired);
  }
  memory_free(theta);
  if (scratch) solver_give_scratch(s, scratch);
  return status;
}

mg_status mg_perturb_solve(const mg_solver *s, const mg_noise *noise, const mg_draw *draw,
                           double temperature, const mg_real *theta, int64_t theta_samples,
                           int64_t samples, int64_t batch, int64_t first_instance,
                           const mg_context *context, int contexts, mg_real *z, double *warm,
                           mg_report *report) {
  perturbation p = {.noise = noise,
                    .temperature = temperature,
                    .theta = theta,
                    .batch = batch,
                    .first_instance = first_instance,
                    .n = s->n,
                    .out = z,
                    .solver = s,
                    .warm = warm};
  mg_status status = start(&p, draw, samples, theta_samples);
  if (status == MG_OK) status = solver_contexts(s, context, contexts, p.contexts);
  int64_t rows = samples * batch;
  if (status == MG_OK) status = parallel_for(rows, rows_together(s), solve_rows, &p);
  if (status == MG_OK) status = solver_gaps_failure(s, &p.gaps);
  if (status == MG_OK && report) {
    report->solves += rows;
    report->entries += rows * s->n;
    report->repaired += atomic_load(&p.repaired);
  }
  return status;
}

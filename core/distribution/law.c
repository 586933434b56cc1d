/* Exact laws over batches: a row of theta after the other on all threads, sums in double. */
#include "law.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"

enum { STEPS = 1 << 14, SAMPLES = 1 << 10 };

const mg_kind *mg_law_kind(int i) {
  for (int j = 0; law_list[j]; j++)
    if (j == i) return &law_list[j]->kind;
  return NULL;
}

mg_law *mg_law_new(const char *kind, const mg_setting *values, int count, int64_t blocks) {
  int i = 0;
  while (law_list[i] && strcmp(law_list[i]->kind.name, kind) != 0) i++;
  if (!law_list[i]) return fail_null(MG_BAD_ARGUMENT, "law: there is no kind '%.40s'", kind);
  settings given = {.kind = &law_list[i]->kind, .given = values, .count = count};
  if (settings_check(&given) != MG_OK) return NULL;
  mg_law *p = memory_new((int64_t)sizeof *p);
  if (!p) return NULL;
  *p = (mg_law){.kind = law_list[i], .blocks = blocks};
  if (p->kind->prepare(p, &given) != MG_OK) return mg_law_free(p), NULL;
  return p;
}

void mg_law_free(mg_law *p) {
  if (!p) return;
  if (p->plan) p->kind->release(p);
  memory_free(p->plan);
  memory_free(p);
}

int64_t mg_law_size(const mg_law *p) { return p->n; }

double law_uniform(law_place *place) {
  uint32_t words[4];
  random_words(place->key, place->next++, 0, place->sample, place->instance, words);
  return random_open(words[0], words[1]);
}

/* ---------------------------------------------------------------- rows */

/* What a call is given and fills; unused parts are NULL. */
typedef struct job {
  const mg_law *law;
  double temperature;
  const mg_real *theta, *other, *z;
  mg_real *log_partition, *marginals, *entropy, *out;
  int64_t samples, rows, parts, first_row; /* the last one of a sample's number */
  uint32_t key[2];
} job;

/* A thread's room. */
typedef struct room {
  double *x, *dx, *mu, *dmu; /* [n] */
  void *scratch;
} room;

static mg_status room_new(const mg_law *p, room *r) {
  int64_t line = law_aligned(p->n * (int64_t)sizeof(double));
  char *at = memory_new(4 * line + p->kind->scratch_bytes(p));
  r->x = (double *)(void *)at;
  if (!at) return MG_NO_MEMORY;
  r->dx = (double *)(void *)(at + line);
  r->mu = (double *)(void *)(at + 2 * line);
  r->dmu = (double *)(void *)(at + 3 * line);
  r->scratch = at + 4 * line;
  return MG_OK;
}

/* Fails for a row, or for a row of one of the samples. */
static mg_status row_fail(const job *j, int64_t row, mg_status status, const char *text) {
  const mg_law *p = j->law;
  if (j->rows > 0) row %= j->rows;
  long long instance = (long long)(row / p->blocks) + 1;
  if (p->blocks > 1)
    return fail(status, "%s: instance %lld, block %lld: %s", p->kind->kind.name, instance,
                (long long)(row % p->blocks) + 1, text);
  return fail(status, "%s: instance %lld: %s", p->kind->kind.name, instance, text);
}

/* x = theta / temperature of a row, and the forward pass. */
static mg_status start(const job *j, const mg_real *theta, int64_t row, const room *r,
                       double *log_partition) {
  const mg_law *p = j->law;
  theta += row * p->n;
  for (int64_t i = 0; i < p->n; i++) {
    r->x[i] = (double)theta[i] / j->temperature;
    if (isnan(theta[i])) return row_fail(j, row, MG_BAD_ARGUMENT, "theta holds a NaN");
    if (r->x[i] == INFINITY) return row_fail(j, row, MG_BAD_ARGUMENT, "theta holds an infinity");
  }
  mg_status status = p->kind->forward(p, r->x, r->scratch, log_partition);
  if (status != MG_OK || *log_partition > -INFINITY) return status;
  char text[STATUS_MESSAGE_BYTES] = "no solution: ";
  strncat(text, p->kind->none, sizeof text - sizeof "no solution: ");
  return row_fail(j, row, MG_NO_SOLUTION, text);
}

/* <mu, x - y>; y NULL: 0. */
static double mean_score(const double *mu, const double *x, const double *y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    if (mu[i] != 0) sum += mu[i] * (x[i] - (y ? y[i] : 0));
  return sum;
}

static mg_real not_negative(double v) { return (mg_real)(v > 0 || isnan(v) ? v : 0); }

static mg_status moments_row(const job *j, int64_t row, const room *r) {
  const mg_law *p = j->law;
  double a;
  mg_status status = start(j, j->theta, row, r, &a);
  if (status != MG_OK) return status;
  if (j->log_partition) j->log_partition[row] = (mg_real)a;
  if (!j->marginals && !j->entropy) return MG_OK;
  status = p->kind->backward(p, r->x, NULL, r->scratch, r->mu, NULL);
  if (status != MG_OK) return status;
  for (int64_t i = 0; j->marginals && i < p->n; i++)
    j->marginals[row * p->n + i] = (mg_real)r->mu[i];
  if (j->entropy) j->entropy[row] = not_negative(a - mean_score(r->mu, r->x, NULL, p->n));
  return MG_OK;
}

static mg_status tangent_row(const job *j, int64_t row, const room *r) {
  const mg_law *p = j->law;
  const mg_real *u = j->other + row * p->n;
  double a;
  mg_status status = start(j, j->theta, row, r, &a);
  if (status != MG_OK) return status;
  for (int64_t i = 0; i < p->n; i++)
    r->dx[i] = r->x[i] == -INFINITY ? 0 : (double)u[i] / j->temperature;
  status = p->kind->backward(p, r->x, r->dx, r->scratch, r->mu, r->dmu);
  for (int64_t i = 0; i < p->n && status == MG_OK; i++) j->out[row * p->n + i] = (mg_real)r->dmu[i];
  return status;
}

static mg_status divergence_row(const job *j, int64_t row, const room *r) {
  const mg_law *p = j->law;
  double a, b;
  mg_status status = start(j, j->theta, row, r, &a);
  if (status == MG_OK) status = p->kind->backward(p, r->x, NULL, r->scratch, r->mu, NULL);
  if (status != MG_OK) return status;
  memcpy(r->dx, r->x, (size_t)p->n * sizeof *r->dx);
  status = start(j, j->other, row, r, &b);
  if (status == MG_OK) j->out[row] = not_negative(mean_score(r->mu, r->dx, r->x, p->n) - a + b);
  return status;
}

static mg_status log_prob_row(const job *j, int64_t row, const room *r) {
  const mg_law *p = j->law;
  double a;
  mg_status status = start(j, j->theta, row, r, &a);
  for (int64_t s = 0; s < j->samples && status == MG_OK; s++) {
    const mg_real *z = j->z + (s * j->rows + row) * p->n;
    double sum = -a;
    for (int64_t i = 0; i < p->n; i++)
      if (z[i] != 0) sum += (double)z[i] * r->x[i];
    j->out[s * j->rows + row] = (mg_real)sum;
  }
  return status;
}

/* Samples first..last-1 of an instance after the forward pass. */
static void draw_samples(const job *j, int64_t row, int64_t first, int64_t last, const room *r) {
  const mg_law *p = j->law;
  for (int64_t s = first; s < last; s++) {
    law_place place = {{j->key[0], j->key[1]}, (uint32_t)s, (uint32_t)(j->first_row + row), 0};
    mg_real *z = j->out + (s * j->rows + row) * p->n;
    memset(z, 0, (size_t)p->n * sizeof *z);
    p->kind->sample(p, r->x, r->scratch, &place, z);
  }
}

/* Row number / parts is a row of theta, the rest a part of its samples. */
static mg_status sample_row(const job *j, int64_t number, const room *r) {
  int64_t row = number / j->parts, first = number % j->parts * SAMPLES;
  double a;
  mg_status status = start(j, j->theta, row, r, &a);
  if (status == MG_OK)
    draw_samples(j, row, first, j->samples - first < SAMPLES ? j->samples : first + SAMPLES, r);
  return status;
}

/* theta has a row for each sample. */
static mg_status sample_alone(const job *j, int64_t number, const room *r) {
  double a;
  mg_status status = start(j, j->theta, number, r, &a);
  if (status == MG_OK) draw_samples(j, number % j->rows, number / j->rows, number / j->rows + 1, r);
  return status;
}

/* ---------------------------------------------------------------- calls */

typedef struct loop {
  const job *job;
  mg_status (*row)(const job *j, int64_t row, const room *r);
} loop;

static mg_status run_chunk(void *given, int64_t first, int64_t last) {
  const loop *l = given;
  room r;
  mg_status status = room_new(l->job->law, &r);
  for (int64_t row = first; row < last && status == MG_OK; row++) status = l->row(l->job, row, &r);
  memory_free(r.x);
  return status;
}

static mg_status run(const job *j, int64_t count,
                     mg_status (*row)(const job *, int64_t, const room *)) {
  loop l = {j, row};
  int64_t grain = 1 + STEPS / (j->law->cost + 1);
  if (!(j->temperature > 0 && j->temperature < INFINITY))
    return fail(MG_BAD_ARGUMENT, "%s: temperature = %g, expected a number above 0",
                j->law->kind->kind.name, j->temperature);
  return parallel_for(count, grain, run_chunk, &l);
}

mg_status mg_law_moments(const mg_law *p, double temperature, const mg_real *theta, int64_t count,
                         mg_real *log_partition, mg_real *marginals, mg_real *entropy) {
  job j = {.law = p, .temperature = temperature, .theta = theta};
  j.log_partition = log_partition;
  j.marginals = marginals;
  j.entropy = entropy;
  return run(&j, count, moments_row);
}

mg_status mg_law_tangent(const mg_law *p, double temperature, const mg_real *theta,
                         const mg_real *u, int64_t count, mg_real *out) {
  job j = {.law = p, .temperature = temperature, .theta = theta, .other = u, .out = out};
  return run(&j, count, tangent_row);
}

mg_status mg_law_divergence(const mg_law *p, double temperature, const mg_real *theta,
                            const mg_real *other, int64_t count, mg_real *out) {
  job j = {.law = p, .temperature = temperature, .theta = theta, .other = other, .out = out};
  return run(&j, count, divergence_row);
}

mg_status mg_law_log_prob(const mg_law *p, double temperature, const mg_real *theta,
                          const mg_real *z, int64_t samples, int64_t count, mg_real *out) {
  job j = {.law = p, .temperature = temperature, .theta = theta, .z = z, .out = out};
  j.samples = samples;
  j.rows = count;
  return run(&j, count, log_prob_row);
}

mg_status mg_law_sample(const mg_law *p, double temperature, const mg_draw *draw,
                        const mg_real *theta, int64_t theta_samples, int64_t samples, int64_t count,
                        int64_t first_row, mg_real *z) {
  job j = {.law = p,
           .temperature = temperature,
           .theta = theta,
           .out = z,
           .samples = samples,
           .rows = count,
           .first_row = first_row};
  j.parts = parallel_chunks(samples, SAMPLES);
  random_key(draw, j.key);
  if (theta_samples > 1) return run(&j, count * samples, sample_alone);
  return run(&j, count * j.parts, sample_row);
}

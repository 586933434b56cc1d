/* Noises: making them, and drawing [samples, batch, n] numbers over threads. */
#include "noise.h"

#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"

enum { STRETCH = 512 }; /* entries between looks for interrupts; even */

const mg_kind *mg_noise_kind(int i) {
  for (int j = 0; noise_list[j].kind.name; j++)
    if (j == i) return &noise_list[j].kind;
  return NULL;
}

static const noise_kind *find_kind(const char *name) {
  for (int i = 0; noise_list[i].kind.name; i++)
    if (strcmp(noise_list[i].kind.name, name) == 0) return &noise_list[i];
  return NULL;
}

static mg_noise *new_noise(void) {
  mg_noise *noise = memory_new((int64_t)sizeof *noise);
  if (noise) memset(noise, 0, sizeof *noise);
  return noise;
}

mg_noise *mg_noise_new(const char *kind, const mg_setting *values, int count) {
  const noise_kind *found = find_kind(kind);
  if (!found) return fail_null(MG_BAD_ARGUMENT, "noise: there is no kind '%.40s'", kind);
  settings given = {.kind = &found->kind, .given = values, .count = count};
  if (settings_check(&given) != MG_OK) return NULL;
  mg_noise *noise = new_noise();
  if (!noise) return NULL;
  noise->kind = found;
  if (found->prepare && found->prepare(noise, &given) != MG_OK) return mg_noise_free(noise), NULL;
  return noise;
}

mg_noise *mg_noise_given(const mg_real *values, int64_t samples, int64_t batch, int64_t n) {
  mg_noise *noise = new_noise();
  if (!noise) return NULL;
  noise->given = values;
  noise->samples = samples;
  noise->batch = batch;
  noise->n = n;
  return noise;
}

void mg_noise_free(mg_noise *noise) { memory_free(noise); }

mg_status noise_expect(const mg_noise *noise, int64_t samples, int64_t batch, int64_t n) {
  if (noise->kind || (noise->samples == samples && noise->batch == batch && noise->n == n))
    return MG_OK;
  return fail(MG_BAD_SHAPE,
              "noise: numbers for %lld samples of %lld instances of %lld entries are given, needed are "
              "%lld, %lld, %lld",
              (long long)noise->samples, (long long)noise->batch, (long long)noise->n,
              (long long)samples, (long long)batch, (long long)n);
}

mg_status noise_row(const mg_noise *noise, const noise_place *place, int64_t n, mg_real *out) {
  if (!noise->kind) {
    memcpy(out, noise->given + place->row * n, (size_t)n * sizeof *out);
    return MG_OK;
  }
  mg_status status = MG_OK;
  for (int64_t first = 0; first < n && status == MG_OK; first += STRETCH) {
    int64_t last = n - first < STRETCH ? n : first + STRETCH;
    noise->kind->fill(noise, place, first, last, out + first);
    status = interrupt_tick();
  }
  return status;
}

typedef struct drawing {
  const mg_noise *noise;
  noise_place place; /* its key */
  int64_t batch, first_instance, n;
  mg_real *out;
} drawing;

static mg_status draw_rows(void *job, int64_t first, int64_t last) {
  const drawing *d = job;
  mg_status status = MG_OK;
  for (int64_t row = first; row < last && status == MG_OK; row++) {
    noise_place place = d->place;
    place.row = row;
    place.sample = (uint32_t)(row / d->batch);
    place.instance = (uint32_t)(d->first_instance + row % d->batch);
    status = noise_row(d->noise, &place, d->n, d->out + row * d->n);
  }
  return status;
}

mg_status mg_noise_sample(const mg_noise *noise, const mg_draw *draw, int64_t samples,
                          int64_t batch, int64_t first_instance, int64_t n, mg_real *out) {
  drawing d = {
      .noise = noise, .batch = batch, .first_instance = first_instance, .n = n, .out = out};
  mg_status status = noise_expect(noise, samples, batch, n);
  if (status != MG_OK || n == 0) return status;
  random_key(draw, d.place.key);
  int64_t grain = n >= 1024 ? 1 : 1024 / n;
  return parallel_for(samples * batch, grain, draw_rows, &d);
}

mg_status mg_noise_cumulants(const mg_noise *noise, double out[4]) {
  if (!noise->kind) return fail(MG_BAD_ARGUMENT, "noise: given numbers have no law");
  noise->kind->cumulants(noise, out);
  return MG_OK;
}

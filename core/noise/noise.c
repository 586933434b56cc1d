/* Noises: making them, and drawing [samples, batch, n] numbers over threads. */
#include "noise.h"

#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

enum { MAP_GRAIN = 256 };
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

static int has_setting(const mg_kind *kind, const char *name) {
  for (const mg_option *o = kind->settings; o->name; o++)
    if (strcmp(o->name, name) == 0) return 1;
  return 0;
}

/* The settings that most kinds have. */
static void read_common(mg_noise *noise, const settings *given) {
  const mg_kind *kind = given->kind;
  if (has_setting(kind, "location")) noise->location = settings_real(given, "location");
  if (has_setting(kind, "scale")) noise->scale = settings_real(given, "scale");
  if (has_setting(kind, "antithetic"))
    noise->is_antithetic = settings_real(given, "antithetic") != 0;
}

mg_noise *mg_noise_new(const char *kind, const mg_setting *values, int count) {
  const noise_kind *found = find_kind(kind);
  if (!found) return fail_null(MG_BAD_ARGUMENT, "noise: there is no kind '%.40s'", kind);
  settings given = {.kind = &found->kind, .given = values, .count = count};
  if (settings_check(&given) != MG_OK) return NULL;
  mg_noise *noise = new_noise();
  if (!noise) return NULL;
  noise->kind = found;
  noise->scale = 1;
  read_common(noise, &given);
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

void mg_noise_free(mg_noise *noise) {
  if (noise) memory_free(noise->table);
  memory_free(noise);
}

mg_status noise_expect(const mg_noise *noise, int64_t samples, int64_t batch, int64_t n) {
  if (noise->kind || (noise->samples == samples && noise->batch == batch && noise->n == n))
    return MG_OK;
  return fail(MG_BAD_SHAPE,
              "noise: numbers for %lld samples of %lld instances of %lld entries are given, needed are "
              "%lld, %lld, %lld",
              (long long)noise->samples, (long long)noise->batch, (long long)noise->n,
              (long long)samples, (long long)batch, (long long)n);
}

static void place_and_scale(const mg_noise *noise, mg_real *out, int64_t n) {
  mg_real location = (mg_real)noise->location, scale = (mg_real)noise->scale;
  if (location == 0 && scale == 1) return;
  for (int64_t j = 0; j < n; j++) out[j] = location + scale * out[j];
}

mg_status noise_row(const mg_noise *noise, const noise_place *place, int64_t n, mg_real *out) {
  if (!noise->kind) {
    memcpy(out, noise->given + place->row * n, (size_t)n * sizeof *out);
    return MG_OK;
  }
  int is_second = noise->is_antithetic && place->sample % 2 == 1;
  random_place at = {{place->key[0], place->key[1]},
                     place->sample - (uint32_t)is_second,
                     place->instance,
                     is_second ? 0xFFFFFFFFu : 0};
  mg_status status = MG_OK;
  for (int64_t first = 0; first < n && status == MG_OK; first += STRETCH) {
    int64_t last = n - first < STRETCH ? n : first + STRETCH;
    noise->kind->fill(noise, &at, first, last, out + first);
    place_and_scale(noise, out + first, last - first);
    status = interrupt_tick();
  }
  return status;
}

void noise_add(const mg_noise *noise, double temperature, const mg_real *theta, int64_t n, mg_real *out) {
  if (!noise->kind || !noise->kind->is_factor) {
    for (int64_t j = 0; j < n; j++) out[j] = (mg_real)(theta[j] + temperature * out[j]);
    return;
  }
  for (int64_t j = 0; j < n; j++) {
    double power = temperature * out[j] - temperature * temperature / 2;
    power = power < -700 ? -700 : power > 700 ? 700 : power; /* never 0 nor infinite */
    out[j] = (mg_real)(theta[j] * exp(power));
  }
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

static mg_status expect_law(const mg_noise *noise) {
  return noise->kind ? MG_OK : fail(MG_BAD_ARGUMENT, "noise: given numbers have no law");
}

mg_status mg_noise_cumulants(const mg_noise *noise, double out[4]) {
  mg_status status = expect_law(noise);
  if (status != MG_OK) return status;
  double factor = 1;
  noise->kind->cumulants(noise, out);
  for (int order = 0; order < 4; order++) out[order] *= factor *= noise->scale;
  out[0] += noise->location;
  return MG_OK;
}

static double quantile_at(const mg_noise *noise, noise_function *f, double p) {
  if (!(p >= 0 && p <= 1)) return NAN;
  return noise->location + noise->scale * f(noise, p);
}

static double value_at(const mg_noise *noise, mg_noise_function which, double x) {
  noise_function *f = noise->kind->functions[which];
  if (which == MG_NOISE_QUANTILE) return quantile_at(noise, f, x);
  double standard = (x - noise->location) / noise->scale;
  if (isnan(standard)) return NAN;
  double value = f(noise, standard);
  if (which == MG_NOISE_SCORE) return value / noise->scale;
  return which == MG_NOISE_LOG_DENSITY ? value - log(noise->scale) : value;
}

typedef struct mapping {
  const mg_noise *noise;
  mg_noise_function which;
  const mg_real *x;
  mg_real *out;
} mapping;

static mg_status map_chunk(void *job, int64_t first, int64_t last) {
  const mapping *m = job;
  for (int64_t i = first; i < last; i++)
    m->out[i] = (mg_real)value_at(m->noise, m->which, (double)m->x[i]);
  return MG_OK;
}

mg_status mg_noise_map(const mg_noise *noise, mg_noise_function which, const mg_real *x, int64_t count,
                       mg_real *out) {
  mg_status status = expect_law(noise);
  if (status != MG_OK) return status;
  if (!noise->kind->functions[which])
    return fail(MG_BAD_ARGUMENT, "noise.%s: no score: %s; take normal, gumbel, logistic or laplace noise",
                noise->kind->kind.name, noise->kind->no_score);
  mapping m = {noise, which, x, out};
  return parallel_for(count, MAP_GRAIN, map_chunk, &m);
}

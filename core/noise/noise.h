/* What a kind of noise is made of: a row in distribution.c. */
#ifndef NOISE_H
#define NOISE_H
#include "base/random.h"
#include "base/settings.h"

/* The place of a row of numbers: one sample of one instance. */
typedef struct noise_place {
  uint32_t key[2]; /* of the draw */
  uint32_t sample, instance;
  int64_t row; /* of given numbers [samples, batch]: counted from the call's first instance */
} noise_place;

/* A function of a law, at location 0 and scale 1. */
typedef double noise_function(const mg_noise *noise, double x);

typedef struct noise_kind {
  mg_kind kind;
  /* Reads the settings into noise->values; or NULL. What it gives noise->table is freed with the noise. */
  mg_status (*prepare)(mg_noise *noise, const settings *given);
  /* out [last - first]: entries first..last-1 of the place, each a function of the place and its number
   * alone, at location 0 and scale 1. first is even. */
  void (*fill)(const mg_noise *noise, const random_place *place, int64_t first, int64_t last,
               mg_real *out);
  /* At location 0 and scale 1; infinite where they do not exist. */
  void (*cumulants)(const mg_noise *noise, double out[4]);
  /* By mg_noise_function; x may be infinite, not NaN; probabilities are in 0..1. No score: NULL, and the
   * reason. */
  noise_function *functions[MG_NOISE_FUNCTIONS];
  const char *no_score;
  int is_factor; /* 1: theta is multiplied by exp(T x - T^2 / 2) */
} noise_kind;

enum { NOISE_VALUES = 5 };

struct mg_noise {
  const noise_kind *kind; /* NULL: given numbers */
  double location, scale;
  int is_antithetic;
  double values[NOISE_VALUES];
  void *table;          /* of a kind, or NULL */
  const mg_real *given; /* [samples, batch, n], borrowed */
  int64_t samples, batch, n;
};

/* The list of kinds, ended by a row without name (distribution.c). */
extern const noise_kind noise_list[];

/* MG_BAD_SHAPE if the noise consists of numbers of other extents. */
mg_status noise_expect(const mg_noise *noise, int64_t samples, int64_t batch, int64_t n);

/* One row, out [n]; given numbers are those of place->row. Looks for interrupts. */
mg_status noise_row(const mg_noise *noise, const noise_place *place, int64_t n, mg_real *out);

/* out [n] = theta + temperature * out, or theta times the factor that out makes. */
void noise_add(const mg_noise *noise, double temperature, const mg_real *theta, int64_t n, mg_real *out);

#endif

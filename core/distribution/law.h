/* What a kind of exact law is made of: p(z) = exp(<z, x> - A) over a feasible set, x = theta /
 * temperature. A new kind is one file ending in its `law_kind`, and a line in law_list.c. Those
 * whose solutions are the paths of a graph only build it (lattice.h). */
#ifndef LAW_H
#define LAW_H
#include "base/settings.h"
#include "base/status.h"

/* Where the numbers of a sample come from; each takes the next. */
typedef struct law_place {
  uint32_t key[2], sample, instance, next;
} law_place;

typedef struct law_kind {
  mg_kind kind;
  const char *none; /* why there may be no solution */
  /* Reads the settings: sets p->n and p->plan. What fails is freed by release, too. */
  mg_status (*prepare)(mg_law *p, const settings *given);
  void (*release)(mg_law *p);
  /* Bytes of scratch; what forward leaves there is for the functions below. */
  int64_t (*scratch_bytes)(const mg_law *p);
  /* x [n], finite or -inf. *log_partition: -inf if there is no solution. */
  mg_status (*forward)(const mg_law *p, const double *x, void *scratch, double *log_partition);
  /* After forward: mu [n], and if dx [n] (0 where x is -inf) is not NULL dmu [n], its change along
   * dx. */
  mg_status (*backward)(const mg_law *p, const double *x, const double *dx, void *scratch,
                        double *mu, double *dmu);
  /* After forward: z [n], which starts as zeros. */
  void (*sample)(const mg_law *p, const double *x, void *scratch, law_place *place, mg_real *z);
} law_kind;

struct mg_law {
  const law_kind *kind;
  void *plan;
  int64_t n;      /* entries of one theta */
  int64_t blocks; /* rows of a call that are one instance, for messages */
  int64_t cost;   /* steps of forward, about */
};

/* The list of kinds, ended by NULL (law_list.c). */
extern const law_kind *const law_list[];
/* Not in the list: states are given (law_enumerated.c). */
extern const law_kind law_enumerated;

/* The next number of a place, uniform on (0, 1). */
double law_uniform(law_place *place);

/* Bytes rounded up to a multiple of 64. */
static inline int64_t law_aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

#endif

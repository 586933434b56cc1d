/* What a kind of solver is made of. A new kind is one file ending in its `solver_kind`, and a line in
 * list.c. */
#ifndef SOLVER_H
#define SOLVER_H
#include <stdatomic.h>

#include "base/settings.h"

enum { SOLVER_SCRATCHES = 64, SOLVER_MOST_CONTEXTS = 8 };

/* A stretch of a batch that one thread solves. Rows are counted from 0 here; instance `first + row`
 * is the caller's number of a row, for messages. */
typedef struct solver_rows {
  const mg_real *theta; /* [count, n] */
  mg_real *z;           /* [count, n] */
  double *objective;    /* [count], or NULL */
  int64_t count;
  int64_t first;
  const mg_context *contexts[SOLVER_MOST_CONTEXTS]; /* in the order of the kind's rows; NULL: not given */
  int64_t period;                                   /* instance i reads context row (i % period) % rows */
  int64_t repaired;                                 /* entries changed by the domain rule; added to */
} solver_rows;

typedef struct solver_kind {
  mg_kind kind;
  int64_t rows_at_once; /* the most rows that one call of solve gets */
  /* Reads the settings: sets s->n and s->plan. */
  mg_status (*prepare)(mg_solver *s, const settings *given);
  /* Gives back what the plan holds besides its own block; or NULL. */
  void (*release)(mg_solver *s);
  /* Bytes of scratch that one call of solve needs. */
  int64_t (*scratch_bytes)(const mg_solver *s);
  /* Fills z, objective and repaired. Theta holds no NaN. On failure the message names the row by
   * solver_fail, the lowest that fails. Allocates nothing. */
  mg_status (*solve)(const mg_solver *s, solver_rows *rows, void *scratch);
} solver_kind;

struct mg_solver {
  const solver_kind *kind;
  int64_t n;             /* entries of one theta */
  void *plan;            /* of the kind; one block, freed with the solver */
  int64_t scratch_bytes; /* for one thread */
  int contexts;          /* rows of kind.contexts */
  _Atomic(void *) idle[SOLVER_SCRATCHES];
};

/* The list of kinds, ended by NULL (list.c). */
extern const solver_kind *const solver_list[];

/* Values of context number `index` for a row, or NULL if it was not given. */
const mg_real *solver_context(const solver_rows *rows, int index, int64_t row);

/* fail() with "kind: instance 17: " before the sentence. */
mg_status solver_fail(const mg_solver *s, const solver_rows *rows, int64_t row, mg_status status,
                      const char *format, ...);

/* Solves rows with a scratch of solver_scratch, checking theta first. For estimator/perturb.c. */
mg_status solver_solve_rows(const mg_solver *s, solver_rows *rows, void *scratch);

/* Checks the contexts of a call and puts them in the order of the kind's rows. */
mg_status solver_contexts(const mg_solver *s, const mg_context *given, int count,
                          const mg_context *ordered[SOLVER_MOST_CONTEXTS]);

/* A scratch that no other thread uses, and its return. NULL: no memory. */
void *solver_take_scratch(const mg_solver *s);
void solver_give_scratch(const mg_solver *s, void *scratch);

#endif

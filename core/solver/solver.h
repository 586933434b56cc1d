/* What a kind of solver is made of. A new kind is one file ending in its `solver_kind`, and a line in
 * list.c. */
#ifndef SOLVER_H
#define SOLVER_H
#include <stdatomic.h>

#include "base/parallel.h"
#include "base/settings.h"
#include "base/status.h"

enum { SOLVER_SCRATCHES = 64, SOLVER_MOST_CONTEXTS = 8, SOLVER_NAMED_GAPS = 10 };

/* The instances of a batch that have no solution: how many, and the lowest ones. Starts as {0}. */
typedef struct solver_gaps {
  spin_lock lock;
  int64_t count;
  int64_t lowest[SOLVER_NAMED_GAPS]; /* ascending, each once */
  int named;
  char reason[STATUS_MESSAGE_BYTES]; /* of the lowest */
} solver_gaps;

/* A stretch of a batch that one thread solves. Rows are counted from 0 here; instance `first + row`
 * is the caller's number of a row, for messages. */
typedef struct solver_rows {
  const mg_real *theta; /* [count, n] */
  mg_real *z;           /* [count, n] */
  mg_answer *answers;   /* [count], or NULL */
  double *warm;         /* [count, s->warm], or NULL; zeros at first */
  int64_t count;
  int64_t first;
  const mg_context *contexts[SOLVER_MOST_CONTEXTS]; /* in the order of the kind's rows; NULL: not given */
  int64_t period;                                   /* instance i reads context row (i % period) % rows */
  int64_t repaired;                                 /* entries changed by the domain rule; added to */
  int64_t blocks; /* of an instance that rows are, one each; 0 and 1: rows are instances */
  solver_gaps *gaps;
} solver_rows;

/* What may stand in theta. NaN never gets to a kind. */
typedef enum solver_domain {
  SOLVER_FINITE,  /* solve sees finite entries only */
  SOLVER_FORBIDS, /* and -inf (a cost of +inf): the entry is forbidden */
  SOLVER_OWN      /* the kind looks itself */
} solver_domain;

typedef struct solver_visit solver_visit; /* where enumeration puts what it finds */

typedef struct solver_kind {
  mg_kind kind;
  solver_domain domain;
  int64_t rows_at_once; /* the most rows that one call of solve gets */
  /* Reads the settings: sets s->n and s->plan, perhaps s->warm and s->is_constant_sum. */
  mg_status (*prepare)(mg_solver *s, const settings *given);
  /* Gives back what the plan holds besides its own block; or NULL. */
  void (*release)(mg_solver *s);
  /* Bytes of scratch that one call of solve needs. */
  int64_t (*scratch_bytes)(const mg_solver *s);
  /* Fills z and answers (solver_answer, solver_none) and adds to repaired. Other failures end the
   * call: the message names the row by solver_fail, the lowest that fails. Allocates nothing, or says
   * so in its doc. */
  mg_status (*solve)(const mg_solver *s, solver_rows *rows, void *scratch);
  /* 1 if z [n], any numbers, is a solution of the row (of its contexts; theta is NULL), 0 if not. */
  int (*is_feasible)(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z);
  /* Visits every solution of row 0 by solver_found, in a fixed order, each once; ends when that fails.
   * NULL: all 0/1 vectors are tried with is_feasible. */
  mg_status (*enumerate)(const mg_solver *s, const solver_rows *rows, solver_visit *visit);
} solver_kind;

struct mg_solver {
  const solver_kind *kind;
  int64_t n;             /* entries of one theta */
  void *plan;            /* of the kind; one block, freed with the solver */
  int64_t warm;          /* numbers of warm state an instance */
  int is_constant_sum;   /* starts as the kind's */
  int64_t scratch_bytes; /* for one thread */
  int contexts;          /* rows of kind.contexts */
  int64_t widths[SOLVER_MOST_CONTEXTS];
  atomic_int references;
  _Atomic(void *) idle[SOLVER_SCRATCHES];
};

/* The list of kinds, ended by NULL (list.c). */
extern const solver_kind *const solver_list[];

/* Values of context number `index` for a row, or NULL if it was not given. */
const mg_real *solver_context(const solver_rows *rows, int index, int64_t row);

/* The row is answered by z, proved optimal with this objective. */
void solver_answer(solver_rows *rows, int64_t row, double objective);
/* The row is answered by z; no solution is better than `bound`. */
void solver_answer_bound(solver_rows *rows, int64_t row, double objective, double bound);
/* The row has no solution: z becomes 0; always MG_OK, so that the rows after it are solved. The
 * sentence says why, after "no solution: ". */
mg_status solver_none(const mg_solver *s, solver_rows *rows, int64_t row, const char *format, ...);

/* fail() with "kind: instance 17: " before the sentence. */
mg_status solver_fail(const mg_solver *s, const solver_rows *rows, int64_t row, mg_status status,
                      const char *format, ...);

/* A solution found by enumeration: z [n]. MG_BAD_ARGUMENT once there are too many. */
mg_status solver_found(solver_visit *visit, const mg_real *z);

/* All solutions of row 0, a new block [count, n] for memory_free. MG_BAD_ARGUMENT: more than `most`. */
mg_status solver_collect(const mg_solver *s, const solver_rows *rows, int64_t most, mg_real **z,
                         int64_t *count);

/* Solves rows with a scratch of solver_scratch, checking theta first. For estimator/perturb.c. */
mg_status solver_solve_rows(const mg_solver *s, solver_rows *rows, void *scratch);
/* MG_NO_SOLUTION with the instances if there are gaps, else MG_OK. */
mg_status solver_gaps_failure(const mg_solver *s, const solver_gaps *gaps);

/* Checks the contexts of a call and puts them in the order of the kind's rows. */
mg_status solver_contexts(const mg_solver *s, const mg_context *given, int count,
                          const mg_context *ordered[SOLVER_MOST_CONTEXTS]);

/* A scratch that no other thread uses, and its return. NULL: no memory. */
void *solver_take_scratch(const mg_solver *s);
void solver_give_scratch(const mg_solver *s, void *scratch);

/* A plan of a kind that is not in the list: plan and s->n are set, references 1. */
mg_solver *solver_new_of(const solver_kind *kind);
/* After that: scratch and the rest. s or NULL, s freed. */
mg_solver *solver_finish_new(mg_solver *s);

#endif

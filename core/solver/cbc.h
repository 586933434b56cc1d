/* A mixed integer program for COIN-OR CBC, a C++ library.
 *
 * The library stands behind a shared object of its own, cbc.so beside ours, made of cbc_module.cpp and
 * loaded when first needed: it takes 5 ms to load, and mapgrad does all else without it. */
#ifndef CBC_H
#define CBC_H
#include "../mapgrad.h"

/* lower <= x <= upper, row_lower <= A x <= row_upper, some x integer. Bounds may be infinite. A by
 * columns: rows[k] and values[k] for start[j] <= k < start[j + 1], each row once in a column. */
typedef struct cbc_program {
  int variables, constraints;
  const int *start; /* [variables + 1] */
  const int *rows;
  const double *values;
  const double *lower, *upper;
  const double *row_lower, *row_upper;
  const unsigned char *is_integer;
  const double *floor_row; /* one more constraint: <floor_row, x> >= floor; or NULL */
  double floor;
} cbc_program;

typedef enum program_outcome {
  PROGRAM_OPTIMAL,
  PROGRAM_FEASIBLE, /* x is a solution, perhaps not the best: out of time */
  PROGRAM_INFEASIBLE,
  PROGRAM_UNBOUNDED, /* the relaxation is; there may be no integer solution */
  PROGRAM_NOTHING    /* out of time without a solution */
} program_outcome;

/* What the module asks of us. */
typedef struct cbc_hooks {
  mg_status (*tick)(void);
  mg_status (*fail)(mg_status status, const char *format, ...);
} cbc_hooks;

/* What cbc.so exports: mg_cbc_solve_with, mg_cbc_version_with. */
typedef mg_status cbc_solve_function(const cbc_hooks *hooks, const cbc_program *program,
                                     const double *objective, double end, double *x, double *bound,
                                     program_outcome *outcome);
typedef const char *cbc_version_function(void);

/* Loads the module, at the first call. MG_BAD_ARGUMENT: built without it, or it does not load. */
mg_status cbc_load(void);

/* Maximises <objective, x>, entries of which should be of size 1 to 1e6 where they are largest: the
 * library's tolerances are absolute (bounds, rows and reduced costs 1e-9). x is exactly integer where
 * asked; if out of time, bound is at least the optimum. Ends when cbc_clock passes `end` (0: never). The
 * same program gives the same answer, on any thread. cbc_load must have succeeded. MG_INTERRUPTED;
 * MG_NO_MEMORY; MG_BAD_ARGUMENT if the library gives up. The library's own blocks are not counted. */
mg_status cbc_solve(const cbc_program *program, const double *objective, double end, double *x,
                    double *bound, program_outcome *outcome);

/* Seconds on a clock that never goes back. */
double cbc_clock(void);

#endif

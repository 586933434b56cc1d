/* A mixed integer program for COIN-OR CBC, a C++ library: this header is C, cbc.cpp is not. Without CBC
 * (MG_CBC undefined) nothing of it is compiled or called. */
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

#ifdef MG_CBC
#ifdef __cplusplus
extern "C" {
#endif

/* Maximises <objective, x>, entries of which should be of size 1 to 1e6 where they are largest: the
 * library's tolerances are absolute (bounds and rows 1e-9, objective 1e-7). x is exactly integer where
 * asked; bound is at least the optimum. Ends when cbc_clock passes `end` (0: never). The same program
 * gives the same answer, on any thread. MG_INTERRUPTED; MG_NO_MEMORY; MG_BAD_ARGUMENT if the library gives up. */
mg_status cbc_solve(const cbc_program *program, const double *objective, double end, double *x,
                    double *bound, program_outcome *outcome);
/* Seconds on a clock that never goes back. */
double cbc_clock(void);
const char *cbc_version(void);

#ifdef __cplusplus
}
#endif
#endif
#endif

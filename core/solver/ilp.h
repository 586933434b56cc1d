/* Integer programs: what ilp.c (settings, solving) and ilp_set.c (the feasible set) share. */
#ifndef ILP_H
#define ILP_H
#include "cbc.h"
#include "solver.h"

enum { ILP_ROW_LOWER = 0, ILP_ROW_UPPER = 1 }; /* contexts */

typedef struct ilp_plan {
  cbc_program program; /* points into the arrays below */
  int64_t *chosen;     /* [n] variables of theta */
  double *fixed;       /* [variables] of the objective */
  double *lower, *upper;
  double *row_lower, *row_upper;
  int *start, *rows;
  double *values;
  unsigned char *is_integer;
  unsigned char *is_chosen;
  double time_limit;
  int is_first; /* ties = "first" */
} ilp_plan;

/* The bounds of a row's constraints, its contexts included, in lower and upper [constraints]. */
void ilp_row_bounds(const ilp_plan *p, const solver_rows *rows, int64_t row, double *lower,
                    double *upper);
/* The first constraint that x [variables] does not hold, -1 if it holds all. Slack: 1e-9 of each term
 * of an integer variable, 1e-6 of each term of another. work [2 * constraints]. */
int ilp_broken_row(const cbc_program *program, const double *x, double *work);

int ilp_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z);
mg_status ilp_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit);

#endif

/* The feasible set of an integer program: membership, enumeration. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "ilp.h"

void ilp_row_bounds(const ilp_plan *p, const solver_rows *rows, int64_t row, double *lower,
                    double *upper) {
  const mg_real *own_lower = solver_context(rows, ILP_ROW_LOWER, row);
  const mg_real *own_upper = solver_context(rows, ILP_ROW_UPPER, row);
  for (int i = 0; i < p->program.constraints; i++) {
    lower[i] = own_lower ? (double)own_lower[i] : p->row_lower[i];
    upper[i] = own_upper ? (double)own_upper[i] : p->row_upper[i];
  }
}

int ilp_broken_row(const cbc_program *program, const double *x, double *work) {
  const int m = program->constraints;
  double *sum = work, *slack = work + m;
  memset(work, 0, 2 * (size_t)m * sizeof *work);
  for (int j = 0; j < program->variables; j++) {
    const double part = program->is_integer[j] ? 1e-9 : 1e-6;
    for (int k = program->start[j]; k < program->start[j + 1]; k++) {
      sum[program->rows[k]] += program->values[k] * x[j];
      slack[program->rows[k]] += part * fabs(program->values[k]) * (1 + fabs(x[j]));
    }
  }
  for (int i = 0; i < m; i++)
    if (!(sum[i] >= program->row_lower[i] - slack[i] && sum[i] <= program->row_upper[i] + slack[i]))
      return i;
  return -1;
}

/* A program of one's own bounds, in one block. */
typedef struct set {
  cbc_program program;
  double *lower, *upper, *x; /* [variables] */
  double *row_lower, *row_upper;
  double *work; /* [2 * constraints] */
} set;

static mg_status set_open(const mg_solver *s, const solver_rows *rows, int64_t row, set *t) {
  const ilp_plan *p = s->plan;
  const int64_t v = p->program.variables, m = p->program.constraints;
  t->program = p->program;
  t->lower = memory_array(3 * v + 4 * m, (int64_t)sizeof *t->lower);
  if (!t->lower) return MG_NO_MEMORY;
  t->upper = t->lower + v, t->x = t->upper + v;
  t->row_lower = t->x + v, t->row_upper = t->row_lower + m, t->work = t->row_upper + m;
  memcpy(t->lower, p->lower, (size_t)v * sizeof *t->lower);
  memcpy(t->upper, p->upper, (size_t)v * sizeof *t->upper);
  ilp_row_bounds(p, rows, row, t->row_lower, t->row_upper);
  t->program.lower = t->lower, t->program.upper = t->upper;
  t->program.row_lower = t->row_lower, t->program.row_upper = t->row_upper;
  return MG_OK;
}

static void set_close(set *t) { memory_free(t->lower); }

/* Whether variable j may be v, and then its bounds say so. */
static int fix(set *t, int64_t j, double v) {
  double slack = t->program.is_integer[j] ? 0 : 1e-6 * (1 + fabs(v));
  if (!isfinite(v) || v < t->lower[j] - slack || v > t->upper[j] + slack) return 0;
  if (t->program.is_integer[j] && v != floor(v)) return 0;
  t->x[j] = v;
  t->lower[j] = fmax(t->lower[j], v - slack);
  t->upper[j] = fmin(t->upper[j], v + slack);
  return 1;
}

/* Whether the variables that theta does not score can complete those that are fixed. */
static mg_status can_complete(const mg_solver *s, set *t, int *yes) {
  const ilp_plan *p = s->plan;
  *yes = 0;
  for (int i = 0; i < p->program.constraints; i++)
    if (!(t->row_lower[i] <= t->row_upper[i])) return MG_OK;
  if (s->n == p->program.variables) {
    *yes = ilp_broken_row(&t->program, t->x, t->work) < 0;
    return MG_OK;
  }
  double bound, *none = memory_array(p->program.variables, (int64_t)sizeof *none);
  if (!none) return MG_NO_MEMORY;
  memset(none, 0, (size_t)p->program.variables * sizeof *none);
  program_outcome outcome;
  mg_status status = cbc_solve(&t->program, none, 0, t->x, &bound, &outcome);
  *yes = status == MG_OK && outcome == PROGRAM_OPTIMAL;
  memory_free(none);
  return status;
}

int ilp_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const ilp_plan *p = s->plan;
  set t;
  if (set_open(s, rows, row, &t) != MG_OK) return 0;
  int yes = 1;
  for (int64_t i = 0; i < s->n && yes; i++) yes = fix(&t, p->chosen[i], (double)z[i]);
  if (yes && can_complete(s, &t, &yes) != MG_OK) yes = 0;
  set_close(&t);
  return yes;
}

/* ---------------------------------------------------------------- enumeration */

/* A walk over the values of theta's variables, the first one outermost, large values first. */
typedef struct walk {
  const mg_solver *s;
  solver_visit *visit;
  set t;
  double *least, *most; /* [constraints] what the sums can still be */
  mg_real *z;
  int64_t steps;
} walk;

/* The least value that a coefficient times a variable takes. */
static double least_term(const walk *w, double a, int64_t j) {
  return a > 0 ? a * w->t.lower[j] : a < 0 ? a * w->t.upper[j] : 0;
}

static double most_term(const walk *w, double a, int64_t j) { return -least_term(w, -a, j); }

/* Counts variable j as v (sign 1), or takes that back (-1). 1 if some constraint cannot hold any more. */
static int count_in(walk *w, int64_t j, double v, double sign) {
  const cbc_program *c = &w->t.program;
  int is_dead = 0;
  for (int k = c->start[j]; k < c->start[j + 1]; k++) {
    const double a = c->values[k];
    const int i = c->rows[k];
    w->least[i] += sign * (a * v - least_term(w, a, j));
    w->most[i] += sign * (a * v - most_term(w, a, j));
    is_dead |= w->least[i] - 1e-6 * (1 + fabs(w->least[i])) > c->row_upper[i] ||
               w->most[i] + 1e-6 * (1 + fabs(w->most[i])) < c->row_lower[i];
  }
  return is_dead;
}

/* The values are complete: visits them if the others can follow. */
static mg_status arrive(walk *w) {
  const ilp_plan *p = w->s->plan;
  set t = w->t;
  int yes = 1;
  const size_t bytes = 2 * (size_t)p->program.variables * sizeof(double);
  if (w->s->n < p->program.variables) { /* bounds of its own */
    t.lower = memory_new((int64_t)bytes);
    if (!t.lower) return MG_NO_MEMORY;
    memcpy(t.lower, w->t.lower, bytes);
    t.upper = t.lower + p->program.variables;
    t.program.lower = t.lower, t.program.upper = t.upper;
    for (int64_t i = 0; i < w->s->n && yes; i++) yes = fix(&t, p->chosen[i], (double)w->z[i]);
  }
  mg_status status = yes ? can_complete(w->s, &t, &yes) : MG_OK;
  if (t.lower != w->t.lower) memory_free(t.lower);
  return status == MG_OK && yes ? solver_found(w->visit, w->z) : status;
}

static mg_status step(walk *w, int64_t i) {
  const ilp_plan *p = w->s->plan;
  if (i == w->s->n) return arrive(w);
  const int64_t j = p->chosen[i];
  mg_status status = MG_OK;
  for (double v = w->t.upper[j]; v >= w->t.lower[j] && status == MG_OK; v--) {
    w->z[i] = (mg_real)v;
    w->t.x[j] = v;
    if (!count_in(w, j, v, 1)) status = step(w, i + 1);
    count_in(w, j, v, -1);
    if (status == MG_OK && ++w->steps % 1024 == 0) status = interrupt_tick();
  }
  return status;
}

static void start_sums(walk *w) {
  const cbc_program *c = &w->t.program;
  memset(w->least, 0, 2 * (size_t)c->constraints * sizeof *w->least);
  for (int j = 0; j < c->variables; j++)
    for (int k = c->start[j]; k < c->start[j + 1]; k++) {
      w->least[c->rows[k]] += least_term(w, c->values[k], j);
      w->most[c->rows[k]] += most_term(w, c->values[k], j);
    }
}

mg_status ilp_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const ilp_plan *p = s->plan;
  const int64_t m = p->program.constraints;
  for (int64_t i = 0; i < s->n; i++) {
    const int64_t j = p->chosen[i];
    if (!p->is_integer[j] || !(p->upper[j] - p->lower[j] < 1e6))
      return fail(MG_BAD_ARGUMENT, "ilp: enumerate: variable %lld is no integer with bounds of less "
                                   "than 1,000,000 values",
                  (long long)j + 1);
  }
  if (s->n > 4096) return fail(MG_BAD_ARGUMENT, "ilp: enumerate: more than 4096 variables");
  walk w = {.s = s, .visit = visit};
  mg_status status = set_open(s, rows, 0, &w.t);
  if (status != MG_OK) return status;
  w.least = memory_array(2 * m, (int64_t)sizeof *w.least);
  w.z = memory_array(s->n, (int64_t)sizeof *w.z);
  if (w.least && w.z) {
    w.most = w.least + m;
    start_sums(&w);
    status = step(&w, 0);
  } else {
    status = MG_NO_MEMORY;
  }
  memory_free(w.least);
  memory_free(w.z);
  set_close(&w.t);
  return status;
}

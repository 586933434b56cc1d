/* Integer programs by COIN-OR CBC (cbc.cpp).
 *
 * The objective is scaled by a power of two so that its largest entry lies in 2^19..2^20: CBC's tolerances
 * are absolute. With ties = "first" further solves keep the objective by one more constraint and maximise
 * the variables of theta as the digits of a number, as many at once as 2^20 holds. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "ilp.h"

enum { DIGITS = 20 };

/* ---------------------------------------------------------------- settings */

static mg_status bad(const char *name, int64_t count, const char *expected, int64_t wanted) {
  return fail(MG_BAD_ARGUMENT, "ilp: %s has %" PRId64 " entries, expected %s%" PRId64, name, count,
              expected, wanted);
}

/* A copy of a list of `wanted` numbers, or that many presets if it is empty. NULL on failure. */
static double *list_or(const settings *given, const char *name, int64_t wanted, double preset) {
  int64_t count;
  const double *list = settings_list(given, name, &count);
  if (count != 0 && count != wanted) return bad(name, count, "none or ", wanted), NULL;
  double *copy = memory_array(wanted, (int64_t)sizeof *copy);
  if (!copy) return NULL;
  for (int64_t i = 0; i < wanted; i++) copy[i] = count ? list[i] : preset;
  return copy;
}

/* A whole number of 0..limit - 1 at an entry of a list, or -1 with the failure. */
static int64_t index_at(const double *list, int64_t i, int64_t limit, const char *name) {
  double v = list[i];
  if (v >= 0 && v < (double)limit && v == floor(v)) return (int64_t)v;
  fail(MG_BAD_ARGUMENT, "ilp: %s at entry %" PRId64 " is %.17g, expected an integer in 1..%" PRId64,
       name, i + 1, v + 1, limit);
  return -1;
}

static mg_status check_bounds(const ilp_plan *p) {
  for (int j = 0; j < p->program.variables; j++) {
    double lower = p->lower[j], upper = p->upper[j];
    if (p->is_integer[j]) p->lower[j] = lower = ceil(lower), p->upper[j] = upper = floor(upper);
    if (!(lower <= upper) || lower == INFINITY || upper == -INFINITY)
      return fail(MG_BAD_ARGUMENT, "ilp: variable %d has no value within its bounds %g..%g", j + 1,
                  lower, upper);
    if (!isfinite(p->fixed[j]))
      return fail(MG_BAD_ARGUMENT, "ilp: fixed at entry %d is infinite", j + 1);
  }
  return MG_OK;
}

static mg_status read_variables(ilp_plan *p, const settings *given) {
  const int64_t count = p->program.variables;
  p->lower = list_or(given, "lower", count, 0);
  p->upper = p->lower ? list_or(given, "upper", count, 1) : NULL;
  p->fixed = p->upper ? list_or(given, "fixed", count, 0) : NULL;
  p->is_integer = p->fixed ? memory_new(count) : NULL;
  if (!p->is_integer) return mg_last_status();
  double *flags = list_or(given, "is_integer", count, 1);
  if (!flags) return mg_last_status();
  for (int64_t j = 0; j < count; j++) p->is_integer[j] = flags[j] != 0;
  memory_free(flags);
  return check_bounds(p);
}

/* The entries in coordinate form to columns. place [max(variables, constraints) + 1]. */
static mg_status fill_columns(ilp_plan *p, const double *rows, const double *cols,
                              const double *values, int64_t count, int *place) {
  const int variables = p->program.variables;
  memset(p->start, 0, ((size_t)variables + 1) * sizeof *p->start);
  for (int64_t k = 0; k < count; k++) {
    int64_t i = index_at(rows, k, p->program.constraints, "rows");
    int64_t j = i < 0 ? -1 : index_at(cols, k, variables, "cols");
    if (j < 0) return MG_BAD_ARGUMENT;
    if (!isfinite(values[k]))
      return fail(MG_BAD_ARGUMENT, "ilp: values at entry %" PRId64 " is infinite", k + 1);
    p->start[j + 1]++;
  }
  for (int j = 0; j < variables; j++) p->start[j + 1] += p->start[j];
  memcpy(place, p->start, (size_t)variables * sizeof *place);
  for (int64_t k = 0; k < count; k++) {
    int at = place[(int64_t)cols[k]]++;
    p->rows[at] = (int)rows[k];
    p->values[at] = values[k];
  }
  return MG_OK;
}

/* Adds up entries of the same row and column. last [constraints]. */
static void join_entries(ilp_plan *p, int *last) {
  int kept = 0;
  for (int i = 0; i < p->program.constraints; i++) last[i] = -1;
  for (int j = 0; j < p->program.variables; j++) {
    int from = p->start[j], first = kept;
    p->start[j] = first;
    for (int k = from; k < p->start[j + 1]; k++) {
      int i = p->rows[k];
      if (last[i] >= first) {
        p->values[last[i]] += p->values[k];
        continue;
      }
      last[i] = kept;
      p->rows[kept] = i;
      p->values[kept++] = p->values[k];
    }
  }
  p->start[p->program.variables] = kept;
}

static mg_status read_matrix(ilp_plan *p, const settings *given) {
  int64_t count, other, third;
  const double *rows = settings_list(given, "rows", &count);
  const double *cols = settings_list(given, "cols", &other);
  const double *values = settings_list(given, "values", &third);
  const int variables = p->program.variables, constraints = p->program.constraints;
  if (other != count) return bad("cols", other, "as many as rows, ", count);
  if (third != count) return bad("values", third, "as many as rows, ", count);
  if (count >= INT32_MAX) return fail(MG_BAD_ARGUMENT, "ilp: too many matrix entries");
  p->start = memory_array(variables + 1, (int64_t)sizeof *p->start);
  p->rows = p->start ? memory_array(count, (int64_t)sizeof *p->rows) : NULL;
  p->values = p->rows ? memory_array(count, (int64_t)sizeof *p->values) : NULL;
  int most = variables > constraints ? variables : constraints;
  int *place = p->values ? memory_array(most + 1, (int64_t)sizeof *place) : NULL;
  if (!place) return MG_NO_MEMORY;
  mg_status status = fill_columns(p, rows, cols, values, count, place);
  if (status == MG_OK) join_entries(p, place);
  memory_free(place);
  return status;
}

/* Which variables theta scores: all, or those listed. */
static mg_status read_chosen(mg_solver *s, ilp_plan *p, const settings *given) {
  const int64_t variables = p->program.variables;
  int64_t count;
  const double *list = settings_list(given, "theta", &count);
  s->n = count ? count : variables;
  p->chosen = memory_array(s->n, (int64_t)sizeof *p->chosen);
  p->is_chosen = p->chosen ? memory_new(variables) : NULL;
  if (!p->is_chosen) return MG_NO_MEMORY;
  memset(p->is_chosen, 0, (size_t)variables);
  for (int64_t i = 0; i < s->n; i++) {
    int64_t j = count ? index_at(list, i, variables, "theta") : i;
    if (j < 0) return MG_BAD_ARGUMENT;
    if (p->is_chosen[j])
      return fail(MG_BAD_ARGUMENT, "ilp: theta names variable %" PRId64 " twice", j + 1);
    p->is_chosen[j] = 1;
    p->chosen[i] = j;
    if (p->is_first && (!p->is_integer[j] || !(p->upper[j] - p->lower[j] < (1 << DIGITS))))
      return fail(MG_BAD_ARGUMENT, "ilp: ties = first needs variables of theta that are integer, with "
                                   "bounds less than 2^%d apart; variable %" PRId64 " is not",
                  DIGITS, j + 1);
  }
  return MG_OK;
}

static mg_status read_program(mg_solver *s, ilp_plan *p, const settings *given) {
  int64_t variables = settings_count(given, "variables");
  int64_t constraints = settings_count(given, "constraints");
  if (variables > INT32_MAX / 4 || constraints > INT32_MAX / 4)
    return fail(MG_BAD_ARGUMENT, "ilp: too many variables or constraints");
  p->program.variables = (int)variables;
  p->program.constraints = (int)constraints;
  p->time_limit = settings_real(given, "time_limit");
  p->is_first = strcmp(settings_text(given, "ties"), "first") == 0;
  mg_status status = read_variables(p, given);
  if (status == MG_OK) status = read_matrix(p, given);
  if (status == MG_OK) status = read_chosen(s, p, given);
  if (status != MG_OK) return status;
  p->row_lower = list_or(given, "row_lower", constraints, -INFINITY);
  p->row_upper = p->row_lower ? list_or(given, "row_upper", constraints, INFINITY) : NULL;
  if (!p->row_upper) return mg_last_status();
  cbc_program *c = &p->program;
  c->start = p->start, c->rows = p->rows, c->values = p->values;
  c->lower = p->lower, c->upper = p->upper, c->is_integer = p->is_integer;
  c->row_lower = p->row_lower, c->row_upper = p->row_upper;
  return MG_OK;
}

static mg_status prepare(mg_solver *s, const settings *given) {
  if (cbc_load() != MG_OK) return mg_last_status();
  ilp_plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  memset(p, 0, sizeof *p);
  s->plan = p;
  return read_program(s, p, given);
}

static void release(mg_solver *s) {
  ilp_plan *p = s->plan;
  memory_free(p->chosen), memory_free(p->fixed), memory_free(p->lower), memory_free(p->upper);
  memory_free(p->row_lower), memory_free(p->row_upper), memory_free(p->start), memory_free(p->rows);
  memory_free(p->values), memory_free(p->is_integer), memory_free(p->is_chosen);
}

/* ---------------------------------------------------------------- solving */

/* One instance: the plan's program with its own objective and bounds. */
typedef struct work {
  cbc_program program;
  double *objective, *x, *tried, *digits, *floor_row, *lower, *upper; /* [variables] */
  double *row_lower, *row_upper;                                      /* [constraints] */
  double *sums;                                                       /* [2 * constraints] */
  double end; /* on cbc_clock, 0: none */
} work;

static int64_t scratch_bytes(const mg_solver *s) {
  const cbc_program *c = &((const ilp_plan *)s->plan)->program;
  return (7 * (int64_t)c->variables + 4 * (int64_t)c->constraints) * (int64_t)sizeof(double);
}

static work lay_out(const ilp_plan *p, double *scratch) {
  const int64_t v = p->program.variables, m = p->program.constraints;
  work w = {.program = p->program, .objective = scratch};
  w.x = w.objective + v, w.tried = w.x + v, w.digits = w.tried + v;
  w.floor_row = w.digits + v, w.lower = w.floor_row + v, w.upper = w.lower + v;
  w.row_lower = w.upper + v, w.row_upper = w.row_lower + m, w.sums = w.row_upper + m;
  w.program.row_lower = w.row_lower, w.program.row_upper = w.row_upper;
  return w;
}

/* <fixed, x> + <theta, z> with z as reals; size: the sum of the terms' sizes. */
static double value_of(const mg_solver *s, const mg_real *theta, const double *x, double *size) {
  const ilp_plan *p = s->plan;
  double sum = 0;
  *size = 0;
  for (int64_t i = 0; i < s->n; i++) {
    double term = (double)theta[i] * (double)(mg_real)x[p->chosen[i]];
    sum += term, *size += fabs(term);
  }
  for (int j = 0; j < p->program.variables; j++)
    if (p->fixed[j] != 0) sum += p->fixed[j] * x[j], *size += fabs(p->fixed[j] * x[j]);
  return sum;
}

/* The scaled objective; what it was multiplied by is 2^result. */
static int scale_objective(const mg_solver *s, const mg_real *theta, double *objective) {
  const ilp_plan *p = s->plan;
  double largest = 0;
  int exponent = 0;
  memcpy(objective, p->fixed, (size_t)p->program.variables * sizeof *objective);
  for (int64_t i = 0; i < s->n; i++) objective[p->chosen[i]] += (double)theta[i];
  for (int j = 0; j < p->program.variables; j++) largest = fmax(largest, fabs(objective[j]));
  frexp(largest, &exponent); /* 0 for 0 */
  for (int j = 0; j < p->program.variables; j++)
    objective[j] = ldexp(objective[j], DIGITS - exponent);
  return DIGITS - exponent;
}

/* Variables first..result - 1 of theta have at most 2^DIGITS values together. */
static int64_t block_end(const mg_solver *s, const work *w, int64_t first) {
  const ilp_plan *p = s->plan;
  double values = 1;
  int64_t i = first;
  for (; i < s->n; i++) {
    int64_t j = p->chosen[i];
    values *= w->upper[j] - w->lower[j] + 1;
    if (values > 1 << DIGITS) break;
  }
  return i;
}

/* The weights of variables first..last - 1 as digits; 1 if x is not at its upper bounds already. */
static int set_digits(const mg_solver *s, const work *w, int64_t first, int64_t last) {
  const ilp_plan *p = s->plan;
  double weight = 1;
  int is_open = 0;
  memset(w->digits, 0, (size_t)p->program.variables * sizeof *w->digits);
  for (int64_t i = last; i-- > first;) {
    int64_t j = p->chosen[i];
    w->digits[j] = weight;
    weight *= w->upper[j] - w->lower[j] + 1;
    is_open |= w->tried[j] < w->upper[j];
  }
  return is_open;
}

/* Replaces x by the lexicographically largest optimum. Where no proof of that comes in time x stays. */
static mg_status refine(const mg_solver *s, const mg_real *theta, work *w) {
  const ilp_plan *p = s->plan;
  const size_t bytes = (size_t)p->program.variables * sizeof(double);
  double size, bound, best = value_of(s, theta, w->x, &size), floor_sum = 0;
  memcpy(w->tried, w->x, bytes), memcpy(w->lower, p->lower, bytes), memcpy(w->upper, p->upper, bytes);
  for (int j = 0; j < p->program.variables; j++) {
    w->floor_row[j] = ldexp(w->objective[j], -DIGITS);
    floor_sum += w->floor_row[j] * w->x[j];
  }
  cbc_program program = w->program;
  program.lower = w->lower, program.upper = w->upper;
  program.floor_row = w->floor_row, program.floor = floor_sum - 1e-8;
  for (int64_t first = 0, last; first < s->n; first = last) {
    last = block_end(s, w, first);
    if (set_digits(s, w, first, last)) {
      program_outcome outcome;
      mg_status status = cbc_solve(&program, w->digits, w->end, w->tried, &bound, &outcome);
      if (status == MG_BAD_ARGUMENT || (status == MG_OK && outcome != PROGRAM_OPTIMAL)) return MG_OK;
      if (status != MG_OK) return status;
    }
    for (int64_t i = first; i < last; i++) {
      int64_t j = p->chosen[i];
      w->lower[j] = w->upper[j] = w->tried[j];
    }
  }
  double found = value_of(s, theta, w->tried, &size);
  if (found >= best - 1e-15 * size) memcpy(w->x, w->tried, bytes);
  return MG_OK;
}

/* No solution if the program without an objective has none, else the objective has no bound. */
static mg_status unbounded(const mg_solver *s, solver_rows *rows, int64_t row, work *w) {
  program_outcome outcome;
  double bound;
  memset(w->digits, 0, (size_t)w->program.variables * sizeof *w->digits);
  mg_status status = cbc_solve(&w->program, w->digits, w->end, w->tried, &bound, &outcome);
  if (status != MG_OK) return status == MG_INTERRUPTED ? status : solver_fail(s, rows, row, status, "%s", mg_message());
  if (outcome == PROGRAM_INFEASIBLE)
    return solver_none(s, rows, row, "no values hold all constraints");
  return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                     "the objective grows without bound: give the variables bounds");
}

/* Writes the answer x. */
static mg_status answer(const mg_solver *s, solver_rows *rows, int64_t row, work *w, int is_proved,
                        double bound) {
  const ilp_plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  double size;
  int broken = ilp_broken_row(&w->program, w->x, w->sums);
  if (broken >= 0)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                       "CBC's answer does not hold constraint %d: its coefficients are of too "
                       "different size",
                       broken + 1);
  for (int64_t i = 0; i < s->n; i++) rows->z[row * s->n + i] = (mg_real)w->x[p->chosen[i]];
  double objective = value_of(s, theta, w->x, &size);
  solver_answer_bound(rows, row, objective, is_proved ? objective : fmax(bound, objective + 1e-9 * size));
  return MG_OK;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, double *scratch) {
  const ilp_plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  work w = lay_out(p, scratch);
  w.end = p->time_limit > 0 ? cbc_clock() + p->time_limit : 0;
  ilp_row_bounds(p, rows, row, w.row_lower, w.row_upper);
  for (int i = 0; i < p->program.constraints; i++)
    if (!(w.row_lower[i] <= w.row_upper[i]))
      return solver_none(s, rows, row, "constraint %d asks for %g..%g", i + 1, w.row_lower[i],
                         w.row_upper[i]);
  int exponent = scale_objective(s, theta, w.objective);
  double bound;
  program_outcome outcome;
  mg_status status = cbc_solve(&w.program, w.objective, w.end, w.x, &bound, &outcome);
  if (status == MG_BAD_ARGUMENT) return solver_fail(s, rows, row, status, "%s", mg_message());
  if (status != MG_OK) return status;
  if (outcome == PROGRAM_UNBOUNDED) return unbounded(s, rows, row, &w);
  if (outcome == PROGRAM_INFEASIBLE)
    return solver_none(s, rows, row, "no values hold all constraints");
  if (outcome == PROGRAM_NOTHING)
    return solver_none(s, rows, row, "none was found within the time limit");
  if (outcome == PROGRAM_OPTIMAL && p->is_first) status = refine(s, theta, &w);
  if (status != MG_OK) return status;
  return answer(s, rows, row, &w, outcome == PROGRAM_OPTIMAL, ldexp(bound, -exponent));
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++)
    status = solve_one(s, rows, r, scratch);
  return status;
}
static const mg_option options[] = {
    {.name = "variables", .form = "count", .doc = "variables of the program"},
    {.name = "constraints", .form = "whole", .preset = "0", .doc = "rows of the matrix"},
    {.name = "rows", .form = "list", .preset = "", .is_index = 1, .doc = "the matrix: constraint of each entry"},
    {.name = "cols", .form = "list", .preset = "", .is_index = 1, .doc = "variable of each entry"},
    {.name = "values", .form = "list", .preset = "", .doc = "each entry; those at one place are added"},
    {.name = "row_lower", .form = "list", .preset = "", .doc = "least value of each constraint; none: -inf"},
    {.name = "row_upper", .form = "list", .preset = "", .doc = "largest value of each constraint; none: inf"},
    {.name = "lower", .form = "list", .preset = "", .doc = "least value of each variable; none: 0"},
    {.name = "upper", .form = "list", .preset = "", .doc = "largest value of each variable; none: 1"},
    {.name = "is_integer", .form = "list", .preset = "", .doc = "1 for integer variables, 0 for reals; none: 1"},
    {.name = "theta", .form = "list", .preset = "", .is_index = 1, .doc = "the variables that theta scores and z holds; none: all"},
    {.name = "fixed", .form = "list", .preset = "", .doc = "scores of all variables that are added to theta's; none: 0"},
    {.name = "ties", .form = "choice any|first", .preset = "any", .doc = "which of several optima"},
    {.name = "time_limit", .form = "real", .preset = "0", .doc = "seconds for an instance, then the best so far; 0: none"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "row_lower", .form = "constraints", .doc = "another row_lower for the instance"},
    {.name = "row_upper", .form = "constraints", .doc = "another row_upper for the instance"},
    {0},
};

const solver_kind solver_ilp;
const solver_kind solver_ilp = {
    .kind = {.name = "ilp",
             .sense = "max",
             .shape = "size",
             .doc = "an integer or mixed program: x within bounds, row_lower <= A x <= row_upper, the integer "
                    "ones integer, <theta, z> + <fixed, x> largest. theta [size] -> z [size], the values of "
                    "theta's variables. Binary without constraints unless told otherwise; solver.program "
                    "states one in Lua. By COIN-OR CBC (Forrest and Lougee-Heimer 2005), cuts and branch and "
                    "bound, exponential at worst, 0.1 ms and more an instance; numbers hold to 1e-9 of the "
                    "largest ones, so coefficients should not differ by more than 1e6. The objective reported "
                    "includes the fixed part. Ties: any, CBC's choice, always the same for the same numbers; "
                    "or first, the lexicographically largest z, by one more solve for each 20 bits of z. -inf "
                    "is an error. An unbounded objective is an error. With time_limit the best so far and a "
                    "bound; no solution found in time counts as none. Memory is CBC's own. Example: "
                    "solver.ilp { variables = 2, constraints = 1, rows = { 1, 1 }, cols = { 1, 2 }, values = "
                    "{ 2, 3 }, row_upper = { 4 } }",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .domain = SOLVER_FINITE,
    .rows_at_once = 1,
    .prepare = prepare,
    .release = release,
    .scratch_bytes = scratch_bytes,
    .solve = solve,
    .is_feasible = ilp_is_feasible,
    .enumerate = ilp_enumerate};

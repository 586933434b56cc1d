/* The most valuable intervals of which no two overlap.
 *
 * Sorted by start once; best[k] is the most that intervals k and after give, filled from the last:
 * best[k] = max(best[k + 1], value + best[the first that starts when k ends]). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "solver.h"

typedef struct interval {
  double start, end;
  int64_t index;
  int64_t next; /* place in the order of the first interval that starts at the end or later */
} interval;

typedef struct plan {
  int64_t n;
  interval order[]; /* by start, then index */
} plan;

static int compare(const void *a, const void *b) {
  const interval *x = a, *y = b;
  if (x->start != y->start) return x->start < y->start ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* The place of the first interval that starts at `moment` or later. */
static int64_t first_from(const plan *p, double moment) {
  int64_t low = 0, high = p->n;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (p->order[middle].start >= moment) high = middle;
    else low = middle + 1;
  }
  return low;
}

static mg_status prepare(mg_solver *s, const settings *given) {
  int64_t n, ends_count;
  const double *starts = settings_list(given, "starts", &n);
  const double *ends = settings_list(given, "ends", &ends_count);
  if (n < 1 || n != ends_count)
    return fail(MG_BAD_ARGUMENT,
                "scheduling: %" PRId64 " starts and %" PRId64 " ends, expected equally many, 1 or more", n,
                ends_count);
  plan *p = memory_new((int64_t)sizeof *p + n * (int64_t)sizeof *p->order);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  s->n = p->n = n;
  for (int64_t i = 0; i < n; i++) {
    if (!(starts[i] < ends[i]))
      return fail(MG_BAD_ARGUMENT, "scheduling: interval %" PRId64 " goes from %g to %g, expected an end "
                  "after the start", i + 1, starts[i], ends[i]);
    p->order[i] = (interval){.start = starts[i], .end = ends[i], .index = i};
  }
  qsort(p->order, (size_t)n, sizeof *p->order, compare);
  for (int64_t k = 0; k < n; k++) p->order[k].next = first_from(p, p->order[k].end);
  return MG_OK;
}

static int64_t scratch_bytes(const mg_solver *s) { return (s->n + 1) * (int64_t)sizeof(double); }

/* What keeps sums of n values finite: 1, but for values near to the largest double. */
static double factor_of(const mg_real *theta, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) largest = theta[i] > largest ? theta[i] : largest;
  return largest > 0x1p900 ? 0x1p-100 : 1;
}

static void solve_one(const mg_solver *s, solver_rows *rows, int64_t row, double *best) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  double factor = factor_of(theta, s->n), sum = 0;
  best[p->n] = 0;
  for (int64_t k = p->n - 1; k >= 0; k--) {
    double with = theta[p->order[k].index] * factor + best[p->order[k].next];
    best[k] = with > best[k + 1] ? with : best[k + 1];
  }
  memset(z, 0, (size_t)s->n * sizeof *z);
  for (int64_t k = 0; k < p->n;) {
    const interval *i = &p->order[k];
    int take = theta[i->index] > 0 && theta[i->index] * factor + best[i->next] >= best[k + 1];
    if (take) {
      z[i->index] = 1;
      sum += theta[i->index];
    }
    k = take ? i->next : k + 1;
  }
  solver_answer(rows, row, sum);
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  for (int64_t r = 0; r < rows->count; r++) solve_one(s, rows, r, scratch);
  return MG_OK;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  (void)rows, (void)row;
  const plan *p = s->plan;
  double busy_until = -INFINITY;
  for (int64_t k = 0; k < p->n; k++) {
    const interval *i = &p->order[k];
    if (z[i->index] == 0) continue;
    if (z[i->index] != 1 || i->start < busy_until) return 0;
    busy_until = i->end;
  }
  return 1;
}

static const mg_option options[] = {
    {.name = "starts", .form = "list", .doc = "when each interval begins"},
    {.name = "ends", .form = "list", .doc = "when each ends, after its start"},
    {0},
};
static const mg_option contexts[] = {{0}};

const solver_kind solver_scheduling;
const solver_kind solver_scheduling = {
    .kind = {.name = "scheduling",
             .sense = "max",
             .shape = "size",
             .doc = "the most valuable intervals of which no two overlap; one may start when another ends. "
                    "theta [n], the values -> z [n] in {0,1}. Intervals of value 0 and less are never "
                    "taken, -inf is a forbidden one. Ties: with the others sorted by start, then index, the "
                    "optimum that takes the first interval if any does, and so on. O(n log n) once, O(n) "
                    "a solve (Kleinberg and Tardos, Algorithm Design, 6.1). Example: solver.scheduling "
                    "{ starts = { 1, 2, 4 }, ends = { 3, 5, 6 } }.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = 64,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible};

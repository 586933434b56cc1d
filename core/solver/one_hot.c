/* The largest of n scores. */
#include <math.h>
#include <string.h>

#include "solver.h"

static mg_status prepare(mg_solver *s, const settings *given) {
  s->n = settings_count(given, "n");
  return MG_OK;
}

static int64_t scratch_bytes(const mg_solver *s) {
  (void)s;
  return 0;
}

/* z is 1 at the first of the largest entries. O(n). */
static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  (void)scratch;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) {
    const mg_real *theta = rows->theta + r * s->n;
    int64_t best = 0;
    for (int64_t i = 1; i < s->n; i++)
      if (theta[i] > theta[best]) best = i;
    if (theta[best] == -INFINITY) {
      status = solver_none(s, rows, r, "all entries are -inf");
      continue;
    }
    mg_real *z = rows->z + r * s->n;
    memset(z, 0, (size_t)s->n * sizeof *z);
    z[best] = 1;
    solver_answer(rows, r, theta[best]);
  }
  return status;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  (void)rows, (void)row;
  int64_t ones = 0, zeros = 0;
  for (int64_t i = 0; i < s->n; i++) ones += z[i] == 1, zeros += z[i] == 0;
  return ones == 1 && zeros == s->n - 1;
}

static const mg_option options[] = {
    {.name = "n", .form = "count", .doc = "entries"},
    {0},
};
static const mg_option contexts[] = {{0}};

const solver_kind solver_one_hot;
const solver_kind solver_one_hot = {
    .kind = {.name = "one_hot",
             .sense = "max",
             .shape = "n",
             .doc = "the largest of n entries. theta [n] -> z [n], one 1. Ties to the smaller index, "
                    "O(n). -inf: an entry that may not be taken.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 256,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible};

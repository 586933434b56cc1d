/* All solutions of an instance: by the kind, or by trying every 0/1 vector. */
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "solver.h"

enum { MOST_TRIED = 24 }; /* entries of vectors that are tried one by one */

struct solver_visit {
  const mg_solver *s;
  mg_real *z; /* [room, n] */
  int64_t room, count, most;
};

mg_status solver_found(solver_visit *visit, const mg_real *z) {
  const mg_solver *s = visit->s;
  if (visit->count == visit->most)
    return fail(MG_BAD_ARGUMENT, "%s: enumerate: there are more than %lld solutions",
                s->kind->kind.name, (long long)visit->most);
  if (visit->count < visit->room)
    memcpy(visit->z + visit->count * s->n, z, (size_t)s->n * sizeof *z);
  visit->count++;
  return visit->count % 256 == 0 ? interrupt_tick() : MG_OK;
}

/* Vectors as binary numbers, entry 1 the highest digit: descending, so that small indices come first. */
static mg_status try_all(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  if (s->n > MOST_TRIED)
    return fail(MG_BAD_ARGUMENT, "%s: enumerate: %lld entries are too many, at most %d",
                s->kind->kind.name, (long long)s->n, MOST_TRIED);
  mg_real z[MOST_TRIED];
  mg_status status = MG_OK;
  for (int64_t left = (int64_t)1 << s->n; left-- > 0 && status == MG_OK;) {
    for (int64_t j = 0; j < s->n; j++) z[j] = (mg_real)(left >> (s->n - 1 - j) & 1);
    if (s->kind->is_feasible(s, rows, 0, z)) status = solver_found(visit, z);
    if (status == MG_OK && left % 4096 == 0) status = interrupt_tick();
  }
  return status;
}

static mg_status visit_all(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  if (!s->kind->enumerate && !s->kind->is_feasible)
    return fail(MG_BAD_ARGUMENT, "%s: the function's set of solutions is not known", s->kind->kind.name);
  return (s->kind->enumerate ? s->kind->enumerate : try_all)(s, rows, visit);
}

mg_status solver_collect(const mg_solver *s, const solver_rows *rows, int64_t most, mg_real **z,
                         int64_t *count) {
  solver_visit visit = {.s = s, .most = most};
  mg_status status = visit_all(s, rows, &visit);
  *count = visit.count;
  if (status != MG_OK) return status;
  *z = memory_array(visit.count * s->n, (int64_t)sizeof **z);
  if (!*z) return MG_NO_MEMORY;
  visit = (solver_visit){.s = s, .most = most, .z = *z, .room = *count};
  return visit_all(s, rows, &visit);
}

mg_status mg_solver_enumerate(const mg_solver *s, const mg_context *context, int contexts,
                              int64_t most, mg_real *z, int64_t room, int64_t *count) {
  solver_visit visit = {.s = s, .z = z, .room = room, .most = most};
  solver_rows rows = {.count = 1, .period = 1};
  mg_status status = solver_contexts(s, context, contexts, rows.contexts);
  if (status == MG_OK) status = visit_all(s, &rows, &visit);
  *count = visit.count;
  return status;
}

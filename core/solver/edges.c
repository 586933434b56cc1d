/* Lists of edges, sets of nodes, and enumeration of sets of edges. */
#include "edges.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"

mg_status edges_check(mg_solver *s, const settings *given) {
  const char *name = s->kind->kind.name;
  const int64_t nodes = settings_count(given, "nodes");
  int64_t count;
  const double *list = settings_list(given, "edges", &count);
  if (count == 0 || count % 2 != 0)
    return fail(MG_BAD_ARGUMENT, "%s: edges has %" PRId64 " numbers, expected pairs of nodes", name,
                count);
  if (nodes > INT32_MAX / 4 || count > INT32_MAX / 4)
    return fail(MG_BAD_ARGUMENT, "%s: %" PRId64 " nodes and %" PRId64 " edges are too many", name, nodes,
                count / 2);
  for (int64_t i = 0; i < count; i++)
    if (!(list[i] >= 0 && list[i] < (double)nodes) || list[i] != floor(list[i]))
      return fail(MG_BAD_ARGUMENT, "%s: edge %" PRId64 " has the end %g, expected a node in 1..%" PRId64,
                  name, i / 2 + 1, list[i] + 1, nodes);
  for (int64_t e = 0; e < count / 2; e++)
    if (list[2 * e] == list[2 * e + 1])
      return fail(MG_BAD_ARGUMENT, "%s: edge %" PRId64 " joins node %g to itself", name, e + 1,
                  list[2 * e] + 1);
  s->n = count / 2;
  return MG_OK;
}

void edges_read(const mg_solver *s, const settings *given, edge_ends *ends) {
  int64_t count;
  const double *list = settings_list(given, "edges", &count);
  for (int64_t e = 0; e < s->n; e++)
    ends[e] = (edge_ends){(int32_t)list[2 * e], (int32_t)list[2 * e + 1]};
}

int edges_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z,
                      edges_extend can_extend) {
  void *scratch = solver_take_scratch(s);
  if (!scratch) return 0;
  int found = can_extend(s, rows, row, z, s->n, scratch);
  solver_give_scratch(s, scratch);
  return found;
}

/* Takes the last one of z out that can be, and returns where z is to be filled from; 0: none can. */
static int64_t turn_back(const mg_solver *s, const solver_rows *rows, edges_extend can_extend,
                         mg_real *z, int64_t at, void *scratch) {
  while (--at >= 0)
    if (z[at] == 1) {
      z[at] = 0;
      if (can_extend(s, rows, 0, z, at + 1, scratch)) return at + 1;
    }
  return 0;
}

static mg_status visit_all(const mg_solver *s, const solver_rows *rows, edges_extend can_extend,
                           mg_real *z, void *scratch, solver_visit *visit) {
  if (!can_extend(s, rows, 0, z, 0, scratch)) return MG_OK;
  int64_t at = 0;
  do {
    for (; at < s->n; at++) {
      z[at] = 1;
      if (!can_extend(s, rows, 0, z, at + 1, scratch)) z[at] = 0;
    }
    mg_status status = solver_found(visit, z);
    if (status == MG_OK) status = interrupt_tick();
    if (status != MG_OK) return status;
    at = turn_back(s, rows, can_extend, z, s->n, scratch);
  } while (at > 0);
  return MG_OK;
}

mg_status edges_enumerate(const mg_solver *s, const solver_rows *rows, edges_extend can_extend,
                          solver_visit *visit) {
  mg_real *z = memory_array(s->n, (int64_t)sizeof *z);
  void *scratch = solver_take_scratch(s);
  mg_status status = MG_NO_MEMORY;
  if (z && scratch) {
    memset(z, 0, (size_t)s->n * sizeof *z);
    status = visit_all(s, rows, can_extend, z, scratch, visit);
  }
  if (scratch) solver_give_scratch(s, scratch);
  memory_free(z);
  return status;
}

void edges_sets_clear(int32_t *sets, int64_t nodes) {
  for (int64_t v = 0; v < nodes; v++) sets[v] = -1;
}

/* Assignments: one of the smaller side after the other; a node is the set of the larger side that
 * is taken, with m of that side O(m 2^m). */
#include <inttypes.h>

#include "lattice.h"

enum { MOST = 18 };

/* The nodes are all sets; those of more than `lesser` elements are reached by nothing. */
static void fill(lattice *g, int64_t lesser, int64_t larger, int64_t cols, int is_turned) {
  for (int64_t set = 0; set < (int64_t)1 << larger; set++) {
    int64_t size = __builtin_popcountll((unsigned long long)set);
    lattice_node(g);
    for (int64_t j = 0; j < larger && size <= lesser; j++)
      if (set >> j & 1)
        lattice_arc(g, set ^ (int64_t)1 << j,
                    is_turned ? j * cols + size - 1 : (size - 1) * cols + j);
  }
  lattice_node(g);
  for (int64_t set = 0; set < (int64_t)1 << larger; set++)
    if (__builtin_popcountll((unsigned long long)set) == lesser) lattice_arc(g, set, -1);
}

static mg_status prepare(mg_law *p, const settings *given) {
  lattice *g;
  int64_t rows = settings_count(given, "rows"), cols = settings_count(given, "cols");
  int64_t lesser = rows < cols ? rows : cols, larger = rows < cols ? cols : rows;
  if (larger > MOST)
    return fail(MG_BAD_ARGUMENT,
                "assignment: %" PRId64 " x %" PRId64 ": the law takes up to %d rows and columns",
                rows, cols, MOST);
  int64_t sets = (int64_t)1 << larger;
  p->n = rows * cols;
  mg_status status = lattice_begin(p, sets + 1, sets / 2 * larger + sets, &g);
  if (status != MG_OK) return status;
  fill(g, lesser, larger, cols, rows > cols);
  lattice_done(p);
  return MG_OK;
}

static const mg_option options[] = {
    {.name = "rows", .form = "count", .doc = "what is assigned"},
    {.name = "cols", .form = "count", .doc = "what it goes to; the smaller side is all matched"},
    {0},
};

const law_kind law_assignment;
const law_kind law_assignment = {.kind = {.name = "assignment", .settings = options},
                                 .none = "no assignment avoids the forbidden cells",
                                 .prepare = prepare,
                                 LATTICE_FUNCTIONS};

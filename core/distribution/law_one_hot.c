/* One of n entries: the softmax. */
#include "lattice.h"

static mg_status prepare(mg_law *p, const settings *given) {
  lattice *g;
  p->n = settings_count(given, "n");
  mg_status status = lattice_begin(p, 2, p->n, &g);
  if (status != MG_OK) return status;
  lattice_node(g);
  lattice_node(g);
  for (int64_t i = 0; i < p->n; i++) lattice_arc(g, 0, i);
  lattice_done(p);
  return MG_OK;
}

static const mg_option options[] = {{.name = "n", .form = "count", .doc = "entries"}, {0}};

const law_kind law_one_hot;
const law_kind law_one_hot = {.kind = {.name = "one_hot", .settings = options},
                              .none = "all entries are -inf",
                              .prepare = prepare,
                              LATTICE_FUNCTIONS};

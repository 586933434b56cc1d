/* k of n entries, or from `least` to k of them: node (i, j) holds j ones among the first i entries.
 * O(nk). */
#include <inttypes.h>
#include <math.h>

#include "base/memory.h"
#include "lattice.h"

/* Fills the layers i = 1..n of nodes j = 0..k; layer 0 is the source and k nodes that nothing
 * reaches. */
static void fill(lattice *g, int64_t n, int64_t k, int64_t least) {
  int64_t width = k + 1;
  for (int64_t v = 0; v < width; v++) lattice_node(g);
  for (int64_t i = 1; i <= n; i++)
    for (int64_t j = 0; j < width; j++) {
      int64_t above = lattice_node(g) - width;
      if (j < i) lattice_arc(g, above, -1);
      if (j > 0 && j <= i) lattice_arc(g, above - 1, i - 1);
    }
  int64_t sink = lattice_node(g);
  for (int64_t j = least; j < width; j++) lattice_arc(g, sink - width + j, -1);
}

static mg_status prepare(mg_law *p, const settings *given) {
  lattice *g;
  int64_t k = settings_count(given, "k");
  double least = settings_real(given, "least");
  p->n = settings_count(given, "n");
  if (k > p->n)
    return fail(MG_BAD_ARGUMENT, "top_k: k = %" PRId64 " is more than n = %" PRId64, k, p->n);
  if (!(least >= 0 && least <= (double)k) || least != floor(least))
    return fail(MG_BAD_ARGUMENT, "top_k: least = %g, expected an integer in 0..%" PRId64, least, k);
  int64_t cells = memory_product(p->n + 2, k + 1);
  mg_status status = lattice_begin(p, cells, cells < 0 ? -1 : 2 * cells, &g);
  if (status != MG_OK) return status;
  fill(g, p->n, k, (int64_t)least);
  lattice_done(p);
  return MG_OK;
}

static const mg_option options[] = {
    {.name = "n", .form = "count", .doc = "entries"},
    {.name = "k", .form = "whole", .doc = "the most that are taken, 0..n"},
    {.name = "least", .form = "real", .preset = "k", .doc = "the fewest, 0..k"},
    {0},
};

const law_kind law_top_k;
const law_kind law_top_k = {.kind = {.name = "top_k", .settings = options},
                            .none = "fewer entries are allowed than must be taken",
                            .prepare = prepare,
                            LATTICE_FUNCTIONS};

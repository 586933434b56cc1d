/* Sets of items within a capacity, weights integers: node (i, c) holds weight c of the first i
 * items. O(n C). */
#include <inttypes.h>
#include <math.h>

#include "base/memory.h"
#include "lattice.h"

static mg_status check(const double *weights, int64_t n, double capacity) {
  if (n < 1)
    return fail(MG_BAD_ARGUMENT, "knapsack: weights are empty, expected one number and more");
  if (!(capacity >= 0))
    return fail(MG_BAD_ARGUMENT, "knapsack: capacity = %g, expected 0 and more", capacity);
  for (int64_t i = 0; i < n; i++)
    if (!(weights[i] >= 0) || (weights[i] != floor(weights[i])))
      return fail(MG_BAD_ARGUMENT,
                  "knapsack: weight %" PRId64
                  " is %g, expected an integer from 0 (scale the "
                  "weights and the capacity)",
                  i + 1, weights[i]);
  return MG_OK;
}

/* Weights that no set of items has are nodes, too, that nothing reaches. */
static void fill(lattice *g, const double *weights, int64_t n, int64_t most) {
  int64_t width = most + 1;
  for (int64_t c = 0; c < width; c++) lattice_node(g);
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < width; c++) {
      int64_t above = lattice_node(g) - width;
      lattice_arc(g, above, -1);
      if (weights[i] <= (double)c) lattice_arc(g, above - (int64_t)weights[i], i);
    }
  int64_t sink = lattice_node(g);
  for (int64_t c = 0; c < width; c++) lattice_arc(g, sink - width + c, -1);
}

static mg_status prepare(mg_law *p, const settings *given) {
  lattice *g;
  const double *weights = settings_list(given, "weights", &p->n);
  double capacity = settings_real(given, "capacity"), total = 0;
  mg_status status = check(weights, p->n, capacity);
  if (status != MG_OK) return status;
  for (int64_t i = 0; i < p->n; i++)
    if (weights[i] <= capacity) total += weights[i]; /* more room than that is never used */
  capacity = floor(capacity < total ? capacity : total);
  int64_t cells = capacity < 0x1p31 ? memory_product(p->n + 2, (int64_t)capacity + 1) : -1;
  status = lattice_begin(p, cells, cells < 0 ? -1 : 2 * cells, &g);
  if (status != MG_OK) return status;
  fill(g, weights, p->n, (int64_t)capacity);
  lattice_done(p);
  return MG_OK;
}

static const mg_option options[] = {
    {.name = "weights",
     .form = "list",
     .doc = "what each item weighs, integers from 0; inf: never taken"},
    {.name = "capacity",
     .form = "real",
     .doc = "the most that the items taken may weigh, 0 and more"},
    {0},
};

const law_kind law_knapsack;
const law_kind law_knapsack = {.kind = {.name = "knapsack", .settings = options},
                               .none = "no set of items is allowed",
                               .prepare = prepare,
                               LATTICE_FUNCTIONS};

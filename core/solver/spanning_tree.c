/* Spanning trees of least cost or largest score: Kruskal 1956 over edges sorted by digits.
 *
 * Where edges are many, almost all of the tree lies among the best few: those above a bound that a sample
 * gives are sorted and tried first; of the others only the ones whose ends are still apart are sorted
 * (Osipov, Sanders, Singler 2009). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "edges.h"
#include "order.h"

enum { DENSE = 8, MOST_SAMPLED = 512, FEWEST_SAMPLED = 64, BLOCK = 16, STEPS = 1 << 16 };

typedef struct plan {
  int64_t nodes;
  int64_t first; /* edges to try first, or 0: all */
  edge_ends ends[];
} plan;

/* The parts of a scratch block. */
typedef struct work {
  int32_t *sets;     /* [nodes] */
  order_item *items; /* [2 n] */
} work;

/* A tree as it grows. */
typedef struct tree {
  const edge_ends *ends;
  mg_real *z;
  int64_t missing; /* edges */
} tree;

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static mg_status prepare(mg_solver *s, const settings *given) {
  mg_status status = edges_check(s, given);
  if (status != MG_OK) return status;
  plan *p = memory_new((int64_t)sizeof *p + s->n * (int64_t)sizeof *p->ends);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  p->nodes = settings_count(given, "nodes");
  edges_read(s, given, p->ends);
  /* A random graph of nodes (log(nodes) / 2 + 3) edges is connected but for e^-6 of the cases. */
  p->first = (int64_t)((double)p->nodes * (log((double)p->nodes) / 2 + 3));
  if (s->n < 2 * p->first || s->n < DENSE * p->nodes) p->first = 0;
  return MG_OK;
}

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return aligned(p->nodes * (int64_t)sizeof(int32_t)) + 2 * s->n * (int64_t)sizeof(order_item);
}

static work split(const mg_solver *s, void *scratch) {
  const plan *p = s->plan;
  char *at = scratch;
  return (work){(int32_t *)scratch,
                (order_item *)(void *)(at + aligned(p->nodes * (int64_t)sizeof(int32_t)))};
}

/* Edges of large theta have small keys. */
static order_item item_of(const mg_real *theta, int64_t e) {
  return (order_item){~order_key_of(theta[e]), (order_key)e};
}

/* Sorts count items and takes each edge whose ends are apart. */
static mg_status take(tree *t, const work *w, int64_t count) {
  order_item *sorted;
  mg_status status = order_sort(w->items, count, &sorted);
  if (status != MG_OK) return status;
  for (int64_t i = 0; i < count && t->missing > 0; i++) {
    order_key e = sorted[i].index;
    if (edges_join(w->sets, t->ends[e].from, t->ends[e].to)) {
      t->z[e] = 1;
      t->missing--;
    }
    if (i % STEPS == STEPS - 1 && interrupt_tick() != MG_OK) return MG_INTERRUPTED;
  }
  return MG_OK;
}

/* A theta that about p->first of the edges reach; -inf: no bound. */
static mg_status bound_of(const mg_solver *s, const mg_real *theta, const work *w, mg_real *bound) {
  const plan *p = s->plan;
  *bound = -INFINITY;
  if (p->first == 0) return MG_OK;
  int64_t count = s->n / 8;
  count = count < FEWEST_SAMPLED ? FEWEST_SAMPLED : count > MOST_SAMPLED ? MOST_SAMPLED : count;
  for (int64_t i = 0; i < count; i++) w->items[i] = item_of(theta, i * s->n / count);
  order_item *sorted;
  mg_status status = order_sort(w->items, count, &sorted);
  *bound = theta[sorted[p->first * count / s->n].index];
  return status;
}

/* Items of the edges that reach the bound, in order; returns how many. */
static int64_t gather_first(const mg_solver *s, const mg_real *theta, mg_real bound, order_item *items) {
  int64_t count = 0, e = 0;
  for (; e + BLOCK <= s->n; e += BLOCK) {
    int any = 0;
    for (int j = 0; j < BLOCK; j++) any |= theta[e + j] >= bound;
    for (int j = 0; any && j < BLOCK; j++) {
      items[count] = item_of(theta, e + j);
      count += theta[e + j] >= bound;
    }
  }
  for (; e < s->n; e++)
    if (theta[e] >= bound) items[count++] = item_of(theta, e);
  return count;
}

/* Items of the edges below the bound whose ends are apart. */
static int64_t gather_rest(const mg_solver *s, const mg_real *theta, mg_real bound, const work *w) {
  const plan *p = s->plan;
  int64_t count = 0;
  for (int32_t v = 0; v < p->nodes; v++) { /* all point to their roots */
    int32_t root = edges_find(w->sets, v);
    if (root != v) w->sets[v] = root;
  }
  for (int64_t e = 0; e < s->n; e++) {
    int32_t a = p->ends[e].from, b = p->ends[e].to;
    a = w->sets[a] < 0 ? a : w->sets[a];
    b = w->sets[b] < 0 ? b : w->sets[b];
    w->items[count] = item_of(theta, e);
    count += (a != b) & (theta[e] < bound) & (theta[e] > -INFINITY);
  }
  return count;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, const work *w) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  tree t = {p->ends, rows->z + row * s->n, p->nodes - 1};
  mg_real bound;
  memset(t.z, 0, (size_t)s->n * sizeof *t.z);
  edges_sets_clear(w->sets, p->nodes);
  mg_status status = bound_of(s, theta, w, &bound);
  if (status == MG_OK && bound > -INFINITY)
    status = take(&t, w, gather_first(s, theta, bound, w->items));
  else bound = INFINITY;
  if (status == MG_OK && t.missing > 0) status = take(&t, w, gather_rest(s, theta, bound, w));
  if (status != MG_OK) return status;
  if (t.missing > 0)
    return solver_none(s, rows, row, "the allowed edges leave %" PRId64 " components", t.missing + 1);
  double sum = 0;
  for (int64_t e = 0; rows->answers && e < s->n; e++)
    if (t.z[e] != 0) sum += theta[e];
  solver_answer(rows, row, sum);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w = split(s, scratch);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, &w);
  return status;
}

/* Whether a tree has all ones of z[0..fixed-1] and no other edges before `fixed`. */
static int can_extend(const mg_solver *s, const solver_rows *rows, const mg_real *z, int64_t fixed,
                      void *scratch) {
  const plan *p = s->plan;
  int32_t *sets = scratch;
  int64_t missing = p->nodes - 1;
  (void)rows;
  edges_sets_clear(sets, p->nodes);
  for (int64_t e = 0; e < fixed; e++) {
    if (z[e] == 0) continue;
    if (z[e] != 1 || !edges_join(sets, p->ends[e].from, p->ends[e].to)) return 0;
    missing--;
  }
  for (int64_t e = fixed; e < s->n && missing > 0; e++)
    missing -= edges_join(sets, p->ends[e].from, p->ends[e].to);
  return missing == 0;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  (void)row;
  void *scratch = solver_take_scratch(s);
  if (!scratch) return 0;
  int found = can_extend(s, rows, z, s->n, scratch);
  solver_give_scratch(s, scratch);
  return found;
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  return edges_enumerate(s, rows, can_extend, visit);
}

static const mg_option options[] = {
    {.name = "nodes", .form = "count", .doc = "how many"},
    {.name = "edges", .form = "list", .doc = "the two nodes of each edge", .is_index = 1},
    {0},
};
static const mg_option contexts[] = {{0}};

const solver_kind solver_spanning_tree;
const solver_kind solver_spanning_tree = {
    .kind = {.name = "spanning_tree",
             .sense = "min",
             .shape = "size",
             .doc = "the spanning tree of least cost of an undirected graph. costs [edges] -> z [edges] in "
                    "{0,1}. Costs of any sign; inf forbids an edge; what is not connected has no solution. "
                    "Ties: the smallest indices of edges. O(m) by digits for m edges. Kruskal 1956. "
                    "Example: solver.spanning_tree { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } } "
                    "(tensor { 5, 1, 2 }) is 0 1 1.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 4,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};

const solver_kind solver_maximum_spanning_tree;
const solver_kind solver_maximum_spanning_tree = {
    .kind = {.name = "maximum_spanning_tree",
             .sense = "max",
             .shape = "size",
             .doc = "the spanning tree of largest score of an undirected graph: spanning_tree of minus the "
                    "scores. theta [edges] -> z [edges] in {0,1}. -inf forbids an edge; what is not "
                    "connected has no solution. Ties: the smallest indices of edges. O(m) by digits for m "
                    "edges. Kruskal 1956.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1,
             .is_constant_sum = 1},
    .rows_at_once = 4,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};

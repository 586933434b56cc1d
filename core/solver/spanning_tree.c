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

enum { DENSE = 8, MOST_SAMPLED = 512, FEWEST_SAMPLED = 64, BLOCK = 16, FEWEST_FILTERED = 512 };

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

/* Lets all nodes point to their roots. */
static void flatten(int32_t *sets, int64_t nodes) {
  for (int32_t v = 0; v < nodes; v++) {
    int32_t root = edges_find(sets, v);
    if (root != v) sets[v] = root;
  }
}

/* Whether the ends of an edge are apart; sets are flat. */
static int is_apart(const int32_t *sets, edge_ends ends) {
  int32_t a = sets[ends.from] < 0 ? ends.from : sets[ends.from];
  int32_t b = sets[ends.to] < 0 ? ends.to : sets[ends.to];
  return a != b;
}

/* Moves the items of edges whose ends are apart to the front; returns how many. Without branches: what
 * edges_join would find out slowly. */
static int64_t filter(const tree *t, const work *w, order_item *items, int64_t count) {
  int64_t kept = 0;
  for (int64_t i = 0; i < count; i++) {
    order_item item = items[i];
    items[kept] = item;
    kept += is_apart(w->sets, t->ends[item.index]);
  }
  return kept;
}

/* Sorts count items and takes each edge whose ends are apart. */
static mg_status take(tree *t, const work *w, int64_t nodes, int64_t count) {
  order_item *items;
  mg_status status = order_sort(w->items, count, &items);
  const int64_t stretch = nodes > FEWEST_FILTERED ? nodes : FEWEST_FILTERED;
  for (int64_t i = 0; i < count && t->missing > 0 && status == MG_OK; i += stretch) {
    int64_t left = count - i < stretch ? count - i : stretch;
    if (i > 0) {
      flatten(w->sets, nodes);
      left = filter(t, w, items + i, left);
    }
    for (int64_t j = i; j < i + left && t->missing > 0; j++) {
      order_key e = items[j].index;
      int is_joined = edges_join(w->sets, t->ends[e].from, t->ends[e].to);
      t->z[e] = (mg_real)is_joined;
      t->missing -= is_joined;
    }
    status = interrupt_tick();
  }
  return status;
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
  flatten(w->sets, p->nodes);
  for (int64_t e = 0; e < s->n; e++) {
    w->items[count] = item_of(theta, e);
    count += is_apart(w->sets, p->ends[e]) & (theta[e] < bound) & (theta[e] > -INFINITY);
  }
  return count;
}

/* Items of all edges that are not forbidden. */
static int64_t gather_all(const mg_solver *s, const mg_real *theta, order_item *items) {
  int64_t count = 0;
  for (int64_t e = 0; e < s->n; e++) {
    items[count] = item_of(theta, e);
    count += theta[e] > -INFINITY;
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
  if (status == MG_OK && bound == -INFINITY)
    status = take(&t, w, p->nodes, gather_all(s, theta, w->items));
  else if (status == MG_OK) {
    status = take(&t, w, p->nodes, gather_first(s, theta, bound, w->items));
    if (status == MG_OK && t.missing > 0)
      status = take(&t, w, p->nodes, gather_rest(s, theta, bound, w));
  }
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
static int can_extend(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z,
                      int64_t fixed, void *scratch) {
  const plan *p = s->plan;
  int32_t *sets = scratch;
  int64_t missing = p->nodes - 1;
  (void)rows, (void)row;
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
  return edges_is_feasible(s, rows, row, z, can_extend);
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

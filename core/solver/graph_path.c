/* Cheapest paths in a directed graph whose edges cost.
 *
 * Costs from 0: Dijkstra 1959 with a heap, distances in double, until the goal is settled. Some costs
 * below 0 that are allowed: Bellman 1958, Ford, Moore 1959, in rounds over the nodes that changed, with
 * costs rounded up to integers of 60 bits less those of the number of nodes: sums are exact, and no
 * rounding makes a cycle of sum 0 negative.
 *
 * Among cheapest paths: the fewest edges, then from the start on the edge of smallest index. Breadth
 * first from the goal back over edges that are tight (d[tail] + cost = d[head]). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "network.h"

enum { TICK = 2048, NAMED_NODES = 12, LOWEST_BITS = 60 };
typedef enum { NEGATIVE_ERROR, NEGATIVE_CLIP, NEGATIVE_ALLOW } negative_rule;

typedef struct plan {
  network_paths paths;
  negative_rule negative;
} plan;

typedef struct entry {
  double distance;
  int32_t node;
} entry;

/* The parts of a scratch block. */
typedef struct work {
  union {
    double *real;     /* [nodes] distances, inf: not met */
    int64_t *integer; /* FAR: not met */
  } d;
  union {
    entry *heap;   /* [edges + 1] an entry for each time a node's distance fell */
    int64_t *cost; /* [edges] */
  } of;
  int32_t *hops;   /* [nodes] edges to the goal, -1: not met */
  int32_t *queue;  /* [nodes] */
  int32_t *parent; /* [nodes] the edge that gave the distance, or -1 */
  int32_t *next;   /* [nodes] a second queue */
} work;

static const int64_t FAR = INT64_MAX;

static void release(mg_solver *s) { network_free(&((plan *)s->plan)->paths.g); }

static mg_status prepare(mg_solver *s, const settings *given) {
  mg_status status = network_prepare(s, given, (int64_t)sizeof(plan));
  const char *rule = settings_text(given, "negative");
  if (status == MG_OK)
    ((plan *)s->plan)->negative =
        rule[0] == 'c' ? NEGATIVE_CLIP : rule[0] == 'a' ? NEGATIVE_ALLOW : NEGATIVE_ERROR;
  return status;
}

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t scratch_bytes(const mg_solver *s) {
  const network *g = &((const plan *)s->plan)->paths.g;
  return aligned(g->nodes * (int64_t)sizeof(double)) + aligned((g->edges + 1) * (int64_t)sizeof(entry)) +
         4 * g->nodes * (int64_t)sizeof(int32_t);
}

static work split(const network *g, void *scratch) {
  char *at = scratch;
  work w;
  w.d.real = scratch;
  at += aligned(g->nodes * (int64_t)sizeof(double));
  w.of.heap = (entry *)(void *)at;
  at += aligned((g->edges + 1) * (int64_t)sizeof(entry));
  w.hops = (int32_t *)(void *)at;
  w.queue = w.hops + g->nodes;
  w.parent = w.queue + g->nodes;
  w.next = w.parent + g->nodes;
  return w;
}

/* ---------------------------------------------------------------- costs from 0 */

/* A cost in double after the rule on negative ones. */
static double cost_of(mg_real theta) {
  double cost = -(double)theta;
  return cost < 0 ? 0 : cost;
}

/* A heap of 4 children a node. */
static void push(entry *heap, int64_t *count, entry e) {
  int64_t i = (*count)++;
  for (int64_t up; i > 0 && e.distance < heap[up = (i - 1) / 4].distance; i = up) heap[i] = heap[up];
  heap[i] = e;
}

static entry pop(entry *heap, int64_t *count) {
  entry top = heap[0], e = heap[--*count];
  int64_t i = 0, n = *count;
  for (int64_t child; (child = 4 * i + 1) < n;) {
    int64_t least = child, end = child + 4 < n ? child + 4 : n;
    for (int64_t j = child + 1; j < end; j++)
      least = heap[j].distance < heap[least].distance ? j : least;
    if (!(heap[least].distance < e.distance)) break;
    heap[i] = heap[least];
    i = least;
  }
  heap[i] = e;
  return top;
}

static mg_status search_heap(const network *g, const mg_real *theta, const work *w,
                             const network_ends *ends) {
  double *d = w->d.real;
  int64_t count = 0, settled = 0;
  for (int64_t v = 0; v < g->nodes; v++) d[v] = INFINITY;
  d[ends->start] = 0;
  push(w->of.heap, &count, (entry){0, (int32_t)ends->start});
  while (count > 0) {
    entry e = pop(w->of.heap, &count);
    if (e.node == ends->goal) break;
    if (e.distance > d[e.node]) continue; /* it fell since */
    for (int32_t i = g->out_first[e.node]; i < g->out_first[e.node + 1]; i++) {
      int32_t head = g->out_head[i];
      double distance = e.distance + cost_of(theta[g->out[i]]);
      if (!(distance < d[head])) continue;
      d[head] = distance;
      push(w->of.heap, &count, (entry){distance, head});
    }
    mg_status status = ++settled % TICK == 0 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* ---------------------------------------------------------------- any costs */

/* Costs as integers, rounded up; FAR: forbidden. */
static void round_costs(const network *g, const mg_real *theta, int64_t *cost) {
  double most = 0;
  for (int64_t e = 0; e < g->edges; e++) {
    double size = fabs((double)theta[e]);
    most = size != INFINITY && size > most ? size : most;
  }
  int exponent = 0, bits = LOWEST_BITS - (64 - __builtin_clzll((unsigned long long)g->nodes));
  frexp(most, &exponent); /* most < 2^exponent */
  for (int64_t e = 0; e < g->edges; e++)
    cost[e] = theta[e] == -INFINITY ? FAR : (int64_t)ceil(ldexp(-(double)theta[e], bits - exponent));
}

/* One round: relaxes the edges of the nodes in queue; returns how many nodes are in next. hops is -1
 * before and after. *lowest falls to the lowest distance. */
static int64_t relax_round(const network *g, const work *w, const int32_t *queue, int64_t count,
                           int32_t *next, int64_t *lowest) {
  int64_t *d = w->d.integer, added = 0;
  for (int64_t k = 0; k < count; k++) {
    int32_t v = queue[k];
    for (int32_t i = g->out_first[v]; i < g->out_first[v + 1]; i++) {
      int32_t edge = g->out[i], head = g->out_head[i];
      if (w->of.cost[edge] == FAR || d[v] + w->of.cost[edge] >= d[head]) continue;
      d[head] = d[v] + w->of.cost[edge];
      w->parent[head] = edge;
      *lowest = d[head] < *lowest ? d[head] : *lowest;
      if (w->hops[head] < 0) next[added++] = head;
      w->hops[head] = 1;
    }
  }
  for (int64_t k = 0; k < added; k++) w->hops[next[k]] = -1;
  return added;
}

/* A node on a cycle of parents, or -1. hops is used and left as -1. O(nodes). */
static int64_t parent_cycle(const network *g, const work *w) {
  int64_t found = -1;
  for (int64_t root = 0; root < g->nodes && found < 0; root++) {
    int64_t v = root;
    while (w->hops[v] < 0 && w->parent[v] >= 0) {
      w->hops[v] = (int32_t)root;
      v = g->tail[w->parent[v]];
    }
    if (w->hops[v] == root && w->parent[v] >= 0) found = v;
  }
  for (int64_t v = 0; v < g->nodes; v++) w->hops[v] = -1;
  return found;
}

/* The failure that names a cycle of parents through v, its nodes in the order of its edges. */
static mg_status cycle_failure(const mg_solver *s, const solver_rows *rows, int64_t row, const work *w,
                               int64_t v) {
  const network *g = &((const plan *)s->plan)->paths.g;
  int64_t length = 0, u = v;
  do {
    w->queue[length++] = (int32_t)u;
    u = g->tail[w->parent[u]];
  } while (u != v);
  char text[256];
  size_t used = 0;
  for (int64_t i = 0; i < length && i < NAMED_NODES; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%" PRId32 ", ",
                             w->queue[length - 1 - i] + 1);
  return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                     "the costs of a cycle add up to less than 0: nodes %s%s%" PRId32, text,
                     length > NAMED_NODES ? "..., " : "", w->queue[length - 1] + 1);
}

/* Exact distances. While the parents are a tree, no distance is below that of a simple path, hence of
 * -2^LOWEST_BITS; and after as many rounds as nodes none falls any more. So a negative cycle shows in
 * the parents by then; it is looked for after rounds 1, 2, 4, ..., too. A round takes off less than
 * 2^LOWEST_BITS. */
static mg_status search_rounds(const mg_solver *s, const solver_rows *rows, int64_t row, const work *w,
                               const network_ends *ends) {
  const network *g = &((const plan *)s->plan)->paths.g;
  for (int64_t v = 0; v < g->nodes; v++) {
    w->d.integer[v] = FAR;
    w->hops[v] = w->parent[v] = -1;
  }
  w->d.integer[ends->start] = 0;
  w->queue[0] = (int32_t)ends->start;
  int32_t *queue = w->queue, *next = w->next;
  int64_t count = 1, looked = 1, lowest = 0;
  for (int64_t round = 1; count > 0; round++) {
    count = relax_round(g, w, queue, count, next, &lowest);
    int32_t *other = queue;
    queue = next;
    next = other;
    if (round == looked || round >= g->nodes || lowest < -((int64_t)1 << LOWEST_BITS)) {
      int64_t v = parent_cycle(g, w);
      if (v >= 0) return cycle_failure(s, rows, row, w, v);
      looked = round == looked ? 2 * looked : looked;
    }
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* ---------------------------------------------------------------- the path */

static int is_tight(const network *g, const mg_real *theta, const work *w, int is_integer,
                    int32_t edge) {
  int32_t tail = g->tail[edge], head = g->head[edge];
  if (is_integer)
    return w->d.integer[tail] != FAR && w->of.cost[edge] != FAR &&
           w->d.integer[tail] + w->of.cost[edge] == w->d.integer[head];
  return w->d.real[tail] != INFINITY && w->d.real[tail] + cost_of(theta[edge]) == w->d.real[head];
}

/* Numbers of tight edges to the goal, of the start and of all nodes nearer to the goal. */
static void count_hops(const network *g, const mg_real *theta, const work *w, int is_integer,
                       const network_ends *ends) {
  int64_t head = 0, tail = 0;
  for (int64_t v = 0; v < g->nodes; v++) w->hops[v] = -1;
  w->hops[ends->goal] = 0;
  w->queue[tail++] = (int32_t)ends->goal;
  while (head < tail && w->hops[ends->start] < 0) {
    int32_t v = w->queue[head++];
    for (int32_t i = g->in_first[v]; i < g->in_first[v + 1]; i++) {
      int32_t u = g->tail[g->in[i]];
      if (w->hops[u] >= 0 || !is_tight(g, theta, w, is_integer, g->in[i])) continue;
      w->hops[u] = w->hops[v] + 1;
      w->queue[tail++] = u;
    }
  }
}

/* Marks the path in z; returns its cost. */
static double mark_path(const network *g, const mg_real *theta, const work *w, int is_integer,
                        const network_ends *ends, mg_real *z) {
  double cost = 0;
  count_hops(g, theta, w, is_integer, ends);
  for (int64_t v = ends->start; v != ends->goal;) {
    int32_t i = g->out_first[v], end = g->out_first[v + 1];
    while (i < end && (w->hops[g->head[g->out[i]]] != w->hops[v] - 1 ||
                       !is_tight(g, theta, w, is_integer, g->out[i])))
      i++;
    if (i == end) break; /* never: hops of v came from somewhere */
    int32_t edge = g->out[i];
    z[edge] = 1;
    cost += is_integer ? -(double)theta[edge] : cost_of(theta[edge]);
    v = g->head[edge];
  }
  return cost;
}

/* The rule on costs below 0. *signed_costs = 1: there are some and they stay. */
static mg_status check_costs(const mg_solver *s, solver_rows *rows, int64_t row, int *signed_costs) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  int64_t negative = 0, first = 0;
  for (int64_t e = 0; e < s->n; e++) negative += theta[e] > 0;
  *signed_costs = negative > 0 && p->negative == NEGATIVE_ALLOW;
  if (negative == 0 || *signed_costs) return MG_OK;
  if (p->negative == NEGATIVE_CLIP) {
    rows->repaired += negative;
    return MG_OK;
  }
  while (!(theta[first] > 0)) first++;
  return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                     "cost at entry %" PRId64 " is %g, expected 0 and more (see the setting negative)",
                     first + 1, -(double)theta[first]);
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, const work *w) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  network_ends ends;
  int is_integer;
  mg_status status = network_ends_of(s, rows, row, &ends);
  if (status == MG_OK) status = check_costs(s, rows, row, &is_integer);
  if (status != MG_OK) return status;
  if (is_integer) round_costs(&p->paths.g, theta, w->of.cost);
  status = is_integer ? search_rounds(s, rows, row, w, &ends) : search_heap(&p->paths.g, theta, w, &ends);
  if (status != MG_OK) return status;
  memset(z, 0, (size_t)s->n * sizeof *z);
  if (is_integer ? w->d.integer[ends.goal] == FAR : w->d.real[ends.goal] == INFINITY)
    return solver_none(s, rows, row, "no path of finite cost from node %" PRId64 " to node %" PRId64,
                       ends.start + 1, ends.goal + 1);
  solver_answer(rows, row, -mark_path(&p->paths.g, theta, w, is_integer, &ends, z));
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w = split(&((const plan *)s->plan)->paths.g, scratch);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, &w);
  return status;
}

static const mg_option options[] = {
    NETWORK_SETTINGS,
    NETWORK_END_SETTINGS,
    {.name = "negative",
     .form = "choice error|clip|allow",
     .preset = "error",
     .doc = "costs below 0: refuse them, count them as 0, or take them (slower; a cycle that the start "
            "leads to and that costs less than 0 is an error)"},
    {0},
};
static const mg_option contexts[] = {NETWORK_END_CONTEXTS, {0}};

const solver_kind solver_graph_path;
const solver_kind solver_graph_path = {
    .kind = {.name = "graph_path",
             .sense = "min",
             .shape = "size",
             .doc = "the cheapest path between two nodes of a directed graph whose edges cost. costs "
                    "[edges] -> z [edges], 1 on the path; none if start and goal are one node. Costs "
                    "from 0 (see negative); inf is a forbidden edge; edges may be parallel. Ties: the "
                    "fewest edges, then from the start on the edge of smallest index. O(m log m) for m "
                    "edges (Dijkstra 1959), with costs below 0 O(nodes m) (Bellman 1958). Example: "
                    "solver.graph_path { nodes = 3, edges = {{1, 2}, {2, 3}, {1, 3}} }.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = 4,
    .domain = SOLVER_FORBIDS,
    .prepare = prepare,
    .release = release,
    .scratch_bytes = scratch_bytes,
    .solve = solve,
    .is_feasible = network_is_feasible,
    .enumerate = network_enumerate};

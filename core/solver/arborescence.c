/* The cheapest way to reach every node of a directed graph from its root: Edmonds 1967, Chu and Liu 1965.
 *
 * Each node but the root takes the cheapest edge that enters it. Where such edges close a cycle, it becomes
 * one node; an edge that enters it costs what it adds to the edge that it would replace. When nothing is
 * left to contract, cycles are opened again from the outermost one: the node where the cycle is entered
 * gives its own edge up. Which cycles are contracted does not depend on the order, so ties are decided by
 * one rule: of equal edges the smaller index.
 *
 * Nodes grow a path backwards (Gabow, Galil, Spencer, Tarjan 1986). The edges entering a contracted node
 * stand in a leftist heap whose subtrees carry what is to be added to their costs; those of the others are
 * looked through once, all together. O(m log m), O(m) where cycles are few. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "edges.h"

enum { ROOT = 0 };

typedef struct plan {
  int64_t nodes, root;
  int32_t *start, *entering; /* edges that enter v: entering[start[v] .. start[v + 1] - 1], ascending */
  edge_ends ends[];          /* then start [nodes + 1], entering [n] */
} plan;

/* An edge in the heap of the node that it enters. */
typedef struct heap_edge {
  double cost, added; /* added: to the costs below it, not yet there */
  int32_t left, right;
  int32_t reach; /* steps to the nearest missing child */
} heap_edge;

/* An instance, and the parts of a scratch block. Nodes from p->nodes on are contracted cycles. */
typedef struct work {
  const mg_real *theta;
  double scale;     /* of costs */
  heap_edge *edges; /* [n] */
  double *paid;     /* [2 nodes] cost of the edge taken, when it was */
  int32_t *list;    /* [n] */
  int32_t *heap;    /* [2 nodes] the best edge entering, or -1 */
  int32_t *up;      /* [2 nodes] the cycle that a node is part of, or -1 */
  int32_t *over;    /* [2 nodes] a node that it is part of, nearer to the outermost; -1: outermost */
  int32_t *taken;   /* [2 nodes] the edge taken */
  int32_t *path;    /* [2 nodes] */
  unsigned char *state; /* [2 nodes] */
} work;

enum { NEW, ON_PATH, DONE }; /* states; DONE: the root is reached */

/* ---------------------------------------------------------------- plan and scratch */

static mg_status prepare(mg_solver *s, const settings *given) {
  mg_status status = edges_check(s, given);
  if (status != MG_OK) return status;
  const int64_t nodes = settings_count(given, "nodes");
  const double root = settings_real(given, "root");
  if (!(root >= 0 && root < (double)nodes) || root != floor(root))
    return fail(MG_BAD_ARGUMENT, "arborescence: root = %g, expected a node in 1..%" PRId64, root + 1,
                nodes);
  plan *p = memory_new((int64_t)sizeof *p + s->n * (int64_t)sizeof *p->ends +
                       (nodes + 1 + s->n) * (int64_t)sizeof(int32_t));
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  p->nodes = nodes;
  p->root = (int64_t)root;
  p->start = (int32_t *)(p->ends + s->n);
  p->entering = p->start + nodes + 1;
  edges_read(s, given, p->ends);
  memset(p->start, 0, (size_t)(nodes + 1) * sizeof *p->start);
  for (int64_t e = 0; e < s->n; e++) p->start[p->ends[e].to]++;
  for (int64_t v = 1; v <= nodes; v++) p->start[v] += p->start[v - 1];
  for (int64_t e = s->n - 1; e >= 0; e--) p->entering[--p->start[p->ends[e].to]] = (int32_t)e;
  return MG_OK;
}

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t scratch_bytes(const mg_solver *s) {
  const int64_t nodes = 2 * ((const plan *)s->plan)->nodes;
  return aligned(s->n * (int64_t)sizeof(heap_edge)) + aligned(nodes * (int64_t)sizeof(double)) +
         aligned(s->n * (int64_t)sizeof(int32_t)) + 5 * aligned(nodes * (int64_t)sizeof(int32_t)) +
         aligned(nodes);
}

static work split(const mg_solver *s, void *scratch) {
  const int64_t nodes = 2 * ((const plan *)s->plan)->nodes;
  char *at = scratch;
  work w = {.edges = scratch};
  at += aligned(s->n * (int64_t)sizeof(heap_edge));
  w.paid = (double *)(void *)at;
  at += aligned(nodes * (int64_t)sizeof(double));
  w.list = (int32_t *)(void *)at;
  at += aligned(s->n * (int64_t)sizeof(int32_t));
  int32_t **parts[] = {&w.heap, &w.up, &w.over, &w.taken, &w.path};
  for (int i = 0; i < 5; i++, at += aligned(nodes * (int64_t)sizeof(int32_t)))
    *parts[i] = (int32_t *)(void *)at;
  w.state = (unsigned char *)at;
  return w;
}

/* ---------------------------------------------------------------- heaps */

static void add(heap_edge *edges, int32_t e, double amount) {
  if (e < 0) return;
  edges[e].cost += amount;
  edges[e].added += amount;
}

static void push_down(heap_edge *edges, int32_t e) {
  if (edges[e].added == 0) return;
  add(edges, edges[e].left, edges[e].added);
  add(edges, edges[e].right, edges[e].added);
  edges[e].added = 0;
}

/* Both heaps in one; -1 is an empty heap. Goes as deep as the logarithm of their sizes. */
static int32_t meld(heap_edge *edges, int32_t a, int32_t b) {
  if (a < 0 || b < 0) return a < 0 ? b : a;
  if (edges[b].cost < edges[a].cost || (edges[b].cost == edges[a].cost && b < a)) {
    int32_t swap = a;
    a = b;
    b = swap;
  }
  push_down(edges, a);
  heap_edge *top = &edges[a];
  top->right = meld(edges, top->right, b);
  int32_t left = top->left < 0 ? 0 : edges[top->left].reach, right = edges[top->right].reach;
  if (left < right) {
    int32_t swap = top->left;
    top->left = top->right;
    top->right = swap;
    right = left;
  }
  top->reach = right + 1;
  return a;
}

static int32_t without_top(heap_edge *edges, int32_t a) {
  push_down(edges, a);
  return meld(edges, edges[a].left, edges[a].right);
}

/* A heap of the edges that enter v, but for the one taken, whose cost the others are reduced by: by melding
 * pairs, O(edges). */
static int32_t heap_of(const plan *p, const work *w, int32_t v) {
  int64_t count = 0;
  for (int32_t i = p->start[v]; i < p->start[v + 1]; i++) {
    int32_t e = p->entering[i];
    if (w->theta[e] == -INFINITY || e == w->taken[v]) continue;
    w->edges[e] = (heap_edge){-(double)w->theta[e] * w->scale - w->paid[v], 0, -1, -1, 1};
    w->list[count++] = e;
  }
  for (; count > 1; count = (count + 1) / 2)
    for (int64_t i = 0; 2 * i < count; i++)
      w->list[i] = 2 * i + 1 < count ? meld(w->edges, w->list[2 * i], w->list[2 * i + 1])
                                     : w->list[2 * i];
  return count == 0 ? -1 : w->list[0];
}

/* ---------------------------------------------------------------- contraction */

/* The outermost node that v is part of. */
static int32_t outermost(const work *w, int32_t v) {
  while (w->over[v] >= 0) {
    int32_t next = w->over[v];
    if (w->over[next] < 0) return next;
    w->over[v] = w->over[next];
    v = w->over[next];
  }
  return v;
}

/* Contracts the end of the path from u on to node `made`. Returns the path's new length. */
static int64_t contract(const plan *p, const work *w, int64_t length, int32_t u, int32_t made) {
  int32_t part;
  w->heap[made] = w->over[made] = w->up[made] = -1;
  w->state[made] = NEW;
  do {
    part = w->path[--length];
    w->over[part] = w->up[part] = made;
    if (part < p->nodes) w->heap[part] = heap_of(p, w, part);
    else add(w->edges, w->heap[part], -w->paid[part]);
    w->heap[made] = meld(w->edges, w->heap[made], w->heap[part]);
  } while (part != u);
  return length;
}

/* Takes the cheapest edge that enters each node but the root, -1 if there is none. */
static void take_all(const mg_solver *s, const work *w, int64_t root) {
  const plan *p = s->plan;
  for (int64_t v = 0; v < p->nodes; v++) {
    w->over[v] = w->up[v] = w->taken[v] = -1;
    w->paid[v] = -INFINITY; /* theta for now */
    w->state[v] = NEW;
  }
  for (int64_t e = 0; e < s->n; e++) {
    int32_t to = p->ends[e].to;
    if ((double)w->theta[e] > w->paid[to]) {
      w->paid[to] = (double)w->theta[e];
      w->taken[to] = (int32_t)e;
    }
  }
  for (int64_t v = 0; v < p->nodes; v++) w->paid[v] *= -w->scale;
  w->state[root] = DONE;
}

/* Takes the cheapest edge that enters a contracted node u from outside; 0: there is none. */
static int take(const plan *p, const work *w, int32_t u) {
  if (u < p->nodes) return w->taken[u] >= 0;
  int32_t e = w->heap[u];
  while (e >= 0 && outermost(w, p->ends[e].from) == u) e = without_top(w->edges, e);
  w->heap[u] = e;
  if (e < 0) return 0;
  w->taken[u] = e;
  w->paid[u] = w->edges[e].cost;
  w->heap[u] = without_top(w->edges, e);
  return 1;
}

/* -1 - v for the first node v that is part of u. */
static int64_t unreached(const plan *p, const work *w, int32_t u) {
  for (int32_t v = 0; v < p->nodes; v++)
    if (outermost(w, v) == u) return -1 - v;
  return -1;
}

/* Contracts until each node has a way from the root. Returns the number of nodes, contracted ones included;
 * -1 - v if node v has none. */
static int64_t grow(const plan *p, const work *w, mg_status *status) {
  int64_t count = p->nodes;
  for (int64_t v = 0; v < p->nodes; v++) {
    int64_t length = 0;
    int32_t u = outermost(w, (int32_t)v);
    while (w->state[u] != DONE) {
      if ((*status = interrupt_tick()) != MG_OK) return 0;
      if (w->state[u] == ON_PATH) {
        length = contract(p, w, length, u, (int32_t)count);
        u = (int32_t)count++;
      }
      if (!take(p, w, u)) return unreached(p, w, u);
      w->state[u] = ON_PATH;
      w->path[length++] = u;
      u = outermost(w, p->ends[w->taken[u]].from);
    }
    while (length > 0) w->state[w->path[--length]] = DONE;
  }
  return count;
}

/* Opens the contracted nodes, outermost first: the edge that enters one becomes that of the parts on the
 * way in to its end. Each node is on one such way at most. */
static void expand(const plan *p, const work *w, int64_t count) {
  for (int64_t c = 0; c < count; c++) w->state[c] = 0; /* 1: on a way in */
  for (int64_t c = count - 1; c >= p->nodes; c--) {
    if (w->state[c]) continue;
    int32_t e = w->taken[c];
    for (int32_t x = p->ends[e].to; x != c; x = w->up[x]) {
      w->taken[x] = e;
      w->state[x] = 1;
    }
  }
}

/* ---------------------------------------------------------------- solving */

/* The root of the instance, from 0; -1: the context names no node. */
static int64_t root_of(const mg_solver *s, const solver_rows *rows, int64_t row) {
  const plan *p = s->plan;
  const mg_real *given = solver_context(rows, ROOT, row);
  if (!given) return p->root;
  return *given >= 0 && *given < (mg_real)p->nodes && *given == floor(*given) ? (int64_t)*given : -1;
}

/* A power of two that keeps sums of the costs finite. */
static double scale_of(const mg_real *theta, int64_t n) {
  if (sizeof(mg_real) == sizeof(float)) return 1;
  mg_real largest = 0;
  for (int64_t i = 0; i < n; i++) {
    mg_real size = theta[i] < 0 ? -theta[i] : theta[i];
    if (size > largest && size < INFINITY) largest = size;
  }
  return (double)largest > 1e300 ? 0x1p-8 : 1;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, work *w) {
  const plan *p = s->plan;
  mg_real *z = rows->z + row * s->n;
  const int64_t root = root_of(s, rows, row);
  mg_status status = MG_OK;
  if (root < 0)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "root %g is not a node in 1..%" PRId64,
                       (double)*solver_context(rows, ROOT, row) + 1, p->nodes);
  w->theta = rows->theta + row * s->n;
  w->scale = scale_of(w->theta, s->n);
  take_all(s, w, root);
  int64_t count = grow(p, w, &status);
  if (status != MG_OK) return status;
  if (count < 0)
    return solver_none(s, rows, row, "no allowed way from root %" PRId64 " to node %" PRId64, root + 1,
                       -count);
  expand(p, w, count);
  memset(z, 0, (size_t)s->n * sizeof *z);
  double sum = 0;
  for (int64_t v = 0; v < p->nodes; v++) {
    if (v == root) continue;
    z[w->taken[v]] = 1;
    sum += (double)w->theta[w->taken[v]];
  }
  solver_answer(rows, row, sum);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w = split(s, scratch);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, &w);
  return status;
}

/* Whether an arborescence has all ones of z[0..fixed-1] and no other edges before `fixed`: the one edge
 * entering its node stays, other nodes keep all edges from `fixed` on, and all nodes can be reached. */
static int reaches_all(const mg_solver *s, int64_t root, const mg_real *z, int64_t fixed, const work *w) {
  const plan *p = s->plan;
  for (int64_t v = 0; v < p->nodes; v++) {
    w->taken[v] = -1;
    w->state[v] = v == root;
  }
  for (int64_t e = 0; e < fixed; e++) {
    if (z[e] == 0) continue;
    int32_t to = p->ends[e].to;
    if (z[e] != 1 || to == root || w->taken[to] >= 0) return 0;
    w->taken[to] = (int32_t)e;
  }
  int64_t left = p->nodes - 1;
  for (int progress = 1; progress && left > 0;) {
    progress = 0;
    for (int64_t e = 0; e < s->n; e++) {
      edge_ends ends = p->ends[e];
      int usable = e == w->taken[ends.to] || (e >= fixed && w->taken[ends.to] < 0);
      if (!usable || !w->state[ends.from] || w->state[ends.to]) continue;
      w->state[ends.to] = 1;
      progress = 1;
      left--;
    }
  }
  return left == 0;
}

static int can_extend(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z,
                      int64_t fixed, void *scratch) {
  const work w = split(s, scratch);
  const int64_t root = root_of(s, rows, row);
  return root >= 0 && reaches_all(s, root, z, fixed, &w);
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  return edges_is_feasible(s, rows, row, z, can_extend);
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  return edges_enumerate(s, rows, can_extend, visit);
}

static const mg_option options[] = {
    {.name = "nodes", .form = "count", .doc = "how many"},
    {.name = "edges", .form = "list", .doc = "for each edge the node it leaves and the one it enters",
     .is_index = 1},
    {.name = "root", .form = "real", .preset = "0", .doc = "the node that all are reached from",
     .is_index = 1},
    {0},
};
static const mg_option contexts[] = {
    {.name = "root", .form = "1", .doc = "another root for the instance", .is_index = 1},
    {0},
};

const solver_kind solver_arborescence;
const solver_kind solver_arborescence = {
    .kind = {.name = "arborescence",
             .sense = "min",
             .shape = "size",
             .doc = "the cheapest edges of a directed graph by which a root reaches every node, one edge "
                    "entering each. costs [edges] -> z [edges] in {0,1}. Costs of any sign; inf forbids an "
                    "edge. Ties, as Edmonds contracts: each node, and each contracted cycle, takes the "
                    "entering edge of least cost, less what the cycle's own edge there cost; of equal ones "
                    "that of smallest index. O(m log m) for m edges. Edmonds 1967. Example: "
                    "solver.arborescence { nodes = 3, edges = { { 1, 2 }, { 2, 3 }, { 1, 3 } } } "
                    "(tensor { 5, 1, 2 }) is 1 1 0.",
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

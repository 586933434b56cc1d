/* Cheapest perfect matching of a graph that is given once.
 *
 * Costs become even integers, multiples of a power of two that depends on the largest alone.
 * perfect_matching_blossom.c solves them exactly. On graphs of many edges it gets each vertex's
 * cheapest edges first; the duals then price all others, and edges that may improve the answer join
 * in, until there is none. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "perfect_matching_blossom.h"
#include "solver.h"

enum {
  CHEAPEST = 7,      /* edges of a vertex that a dense graph starts with */
  DENSE_DEGREE = 24, /* dense: vertices have more edges on average */
  MOST_ROUNDS = 100  /* of pricing, before all edges are taken */
};

typedef struct plan {
  int64_t nodes, edges;
  int is_dense, is_complete;
  int32_t *from, *to; /* [edges] */
  int32_t *first;     /* [nodes + 1] of the arcs, ordered by vertex and edge */
  blossom_arc *arcs;  /* [2 edges] without costs */
  int32_t *edge;      /* [2 edges] of an arc */
  int32_t *
      twin; /* [edges] next of the edges between the same vertices, in a circle; NULL: all single */
} plan;

typedef struct offer {
  int64_t cost;
  int32_t edge;
} offer;

typedef struct work {
  blossom b;
  blossom_arc *arcs;
  int64_t *cost;          /* [edges] */
  int32_t *first, *edge;  /* of the part of a dense graph */
  int32_t *part;          /* [edges] its edges */
  int64_t parts;          /* how many */
  offer *offers;          /* [nodes, CHEAPEST] ascending */
  int64_t *dual;          /* [nodes] */
  char *is_taken;         /* [nodes] */
  int is_priced;          /* duals are those of w->b */
  const int32_t *edge_of; /* of the arcs that were solved */
} work;

/* ---------------------------------------------------------------- the plan */

static mg_status read_edge(plan *p, const double *list, int64_t e) {
  for (int end = 0; end < 2; end++) {
    double node = list[2 * e + end];
    if (!(node >= 0 && node < (double)p->nodes) || node != floor(node))
      return fail(MG_BAD_ARGUMENT,
                  "perfect_matching: edge %" PRId64
                  " has an end %g, expected an integer in 1..%" PRId64,
                  e + 1, node + 1, p->nodes);
    (end == 0 ? p->from : p->to)[e] = (int32_t)node;
  }
  if (p->from[e] == p->to[e])
    return fail(MG_BAD_ARGUMENT, "perfect_matching: edge %" PRId64 " joins node %d to itself",
                e + 1, p->from[e] + 1);
  return MG_OK;
}

static mg_status read_edges(plan *p, const double *list) {
  mg_status status = MG_OK;
  if (!p->is_complete) {
    for (int64_t e = 0; e < p->edges && status == MG_OK; e++) status = read_edge(p, list, e);
    return status;
  }
  int64_t e = 0;
  for (int32_t u = 0; u < p->nodes; u++)
    for (int32_t w = u + 1; w < p->nodes; w++, e++) {
      p->from[e] = u;
      p->to[e] = w;
    }
  return MG_OK;
}

/* Arcs of all vertices from a list of edges (part[0..count], or all): first, arcs and edge. */
static void join(const plan *p, const int32_t *part, int64_t count, int32_t *first,
                 blossom_arc *arcs, int32_t *edge) {
  memset(first, 0, (size_t)(p->nodes + 1) * sizeof *first);
  for (int64_t i = 0; i < count; i++) {
    int64_t e = part ? part[i] : i;
    first[p->from[e]]++;
    first[p->to[e]]++;
  }
  for (int64_t v = 1; v <= p->nodes; v++) first[v] += first[v - 1];
  for (int64_t i = count; i-- > 0;) { /* from the back: first[v] goes down to where v starts */
    int32_t e = part ? part[i] : (int32_t)i, a = --first[p->from[e]], b = --first[p->to[e]];
    arcs[a] = (blossom_arc){.to = p->to[e], .mirror = b};
    arcs[b] = (blossom_arc){.to = p->from[e], .mirror = a};
    edge[a] = edge[b] = e;
  }
}

/* Links edges between the same vertices. */
static mg_status link_twins(plan *p) {
  int32_t *last = memory_array(p->nodes, (int64_t)sizeof *last), twins = 0;
  if (!last) return MG_NO_MEMORY;
  for (int64_t v = 0; v < p->nodes; v++) last[v] = -1;
  for (int32_t e = 0; e < p->edges; e++) p->twin[e] = e;
  for (int32_t v = 0; v < p->nodes; v++)
    for (int32_t a = p->first[v]; a < p->first[v + 1]; a++) {
      int32_t w = p->arcs[a].to, e = p->edge[a], before = last[w];
      if (w < v) continue;
      last[w] = a;
      if (before < p->first[v]) continue; /* of another vertex */
      twins++;
      p->twin[e] = p->twin[p->edge[before]];
      p->twin[p->edge[before]] = e;
    }
  if (twins == 0) p->twin = NULL;
  memory_free(last);
  return MG_OK;
}

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static plan *new_plan(int64_t nodes, int64_t edges) {
  int64_t word = (int64_t)sizeof(int32_t), ends = aligned(edges * word);
  int64_t arcs = aligned(2 * edges * (int64_t)sizeof(blossom_arc)),
          firsts = aligned((nodes + 1) * word);
  int64_t head = aligned((int64_t)sizeof(plan));
  char *at = memory_new(head + 3 * ends + aligned(2 * edges * word) + arcs + firsts);
  plan *p = (plan *)(void *)at;
  if (!p) return NULL;
  *p = (plan){.nodes = nodes, .edges = edges};
  p->arcs = (blossom_arc *)(void *)(at += head);
  p->from = (int32_t *)(void *)(at += arcs);
  p->to = (int32_t *)(void *)(at += ends);
  p->twin = (int32_t *)(void *)(at += ends);
  p->first = (int32_t *)(void *)(at += ends);
  p->edge = (int32_t *)(void *)(at += firsts);
  return p;
}

static mg_status prepare(mg_solver *s, const settings *given) {
  int64_t nodes = settings_count(given, "nodes"), numbers;
  const double *list = settings_list(given, "edges", &numbers);
  int64_t edges = numbers / 2, most = INT32_MAX / 8;
  if (nodes < 2 || nodes > most)
    return fail(MG_BAD_ARGUMENT, "perfect_matching: nodes = %" PRId64 ", expected 2..%" PRId64,
                nodes, most);
  if (numbers % 2 != 0)
    return fail(MG_BAD_ARGUMENT, "perfect_matching: edges has %" PRId64 " numbers, expected pairs",
                numbers);
  if (numbers == 0) edges = memory_product(nodes, nodes - 1) / 2;
  if (edges > most)
    return fail(MG_BAD_ARGUMENT,
                "perfect_matching: %" PRId64 " edges are too many, at most %" PRId64, edges, most);
  plan *p = new_plan(nodes, edges);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  s->n = edges;
  p->is_complete = numbers == 0;
  p->is_dense = 2 * edges > DENSE_DEGREE * nodes;
  mg_status status = read_edges(p, list);
  if (status != MG_OK) return status;
  join(p, NULL, edges, p->first, p->arcs, p->edge);
  return link_twins(p);
}

/* ---------------------------------------------------------------- scratch */

static void *take(char **at, int64_t *sum, int64_t bytes) {
  void *block = *at;
  if (*at) *at += aligned(bytes);
  *sum += aligned(bytes);
  return block;
}

static int64_t place(const plan *p, char *at, work *w) {
  int64_t sum = 0, word = (int64_t)sizeof(int32_t), n = p->nodes, m = p->edges;
  int64_t bytes = blossom_bytes(n, 2 * m);
  char *block = take(&at, &sum, bytes);
  w->arcs = take(&at, &sum, 2 * m * (int64_t)sizeof *w->arcs);
  w->cost = take(&at, &sum, m * (int64_t)sizeof *w->cost);
  if (block) blossom_place(&w->b, n, 2 * m, block);
  if (!p->is_dense) return sum;
  w->first = take(&at, &sum, (n + 1) * word);
  w->edge = take(&at, &sum, 2 * m * word);
  w->part = take(&at, &sum, m * word);
  w->offers = take(&at, &sum, n * CHEAPEST * (int64_t)sizeof *w->offers);
  w->dual = take(&at, &sum, n * (int64_t)sizeof *w->dual);
  w->is_taken = take(&at, &sum, n);
  return sum;
}

static int64_t scratch_bytes(const mg_solver *s) {
  work w;
  return place(s->plan, NULL, &w);
}

/* ---------------------------------------------------------------- costs */

/* Costs as even integers of at most BLOSSOM_RANGE / nodes in size. */
static void load_costs(const plan *p, const mg_real *theta, int64_t *cost) {
  mg_real largest = 0;
  for (int64_t e = 0; e < p->edges; e++) {
    mg_real size = theta[e] == -INFINITY ? 0 : (mg_real)fabs(theta[e]);
    largest = size > largest ? size : largest;
  }
  int exponent, shift, places;
  frexp((double)largest, &exponent); /* largest < 2^exponent */
  frexp((double)p->nodes, &places);
  shift = 58 - places - exponent;
  double scale = ldexp(-1, shift / 2),
         more = ldexp(1, shift - shift / 2); /* their product may overflow */
  for (int64_t e = 0; e < p->edges; e++) {
    double exact = theta[e] * scale * more;
    cost[e] = theta[e] == -INFINITY ? BLOSSOM_FORBIDDEN : 2 * (int64_t)rint(exact);
  }
}

/* ---------------------------------------------------------------- dense graphs */

static int64_t reduced_cost(const plan *p, work *w, int32_t e) {
  int32_t u = p->from[e], v = p->to[e];
  int64_t reduced = w->cost[e] - w->dual[u] - w->dual[v];
  return reduced < 0 && w->is_priced ? reduced + 2 * blossom_shared(&w->b, u, v) : reduced;
}

/* Puts an edge among the cheapest of a vertex, before those that cost more. */
static void insert(offer *offers, int64_t cost, int32_t edge) {
  int i = CHEAPEST - 1;
  for (; i > 0 && cost < offers[i - 1].cost; i--) offers[i] = offers[i - 1];
  offers[i] = (offer){cost, edge};
}

/* The edges of least reduced cost of each vertex, below `limit`. */
static void collect_offers(const plan *p, work *w, int64_t limit) {
  for (int64_t i = 0; i < p->nodes * CHEAPEST; i++) w->offers[i] = (offer){limit, -1};
  for (int32_t e = 0; e < p->edges; e++) {
    int32_t u = p->from[e], v = p->to[e];
    offer *a = w->offers + (int64_t)u * CHEAPEST, *b = w->offers + (int64_t)v * CHEAPEST;
    int64_t reduced = w->cost[e] - w->dual[u] - w->dual[v];
    if (reduced >= a[CHEAPEST - 1].cost && reduced >= b[CHEAPEST - 1].cost) continue;
    reduced = reduced_cost(p, w, e);
    if (reduced < a[CHEAPEST - 1].cost) insert(a, reduced, e);
    if (reduced < b[CHEAPEST - 1].cost) insert(b, reduced, e);
  }
}

/* Whether an edge is among the offers of a vertex. */
static int is_offered(const work *w, int64_t v, int64_t reduced, int32_t edge) {
  const offer *last = &w->offers[v * CHEAPEST + CHEAPEST - 1];
  return reduced < last->cost || (reduced == last->cost && edge <= last->edge);
}

/* Adds all edges that are offered; 0 if there is none. */
static int add_offers(const plan *p, work *w) {
  int64_t before = w->parts;
  for (int64_t v = 0; v < p->nodes; v++)
    for (int i = 0; i < CHEAPEST; i++) {
      offer o = w->offers[v * CHEAPEST + i];
      if (o.edge < 0) break;
      int64_t other = p->from[o.edge];
      if (other < v && is_offered(w, other, o.cost, o.edge)) continue; /* the other end has it */
      w->part[w->parts++] = o.edge;
    }
  return w->parts > before;
}

/* Adds a matching, each edge in turn if it fits: a start where all edges cost much the same. */
static void add_pairs(const plan *p, work *w) {
  int64_t left = p->nodes;
  for (int32_t e = 0; e < p->edges && left > 1; e++) {
    int32_t u = p->from[e], v = p->to[e];
    if (w->is_taken[u] || w->is_taken[v] || w->cost[e] == BLOSSOM_FORBIDDEN) continue;
    w->is_taken[u] = w->is_taken[v] = 1;
    left -= 2;
    if (!is_offered(w, u, w->cost[e], e) && !is_offered(w, v, w->cost[e], e))
      w->part[w->parts++] = e;
  }
}

/* The cheapest edges of each vertex and a matching. Returns a vertex that has none, or -1. */
static int32_t choose_part(const plan *p, work *w) {
  w->parts = w->is_priced = 0;
  memset(w->dual, 0, (size_t)p->nodes * sizeof *w->dual);
  collect_offers(p, w, BLOSSOM_FORBIDDEN);
  add_offers(p, w);
  memset(w->is_taken, 0, (size_t)p->nodes);
  add_pairs(p, w);
  for (int32_t v = 0; v < p->nodes; v++)
    if (w->offers[(int64_t)v * CHEAPEST].edge < 0) return v;
  return -1;
}

/* Adds edges whose reduced cost is below 0; 0 if there is none. */
static int price(const plan *p, work *w) {
  w->is_priced = 1;
  for (int64_t v = 0; v < p->nodes; v++) w->dual[v] = w->b.vertices[v].base;
  collect_offers(p, w, 0);
  return add_offers(p, w);
}

static mg_status solve_arcs(work *w, const int32_t *first, const int32_t *edge, int64_t arcs,
                            int32_t *alone) {
  for (int64_t a = 0; a < arcs; a++) w->arcs[a].cost = w->cost[edge[a]];
  w->b.first = first;
  w->b.arcs = w->arcs;
  w->edge_of = edge;
  return blossom_solve(&w->b, alone);
}

static mg_status solve_all(const plan *p, work *w, int32_t *alone) {
  memcpy(w->arcs, p->arcs, (size_t)(2 * p->edges) * sizeof *w->arcs);
  return solve_arcs(w, p->first, p->edge, 2 * p->edges, alone);
}

/* Also where the part has no perfect matching: the edges that may help have reduced costs below 0.
 */
static mg_status solve_dense(const plan *p, work *w, int32_t *alone) {
  *alone = choose_part(p, w);
  if (*alone >= 0) return MG_OK;
  for (int round = 0; round < MOST_ROUNDS; round++) {
    join(p, w->part, w->parts, w->first, w->arcs, w->edge);
    mg_status status = solve_arcs(w, w->first, w->edge, 2 * w->parts, alone);
    if (status != MG_OK || !price(p, w)) return status;
  }
  return solve_all(p, w, alone);
}

/* ---------------------------------------------------------------- answers */

/* The cheapest of the edges between the same vertices, of those the first. */
static int32_t best_twin(const plan *p, const mg_real *theta, int32_t e) {
  int32_t best = e;
  for (int32_t i = p->twin ? p->twin[e] : e; i != e; i = p->twin[i])
    if (theta[i] > theta[best] || (theta[i] == theta[best] && i < best)) best = i;
  return best;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, work *w) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  int32_t alone;
  if (p->nodes % 2 != 0)
    return solver_none(s, rows, row, "the graph has an odd number of nodes, %" PRId64, p->nodes);
  load_costs(p, theta, w->cost);
  mg_status status = p->is_dense ? solve_dense(p, w, &alone) : solve_all(p, w, &alone);
  if (status != MG_OK) return status;
  if (alone >= 0)
    return solver_none(s, rows, row,
                       "no perfect matching of edges of finite cost; node %d is left over",
                       alone + 1);
  memset(z, 0, (size_t)s->n * sizeof *z);
  double sum = 0;
  for (int32_t v = 0; v < p->nodes; v++) {
    int32_t a = w->b.nodes[v].match;
    if (w->arcs[a].to < v) continue;
    int32_t e = best_twin(p, theta, w->edge_of[a]);
    z[e] = 1;
    sum += theta[e];
  }
  solver_answer(rows, row, sum);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  work w;
  place(s->plan, scratch, &w);
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, &w);
  return status;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const plan *p = s->plan;
  (void)rows, (void)row;
  for (int64_t v = 0; v < p->nodes; v++) {
    int64_t ones = 0;
    for (int32_t a = p->first[v]; a < p->first[v + 1]; a++) {
      mg_real value = z[p->edge[a]];
      if (value != 0 && value != 1) return 0;
      ones += value == 1;
    }
    if (ones != 1) return 0;
  }
  return 1;
}

/* ---------------------------------------------------------------- enumeration */

/* Takes the next edge of v that leads to a free vertex, from arc `a` on; -1: there is none. */
static int32_t next_arc(const plan *p, const char *covered, int32_t v, int32_t a) {
  for (; a < p->first[v + 1]; a++)
    if (!covered[p->arcs[a].to]) return a;
  return -1;
}

/* The first free vertex is matched in all ways in turn, by ascending edges; chosen [nodes / 2] are
 * the arcs taken so far. */
static mg_status search(const plan *p, solver_visit *visit, mg_real *z, char *covered,
                        int32_t *chosen) {
  mg_status status = MG_OK;
  int64_t depth = 0, steps = 0;
  int32_t v = 0, a = p->first[0];
  for (;;) {
    a = next_arc(p, covered, v, a);
    if (a >= 0) {
      chosen[depth++] = a;
      z[p->edge[a]] = 1;
      covered[v] = covered[p->arcs[a].to] = 1;
      if (2 * depth < p->nodes) {
        while (covered[v]) v++;
        a = p->first[v];
        continue;
      }
      status = solver_found(visit, z);
    }
    if (status == MG_OK && ++steps % 4096 == 0) status = interrupt_tick();
    if (depth == 0 || status != MG_OK) return status;
    a = chosen[--depth];
    v = p->arcs[p->arcs[a].mirror].to;
    z[p->edge[a]] = 0;
    covered[v] = covered[p->arcs[a].to] = 0;
    a++;
  }
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const plan *p = s->plan;
  int64_t reals = aligned(s->n * (int64_t)sizeof(mg_real));
  int64_t words = aligned((p->nodes / 2 + 1) * (int64_t)sizeof(int32_t)),
          bytes = reals + words + p->nodes;
  (void)rows;
  if (p->nodes % 2 != 0) return MG_OK;
  char *block = memory_new(bytes);
  if (!block) return MG_NO_MEMORY;
  memset(block, 0, (size_t)bytes);
  mg_status status = search(p, visit, (mg_real *)(void *)block, block + reals + words,
                            (int32_t *)(void *)(block + reals));
  memory_free(block);
  return status;
}

static const mg_option options[] = {
    {.name = "nodes", .form = "count", .doc = "nodes of the graph, 2 and more"},
    {.name = "edges",
     .form = "list",
     .preset = "",
     .doc = "pairs of nodes {{1, 2}, {1, 3}, ...}; left out: the complete graph, in this order",
     .is_index = 1},
    {0},
};
static const mg_option contexts[] = {{0}};

const solver_kind solver_perfect_matching;
const solver_kind solver_perfect_matching = {
    .kind =
        {.name = "perfect_matching",
         .sense = "min",
         .shape = "size",
         .doc =
             "the cheapest set of edges that covers each node of a graph once. costs [edges] -> z "
             "[edges] in {0,1}. Costs of any sign; inf forbids an edge; no solution for an odd "
             "number of nodes. Of edges between the same nodes the cheapest counts, then the "
             "first. "
             "Other ties: a fixed function of the costs. Exact for costs rounded to about 2^-57 n "
             "of "
             "the largest, n nodes. Blossoms with a heap, O(n m log n), Edmonds 1965; dense graphs "
             "by pricing. Example: solver.perfect_matching { nodes = 4, edges = {{1, 2}, {3, 4}, "
             "{1, 3}, {2, 4}} }",
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

/* Cheapest integer flows in a network that is given once. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "network.h"
#include "simplex.h"

enum { SUPPLY = 0, CAPACITY = 1 };
enum { PRIME = 67108859, FACTOR = 48271 }; /* of the weights that decide ties */

/* The largest integer up to which reals hold all. */
static const double MOST = sizeof(mg_real) == 4 ? 16777216.0 : 9007199254740992.0;

typedef struct plan {
  network g;
  double *supply;   /* [nodes] */
  double *capacity; /* [edges] inf: none */
  /* Edges in another order, so that neighbours in it are far from each other in the list: simplex takes
   * a third of the pivots if edges are listed by their tails. */
  int32_t *order;                /* [edges] place -> edge */
  int32_t *tail, *head, *weight; /* [edges] of the edge in a place */
} plan;

static void release(mg_solver *s) {
  plan *p = s->plan;
  network_free(&p->g);
  memory_free(p->supply);
}

/* ---------------------------------------------------------------- numbers */

static int is_integer(double x) { return x == floor(x); }

static int is_supply(double x) { return fabs(x) <= MOST && is_integer(x); }

static int is_capacity(double x) { return x == INFINITY || (x >= 0 && x <= MOST && is_integer(x)); }

/* A list of the settings, or `absent` in each place. */
static mg_status read_numbers(const settings *given, const char *name, double absent,
                              int (*is_right)(double), double *numbers, int64_t count) {
  int64_t length;
  const double *list = settings_list(given, name, &length);
  if (length != 0 && length != count)
    return fail(MG_BAD_ARGUMENT, "%s: %s has %lld numbers, expected %lld", given->kind->name, name,
                (long long)length, (long long)count);
  for (int64_t i = 0; i < count; i++) {
    numbers[i] = length ? list[i] : absent;
    if (!is_right(numbers[i]))
      return fail(MG_BAD_ARGUMENT, "%s: %s at entry %lld is %g, expected an integer%s",
                  given->kind->name, name, (long long)i + 1, numbers[i],
                  is_right == is_capacity ? " from 0, or inf" : "");
  }
  return MG_OK;
}

/* order, tail, head and weight. */
static void place_edges(plan *p) {
  int64_t stride = (int64_t)sqrt((double)p->g.edges), place = 0, weight = 1;
  for (int64_t first = 0; first < stride; first++)
    for (int64_t e = first; e < p->g.edges; e += stride) p->order[place++] = (int32_t)e;
  int32_t *weights = p->tail; /* by edge, for a while */
  for (int64_t e = 0; e < p->g.edges; e++) {
    weight = weight * FACTOR % PRIME;
    weights[e] = (int32_t)weight;
  }
  for (int64_t i = 0; i < p->g.edges; i++) p->weight[i] = weights[p->order[i]];
  for (int64_t i = 0; i < p->g.edges; i++) {
    p->tail[i] = p->g.tail[p->order[i]];
    p->head[i] = p->g.head[p->order[i]];
  }
}

static mg_status prepare(mg_solver *s, const settings *given) {
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  memset(p, 0, sizeof *p);
  s->plan = p;
  mg_status status = network_read(given, &p->g);
  if (status != MG_OK) return status;
  s->n = p->g.edges;
  p->supply = memory_array(p->g.nodes + 3 * p->g.edges, (int64_t)sizeof *p->supply);
  if (!p->supply) return MG_NO_MEMORY;
  p->capacity = p->supply + p->g.nodes;
  p->order = (int32_t *)(void *)(p->capacity + p->g.edges);
  p->tail = p->order + p->g.edges;
  p->head = p->tail + p->g.edges;
  p->weight = p->head + p->g.edges;
  place_edges(p);
  status = read_numbers(given, "supplies", 0, is_supply, p->supply, p->g.nodes);
  return status == MG_OK
             ? read_numbers(given, "capacities", INFINITY, is_capacity, p->capacity, p->g.edges)
             : status;
}

/* Supply of a node of a row, and capacity of an edge. */
static double supply_of(const plan *p, const mg_real *given, int64_t v) {
  return given ? (double)given[v] : p->supply[v];
}

static double capacity_of(const plan *p, const mg_real *given, int64_t e) {
  return given ? (double)given[e] : p->capacity[e];
}

/* ---------------------------------------------------------------- solve */

static int64_t supply_bytes(const plan *p) { return (p->g.nodes + 8) / 8 * 64; }

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return supply_bytes(p) + simplex_bytes(p->g.nodes, p->g.edges);
}

/* The row's supplies as integers. *sum: what they add up to; *total: of those above 0. */
static mg_status load_supplies(const mg_solver *s, const solver_rows *rows, int64_t row,
                               int64_t *supply, double *sum, double *total) {
  const plan *p = s->plan;
  const mg_real *given = solver_context(rows, SUPPLY, row);
  *sum = *total = 0;
  for (int64_t v = 0; v < p->g.nodes; v++) {
    double value = supply_of(p, given, v);
    if (!is_supply(value))
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                         "supply of node %" PRId64 " is %g, expected an integer", v + 1, value);
    supply[v] = (int64_t)value;
    *sum += value;
    *total += value > 0 ? value : 0;
  }
  return MG_OK;
}

/* The row's capacities, in the order of places; 0 of forbidden edges. */
static mg_status load_capacities(const mg_solver *s, const solver_rows *rows, int64_t row,
                                 int64_t *capacity) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n, *given = solver_context(rows, CAPACITY, row);
  for (int64_t i = 0; i < s->n; i++) {
    int64_t e = p->order[i];
    double value = capacity_of(p, given, e);
    if (!is_capacity(value))
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                         "capacity of edge %" PRId64 " is %g, expected an integer from 0, or inf",
                         e + 1, value);
    capacity[i] = value == INFINITY ? SIMPLEX_UNLIMITED : (int64_t)value;
    if (theta[e] == -INFINITY) capacity[i] = 0;
  }
  return MG_OK;
}

/* Costs as integers, the largest of simplex_bits, in the order of places. */
static void load_costs(const plan *p, const mg_real *theta, int64_t *cost) {
  double most = 0;
  for (int64_t e = 0; e < p->g.edges; e++) {
    double size = fabs((double)theta[e]);
    most = size != INFINITY && size > most ? size : most;
  }
  int exponent = 0;
  frexp(most, &exponent); /* most < 2^exponent */
  int shift = simplex_bits(p->g.nodes) - exponent;
  double half = ldexp(1, shift / 2), rest = ldexp(1, shift - shift / 2); /* 2^shift may be too large */
  for (int64_t i = 0; i < p->g.edges; i++) {
    double score = (double)theta[p->order[i]];
    cost[i] = score == -INFINITY ? 0 : -(int64_t)nearbyint(score * half * rest);
  }
}

/* Writes the flow of the row, its answer. */
static void finish(const mg_solver *s, solver_rows *rows, int64_t row, const simplex *x) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  double sum = 0;
  for (int64_t i = 0; i < s->n; i++) z[p->order[i]] = (mg_real)x->flow[i];
  for (int64_t e = 0; e < s->n; e++)
    if (z[e] != 0) sum += (double)theta[e] * (double)z[e];
  solver_answer(rows, row, sum);
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, void *scratch) {
  const plan *p = s->plan;
  int64_t *supply = scratch, unlimited = -1;
  double sum, total;
  simplex x;
  simplex_split(&x, p->g.nodes, p->g.edges, (char *)scratch + supply_bytes(p));
  mg_status status = load_supplies(s, rows, row, supply, &sum, &total);
  if (status == MG_OK) status = load_capacities(s, rows, row, x.capacity);
  if (status != MG_OK) return status;
  if (sum != 0) return solver_none(s, rows, row, "the supplies add up to %g, expected 0", sum);
  if (total > MOST)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "the supplies are more than %.0f", MOST);
  memcpy(x.tail, p->tail, (size_t)s->n * sizeof *x.tail);
  memcpy(x.head, p->head, (size_t)s->n * sizeof *x.head);
  load_costs(p, rows->theta + row * s->n, x.cost);
  status = simplex_solve(&x, supply, &unlimited);
  if (status != MG_OK) return status;
  if (unlimited >= 0)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                       "the cost falls without end around a cycle of edges without a capacity, "
                       "through the edge from node %" PRId32 " to node %" PRId32,
                       x.tail[unlimited] + 1, x.head[unlimited] + 1);
  if (!simplex_is_feasible(&x))
    return solver_none(s, rows, row, "the edges cannot carry the supplies");
  status = simplex_settle_ties(&x, p->weight);
  if (status == MG_OK) finish(s, rows, row, &x);
  return status;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++)
    status = solve_one(s, rows, r, scratch);
  return status;
}

/* ---------------------------------------------------------------- the feasible set */

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  const plan *p = s->plan;
  const mg_real *supply = solver_context(rows, SUPPLY, row);
  const mg_real *capacity = solver_context(rows, CAPACITY, row);
  double *left = memory_array(p->g.nodes, (int64_t)sizeof *left);
  if (!left) return 0;
  int fits = 1;
  for (int64_t v = 0; v < p->g.nodes; v++) left[v] = supply_of(p, supply, v);
  for (int64_t e = 0; e < s->n && fits; e++) {
    fits = z[e] >= 0 && (double)z[e] <= capacity_of(p, capacity, e) && (double)z[e] <= MOST &&
           is_integer((double)z[e]);
    left[p->g.tail[e]] -= fits ? (double)z[e] : 0;
    left[p->g.head[e]] += fits ? (double)z[e] : 0;
  }
  for (int64_t v = 0; v < p->g.nodes && fits; v++) fits = left[v] == 0;
  memory_free(left);
  return fits;
}

/* The state of a search over the flows of edge after edge. */
typedef struct search {
  mg_real *z;        /* [edges] */
  double *left;      /* [nodes] supply less what is sent on */
  double *capacity;  /* [edges] */
  int32_t *unsettled; /* [nodes] edges at the node that are not chosen yet */
} search;

/* Changes the flow of an edge by `by` and the number of unsettled edges at its ends by `open`. */
static void change(const network *g, search *f, int64_t e, double by, int32_t open) {
  f->z[e] += (mg_real)by;
  f->left[g->tail[e]] -= by;
  f->left[g->head[e]] += by;
  f->unsettled[g->tail[e]] += open;
  f->unsettled[g->head[e]] += open;
}

static int may_be(const network *g, const search *f, int64_t e) {
  int32_t t = g->tail[e], h = g->head[e];
  return (f->unsettled[t] > 0 || f->left[t] == 0) && (f->unsettled[h] > 0 || f->left[h] == 0);
}

/* Flows from 0 up on each edge, the last edge fastest. */
static mg_status visit_flows(const network *g, search *f, solver_visit *visit) {
  int64_t e = 0, steps = 0;
  change(g, f, 0, 0, -1);
  for (;;) {
    mg_status status = ++steps % 4096 == 0 ? interrupt_tick() : MG_OK;
    int fits = may_be(g, f, e);
    if (fits && e + 1 < g->edges) {
      change(g, f, ++e, 0, -1);
      if (status == MG_OK) continue;
    } else if (fits && status == MG_OK) {
      status = solver_found(visit, f->z);
    }
    if (status != MG_OK) return status;
    while ((double)f->z[e] == f->capacity[e]) {
      change(g, f, e, -(double)f->z[e], 1);
      if (e-- == 0) return MG_OK;
    }
    change(g, f, e, 1, 0);
  }
}

/* Fills the start of the search. */
static mg_status start_search(const mg_solver *s, const solver_rows *rows, search *f) {
  const plan *p = s->plan;
  const mg_real *supply = solver_context(rows, SUPPLY, 0), *capacity = solver_context(rows, CAPACITY, 0);
  for (int64_t v = 0; v < p->g.nodes; v++) {
    f->left[v] = supply_of(p, supply, v);
    f->unsettled[v] = 0;
  }
  for (int64_t e = 0; e < s->n; e++) {
    f->capacity[e] = capacity_of(p, capacity, e);
    if (!is_capacity(f->capacity[e]) || f->capacity[e] == INFINITY)
      return fail(MG_BAD_ARGUMENT, "%s: enumerate: edge %lld has capacity %g", s->kind->kind.name,
                  (long long)e + 1, f->capacity[e]);
    f->z[e] = 0;
    f->unsettled[p->g.tail[e]]++;
    f->unsettled[p->g.head[e]]++;
  }
  return MG_OK;
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  const network *g = &((const plan *)s->plan)->g;
  search f;
  f.z = memory_array(s->n, (int64_t)sizeof *f.z);
  f.left = memory_array(2 * g->nodes + s->n, (int64_t)sizeof *f.left);
  mg_status status = f.z && f.left ? MG_OK : MG_NO_MEMORY;
  if (status == MG_OK) {
    f.capacity = f.left + g->nodes;
    f.unsettled = (int32_t *)(void *)(f.capacity + s->n);
    status = start_search(s, rows, &f);
  }
  int possible = status == MG_OK;
  for (int64_t v = 0; v < g->nodes && possible; v++) possible = f.unsettled[v] > 0 || f.left[v] == 0;
  if (possible) status = visit_flows(g, &f, visit);
  memory_free(f.z);
  memory_free(f.left);
  return status;
}

static const mg_option options[] = {
    NETWORK_SETTINGS,
    {.name = "capacities",
     .form = "list",
     .preset = "",
     .doc = "the most each edge carries, integers from 0 or inf; absent: inf"},
    {.name = "supplies",
     .form = "list",
     .preset = "",
     .doc = "what each node sends, integers, below 0 what it takes; absent: 0"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "supply", .form = "nodes", .doc = "other supplies for the instance"},
    {.name = "capacity", .form = "n", .doc = "other capacities"},
    {0},
};

const solver_kind solver_min_cost_flow;
const solver_kind solver_min_cost_flow = {
    .kind = {.name = "min_cost_flow",
             .sense = "min",
             .shape = "size",
             .doc = "the cheapest flow from nodes that supply to nodes that demand. costs [edges] of any "
                    "sign -> z [edges], integers of 0..capacity; what leaves a node less what comes in "
                    "is its supply. inf is a forbidden edge. A cycle of negative cost without a "
                    "capacity is an error. Ties: the least sum of z[e] w[e], w[e] = 48271^e mod "
                    "67108859. Network simplex (Dantzig 1951, Cunningham 1976), costs rounded to "
                    "integers of 57 bits less those of the number of nodes. Example: "
                    "solver.min_cost_flow { nodes = 3, edges = {{1, 2}, {2, 3}, {1, 3}}, "
                    "capacities = {2, 2, 1}, supplies = {2, 0, -2} }.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = 1,
    .domain = SOLVER_FORBIDS,
    .prepare = prepare,
    .release = release,
    .scratch_bytes = scratch_bytes,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};

/* Quadratic assignment and graph matching: settings, instances, the set of solutions. The search is in
 * quadratic_search.c. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "deadline.h"
#include "quadratic.h"

enum { FLOW = 0, DISTANCE = 1 };
#define MOST_ROOM 0x1p31 /* bytes of scratch */

typedef struct plan {
  int64_t n, m, edges_a, edges_b;
  int is_partial;
  double seconds, nodes;
  double *flow, *distance;  /* [n, n], [m, m], or NULL */
  int32_t *edge_a, *edge_b; /* [n, n], [m, m]: number of the edge, -1: none */
  int32_t *ends_a, *ends_b; /* [edges, 2] */
} plan;

static void release(mg_solver *s) {
  plan *p = s->plan;
  memory_free(p->flow);
  memory_free(p->distance);
  memory_free(p->edge_a);
  memory_free(p->edge_b);
  memory_free(p->ends_a);
  memory_free(p->ends_b);
}

/* ---------------------------------------------------------------- settings */

/* Reads a list of pairs of nodes 0..nodes-1 into a table of numbers and a list of ends. */
static mg_status read_edges(const settings *given, const char *name, int64_t nodes, int32_t **table,
                            int32_t **ends, int64_t *edges) {
  int64_t count;
  const double *list = settings_list(given, name, &count);
  *edges = count / 2;
  if (count % 2)
    return fail(MG_BAD_ARGUMENT, "quadratic_assignment: %s has %" PRId64 " numbers, expected pairs of nodes",
                name, count);
  *table = memory_array(nodes * nodes, (int64_t)sizeof **table);
  *ends = memory_array(count + 1, (int64_t)sizeof **ends);
  if (!*table || !*ends) return MG_NO_MEMORY;
  memset(*table, 0xff, (size_t)(nodes * nodes) * sizeof **table);
  for (int64_t i = 0; i < count; i++) {
    if (!(list[i] >= 0 && list[i] < (double)nodes) || list[i] != floor(list[i]))
      return fail(MG_BAD_ARGUMENT, "quadratic_assignment: %s: edge %" PRId64 " has the node %g, expected one "
                  "of 1..%" PRId64, name, i / 2 + 1, list[i] + 1, nodes);
    (*ends)[i] = (int32_t)list[i];
  }
  for (int64_t e = 0; e < *edges; e++) {
    int32_t *cell = &(*table)[(*ends)[2 * e] * nodes + (*ends)[2 * e + 1]];
    if (*cell >= 0)
      return fail(MG_BAD_ARGUMENT, "quadratic_assignment: %s: edges %d and %" PRId64 " are the same", name,
                  *cell + 1, e + 1);
    *cell = (int32_t)e;
  }
  return MG_OK;
}

/* Reads a square matrix that may be absent: *matrix NULL. */
static mg_status read_matrix(const settings *given, const char *name, int64_t nodes, double **matrix) {
  int64_t count;
  const double *list = settings_list(given, name, &count);
  if (count == 0) return MG_OK;
  if (count != nodes * nodes)
    return fail(MG_BAD_ARGUMENT, "quadratic_assignment: %s has %" PRId64 " numbers, expected %" PRId64
                " x %" PRId64, name, count, nodes, nodes);
  for (int64_t i = 0; i < count; i++)
    if (!isfinite(list[i]))
      return fail(MG_BAD_ARGUMENT, "quadratic_assignment: %s is infinite at entry %" PRId64, name, i + 1);
  *matrix = memory_array(count, (int64_t)sizeof **matrix);
  if (!*matrix) return MG_NO_MEMORY;
  memcpy(*matrix, list, (size_t)count * sizeof *list);
  return MG_OK;
}

static mg_status check_plan(const plan *p) {
  double n = (double)p->n, m = (double)p->m, side = n > m ? n : m;
  double pairs = (double)p->edges_a * (double)p->edges_b;
  if (p->n > p->m && !p->is_partial)
    return fail(MG_BAD_ARGUMENT, "quadratic_assignment: nodes_a = %" PRId64 " is more than nodes_b = %" PRId64
                ", which only partial matchings allow", p->n, p->m);
  if (!p->flow != !p->distance)
    return fail(MG_BAD_ARGUMENT, "quadratic_assignment: flow and distance go together");
  if (8 * (n + 1) * n * (n + m) + 48 * side * side + 8 * pairs > MOST_ROOM)
    return fail(MG_BAD_ARGUMENT, "quadratic_assignment: %" PRId64 " x %" PRId64 " nodes and %" PRId64 " x %"
                PRId64 " edges are too many", p->n, p->m, p->edges_a, p->edges_b);
  return MG_OK;
}

static mg_status prepare(mg_solver *s, const settings *given) {
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  memset(p, 0, sizeof *p);
  s->plan = p;
  p->n = settings_count(given, "nodes_a");
  p->m = settings_count(given, "nodes_b");
  p->is_partial = settings_real(given, "partial") != 0;
  p->seconds = settings_real(given, "time_limit");
  p->nodes = settings_real(given, "nodes");
  if (p->seconds < 0)
    return fail(MG_BAD_ARGUMENT, "quadratic_assignment: time_limit = %g, expected seconds, or 0 for none",
                p->seconds);
  mg_status status = check_plan(&(plan){.n = p->n, .m = p->m, .is_partial = p->is_partial});
  if (status == MG_OK) status = read_edges(given, "edges_a", p->n, &p->edge_a, &p->ends_a, &p->edges_a);
  if (status == MG_OK) status = read_edges(given, "edges_b", p->m, &p->edge_b, &p->ends_b, &p->edges_b);
  if (status == MG_OK) status = read_matrix(given, "flow", p->n, &p->flow);
  if (status == MG_OK) status = read_matrix(given, "distance", p->m, &p->distance);
  if (status == MG_OK) status = check_plan(p);
  s->n = p->n * p->m + p->edges_a * p->edges_b;
  return status;
}

/* ---------------------------------------------------------------- an instance */

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/* Doubles of an instance: theta, flow and distance. */
static int64_t cost_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return aligned((s->n + p->n * p->n + p->m * p->m) * (int64_t)sizeof(double));
}

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  return cost_bytes(s) + quadratic_room_bytes(p->n, p->m);
}

/* Flow (nodes n) or distance of an instance into room, or NULL. */
static const double *matrix_of(const solver_rows *rows, int64_t row, int context, int64_t n,
                               const double *preset, double *room) {
  const mg_real *given = solver_context(rows, context, row);
  if (!given && !preset) return NULL;
  for (int64_t i = 0; i < n * n; i++) room[i] = given ? given[i] : preset[i];
  return room;
}

static double gcd(double a, double b) {
  while (b != 0) {
    double rest = fmod(a, b);
    a = b;
    b = rest;
  }
  return a;
}

/* The greatest common divisor of finite integers x [n] and `so_far`; -1 if one is no integer below 2^40. */
static double common_divisor(const double *x, int64_t n, double so_far) {
  for (int64_t i = 0; i < n && so_far >= 0; i++) {
    if (!isfinite(x[i]) || x[i] == 0) continue;
    so_far = x[i] == floor(x[i]) && fabs(x[i]) < 0x1p40 ? gcd(fabs(x[i]), so_far) : -1;
  }
  return so_far;
}

static int is_symmetric(const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++)
      if (x[i * n + j] != x[j * n + i]) return 0;
  return 1;
}

/* What all values of solutions are multiples of, 0: unknown. */
static double quantum_of(const quadratic *q, int64_t pairs) {
  double found = common_divisor(q->unary, q->n * q->m, 0);
  if (q->pairs) found = common_divisor(q->pairs, pairs, found);
  if (q->flow && found >= 0) {
    double flow = common_divisor(q->flow, q->n * q->n, 0), way = common_divisor(q->distance, q->m * q->m, 0);
    int twice = is_symmetric(q->flow, q->n) && is_symmetric(q->distance, q->m);
    double product = flow < 0 || way < 0 ? -1 : flow * way * (twice ? 2 : 1);
    found = product < 0 || product > 0x1p50 ? -1 : gcd(product, found);
  }
  return found > 0 ? found : 0;
}

static double largest_of(const double *x, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; x && i < n; i++)
    if (fabs(x[i]) > largest && fabs(x[i]) < INFINITY) largest = fabs(x[i]);
  return largest;
}

/* Multiplies by 2^power; exact but for what gets denormal. */
static void scale(double *x, int64_t n, int power) {
  double first = ldexp(1, power / 2), second = ldexp(1, power - power / 2);
  for (int64_t i = 0; i < n; i++) x[i] = x[i] * first * second;
}

/* Adds to the unary costs what loops cost: they depend on one node alone. */
static void fold_loops(const plan *p, const quadratic *q, double *unary) {
  for (int64_t i = 0; i < p->n; i++)
    for (int64_t j = 0; j < p->m; j++) {
      int32_t a = p->edge_a[i * p->n + i], b = p->edge_b[j * p->m + j];
      double *cost = &unary[i * p->m + j];
      if (a >= 0 && b >= 0) *cost += q->pairs[a * p->edges_b + b];
      if (q->flow) *cost += q->flow[i * p->n + i] * q->distance[j * p->m + j];
    }
}

/* Reads an instance into block, scaled by 2^-*power. */
static mg_status load(const mg_solver *s, const solver_rows *rows, int64_t row, double *block, quadratic *q,
                      int *power) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  int64_t cells = p->n * p->m, pairs = p->edges_a * p->edges_b;
  double *flow = block + s->n, *distance = flow + p->n * p->n;
  for (int64_t i = 0; i < s->n; i++) block[i] = -(double)theta[i];
  *q = (quadratic){.n = p->n, .m = p->m, .is_partial = p->is_partial, .unary = block,
                   .pairs = pairs ? block + cells : NULL, .edge_a = p->edge_a, .edge_b = p->edge_b,
                   .edges_b = p->edges_b};
  q->flow = matrix_of(rows, row, FLOW, p->n, p->flow, flow);
  q->distance = matrix_of(rows, row, DISTANCE, p->m, p->distance, distance);
  if (!q->flow != !q->distance)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "flow and distance go together");
  double largest = largest_of(block, s->n);
  double product = largest_of(q->flow, p->n * p->n) * largest_of(q->distance, p->m * p->m);
  if (product > 1e300 || isinf(product) || isnan(product))
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "flow times distance is too large");
  frexp(product > largest ? product : largest, power);
  if (*power < 1000) fold_loops(p, q, block);
  q->quantum = *power < 1000 ? quantum_of(q, pairs) : 0;
  scale(block, s->n, -*power);
  if (q->flow) scale(flow, p->n * p->n, -*power);
  scale(&q->quantum, 1, -*power);
  if (*power >= 1000) fold_loops(p, q, block); /* sums might not be finite before */
  return MG_OK;
}

/* Numbers of the pair of edges that edge e of A and a placing of its ends make, or -1. */
static int64_t image(const plan *p, const int32_t *place, int64_t e) {
  int32_t j = place[p->ends_a[2 * e]], l = place[p->ends_a[2 * e + 1]];
  return j < 0 || l < 0 ? -1 : p->edge_b[j * p->m + l];
}

/* Writes an assignment as z. */
static void write(const mg_solver *s, const int32_t *place, mg_real *z) {
  const plan *p = s->plan;
  memset(z, 0, (size_t)s->n * sizeof *z);
  for (int64_t i = 0; i < p->n; i++)
    if (place[i] >= 0) z[i * p->m + place[i]] = 1;
  mg_real *pairs = z + p->n * p->m;
  for (int64_t e = 0; e < p->edges_a; e++) {
    int64_t f = image(p, place, e);
    if (f >= 0) pairs[e * p->edges_b + f] = 1;
  }
}

/* <theta, z> minus flow times distance, not scaled. */
static double score(const mg_solver *s, const solver_rows *rows, int64_t row, const quadratic *q,
                    const int32_t *place, int power) {
  const mg_real *theta = rows->theta + row * s->n, *z = rows->z + row * s->n;
  double sum = 0, fixed = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (z[i] != 0) sum += theta[i];
  for (int64_t i = 0; q->flow && i < q->n; i++)
    for (int64_t k = 0; k < q->n; k++)
      if (place[i] >= 0 && place[k] >= 0)
        fixed += q->flow[i * q->n + k] * q->distance[place[i] * q->m + place[k]];
  return sum - ldexp(fixed, power);
}

/* The setting nodes, for large graphs less, so that the time hardly depends on the size. */
static double tree_nodes(const plan *p) {
  double size = (double)(p->n > p->m ? p->n : p->m) / 20;
  return size > 1 ? ceil(p->nodes / (size * size * size)) : p->nodes;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, void *scratch) {
  const plan *p = s->plan;
  quadratic q;
  quadratic_room room = quadratic_room_of((char *)scratch + cost_bytes(s), p->n, p->m);
  quadratic_result result = {0};
  int power = 0;
  mg_status status = load(s, rows, row, scratch, &q, &power);
  quadratic_limits limits = {.nodes = tree_nodes(p), .deadline = deadline_after(p->seconds)};
  if (status == MG_OK) status = quadratic_solve(&q, &room, &limits, &result);
  if (status != MG_OK) return status;
  if (!(result.value < INFINITY)) {
    if (result.is_proved) return solver_none(s, rows, row, "every assignment has a forbidden part");
    return solver_none(s, rows, row, "no assignment without a forbidden part was found in time");
  }
  write(s, room.best, rows->z + row * s->n);
  double objective = score(s, rows, row, &q, room.best, power);
  if (result.is_proved) return solver_answer(rows, row, objective), MG_OK;
  double bound = ldexp(-result.bound, power);
  solver_answer_bound(rows, row, objective, bound > objective ? bound : objective);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  mg_status status = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK; r++) status = solve_one(s, rows, r, scratch);
  return status;
}

/* ---------------------------------------------------------------- the set of solutions */

/* Reads the places out of z; 0 if it is no (partial) matching. used [m]. */
static int read_places(const plan *p, const mg_real *z, int32_t *place, int32_t *used) {
  for (int64_t j = 0; j < p->m; j++) used[j] = 0;
  for (int64_t i = 0; i < p->n; i++) {
    place[i] = QUADRATIC_NONE;
    for (int64_t j = 0; j < p->m; j++) {
      if (z[i * p->m + j] == 0) continue;
      if (z[i * p->m + j] != 1 || place[i] >= 0 || used[j]) return 0;
      place[i] = (int32_t)j;
      used[j] = 1;
    }
    if (place[i] < 0 && !p->is_partial) return 0;
  }
  return 1;
}

static int is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  (void)rows, (void)row;
  const plan *p = s->plan;
  int32_t *place = memory_array(p->n + p->m, (int64_t)sizeof *place);
  int good = place && read_places(p, z, place, place + p->n);
  const mg_real *pairs = z + p->n * p->m;
  for (int64_t e = 0; e < p->edges_a && good; e++) {
    int64_t mapped = image(p, place, e);
    for (int64_t f = 0; f < p->edges_b; f++)
      if (pairs[e * p->edges_b + f] != (f == mapped ? 1 : 0)) good = 0;
  }
  memory_free(place);
  return good;
}

/* All assignments in lexicographic order, none last. place [n] and used [m] are room. */
static mg_status visit_all(const mg_solver *s, solver_visit *visit, int32_t *place, int32_t *used,
                           mg_real *z) {
  const plan *p = s->plan;
  int64_t i = 0;
  for (int64_t j = 0; j < p->m; j++) used[j] = 0;
  for (int64_t k = 0; k < p->n; k++) place[k] = -1; /* the next to try follows */
  while (i >= 0) {
    int32_t j = place[i];
    if (j >= 0 && j < p->m) used[j] = 0;
    do j++;
    while (j < p->m && used[j]);
    if (j > p->m || (j == p->m && !p->is_partial)) {
      place[i--] = -1;
      continue;
    }
    place[i] = j;
    if (j < p->m) used[j] = 1;
    if (++i < p->n) continue;
    for (int64_t k = 0; k < p->n; k++) place[k] = place[k] == p->m ? QUADRATIC_NONE : place[k];
    write(s, place, z);
    for (int64_t k = 0; k < p->n; k++) place[k] = place[k] < 0 ? (int32_t)p->m : place[k];
    mg_status status = solver_found(visit, z);
    if (status != MG_OK) return status;
    i--;
  }
  return MG_OK;
}

static mg_status enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  (void)rows;
  const plan *p = s->plan;
  int32_t *place = memory_array(p->n + p->m, (int64_t)sizeof *place);
  mg_real *z = memory_array(s->n, (int64_t)sizeof *z);
  mg_status status = place && z ? visit_all(s, visit, place, place + p->n, z) : MG_NO_MEMORY;
  memory_free(z);
  memory_free(place);
  return status;
}

static const mg_option options[] = {
    {.name = "nodes_a", .form = "count", .doc = "nodes that are assigned"},
    {.name = "nodes_b", .form = "count", .doc = "nodes that they are assigned to"},
    {.name = "edges_a",
     .form = "list",
     .preset = "",
     .doc = "pairs of nodes of A in an order; an edge that counts both ways is given twice",
     .is_index = 1},
    {.name = "edges_b", .form = "list", .preset = "", .doc = "the same of B", .is_index = 1},
    {.name = "flow", .form = "list", .preset = "", .doc = "nodes_a x nodes_a numbers, see distance"},
    {.name = "distance",
     .form = "list",
     .preset = "",
     .doc = "nodes_b x nodes_b numbers: i at j and k at l cost flow[i][k] distance[j][l] besides"},
    {.name = "partial", .form = "flag", .preset = "0", .doc = "nodes of A may stay unassigned, at cost 0"},
    {.name = "nodes",
     .form = "count",
     .preset = "100000",
     .doc = "nodes of the search tree (with n > 20 nodes of a graph (20 / n)^3 of them), then the best "
            "assignment so far and a bound"},
    {.name = "time_limit",
     .form = "real",
     .preset = "0",
     .doc = "seconds for an instance, then the best assignment so far and a bound; 0: none"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "flow", .form = "nodes_a nodes_a", .doc = "another flow for the instance"},
    {.name = "distance", .form = "nodes_b nodes_b", .doc = "other distances for the instance"},
    {0},
};

const solver_kind solver_quadratic_assignment;
const solver_kind solver_quadratic_assignment = {
    .kind = {.name = "quadratic_assignment",
             .sense = "min",
             .shape = "size",
             .doc = "the cheapest assignment of the nodes of a graph A to different nodes of a graph B, where "
                    "pairs of assignments cost, too: graph matching. costs [nodes_a * nodes_b + edges_a * "
                    "edges_b], by rows: first of i being assigned to j, then of edge (i, k) of A going to "
                    "edge (j, l) of B: i to j and k to l -> z of the same shape, 1 for the assignments and "
                    "the pairs of edges. Costs have any sign, inf is forbidden. flow and distance add costs "
                    "that are no part of theta (Koopmans and Beckmann 1957); objectives contain them. Ties: "
                    "the assignment that is lexicographically smallest, unassigned last, if it is proved. "
                    "Branch and bound (Gilmore 1962, Lawler 1963), good for about 12 nodes, and tabu search "
                    "(Taillard 1991): past the limits answers are not proved.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 0},
    .rows_at_once = 1,
    .prepare = prepare,
    .release = release,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_FORBIDS,
    .solve = solve,
    .is_feasible = is_feasible,
    .enumerate = enumerate};

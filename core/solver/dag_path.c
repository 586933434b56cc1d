/* Cheapest paths in a directed graph without cycles: costs to the goal by one pass over the edges, against
 * their direction, several instances side by side. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "network.h"

enum { LANES = 8, ROWS = 16, TICK = 4096, NAMED_NODES = 12 };

typedef struct plan {
  network_paths paths;
  int32_t *order; /* [edges] the edges of the last nodes first; of a node in ascending order */
} plan;

/* ---------------------------------------------------------------- plan */

static void release(mg_solver *s) {
  plan *p = s->plan;
  network_free(&p->paths.g);
  memory_free(p->order);
}

/* The failure that names a cycle: every node left has an edge from a node left. left [nodes]: edges from
 * nodes that are left, 0 of nodes that are not. */
static mg_status cycle_failure(const mg_solver *s, const network *g, const int32_t *left, int32_t *path) {
  int64_t v = 0, length = 0;
  while (left[v] == 0) v++;
  for (int64_t k = 0; k <= 2 * g->nodes; k++) { /* after g->nodes steps on a cycle, and once around */
    if (k == g->nodes) path[length++] = (int32_t)v;
    int32_t i = g->in_first[v];
    while (left[g->tail[g->in[i]]] == 0) i++;
    v = g->tail[g->in[i]];
    if (length > 0 && v == path[0]) break;
    if (length > 0) path[length++] = (int32_t)v;
  }
  char text[256] = "";
  size_t used = 0;
  for (int64_t i = 0; i < length && i < NAMED_NODES; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%" PRId32 ", ", path[length - 1 - i] + 1);
  return fail(MG_BAD_ARGUMENT, "%s: the edges have a cycle: nodes %s%s%" PRId32, s->kind->kind.name,
              text, length > NAMED_NODES ? "..., " : "", path[length - 1] + 1);
}

/* Fills order, by Kahn 1962; left and queue [nodes] are scratch. */
static mg_status sort_edges(const mg_solver *s, plan *p, int32_t *left, int32_t *queue) {
  const network *g = &p->paths.g;
  int64_t head = 0, tail = 0;
  for (int64_t v = 0; v < g->nodes; v++) {
    left[v] = g->in_first[v + 1] - g->in_first[v];
    if (left[v] == 0) queue[tail++] = (int32_t)v;
  }
  while (head < tail) {
    int32_t v = queue[head++];
    for (int32_t i = g->out_first[v]; i < g->out_first[v + 1]; i++)
      if (--left[g->head[g->out[i]]] == 0) queue[tail++] = g->head[g->out[i]];
  }
  if (tail < g->nodes) return cycle_failure(s, g, left, queue);
  int64_t place = 0;
  while (tail > 0) {
    int32_t v = queue[--tail];
    for (int32_t i = g->out_first[v]; i < g->out_first[v + 1]; i++) p->order[place++] = g->out[i];
  }
  return MG_OK;
}

static mg_status prepare(mg_solver *s, const settings *given) {
  mg_status status = network_prepare(s, given, (int64_t)sizeof(plan));
  if (status != MG_OK) return status;
  plan *p = s->plan;
  p->order = memory_array(p->paths.g.edges, (int64_t)sizeof *p->order);
  int32_t *room = memory_array(2 * p->paths.g.nodes, (int64_t)sizeof *room);
  status = p->order && room ? sort_edges(s, p, room, room + p->paths.g.nodes) : MG_NO_MEMORY;
  memory_free(room);
  return status;
}

/* ---------------------------------------------------------------- solve */

static int64_t scratch_bytes(const mg_solver *s) {
  const network *g = &((const plan *)s->plan)->paths.g;
  return g->nodes * LANES * (int64_t)sizeof(double);
}

/* Costs from each node to the goal [nodes, LANES], inf: none. A lane past count repeats the first. */
static mg_status sweep(const plan *p, const mg_real *theta, const network_ends *ends, int count,
                       double *cost) {
  const network *g = &p->paths.g;
  const mg_real *lane[LANES];
  for (int l = 0; l < LANES; l++) lane[l] = theta + (l < count ? l : 0) * g->edges;
  for (int64_t i = 0; i < g->nodes * LANES; i++) cost[i] = INFINITY;
  for (int l = 0; l < count; l++) cost[ends[l].goal * LANES + l] = 0;
  for (int64_t k = 0; k < g->edges; k++) {
    int32_t e = p->order[k];
    double *to = cost + (int64_t)g->tail[e] * LANES;
    const double *from = cost + (int64_t)g->head[e] * LANES;
    double offer[LANES];
    for (int l = 0; l < LANES; l++) offer[l] = -(double)lane[l][e];
    for (int l = 0; l < LANES; l++) {
      offer[l] += from[l];
      to[l] = offer[l] < to[l] ? offer[l] : to[l];
    }
    mg_status status = k % TICK == TICK - 1 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* For one instance: cost [nodes]. */
static mg_status sweep_one(const plan *p, const mg_real *theta, const network_ends *ends, double *cost) {
  const network *g = &p->paths.g;
  for (int64_t v = 0; v < g->nodes; v++) cost[v] = INFINITY;
  cost[ends->goal] = 0;
  for (int64_t k = 0; k < g->edges; k++) {
    int32_t e = p->order[k];
    double offer = cost[g->head[e]] - (double)theta[e];
    if (offer < cost[g->tail[e]]) cost[g->tail[e]] = offer;
    mg_status status = k % TICK == TICK - 1 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* The row's path by costs to the goal, [node * stride]. */
static mg_status finish(const mg_solver *s, solver_rows *rows, int64_t row, const network_ends *ends,
                        const double *cost, int64_t stride) {
  const network *g = &((const plan *)s->plan)->paths.g;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real *z = rows->z + row * s->n;
  double sum = 0;
  if (cost[ends->start * stride] == INFINITY)
    return solver_none(s, rows, row, "no path of finite cost from node %" PRId64 " to node %" PRId64,
                       ends->start + 1, ends->goal + 1);
  memset(z, 0, (size_t)s->n * sizeof *z);
  for (int64_t v = ends->start; v != ends->goal;) {
    int32_t i = g->out_first[v], end = g->out_first[v + 1];
    while (i < end && cost[g->head[g->out[i]] * stride] - (double)theta[g->out[i]] != cost[v * stride])
      i++;
    if (i == end) break; /* never: the cost of v came from somewhere */
    z[g->out[i]] = 1;
    sum += (double)theta[g->out[i]];
    v = g->head[g->out[i]];
  }
  solver_answer(rows, row, sum);
  return MG_OK;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  const plan *p = s->plan;
  mg_status status = MG_OK, read = MG_OK;
  for (int64_t r = 0; r < rows->count && status == MG_OK && read == MG_OK;) {
    network_ends ends[LANES];
    int count = 0;
    while (count < LANES && r + count < rows->count && read == MG_OK) {
      read = network_ends_of(s, rows, r + count, &ends[count]);
      count += read == MG_OK;
    }
    const mg_real *theta = rows->theta + r * s->n;
    if (count > 2) status = sweep(p, theta, ends, count, scratch);
    for (int l = 0; l < count && status == MG_OK; l++) {
      if (count <= 2) status = sweep_one(p, theta + l * s->n, &ends[l], scratch);
      if (status == MG_OK)
        status = finish(s, rows, r + l, &ends[l], (double *)scratch + (count > 2 ? l : 0),
                        count > 2 ? LANES : 1);
    }
    r += count;
  }
  return status == MG_OK ? read : status;
}

static const mg_option options[] = {NETWORK_SETTINGS, NETWORK_END_SETTINGS, {0}};
static const mg_option contexts[] = {NETWORK_END_CONTEXTS, {0}};

const solver_kind solver_dag_path;
const solver_kind solver_dag_path = {
    .kind = {.name = "dag_path",
             .sense = "min",
             .shape = "size",
             .doc = "the cheapest path between two nodes of a directed graph without cycles. costs "
                    "[edges] of any sign (minus gains: the longest path) -> z [edges], 1 on the path; "
                    "none if start and goal are one node. inf is a forbidden edge; edges may be "
                    "parallel; a cycle is an error when the solver is made. Ties: from the start on, "
                    "the edge of smallest index. O(edges). Example: "
                    "solver.dag_path { nodes = 3, edges = {{1, 2}, {2, 3}, {1, 3}} }.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = ROWS,
    .domain = SOLVER_FORBIDS,
    .prepare = prepare,
    .release = release,
    .scratch_bytes = scratch_bytes,
    .solve = solve,
    .is_feasible = network_is_feasible,
    .enumerate = network_enumerate};

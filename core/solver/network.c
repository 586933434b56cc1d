/* Reading graphs, and the paths in them. */
#include "network.h"

#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"

/* ---------------------------------------------------------------- reading */

static mg_status check_edges(const settings *given, const double *list, int64_t count, int64_t nodes) {
  const char *kind = given->kind->name;
  if (count % 2 != 0)
    return fail(MG_BAD_ARGUMENT, "%s: edges has %lld numbers, expected a tail and a head of each", kind,
                (long long)count);
  if (count == 0) return fail(MG_BAD_ARGUMENT, "%s: edges is empty", kind);
  if (nodes >= INT32_MAX / 2 || count >= INT32_MAX)
    return fail(MG_BAD_ARGUMENT, "%s: %lld nodes and %lld edges are too many", kind, (long long)nodes,
                (long long)(count / 2));
  for (int64_t i = 0; i < count; i++)
    if (!(list[i] >= 0 && list[i] < (double)nodes) || list[i] != floor(list[i]))
      return fail(MG_BAD_ARGUMENT, "%s: the %s of edge %lld is %g, expected a node of 1..%lld", kind,
                  i % 2 ? "head" : "tail", (long long)(i / 2 + 1), list[i] + 1, (long long)nodes);
  return MG_OK;
}

/* Edge numbers sorted by `end`, and where each node's begin. O(nodes + edges). */
static void sort_by(const network *g, const int32_t *end, int32_t *first, int32_t *list) {
  memset(first, 0, (size_t)(g->nodes + 1) * sizeof *first);
  for (int64_t e = 0; e < g->edges; e++) first[end[e] + 1]++;
  for (int64_t v = 0; v < g->nodes; v++) first[v + 1] += first[v];
  for (int64_t e = 0; e < g->edges; e++) list[first[end[e]]++] = (int32_t)e;
  for (int64_t v = g->nodes; v > 0; v--) first[v] = first[v - 1];
  first[0] = 0;
}

mg_status network_read(const settings *given, network *g) {
  int64_t count;
  const double *list = settings_list(given, "edges", &count);
  memset(g, 0, sizeof *g);
  g->nodes = settings_count(given, "nodes");
  g->edges = count / 2;
  mg_status status = check_edges(given, list, count, g->nodes);
  if (status != MG_OK) return status;
  g->tail = memory_array(5 * g->edges + 2 * (g->nodes + 1), (int64_t)sizeof *g->tail);
  if (!g->tail) return MG_NO_MEMORY;
  g->head = g->tail + g->edges;
  g->out = g->head + g->edges;
  g->in = g->out + g->edges;
  g->out_head = g->in + g->edges;
  g->out_first = g->out_head + g->edges;
  g->in_first = g->out_first + g->nodes + 1;
  for (int64_t e = 0; e < g->edges; e++) {
    g->tail[e] = (int32_t)list[2 * e];
    g->head[e] = (int32_t)list[2 * e + 1];
  }
  sort_by(g, g->tail, g->out_first, g->out);
  sort_by(g, g->head, g->in_first, g->in);
  for (int64_t i = 0; i < g->edges; i++) g->out_head[i] = g->head[g->out[i]];
  return MG_OK;
}

void network_free(network *g) {
  memory_free(g->tail);
  memset(g, 0, sizeof *g);
}

static mg_status read_ends(const settings *given, const network *g, network_ends *ends) {
  double start = settings_real(given, "start"), goal = settings_real(given, "goal");
  if (goal == 0) goal = (double)g->nodes;
  for (int i = 0; i < 2; i++) {
    double node = i == NETWORK_START ? start : goal;
    if (!(node >= 1 && node <= (double)g->nodes) || node != floor(node))
      return fail(MG_BAD_ARGUMENT, "%s: %s = %g, expected a node of 1..%lld", given->kind->name,
                  i == NETWORK_START ? "start" : "goal", node, (long long)g->nodes);
  }
  *ends = (network_ends){(int64_t)start - 1, (int64_t)goal - 1};
  return MG_OK;
}

mg_status network_prepare(mg_solver *s, const settings *given, int64_t bytes) {
  network_paths *p = s->plan = memory_new(bytes);
  if (!p) return MG_NO_MEMORY;
  memset(p, 0, (size_t)bytes);
  mg_status status = network_read(given, &p->g);
  s->n = p->g.edges;
  return status == MG_OK ? read_ends(given, &p->g, &p->ends) : status;
}

mg_status network_ends_of(const mg_solver *s, const solver_rows *rows, int64_t row,
                          network_ends *ends) {
  const network_paths *p = s->plan;
  const network *g = &p->g;
  *ends = p->ends;
  for (int i = 0; i < 2; i++) {
    const mg_real *given = solver_context(rows, i, row);
    if (!given) continue;
    if (!(*given >= 0 && *given < (mg_real)g->nodes) || *given != floor(*given))
      return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "%s is %g, expected a node of 1..%lld",
                         i == NETWORK_START ? "start" : "goal", (double)*given + 1,
                         (long long)g->nodes);
    *(i == NETWORK_START ? &ends->start : &ends->goal) = (int64_t)*given;
  }
  return MG_OK;
}

/* ---------------------------------------------------------------- paths */

/* The edge that z takes from each node, or -1; 0 if it takes two, or holds other numbers than 0 and 1. */
static int edges_taken(const network *g, const mg_real *z, int32_t *taken, int64_t *ones) {
  for (int64_t v = 0; v < g->nodes; v++) taken[v] = -1;
  for (int64_t e = 0; e < g->edges; e++) {
    if (z[e] == 0) continue;
    if (z[e] != 1 || taken[g->tail[e]] >= 0) return 0;
    taken[g->tail[e]] = (int32_t)e;
    ++*ones;
  }
  return 1;
}

static int is_path(const network *g, const network_ends *ends, const mg_real *z) {
  int32_t *taken = memory_array(g->nodes, (int64_t)sizeof *taken);
  int64_t ones = 0, v = ends->start;
  int fits = taken && edges_taken(g, z, taken, &ones);
  /* Each edge once: the walk ends at the goal, or where nothing goes on. A walk that met a node twice
   * would go on for ever, hence never be over with its edges at the goal. */
  while (fits && v != ends->goal && ones > 0 && taken[v] >= 0) {
    v = g->head[taken[v]];
    ones--;
  }
  memory_free(taken);
  return fits && v == ends->goal && ones == 0;
}

int network_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z) {
  network_ends ends;
  return network_ends_of(s, rows, row, &ends) == MG_OK &&
         is_path(&((const network_paths *)s->plan)->g, &ends, z);
}

/* Depth first. A node's place in its list of edges is kept in at[]; on the path, is_met is 1. */
typedef struct search {
  mg_real *z;      /* [edges] */
  int32_t *at;     /* [nodes] */
  int32_t *path;   /* [nodes] edges */
  int32_t *is_met; /* [nodes] */
} search;

static mg_status visit_from(const network *g, const network_ends *ends, search *s, solver_visit *visit) {
  int64_t length = 0, v = ends->start, steps = 0;
  s->is_met[v] = 1;
  s->at[v] = g->out_first[v];
  for (;;) {
    mg_status status = ++steps % 4096 == 0 ? interrupt_tick() : MG_OK;
    if (status == MG_OK && v == ends->goal) status = solver_found(visit, s->z);
    if (status != MG_OK) return status;
    int64_t end = v == ends->goal ? s->at[v] : g->out_first[v + 1];
    while (s->at[v] < end && s->is_met[g->head[g->out[s->at[v]]]]) s->at[v]++;
    if (s->at[v] < end) {
      int32_t edge = g->out[s->at[v]++];
      s->path[length++] = edge;
      s->z[edge] = 1;
      v = g->head[edge];
      s->is_met[v] = 1;
      s->at[v] = g->out_first[v];
    } else {
      s->is_met[v] = 0;
      if (length == 0) return MG_OK;
      int32_t edge = s->path[--length];
      s->z[edge] = 0;
      v = g->tail[edge];
    }
  }
}

static mg_status visit_paths(const network *g, const network_ends *ends, solver_visit *visit) {
  search s;
  s.z = memory_array(g->edges, (int64_t)sizeof *s.z);
  s.at = memory_array(3 * g->nodes, (int64_t)sizeof *s.at);
  mg_status status = s.z && s.at ? MG_OK : MG_NO_MEMORY;
  if (status == MG_OK) {
    s.path = s.at + g->nodes;
    s.is_met = s.path + g->nodes;
    memset(s.z, 0, (size_t)g->edges * sizeof *s.z);
    memset(s.is_met, 0, (size_t)g->nodes * sizeof *s.is_met);
    status = visit_from(g, ends, &s, visit);
  }
  memory_free(s.z);
  memory_free(s.at);
  return status;
}

mg_status network_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit) {
  network_ends ends;
  mg_status status = network_ends_of(s, rows, 0, &ends);
  return status == MG_OK ? visit_paths(&((const network_paths *)s->plan)->g, &ends, visit) : status;
}

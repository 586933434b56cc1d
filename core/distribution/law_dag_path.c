/* Paths between two nodes of a directed graph without cycles, scores on edges. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "lattice.h"

typedef struct graph {
  const double *ends; /* [2 edges] tail and head of each */
  int64_t nodes, edges, start, goal;
  int64_t *first, *list;  /* [nodes + 1], [edges] the edges into a node */
  int64_t *order, *place; /* [nodes] nodes so that edges go forward, and where each is */
} graph;

static mg_status check(const graph *g, int64_t count, double goal) {
  if (count == 0 || count % 2 != 0)
    return fail(MG_BAD_ARGUMENT,
                "dag_path: edges has %" PRId64 " numbers, expected a tail and a head of each",
                count);
  for (int64_t i = 0; i < count; i++)
    if (!(g->ends[i] >= 0 && g->ends[i] < (double)g->nodes) || g->ends[i] != floor(g->ends[i]))
      return fail(MG_BAD_ARGUMENT,
                  "dag_path: the %s of edge %" PRId64 " is %g, expected a node of 1..%" PRId64,
                  i % 2 ? "head" : "tail", i / 2 + 1, g->ends[i] + 1, g->nodes);
  if (g->start >= g->nodes || !(goal >= 0 && goal <= (double)g->nodes) || goal != floor(goal))
    return fail(MG_BAD_ARGUMENT,
                "dag_path: start = %" PRId64 ", goal = %g, expected nodes of 1..%" PRId64,
                g->start + 1, goal, g->nodes);
  return MG_OK;
}

/* Fills order and place by depth-first search against the edges; room [2 nodes]. 0 if there is a
 * cycle. */
static int sort(graph *g, int64_t *room) {
  enum { NEW = -2, OPEN = -1 };
  int64_t *stack = room, *at = room + g->nodes, done = 0;
  for (int64_t v = 0; v < g->nodes; v++) g->place[v] = NEW;
  for (int64_t root = 0; root < g->nodes; root++) {
    int64_t depth = 0;
    if (g->place[root] != NEW) continue;
    stack[0] = root, at[root] = g->first[root], g->place[root] = OPEN;
    while (depth >= 0) {
      int64_t v = stack[depth];
      if (at[v] == g->first[v + 1]) {
        g->order[done] = v;
        g->place[v] = done++;
        depth--;
        continue;
      }
      int64_t u = (int64_t)g->ends[2 * g->list[at[v]++]];
      if (g->place[u] == OPEN) return 0;
      if (g->place[u] != NEW) continue;
      stack[++depth] = u, at[u] = g->first[u], g->place[u] = OPEN;
    }
  }
  return 1;
}

/* The edges into each node, in ascending order. */
static void list_edges(graph *g) {
  memset(g->first, 0, (size_t)(g->nodes + 1) * sizeof *g->first);
  for (int64_t e = 0; e < g->edges; e++) g->first[(int64_t)g->ends[2 * e + 1] + 1]++;
  for (int64_t v = 0; v < g->nodes; v++) g->first[v + 1] += g->first[v];
  for (int64_t e = 0; e < g->edges; e++) g->list[g->first[(int64_t)g->ends[2 * e + 1]]++] = e;
  for (int64_t v = g->nodes; v > 0; v--) g->first[v] = g->first[v - 1];
  g->first[0] = 0;
}

static mg_status build(mg_law *p, const graph *g) {
  lattice *l;
  mg_status status = lattice_begin(p, g->nodes, g->edges, &l);
  if (status != MG_OK) return status;
  for (int64_t i = 0; i < g->nodes; i++) {
    int64_t v = g->order[i];
    lattice_node(l);
    for (int64_t k = g->first[v]; k < g->first[v + 1]; k++)
      lattice_arc(l, g->place[(int64_t)g->ends[2 * g->list[k]]], g->list[k]);
  }
  lattice_done(p);
  l->source = g->place[g->start];
  l->sink = g->place[g->goal];
  return MG_OK;
}

static mg_status prepare(mg_law *p, const settings *given) {
  int64_t count;
  graph g = {.nodes = settings_count(given, "nodes"), .start = settings_count(given, "start") - 1};
  double goal = settings_real(given, "goal");
  g.ends = settings_list(given, "edges", &count);
  mg_status status = check(&g, count, goal);
  if (status != MG_OK) return status;
  p->n = g.edges = count / 2;
  g.goal = (goal == 0 ? g.nodes : (int64_t)goal) - 1;
  int64_t *room = memory_array(5 * g.nodes + 1 + g.edges, (int64_t)sizeof *room);
  if (!room) return MG_NO_MEMORY;
  g.order = room + 2 * g.nodes, g.place = g.order + g.nodes;
  g.first = g.place + g.nodes, g.list = g.first + g.nodes + 1;
  list_edges(&g);
  status =
      sort(&g, room) ? build(p, &g) : fail(MG_BAD_ARGUMENT, "dag_path: the edges have a cycle");
  memory_free(room);
  return status;
}

static const mg_option options[] = {
    {.name = "nodes", .form = "count", .doc = "number of nodes"},
    {.name = "edges", .form = "list", .doc = "tail and head of each edge", .is_index = 1},
    {.name = "start", .form = "count", .preset = "1", .doc = "where paths begin, a node's number"},
    {.name = "goal", .form = "real", .preset = "0", .doc = "where they end; 0: the last node"},
    {0},
};

const law_kind law_dag_path;
const law_kind law_dag_path = {.kind = {.name = "dag_path", .settings = options},
                               .none = "no path from start to goal is allowed",
                               .prepare = prepare,
                               LATTICE_FUNCTIONS};

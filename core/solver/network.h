/* A directed graph that a solver is given once: its edges by tail and by head, in ascending order. */
#ifndef NETWORK_H
#define NETWORK_H
#include "solver.h"

typedef struct network {
  int64_t nodes, edges;
  int32_t *tail, *head;          /* [edges] */
  int32_t *out_first, *in_first; /* [nodes + 1] a node's first place in out, in */
  int32_t *out, *in;             /* [edges] numbers of edges */
  int32_t *out_head;             /* [edges] heads of out */
} network;

/* The setting `nodes`, and the edges of the list `edges`, pairs of tail and head. Parallel edges and
 * loops may be. The arrays are one block, which starts at tail; network_free also takes one of {0}. */
mg_status network_read(const settings *given, network *g);
void network_free(network *g);

/* The ends of paths: settings start and goal, counted from 1 (goal 0: the last node), and contexts. */
enum { NETWORK_START = 0, NETWORK_GOAL = 1 };
typedef struct network_ends {
  int64_t start, goal;
} network_ends;

/* What the plan of a kind of paths begins with. */
typedef struct network_paths {
  network g;
  network_ends ends;
} network_paths;

/* Sets s->plan, of `bytes`, zeros behind its network_paths, and s->n. */
mg_status network_prepare(mg_solver *s, const settings *given, int64_t bytes);
/* The ends of a row. */
mg_status network_ends_of(const mg_solver *s, const solver_rows *rows, int64_t row,
                          network_ends *ends);

/* The feasible set: paths that visit no node twice, z [edges] marks their edges. */
int network_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z);
/* The edges are tried in ascending order. */
mg_status network_enumerate(const mg_solver *s, const solver_rows *rows, solver_visit *visit);

/* Rows of settings and contexts of kinds of paths. */
#define NETWORK_SETTINGS                                                                              \
  {.name = "nodes", .form = "count", .doc = "number of nodes"},                                       \
      {.name = "edges",                                                                               \
       .form = "list",                                                                                \
       .doc = "tail and head of each edge, {{1, 2}, {1, 3}, ...}",                                    \
       .is_index = 1}
#define NETWORK_END_SETTINGS                                                                          \
  {.name = "start", .form = "count", .preset = "1", .doc = "where paths begin, a node's number"}, {   \
    .name = "goal", .form = "real", .preset = "0", .doc = "where they end; 0: the last node"          \
  }
#define NETWORK_END_CONTEXTS                                                                          \
  {.name = "start", .form = "1", .doc = "another first node for the instance", .is_index = 1}, {      \
    .name = "goal", .form = "1", .doc = "another last node", .is_index = 1                            \
  }

#endif

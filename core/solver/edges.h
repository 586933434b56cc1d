/* Graphs given by the settings `nodes` and `edges`, a list of pairs of nodes; solutions are 0/1 vectors
 * with an entry for each edge. */
#ifndef SOLVER_EDGES_H
#define SOLVER_EDGES_H
#include "solver.h"

typedef struct edge_ends {
  int32_t from, to;
} edge_ends;

/* Checks both settings, and sets s->n to the number of edges, at least 1. No edge joins a node to itself;
 * several may join the same two. MG_BAD_ARGUMENT. */
mg_status edges_check(mg_solver *s, const settings *given);
/* Fills ends [s->n] from settings that passed edges_check. */
void edges_read(const mg_solver *s, const settings *given, edge_ends *ends);

/* Whether a solution of the row starts with z[0..fixed-1]; scratch is the kind's. */
typedef int (*edges_extend)(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z,
                            int64_t fixed, void *scratch);
/* Whether z [s->n] is a solution of the row. */
int edges_is_feasible(const mg_solver *s, const solver_rows *rows, int64_t row, const mg_real *z,
                      edges_extend can_extend);
/* Visits all solutions of row 0, small indices first. can_extend is asked twice an edge of each
 * solution at most. */
mg_status edges_enumerate(const mg_solver *s, const solver_rows *rows, edges_extend can_extend,
                          solver_visit *visit);

/* Disjoint sets of nodes: sets[v] is the parent of v, or minus the size of the set whose root v is. */
void edges_sets_clear(int32_t *sets, int64_t nodes);

/* The root of a node's set; halves the way to it. */
static inline int32_t edges_find(int32_t *sets, int32_t v) {
  while (sets[v] >= 0) {
    int32_t up = sets[v];
    if (sets[up] < 0) return up;
    sets[v] = sets[up];
    v = sets[up];
  }
  return v;
}

/* 1 if a and b were in different sets, which are one then. */
static inline int edges_join(int32_t *sets, int32_t a, int32_t b) {
  a = edges_find(sets, a);
  b = edges_find(sets, b);
  if (a == b) return 0;
  int32_t small = sets[a] > sets[b] ? a : b, large = a ^ b ^ small;
  sets[large] += sets[small];
  sets[small] = large;
  return 1;
}

#endif

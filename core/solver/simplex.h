/* Network simplex (Dantzig 1951; strongly feasible trees: Cunningham 1976). All numbers are integers, so
 * that nothing is rounded and no tree comes twice. */
#ifndef SIMPLEX_H
#define SIMPLEX_H
#include "base/status.h"

#define SIMPLEX_UNLIMITED (INT64_MAX / 4)

/* A node of the tree. Node `nodes` is the root. */
typedef struct simplex_node {
  int32_t parent, edge;       /* the edge to the parent */
  int32_t depth, is_up;       /* 1: the edge goes to the parent */
  int32_t child, next, prior; /* first child, siblings; -1: none */
} simplex_node;

/* A problem and its state. Edge `edges + v` joins node v and the root. */
typedef struct simplex {
  int64_t nodes, edges;
  int32_t *tail, *head; /* [edges + nodes] */
  int64_t *cost;        /* [edges + nodes] of size <= 2^simplex_bits(nodes) */
  int64_t *flow;        /* [edges + nodes] */
  int64_t *capacity;    /* [edges + nodes] */
  signed char *state;   /* [edges + nodes] 1: flow 0; -1: flow = capacity; 0: in the tree */
  int64_t *potential;   /* [nodes + 1] */
  simplex_node *node;   /* [nodes + 1] */
  int32_t *stack;       /* [nodes + 1] */
  int32_t *candidates;  /* [edges] edges that may enter in the second phase */
  int64_t candidate_count;
} simplex;

/* Most bits that costs may have. */
int simplex_bits(int64_t nodes);
/* Bytes of the arrays, and their places in a block. */
int64_t simplex_bytes(int64_t nodes, int64_t edges);
void simplex_split(simplex *x, int64_t nodes, int64_t edges, void *block);

/* Cheapest flow; tail, head, cost and capacity of the edges are set, supply [nodes] adds up to 0.
 * *unlimited: an edge of a cycle around which the cost falls for ever, or -1. MG_INTERRUPTED. */
mg_status simplex_solve(simplex *x, const int64_t *supply, int64_t *unlimited);
/* 1: the flow meets the supplies. */
int simplex_is_feasible(const simplex *x);
/* Among the cheapest flows the one of least weight, weights [edges] of 1..2^26. */
mg_status simplex_settle_ties(simplex *x, const int32_t *weights);

#endif

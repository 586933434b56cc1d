/* The cheapest perfect matching of a sparse graph with integer costs. */
#ifndef PERFECT_MATCHING_BLOSSOM_H
#define PERFECT_MATCHING_BLOSSOM_H
#include <stdint.h>

#include "../mapgrad.h"

/* Costs are even and at most BLOSSOM_RANGE / vertices in size, or BLOSSOM_FORBIDDEN. */
#define BLOSSOM_RANGE ((int64_t)1 << 59)
#define BLOSSOM_FORBIDDEN ((int64_t)1 << 62)

/* An edge seen from one of its ends. */
typedef struct blossom_arc {
  int64_t cost;
  int32_t to;
  int32_t mirror; /* the same edge seen from `to` */
} blossom_arc;

typedef struct blossom_vertex {
  int64_t base; /* dual of the vertex and of all blossoms around it: base + sign * delta */
  int32_t set;
  int32_t sign;
} blossom_vertex;

/* A vertex (0..n-1) or a blossom (n and up). */
typedef struct blossom_node {
  int64_t dual;       /* of a blossom; of a labelled one: dual + label * delta */
  int64_t near;       /* lowest key of an event that would reach it, if phase is the running one */
  int32_t match;      /* arc out of it that is matched, or -1 */
  int32_t entry;      /* of label -1: arc by which the tree came in */
  int32_t parent;     /* the smallest blossom around it, or -1 */
  int32_t next, link; /* the next child of the parent's cycle, and the arc to it */
  int32_t child;      /* of a blossom: one of its children */
  int32_t head, tail; /* its vertices: a stretch of the list */
  int32_t set, size;
  int32_t phase, mark;
  int32_t label; /* 1 even, -1 odd, 0 not in the tree; lost when it gets a parent */
} blossom_node;

typedef struct blossom_event {
  int64_t key; /* delta at which it happens */
  int32_t arc; /* gets tight, from an even vertex; or ~blossom, to be expanded */
} blossom_event;

/* first and arcs are the caller's, the rest lies in the block given to blossom_place. */
typedef struct blossom {
  int32_t n;
  const int32_t *first; /* [n + 1] arcs of a vertex */
  const blossom_arc *arcs;
  blossom_vertex *vertices;
  blossom_node *nodes;
  int32_t *following; /* [n] of a vertex in the list of its blossom, or -1 */
  int32_t *owner;     /* [n] the outermost node of a set */
  int32_t *spare;     /* blossoms not in use */
  int32_t *reached;   /* nodes labelled in this phase */
  int32_t *cycle;
  blossom_event *heap;
  int64_t events, delta, limit;
  int32_t spares, reaches, phase, marks;
} blossom;

/* Bytes of the block for n vertices and this many arcs. */
int64_t blossom_bytes(int64_t n, int64_t arcs);
void blossom_place(blossom *b, int64_t n, int64_t arcs, void *block);

/* Finds the cheapest perfect matching: then nodes[v].match is the arc of vertex v. *vertex becomes
 * -1, or, if there is none, a vertex that is left over. MG_INTERRUPTED otherwise. */
mg_status blossom_solve(blossom *b, int32_t *vertex);

/* After that, if each vertex has an edge that is not forbidden: the sum of the duals of the
 * blossoms around both vertices. An edge has reduced cost cost - vertices[u].base -
 * vertices[w].base
 * + 2 * blossom_shared(b, u, w). If there was no perfect matching, another edge makes one possible
 * only if its reduced cost is below 0. */
int64_t blossom_shared(blossom *b, int32_t u, int32_t w);

#endif

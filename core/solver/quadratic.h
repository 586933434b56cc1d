/* Quadratic assignment as the search sees it: n nodes of A go to different ones of m nodes of B, or, in
 * partial matchings, to none at a cost of 0. */
#ifndef QUADRATIC_H
#define QUADRATIC_H
#include <stdint.h>

#include "solver.h"

enum { QUADRATIC_NONE = -1 };

/* Costs are scaled by a power of two to at most about 1; +inf: forbidden. */
typedef struct quadratic {
  int64_t n, m;
  int is_partial;
  const double *unary;            /* [n, m], with the costs of loops */
  const double *pairs;            /* [edges of A, edges of B], or NULL */
  const int32_t *edge_a, *edge_b; /* [n, n], [m, m]: number of an edge, -1: none */
  int64_t edges_b;
  const double *flow, *distance; /* [n, n], [m, m], finite, or both NULL */
  double quantum;                /* all values of solutions are multiples of it; 0: not known */
} quadratic;

/* Room for one search, cut out of a scratch block. */
typedef struct quadratic_room {
  double *linear;          /* [n + 1, n, m]: cost of a pair (i, j) given the nodes placed so far */
  double *reduced;         /* [n + 1, m] */
  double *flows;           /* [n + 1, n, n]: flows to the nodes not placed, falling */
  double *matrix, *inner;  /* [side, side], side = max(n, m) */
  double *u, *v, *least;   /* [side + 1] */
  double *near;            /* [m, m]: distances to free nodes, rising */
  int32_t *order;          /* [m, m]: nodes by rising distance */
  int32_t *match, *way;    /* [side + 1] */
  int32_t *columns;        /* [n + 1, m]: free nodes of B */
  int32_t *place, *best;   /* [n] */
  int32_t *owner, *tabu;   /* [m + 1], [n, m + 1] */
  double *own;             /* [n] */
  unsigned char *used;     /* [side + 1] */
} quadratic_room;

typedef struct quadratic_limits {
  double nodes;    /* of the tree */
  double deadline; /* deadline_after */
} quadratic_limits;

typedef struct quadratic_result {
  double value; /* of room->best; +inf: there is none */
  double bound; /* no solution is cheaper */
  int is_proved;
} quadratic_result;

/* Bytes of a room; and the room of a block of that size. */
int64_t quadratic_room_bytes(int64_t n, int64_t m);
quadratic_room quadratic_room_of(void *block, int64_t n, int64_t m);

/* Fills room->best by branch and bound, with tabu search when that takes long. Of equally cheap
 * assignments, if proved: the lexicographically smallest, QUADRATIC_NONE last. MG_INTERRUPTED. */
mg_status quadratic_solve(const quadratic *q, quadratic_room *room, const quadratic_limits *limits,
                          quadratic_result *result);

/* Betters room->place step by step until no exchange does (iterations 0), or by tabu search with that
 * many steps, the best in room->best; *value is the value of best. */
mg_status quadratic_descend(const quadratic *q, quadratic_room *room, double *value);
mg_status quadratic_tabu(const quadratic *q, quadratic_room *room, int64_t iterations, double deadline,
                         double *value);

/* Cost of an assignment, +inf if it has a forbidden part. */
double quadratic_value(const quadratic *q, const int32_t *place);

/* Cost of i at j and k at l together, i != k, j != l. */
static inline double quadratic_pair(const quadratic *q, int64_t i, int64_t j, int64_t k, int64_t l) {
  double sum = 0;
  if (q->pairs) {
    int32_t a = q->edge_a[i * q->n + k], b = q->edge_b[j * q->m + l];
    if (a >= 0 && b >= 0) sum += q->pairs[a * q->edges_b + b];
    a = q->edge_a[k * q->n + i], b = q->edge_b[l * q->m + j];
    if (a >= 0 && b >= 0) sum += q->pairs[a * q->edges_b + b];
  }
  if (q->flow)
    sum += q->flow[i * q->n + k] * q->distance[j * q->m + l] +
           q->flow[k * q->n + i] * q->distance[l * q->m + j];
  return sum;
}

#endif

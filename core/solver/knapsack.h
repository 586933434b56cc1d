/* The core of a knapsack: what is left when all items are fixed that are in every optimum, or in none. */
#ifndef KNAPSACK_H
#define KNAPSACK_H
#include <stdint.h>

#include "solver.h"

typedef struct knapsack_item {
  double ratio; /* value / weight */
  double value; /* > 0 */
  double weight; /* > 0, at most the capacity */
  int64_t index;
} knapsack_item;

/* An item taken by the search, and what was before. */
typedef struct knapsack_step {
  int64_t item;
  double value, capacity;
} knapsack_step;

typedef struct knapsack_core {
  const knapsack_item *items; /* [count], by falling ratio, then rising index */
  int64_t count;
  double capacity;
  int is_integral;      /* weights and capacity are integers */
  double deadline;      /* deadline_after */
  double *lightest;     /* [count + 1], room: the least weight from an item on */
  knapsack_step *steps; /* [count], room */
  unsigned char *taken; /* [count], the answer */
  int is_proved;        /* part of the answer; 0: the deadline has passed */
} knapsack_core;

/* Fills taken and is_proved: the optimum that is first in lexicographic order, taken before left.
 * Branch and bound; once that has cost more than a table of integer capacities would, the table, which
 * is allocated (one bit a cell) if it has at most 2^31 cells. MG_INTERRUPTED, MG_NO_MEMORY. */
mg_status knapsack_solve_core(knapsack_core *k);

#endif

/* What the files of the kind "tour" share: costs of one instance, and the two exact methods. */
#ifndef TOUR_H
#define TOUR_H
#include "solver.h"

enum { TOUR_LANES = 4, TOUR_MOST_TABLE = 16 /* cities that the table method takes */ };

/* ---------------------------------------------------------------- table: up to TOUR_MOST_TABLE cities */

/* Subsets of the cities but the first, by size; made once. */
typedef struct tour_sets {
  int others;                          /* cities - 1 */
  int lanes;                           /* of a row: others, rounded up to TOUR_LANES */
  int32_t first[TOUR_MOST_TABLE + 1];  /* where the subsets of a size start in `set` */
  uint16_t *set;                       /* [2^others], ascending among those of a size */
} tour_sets;

/* Bytes of sets->set, which tour_sets_fill writes. */
int64_t tour_sets_bytes(int cities);
void tour_sets_fill(tour_sets *sets, int cities);
int64_t tour_table_bytes(int cities);
/* The lexicographically smallest of the cheapest tours, from city 0 on. cost [cities, cities] is
 * symmetric, INFINITY where there is no edge. Returns 0 if there is no tour. */
int tour_table_solve(const tour_sets *sets, const double *cost, void *scratch, int32_t *tour);

/* ---------------------------------------------------------------- search: any number of cities */

typedef struct tour_result {
  int found;     /* 0: no tour */
  int proved;    /* 0: the time was up */
  double bound;  /* no tour costs less, if not proved */
} tour_result;

int64_t tour_search_bytes(int cities);
/* A cheapest tour by branch and bound, in at most `seconds` if that is above 0. cost as above, of a
 * size about 1: |cost| <= 2. MG_INTERRUPTED. */
mg_status tour_search_solve(int cities, const double *cost, double seconds, void *scratch,
                            int32_t *tour, tour_result *result);

int64_t tour_local_bytes(int cities);
/* Improves a tour by local search and then by kicks. cost is finite; near_cost [cities, cities], the
 * diagonal INFINITY, says which cities are near each other. */
mg_status tour_local_solve(int cities, const double *cost, const double *near_cost, int kicks,
                           void *scratch, int32_t *tour);

#endif

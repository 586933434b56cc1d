/* The dynamic programme over subsets: Held, Karp 1962; Bellman 1962.
 *
 * after[R][j] is the least cost from city j through all cities of R, in any order, back to the first
 * city: after[{}][j] = c[0][j], after[R][j] = min over i in R of c[j][i] + after[R - i][i]. City j runs
 * along the lanes, so that a step of a subset and an i is one broadcast, one sum and one minimum; what
 * comes out for j in R means nothing and is never read. Subsets go by size, so that the number of steps
 * repeats and branches are foreseen. */
#include <math.h>
#include <string.h>

#include "tour.h"

typedef double lanes __attribute__((vector_size(TOUR_LANES * sizeof(double))));
typedef int64_t masks __attribute__((vector_size(TOUR_LANES * sizeof(int64_t))));

static int lanes_of(int others) { return (others + TOUR_LANES - 1) / TOUR_LANES * TOUR_LANES; }

int64_t tour_sets_bytes(int cities) {
  return cities > TOUR_MOST_TABLE ? 0 : ((int64_t)1 << (cities - 1)) * (int64_t)sizeof(uint16_t);
}

void tour_sets_fill(tour_sets *sets, int cities) {
  sets->others = cities - 1;
  sets->lanes = lanes_of(cities - 1);
  int32_t count = 0;
  for (int size = 0; size < cities; size++) {
    sets->first[size] = count;
    for (uint32_t set = 0; set < 1u << (cities - 1); set++)
      if (__builtin_popcount(set) == size) sets->set[count++] = (uint16_t)set;
  }
  sets->first[cities] = count;
}

/* The table and the costs among the other cities. */
int64_t tour_table_bytes(int cities) {
  if (cities > TOUR_MOST_TABLE) return 0;
  int64_t rows = ((int64_t)1 << (cities - 1)) + cities - 1;
  return rows * lanes_of(cities - 1) * (int64_t)sizeof(double);
}

/* Fills the rows of the subsets of one size; vectors: lanes / TOUR_LANES. */
static inline __attribute__((always_inline)) void fill_size(const tour_sets *sets, int size, int vectors,
                                                            const lanes *cost, lanes *after) {
  const double *values = (const double *)after;
  for (int32_t at = sets->first[size]; at < sets->first[size + 1]; at++) {
    uint32_t set = sets->set[at];
    lanes least[4];
    for (int v = 0; v < vectors; v++) least[v] = (lanes){0} + (double)INFINITY;
    uint32_t left = set;
    for (int step = 0; step < size; step++, left &= left - 1) {
      int i = __builtin_ctz(left);
      double rest = values[(set ^ 1u << i) * (uint32_t)(vectors * TOUR_LANES) + (uint32_t)i];
      for (int v = 0; v < vectors; v++) {
        lanes offer = cost[i * vectors + v] + rest;
        masks less = offer < least[v];
        least[v] = (lanes)((less & (masks)offer) | (~less & (masks)least[v]));
      }
    }
    for (int v = 0; v < vectors; v++) after[set * (uint32_t)vectors + (uint32_t)v] = least[v];
  }
}

/* The sizes 1..others-1. */
static void fill_table(const tour_sets *sets, const lanes *cost, lanes *after) {
  for (int size = 1; size < sets->others; size++) switch (sets->lanes / TOUR_LANES) {
    case 1: fill_size(sets, size, 1, cost, after); break;
    case 2: fill_size(sets, size, 2, cost, after); break;
    case 3: fill_size(sets, size, 3, cost, after); break;
    default: fill_size(sets, size, 4, cost, after);
  }
}

int tour_table_solve(const tour_sets *sets, const double *cost, void *scratch, int32_t *tour) {
  int n = sets->others + 1;
  int64_t width = sets->lanes;
  double *among = scratch, *after = among + sets->others * width;
  for (int i = 1; i < n; i++)
    for (int j = 1; j <= width; j++)
      among[(i - 1) * width + j - 1] = j < n ? cost[i * n + j] : INFINITY;
  for (int j = 1; j <= width; j++) after[j - 1] = j < n ? cost[j] : INFINITY;
  fill_table(sets, scratch, (lanes *)(void *)after);
  uint32_t left = (1u << sets->others) - 1;
  tour[0] = 0;
  for (int place = 1; place < n; place++) { /* the smallest of the cities by which the rest is cheapest */
    double least = INFINITY;
    int next = -1;
    for (int i = 0; i < n - 1; i++) {
      if (!(left >> i & 1)) continue;
      double offer = cost[tour[place - 1] * n + i + 1] + after[(left ^ 1u << i) * width + i];
      if (offer < least) least = offer, next = i;
    }
    if (next < 0) return 0;
    tour[place] = next + 1;
    left ^= 1u << next;
  }
  return 1;
}

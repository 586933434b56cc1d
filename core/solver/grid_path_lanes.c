/* Distances on several grids side by side: alternating sweeps down and up. A sweep relaxes each row from
 * its neighbour row, if that has changed since, and along itself, so that rows stay settled in themselves;
 * one that lowers nothing ends it. No heap, hardly a mispredicted branch. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "grid_path.h"

enum { WIDE = GRID_GROUP, MOST_GROUPS = 2 };

typedef mg_real lanes __attribute__((vector_size(WIDE * sizeof(mg_real)), aligned(sizeof(mg_real)),
                                     may_alias));
#ifdef MG_DOUBLE
typedef int64_t mask_bits;
#else
typedef int32_t mask_bits;
#endif
typedef mask_bits masks __attribute__((vector_size(WIDE * sizeof(mask_bits)),
                                       aligned(sizeof(mask_bits)), may_alias));

#define INLINED static inline __attribute__((always_inline))

INLINED void lower(lanes *a, const lanes *b) {
  for (int i = 0; i < WIDE; i++) (*a)[i] = (*b)[i] < (*a)[i] ? (*b)[i] : (*a)[i];
}

INLINED void lower_by(lanes *a, const mg_real *b) { lower(a, (const lanes *)b); }

/* Lowers a row of d to what neighbour row `other` and the cells to the left offer; 1 if any lane
 * changed. */
INLINED int relax_right(int64_t cols, int is_diagonal, int groups, mg_real *restrict d,
                        const mg_real *restrict other, const mg_real *restrict w) {
  const int stride = groups * WIDE;
  lanes last[MOST_GROUPS];
  masks lowered[MOST_GROUPS] = {{0}};
  for (int g = 0; g < groups; g++) last[g] = (lanes){0} + (mg_real)INFINITY;
  for (int64_t c = 0; c < cols; c++, d += stride, other += stride, w += stride)
    for (int g = 0; g < groups; g++) {
      const mg_real *above = other + g * WIDE;
      lanes best = *(const lanes *)above, cost = *(const lanes *)(w + g * WIDE);
      lanes *at = (lanes *)(d + g * WIDE), old = *at;
      if (is_diagonal) lower_by(&best, above - stride);
      if (is_diagonal) lower_by(&best, above + stride);
      best += cost;
      lower(&best, &old);
      last[g] += cost;
      lower(&last[g], &best);
      lowered[g] |= last[g] < old;
      *at = last[g];
    }
  mask_bits any = 0;
  for (int g = 0; g < groups; g++)
    for (int i = 0; i < WIDE; i++) any |= lowered[g][i];
  return any != 0;
}

INLINED void relax_left(int64_t cols, int groups, mg_real *d, const mg_real *w) {
  const int stride = groups * WIDE;
  lanes last[MOST_GROUPS];
  for (int g = 0; g < groups; g++) last[g] = (lanes){0} + (mg_real)INFINITY;
  for (int64_t c = cols - 1; c >= 0; c--)
    for (int g = 0; g < groups; g++) {
      lanes *at = (lanes *)(d + c * stride + g * WIDE);
      last[g] += *(const lanes *)(w + c * stride + g * WIDE);
      lower(&last[g], at);
      *at = last[g];
    }
}

/* Of rows, the border included: whether the row above, or below, changed since this one was relaxed from it. */
enum { FROM_ABOVE, FROM_BELOW, MOST_ROWS = GRID_LANE_CELLS / 3 + 1 };
typedef struct row_news {
  unsigned char news[2][MOST_ROWS];
} row_news;

/* One sweep down (step 1) or up (-1); 1 if it lowered anything. all: settle every row in itself. */
INLINED int sweep(const grid_plan *p, int is_diagonal, int groups, mg_real *distance,
                  const mg_real *cost, row_news *rows, int step, int all) {
  int64_t width = (p->cols + 2) * groups * WIDE;
  int64_t from = step > 0 ? 1 : p->rows, to = step > 0 ? p->rows + 1 : 0;
  unsigned char *news = rows->news[step > 0 ? FROM_ABOVE : FROM_BELOW];
  int changed = 0;
  for (int64_t r = from; r != to; r += step) {
    if (!news[r]) continue;
    news[r] = 0;
    mg_real *d = distance + r * width + groups * WIDE;
    const mg_real *w = cost + r * width + groups * WIDE;
    int lowered = relax_right(p->cols, is_diagonal, groups, d, d - step * width, w);
    if (lowered || all) relax_left(p->cols, groups, d, w);
    if (lowered) rows->news[FROM_ABOVE][r + 1] = rows->news[FROM_BELOW][r - 1] = 1;
    changed |= lowered;
  }
  return changed;
}

/* Each double sweep settles one more turn of the path, and a path has fewer turns than cells. */
INLINED mg_status sweep_all(const grid_plan *p, int is_diagonal, int groups, mg_real *distance,
                            const mg_real *cost) {
  row_news rows;
  for (int side = 0; side < 2; side++) memset(rows.news[side], 1, (size_t)p->rows + 2);
  sweep(p, is_diagonal, groups, distance, cost, &rows, 1, 1);
  for (int64_t i = 0; i <= grid_bordered(p); i++) {
    if (!sweep(p, is_diagonal, groups, distance, cost, &rows, -1, 0)) break;
    if (!sweep(p, is_diagonal, groups, distance, cost, &rows, 1, 0)) break;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

mg_status grid_sweep_lanes(const grid_plan *p, int lane_count, mg_real *distance, const mg_real *cost,
                           const int64_t *starts, int used) {
  int64_t entries = grid_bordered(p) * lane_count;
  for (int64_t i = 0; i < entries; i++) distance[i] = INFINITY;
  for (int l = 0; l < used; l++)
    distance[starts[l] * lane_count + l] = cost[starts[l] * lane_count + l];
  if (lane_count == WIDE)
    return p->diagonal ? sweep_all(p, 1, 1, distance, cost) : sweep_all(p, 0, 1, distance, cost);
  return p->diagonal ? sweep_all(p, 1, 2, distance, cost) : sweep_all(p, 0, 2, distance, cost);
}

/* Distances on one grid: buckets where the costs are of like size, else a heap.
 *
 *   buckets: those of Dial 1969 with real costs (Denardo and Fox 1979), each narrower than the least
 *            cost. A step leaves its bucket, so all cells of a bucket are settled, in any order; a cell
 *            is met first from the bucket of its best predecessor, hence its distance is final at once.
 *   heap:    Dijkstra 1959. As the cost is the cell's own, the first settled neighbour is the best.
 * Either way a cell enters once and never moves. */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "grid_path.h"

enum { TICK = 4096, MOST_INDEX = 1 << 20 };

static mg_real least(mg_real a, mg_real b) { return a < b ? a : b; }

/* ---------------------------------------------------------------- buckets */

typedef struct bucket_queue {
  int32_t *head; /* [mask + 1] a cell of bucket i & mask, or -1 */
  int32_t *next; /* [bordered] another cell of the same bucket, or -1 */
  int64_t mask;
  double per_cost; /* buckets in a cost of 1 */
} bucket_queue;

/* Buckets an eighth narrower than the least cost, which covers the rounding of distances below
 * MOST_INDEX buckets. 0: there would be more than GRID_BUCKETS at a time, or too many empty ones. */
static int make_buckets(const grid_plan *p, const grid_range *range, bucket_queue *q) {
  if (!(range->least > 0)) return 0;
  q->per_cost = 1.125 / (double)range->least;
  double most = (double)range->most * q->per_cost;
  double empty = (double)(p->rows + p->cols) * range->sum * q->per_cost;
  if (!(most < GRID_BUCKETS - 2) || !(empty < 3 * (double)(p->rows * p->cols) * (double)range->count))
    return 0;
  for (q->mask = 1; (double)q->mask < most + 2;) q->mask *= 2;
  memset(q->head, 0xff, (size_t)q->mask * sizeof *q->head);
  q->mask--;
  return 1;
}

static void put(const bucket_queue *q, int64_t cell, int64_t index) {
  q->next[cell] = q->head[index & q->mask];
  q->head[index & q->mask] = (int32_t)cell;
}

/* The least distance around a cell. */
static mg_real best_around(const grid_node *v, int64_t width, int diagonal) {
  const grid_node *up = v - width, *down = v + width;
  mg_real best = least(least(up->distance, down->distance), least(v[-1].distance, v[1].distance));
  if (!diagonal) return best;
  mg_real above = least(up[-1].distance, up[1].distance);
  return least(best, least(above, least(down[-1].distance, down[1].distance)));
}

/* Gives the unmet neighbours of a settled cell their distances; the highest bucket used. */
static int64_t meet_around(const grid_plan *p, grid_node *nodes, const bucket_queue *q, int64_t cell,
                           const int64_t *offsets, int neighbours) {
  int64_t highest = 0;
  for (int k = 0; k < neighbours; k++) {
    int64_t next = cell + offsets[k];
    grid_node *u = &nodes[next];
    if (u->distance != INFINITY || u->cost == INFINITY) continue;
    mg_real distance = best_around(u, p->cols + 2, p->diagonal) + u->cost;
    if (distance == INFINITY) continue;
    u->distance = distance;
    int64_t index = (int64_t)((double)distance * q->per_cost);
    put(q, next, index);
    highest = index > highest ? index : highest;
  }
  return highest;
}

/* Until the goal is met: whatever leads to it is then settled. *done = 0: distances are too long. */
static mg_status search_buckets(const grid_plan *p, grid_node *nodes, const bucket_queue *q,
                                int64_t start, int64_t goal, int *done) {
  int64_t offsets[8], settled = 0;
  int neighbours = grid_neighbours(p, offsets);
  int64_t index = (int64_t)((double)nodes[start].cost * q->per_cost), highest = index;
  nodes[start].distance = nodes[start].cost;
  put(q, start, index);
  for (*done = 1; index <= highest && nodes[goal].distance == INFINITY; index++) {
    int32_t cell = q->head[index & q->mask];
    q->head[index & q->mask] = -1;
    for (; cell >= 0; cell = q->next[cell]) {
      int64_t reached = meet_around(p, nodes, q, cell, offsets, neighbours);
      highest = reached > highest ? reached : highest;
      mg_status status = ++settled % TICK == 0 ? interrupt_tick() : MG_OK;
      if (status != MG_OK) return status;
    }
    *done = highest < MOST_INDEX;
    if (!*done) return MG_OK;
  }
  return MG_OK;
}

/* ---------------------------------------------------------------- heap */

/* A heap of 4 children a node. */
static void push(grid_entry *heap, int64_t *count, grid_entry e) {
  int64_t i = (*count)++;
  for (int64_t up; i > 0 && e.distance < heap[up = (i - 1) / 4].distance; i = up) heap[i] = heap[up];
  heap[i] = e;
}

static grid_entry pop(grid_entry *heap, int64_t *count) {
  grid_entry top = heap[0], e = heap[--*count];
  int64_t i = 0, n = *count;
  for (int64_t child; (child = 4 * i + 1) < n;) {
    int64_t smallest = child, end = child + 4 < n ? child + 4 : n;
    for (int64_t j = child + 1; j < end; j++)
      smallest = heap[j].distance < heap[smallest].distance ? j : smallest;
    if (!(heap[smallest].distance < e.distance)) break;
    heap[i] = heap[smallest];
    i = smallest;
  }
  heap[i] = e;
  return top;
}

/* Distances of all cells not farther than the goal. */
static mg_status search_heap(const grid_plan *p, grid_node *nodes, grid_entry *heap, int64_t start,
                             int64_t goal) {
  int64_t offsets[8], count = 0, settled = 0;
  int neighbours = grid_neighbours(p, offsets);
  nodes[start].distance = nodes[start].cost;
  push(heap, &count, (grid_entry){nodes[start].distance, (int32_t)start});
  while (count > 0) {
    grid_entry e = pop(heap, &count);
    if (e.distance > nodes[goal].distance) break;
    for (int k = 0; k < neighbours; k++) {
      grid_node *u = &nodes[e.cell + offsets[k]];
      mg_real distance = e.distance + u->cost;
      if (u->distance != INFINITY || distance == INFINITY) continue;
      u->distance = distance;
      push(heap, &count, (grid_entry){distance, (int32_t)(e.cell + offsets[k])});
    }
    mg_status status = ++settled % TICK == 0 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

static void clear_distances(const grid_plan *p, grid_node *nodes) {
  for (int64_t i = 0; i < grid_bordered(p); i++) nodes[i].distance = INFINITY;
}

mg_status grid_search(const grid_plan *p, const grid_range *range, grid_node *nodes, grid_entry *heap,
                      int32_t *next, int32_t *head, int64_t start, int64_t goal) {
  bucket_queue q = {.head = head, .next = next};
  clear_distances(p, nodes);
  if (nodes[start].cost == INFINITY) return MG_OK;
  int done = make_buckets(p, range, &q);
  if (done) {
    mg_status status = search_buckets(p, nodes, &q, start, goal, &done);
    if (status != MG_OK || done) return status;
    clear_distances(p, nodes);
  }
  return search_heap(p, nodes, heap, start, goal);
}

/* Cheapest path between two cells of a grid whose cells cost; a path pays for each cell it visits.
 *
 * Both methods below compute the same distances d, the least fixed point of
 *   d[start] = w[start],  d[v] = w[v] + min over neighbours u of d[u]
 * in rounded arithmetic: rounded addition is monotone, so the order of relaxations does not matter. The
 * path is read off d alone, hence does not depend on the method, the batch or the threads.
 *
 *   lanes: instances side by side, grid_path_lanes.c
 *   one:   buckets or a heap for one instance, grid_path_search.c. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "grid_path.h"
#include "solver.h"

enum { FEWEST_LANES = 3, LANES = GRID_LANES };
typedef grid_plan plan;

/* A view of d and w of one instance; cells are numbered with a border of infinite distance around. The entry of a cell
 * is [cell * stride]; steps are the neighbours' offsets, places those times stride. */
typedef struct field {
  mg_real *distance;
  const mg_real *cost;
  int64_t stride, steps[8], places[8];
  int neighbours;
} field;

/* The parts of a scratch block. Lanes and nodes share their place. */
typedef struct work {
  mg_real *distance, *cost; /* [bordered, LANES], where lanes are used */
  grid_node *nodes;         /* [bordered] */
  grid_entry *heap;         /* [bordered] */
  int32_t *parent, *queue;  /* [bordered] in the place of heap: used when the search is over */
  int32_t *head;            /* [GRID_BUCKETS] */
} work;

int64_t grid_bordered(const plan *p) { return (p->rows + 2) * (p->cols + 2); }

static int has_lanes(const plan *p) { return grid_bordered(p) <= GRID_LANE_CELLS; }

static mg_status prepare(mg_solver *s, const settings *given) {
  plan *p = memory_new((int64_t)sizeof *p);
  if (!p) return MG_NO_MEMORY;
  s->plan = p;
  p->rows = settings_count(given, "rows");
  p->cols = settings_count(given, "cols");
  int64_t neighbours = settings_count(given, "neighbours");
  if (neighbours != 4 && neighbours != 8)
    return fail(MG_BAD_ARGUMENT, "grid_path: neighbours = %" PRId64 ", expected 4 or 8", neighbours);
  if (memory_product(p->rows + 2, p->cols + 2) >= INT32_MAX / 2)
    return fail(MG_BAD_ARGUMENT, "grid_path: %" PRId64 " x %" PRId64 " cells are too many", p->rows,
                p->cols);
  p->diagonal = neighbours == 8;
  const char *rule = settings_text(given, "negative");
  p->negative = rule[0] == 'c' ? NEGATIVE_CLIP : rule[0] == 's' ? NEGATIVE_SHIFT : NEGATIVE_ERROR;
  s->n = p->rows * p->cols;
  return MG_OK;
}

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t lane_bytes(const plan *p) {
  int64_t reals = grid_bordered(p) * (has_lanes(p) ? LANES : 1);
  return aligned(reals * (int64_t)sizeof(mg_real));
}

static int64_t scratch_bytes(const mg_solver *s) {
  const plan *p = s->plan;
  int64_t cells = grid_bordered(p);
  return 2 * lane_bytes(p) + aligned(cells * (int64_t)sizeof(grid_entry)) +
         GRID_BUCKETS * (int64_t)sizeof(int32_t);
}

static work split(const plan *p, void *scratch) {
  int64_t cells = grid_bordered(p);
  char *at = scratch;
  work w;
  w.nodes = (grid_node *)scratch;
  w.distance = (mg_real *)(void *)at;
  at += lane_bytes(p);
  w.cost = (mg_real *)(void *)at;
  at += lane_bytes(p);
  w.heap = (grid_entry *)(void *)at;
  w.parent = (int32_t *)(void *)at;
  w.queue = w.parent + cells;
  at += aligned(cells * (int64_t)sizeof(grid_entry));
  w.head = (int32_t *)(void *)at;
  return w;
}

/* ---------------------------------------------------------------- costs */

static mg_status bad_cost(const mg_solver *s, const solver_rows *rows, int64_t row, int64_t i,
                          mg_real cost) {
  if (cost == -INFINITY)
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT, "cost at entry %" PRId64 " is -inf", i + 1);
  return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                     "cost at entry %" PRId64 " is %g, expected 0 and more (layers clip: see the "
                     "setting negative)",
                     i + 1, (double)cost);
}

static mg_real largest_of(const mg_real *x, int64_t n) {
  enum { WIDTH = 16 }; /* vectors */
  mg_real most[WIDTH], largest = -INFINITY;
  int64_t i = 0;
  for (int l = 0; l < WIDTH; l++) most[l] = -INFINITY;
  for (; i + WIDTH <= n; i += WIDTH)
    for (int l = 0; l < WIDTH; l++) most[l] = x[i + l] > most[l] ? x[i + l] : most[l];
  for (int l = 0; l < WIDTH; l++) largest = most[l] > largest ? most[l] : largest;
  for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

/* Writes the costs of a row, minus theta after the domain rule, into w with a border. +inf stays: an
 * obstacle. */
static mg_status load_costs(const mg_solver *s, solver_rows *rows, int64_t row, mg_real *w,
                            int64_t stride) {
  const plan *p = s->plan;
  const mg_real *theta = rows->theta + row * s->n;
  mg_real largest = largest_of(theta, s->n), shift = 0;
  if (largest > 0) {
    int64_t negative = 0, first = -1;
    for (int64_t i = 0; i < s->n; i++) negative += theta[i] > 0;
    mg_real offence = p->negative == NEGATIVE_ERROR ? 0 : INFINITY; /* what a rule cannot repair */
    while (!(theta[++first] > 0 && theta[first] >= (largest == INFINITY ? offence : 0))) {
    }
    if (largest == INFINITY || p->negative == NEGATIVE_ERROR)
      return bad_cost(s, rows, row, first, -theta[first]);
    if (p->negative == NEGATIVE_SHIFT) shift = largest;
    rows->repaired += negative;
  }
  for (int64_t r = 0; r < p->rows; r++) {
    mg_real *line = w + ((r + 1) * (p->cols + 2) + 1) * stride;
    for (int64_t c = 0; c < p->cols; c++) {
      mg_real cost = shift - theta[r * p->cols + c];
      line[c * stride] = cost < 0 ? 0 : cost;
    }
  }
  return MG_OK;
}

mg_status grid_end(const mg_solver *s, const solver_rows *rows, int64_t row, int which, int64_t *cell) {
  const plan *p = s->plan;
  const mg_real *given = solver_context(rows, which, row);
  double r = which == START ? 0 : (double)p->rows - 1, c = which == START ? 0 : (double)p->cols - 1;
  if (given) {
    r = given[0];
    c = given[1];
  }
  if (!(r >= 0 && r < (double)p->rows && c >= 0 && c < (double)p->cols) || r != floor(r) ||
      c != floor(c))
    return solver_fail(s, rows, row, MG_BAD_ARGUMENT,
                       "%s (%g, %g) is not a cell of the %" PRId64 " x %" PRId64 " grid",
                       which == START ? "start" : "goal", r + 1, c + 1, p->rows, p->cols);
  *cell = ((int64_t)r + 1) * (p->cols + 2) + (int64_t)c + 1;
  return MG_OK;
}

int grid_neighbours(const plan *p, int64_t offsets[8]) {
  int64_t width = p->cols + 2;
  const int64_t eight[8] = {-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1};
  const int64_t four[4] = {-width, -1, 1, width};
  memcpy(offsets, p->diagonal ? eight : four, p->diagonal ? sizeof eight : sizeof four);
  return p->diagonal ? 8 : 4;
}

/* The border counts as an obstacle. */
static void fill_border(const plan *p, grid_node *nodes) {
  int64_t width = p->cols + 2, last = (p->rows + 1) * width;
  for (int64_t c = 0; c < width; c++) nodes[c].cost = nodes[last + c].cost = INFINITY;
  for (int64_t r = 0; r <= p->rows; r++)
    nodes[r * width].cost = nodes[r * width + width - 1].cost = INFINITY;
}

static grid_range range_of(const plan *p, const grid_node *nodes) {
  grid_range range = {.least = INFINITY};
  for (int64_t r = 1; r <= p->rows; r++) {
    const grid_node *line = nodes + r * (p->cols + 2) + 1;
    for (int64_t c = 0; c < p->cols; c++) {
      mg_real cost = line[c].cost;
      int is_finite = cost != INFINITY;
      range.least = cost < range.least ? cost : range.least;
      range.most = is_finite && cost > range.most ? cost : range.most;
      range.sum += is_finite ? (double)cost : 0;
      range.count += is_finite;
    }
  }
  return range;
}

/* ---------------------------------------------------------------- the path */

static field field_of(const plan *p, mg_real *distance, const mg_real *cost, int64_t stride) {
  field f = {.distance = distance, .cost = cost, .stride = stride};
  f.neighbours = grid_neighbours(p, f.steps);
  for (int k = 0; k < f.neighbours; k++) f.places[k] = f.steps[k] * stride;
  return f;
}

/* The predecessor of v of smallest index that is strictly nearer to the start, or -1: cells that cost 0 have none, nor
 * what costs less than rounding. */
static int64_t nearer(const field *f, int64_t v) {
  const mg_real *distance = f->distance + v * f->stride, own = *distance, cost = f->cost[v * f->stride];
  if (cost == 0) return -1;
  for (int k = 0; k < f->neighbours; k++) {
    mg_real d = distance[f->places[k]];
    if (d < own && d + cost == own) return v + f->steps[k];
  }
  return -1;
}

/* From v, which has no nearer predecessor, over cells as far as v, by the fewest steps, to the start or to a cell that
 * has one. parent[u] is the step from u towards v. Breadth first; what is passed gets an infinite distance, as the rest
 * of the path does not meet it. */
static int64_t cross_plateau(const field *f, const work *w, int64_t v, int64_t start) {
  const mg_real level = f->distance[v * f->stride];
  int64_t head = 0, tail = 0;
  f->distance[v * f->stride] = INFINITY;
  w->queue[tail++] = (int32_t)v;
  while (head < tail) {
    int64_t u = w->queue[head++];
    mg_real *distance = f->distance + u * f->stride;
    if (level + f->cost[u * f->stride] != level) continue;
    for (int k = 0; k < f->neighbours; k++) {
      if (distance[f->places[k]] != level) continue;
      int64_t next = u + f->steps[k];
      w->parent[next] = (int32_t)u;
      if (next == start || nearer(f, next) >= 0) return next;
      distance[f->places[k]] = INFINITY;
      w->queue[tail++] = (int32_t)next;
    }
  }
  w->parent[start] = (int32_t)v; /* not reached: d of v came from somewhere */
  return start;
}

int64_t grid_plain_cell(const plan *p, int64_t cell) {
  int64_t width = p->cols + 2;
  return (cell / width - 1) * p->cols + cell % width - 1;
}

/* Marks the path in z, returns its cost. Among cheapest paths: back from the goal, always to the
 * predecessor of smallest index that is nearer to the start. */
static double mark_path(const plan *p, const field *f, const work *w, int64_t start, int64_t goal,
                        mg_real *z) {
  int64_t v = goal;
  double cost = 0;
  for (;;) {
    z[grid_plain_cell(p, v)] = 1;
    cost += f->cost[v * f->stride];
    if (v == start) return cost;
    int64_t u = nearer(f, v);
    if (u < 0) {
      u = cross_plateau(f, w, v, start);
      for (int64_t x = w->parent[u]; x != v; x = w->parent[x]) {
        z[grid_plain_cell(p, x)] = 1;
        cost += f->cost[x * f->stride];
      }
    }
    v = u;
  }
}

static mg_status finish(const mg_solver *s, solver_rows *rows, int64_t row, const field *f,
                        const work *w, int64_t start, int64_t goal) {
  mg_real *z = rows->z + row * s->n;
  memset(z, 0, (size_t)s->n * sizeof *z);
  if (f->distance[goal * f->stride] == INFINITY)
    return solver_none(s, rows, row,
                       "no path of finite cost from start to goal (the cost of a path adds up to less "
                       "than %g)",
                       sizeof(mg_real) == 4 ? 3.4e38 : 1.7e308);
  solver_answer(rows, row, -mark_path(s->plan, f, w, start, goal, z));
  return MG_OK;
}

/* Rows first..first + count, count <= lanes. The border costs nothing but is never left: its distance
 * stays infinite. Unused lanes repeat old costs and start nowhere. */
static mg_status solve_lanes(const mg_solver *s, solver_rows *rows, int64_t first, int count, int lanes,
                             const work *w) {
  int64_t starts[LANES], goals[LANES];
  mg_status loaded = MG_OK;
  int ready = 0; /* rows before the first that cannot be loaded: one of them may fail, too */
  for (; ready < count; ready++) {
    loaded = grid_end(s, rows, first + ready, START, &starts[ready]);
    if (loaded == MG_OK) loaded = grid_end(s, rows, first + ready, GOAL, &goals[ready]);
    if (loaded == MG_OK) loaded = load_costs(s, rows, first + ready, w->cost + ready, lanes);
    if (loaded != MG_OK) break;
  }
  mg_status status = grid_sweep_lanes(s->plan, lanes, w->distance, w->cost, starts, ready);
  for (int l = 0; l < ready && status == MG_OK; l++) {
    field f = field_of(s->plan, w->distance + l, w->cost + l, lanes);
    status = finish(s, rows, first + l, &f, w, starts[l], goals[l]);
  }
  return status == MG_OK ? loaded : status;
}

static mg_status solve_one(const mg_solver *s, solver_rows *rows, int64_t row, const work *w) {
  int64_t start, goal;
  mg_status status = grid_end(s, rows, row, START, &start);
  if (status == MG_OK) status = grid_end(s, rows, row, GOAL, &goal);
  if (status == MG_OK) status = load_costs(s, rows, row, &w->nodes->cost, 2);
  if (status != MG_OK) return status;
  fill_border(s->plan, w->nodes);
  grid_range range = range_of(s->plan, w->nodes);
  status = grid_search(s->plan, &range, w->nodes, w->heap, w->parent, w->head, start, goal);
  field f = field_of(s->plan, &w->nodes->distance, &w->nodes->cost, 2);
  return status == MG_OK ? finish(s, rows, row, &f, w, start, goal) : status;
}

static mg_status solve(const mg_solver *s, solver_rows *rows, void *scratch) {
  const plan *p = s->plan;
  work w = split(p, scratch);
  mg_status status = MG_OK;
  int64_t row = 0;
  while (has_lanes(p) && rows->count - row >= FEWEST_LANES && status == MG_OK) {
    int64_t left = rows->count - row;
    int lanes = left <= GRID_GROUP ? GRID_GROUP : LANES;
    int count = left < lanes ? (int)left : lanes;
    memset(w.cost, 0, (size_t)(grid_bordered(p) * lanes) * sizeof *w.cost);
    status = solve_lanes(s, rows, row, count, lanes, &w);
    row += count;
  }
  for (; row < rows->count && status == MG_OK; row++) status = solve_one(s, rows, row, &w);
  return status;
}

static const mg_option options[] = {
    {.name = "rows", .form = "count", .doc = "cells from top to bottom"},
    {.name = "cols", .form = "count", .doc = "cells from left to right"},
    {.name = "neighbours", .form = "count", .preset = "8", .doc = "4 or 8"},
    {.name = "negative",
     .form = "choice error|clip|shift",
     .preset = "error",
     .doc = "costs below 0: refuse them, count them as 0, or raise all costs so that the least is 0"},
    {0},
};
static const mg_option contexts[] = {
    {.name = "start", .form = "2", .doc = "row and column of the first cell", .is_index = 1},
    {.name = "goal", .form = "2", .doc = "row and column of the last cell", .is_index = 1},
    {0},
};

const solver_kind solver_grid_path;
const solver_kind solver_grid_path = {
    .kind = {.name = "grid_path",
             .sense = "min",
             .shape = "rows cols",
             .doc = "the cheapest path through a grid whose cells cost, from the top left to the bottom "
                    "right or as the context says; both ends are paid. costs [rows, cols] -> z "
                    "[rows, cols], 1 on the path. Costs from 0; inf is an obstacle. Costs add up in the build's "
                    "reals: what differs by less than their rounding is a tie, and a path of more than the "
                    "largest real counts as none. Ties: back from the "
                    "goal, to the predecessor of smallest index. O(c log c) for c cells (Dijkstra 1959; "
                    "O(c) with buckets, Dial 1969, where costs are of like size). is_feasible searches "
                    "for a path over all marked cells, less than a second, and else says no.",
             .settings = options,
             .contexts = contexts,
             .is_exact = 1},
    .rows_at_once = 32,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .domain = SOLVER_OWN,
    .solve = solve,
    .is_feasible = grid_is_feasible,
    .enumerate = grid_enumerate};

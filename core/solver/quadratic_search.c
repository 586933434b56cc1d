/* Branch and bound for quadratic assignment: the nodes of A are placed in order of their index, on the
 * free nodes of B in order of theirs. The bound of Gilmore 1962 and Lawler 1963: an assignment problem
 * whose cost of (i, j) is the linear one plus the least that the pairs of i with the others could add,
 * half of each pair's cost counted at either end. */
#include "quadratic.h"

#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "deadline.h"

enum { FIRST_NODES = 1000, MOST_INNER = 400, NODES_A_STEP = 4, FEWEST_STEPS = 50, STEPS_A_PAIR = 20 };
#define SLACK 1e-13 /* of rounding, in costs of about 1 */

typedef struct search {
  const quadratic *q;
  quadratic_room *room;
  double best;   /* value of room->best */
  int has_found; /* room->best was found by this search, hence is the first of its value */
  double nodes, most_nodes, deadline;
  int is_over; /* a limit was met */
} search;

/* ---------------------------------------------------------------- assignment */

/* One more row for assign: a shortest augmenting path. 0: there is none. */
static int augment(quadratic_room *w, const double *cost, int64_t row, int64_t cols) {
  double *u = w->u, *v = w->v, *least = w->least;
  int64_t at = 0;
  w->match[0] = (int32_t)row;
  for (int64_t j = 0; j <= cols; j++) least[j] = INFINITY, w->used[j] = 0;
  do {
    w->used[at] = 1;
    int64_t i = w->match[at], next = 0;
    double delta = INFINITY;
    for (int64_t j = 1; j <= cols; j++) {
      if (w->used[j]) continue;
      double reduced = cost[(i - 1) * cols + j - 1] - u[i] - v[j];
      if (reduced < least[j]) least[j] = reduced, w->way[j] = (int32_t)at;
      if (least[j] < delta) delta = least[j], next = j;
    }
    if (delta == INFINITY) return 0;
    for (int64_t j = 0; j <= cols; j++) {
      if (w->used[j]) u[w->match[j]] += delta, v[j] -= delta;
      else least[j] -= delta;
    }
    at = next;
  } while (w->match[at] != 0);
  for (; at != 0; at = w->way[at]) w->match[at] = w->match[w->way[at]];
  return 1;
}

/* Least cost of an assignment of all rows <= cols; match[1 + column] is 1 + row or 0; u, v are duals from
 * 1. +inf: there is none. O(rows^2 cols). */
static double assign(quadratic_room *w, const double *cost, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i <= rows; i++) w->u[i] = 0;
  for (int64_t j = 0; j <= cols; j++) w->v[j] = 0, w->match[j] = 0;
  for (int64_t row = 1; row <= rows; row++)
    if (!augment(w, cost, row, cols)) return INFINITY;
  double sum = 0;
  for (int64_t j = 1; j <= cols; j++)
    if (w->match[j]) sum += cost[(w->match[j] - 1) * cols + j - 1];
  return sum;
}

/* ---------------------------------------------------------------- what pairs add at least */

static void sort_falling(double *x, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    double value = x[i];
    int64_t j = i;
    for (; j > 0 && x[j - 1] < value; j--) x[j] = x[j - 1];
    x[j] = value;
  }
}

/* With flows only, the least sum of products pairs the largest flow with the least distance. */
static int has_products(const quadratic *q) { return q->flow && !q->pairs && !q->is_partial; }

/* Sorts flows and distances once for all nodes of the tree. */
static void sort_products(const quadratic *q, quadratic_room *w) {
  int64_t n = q->n, m = q->m;
  for (int64_t depth = 0; depth <= n; depth++)
    for (int64_t i = depth; i < n; i++) {
      double *row = w->flows + (depth * n + i) * n;
      int64_t count = 0;
      for (int64_t k = depth; k < n; k++)
        if (k != i) row[count++] = q->flow[i * n + k];
      sort_falling(row, count);
    }
  for (int64_t j = 0; j < m; j++)
    for (int64_t l = 0; l < m; l++) {
      int64_t at = l;
      int32_t *row = w->order + j * m;
      for (; at > 0 && q->distance[j * m + row[at - 1]] > q->distance[j * m + l]; at--)
        row[at] = row[at - 1];
      row[at] = (int32_t)l;
    }
}

/* The distances from each free node to the other free ones, rising. */
static void filter_distances(const quadratic *q, quadratic_room *w, const int32_t *columns, int64_t free) {
  for (int64_t f = 0; f < free; f++) {
    int64_t j = columns[f], count = 0;
    double *row = w->near + j * q->m;
    for (int64_t at = 0; at < q->m; at++) {
      int32_t l = w->order[j * q->m + at];
      row[count] = q->distance[j * q->m + l];
      count += l != j && w->owner[l] == QUADRATIC_NONE;
    }
  }
}

/* The least sum of products of the flows, falling, with as many of the distances, rising. */
static double least_product(const double *flows, int64_t rows, const double *near, int64_t cols) {
  double sum = 0;
  int64_t t = 0;
  for (; t < rows && flows[t] > 0; t++) sum += flows[t] * near[t];
  for (; t < rows; t++) sum += flows[t] * near[cols - rows + t];
  return sum;
}

static int are_linked(const quadratic *q, int64_t i, int64_t k) {
  int64_t a = i * q->n + k, b = k * q->n + i;
  return (q->pairs && (q->edge_a[a] >= 0 || q->edge_a[b] >= 0)) ||
         (q->flow && (q->flow[a] != 0 || q->flow[b] != 0));
}

/* The least that half of the pairs of i at j with the nodes from depth on can cost. */
static double least_pairs(const quadratic *q, quadratic_room *w, int64_t depth, int64_t i, int64_t j,
                          const int32_t *columns, int64_t free) {
  int64_t rows = 0, cols = q->is_partial && free - 1 < q->n - depth ? q->n - depth : free - 1;
  double minima = 0;
  for (int64_t k = depth; k < q->n; k++) {
    if (k == i || !are_linked(q, i, k)) continue;
    double *row = w->inner + rows++ * cols, least = INFINITY;
    int64_t count = 0;
    for (int64_t f = 0; f < free; f++) {
      if (columns[f] == j) continue;
      double cost = quadratic_pair(q, i, j, k, columns[f]) / 2;
      row[count] = q->is_partial && cost > 0 ? 0 : cost;
      least = row[count] < least ? row[count] : least;
      count++;
    }
    for (; count < cols; count++) row[count] = 0; /* partial: k goes to none */
    if (q->is_partial && least > 0) least = 0;
    minima += least;
  }
  if (rows == 0) return 0;
  return rows * cols <= MOST_INNER ? assign(w, w->inner, rows, cols) : minima;
}

/* ---------------------------------------------------------------- a node of the tree */

/* Free nodes of B, rising; returns how many. */
static int64_t list_free(const quadratic *q, const quadratic_room *w, int32_t *columns) {
  int64_t count = 0;
  for (int64_t j = 0; j < q->m; j++)
    if (w->owner[j] == QUADRATIC_NONE) columns[count++] = (int32_t)j;
  return count;
}

/* Fills *bound with what the nodes of A from depth on cost at least, and room->reduced of the depth with
 * what it grows to when node `depth` goes to each free node. */
static mg_status bound_node(const quadratic *q, quadratic_room *w, int64_t depth, double *bound) {
  int32_t *columns = w->columns + depth * q->m;
  int64_t rows = q->n - depth, free = list_free(q, w, columns), products = has_products(q);
  int64_t cols = q->is_partial && free < rows ? rows : free;
  double *reduced = w->reduced + depth * q->m;
  if (products) filter_distances(q, w, columns, free);
  for (int64_t i = depth; i < q->n; i++) {
    double *row = w->matrix + (i - depth) * cols;
    for (int64_t f = 0; f < free; f++) {
      int64_t j = columns[f];
      double cost = w->linear[(depth * q->n + i) * q->m + j];
      if (products)
        cost += least_product(w->flows + (depth * q->n + i) * q->n, rows - 1, w->near + j * q->m, free - 1);
      else if (cost < INFINITY) cost += least_pairs(q, w, depth, i, j, columns, free);
      if (i == depth) reduced[f] = cost;
      row[f] = q->is_partial && cost > 0 ? 0 : cost;
    }
    for (int64_t f = free; f < cols; f++) row[f] = 0;
    mg_status status = interrupt_tick();
    if (status != MG_OK) return status;
  }
  *bound = assign(w, w->matrix, rows, cols);
  for (int64_t f = 0; f < free && *bound < INFINITY; f++)
    reduced[f] += *bound - w->u[1] - w->v[f + 1];
  return MG_OK;
}

/* Places node `depth` on j (or nowhere) in the costs of the nodes after it. */
static void place_linear(const quadratic *q, quadratic_room *w, int64_t depth, int64_t j) {
  const double *from = w->linear + depth * q->n * q->m;
  double *to = w->linear + (depth + 1) * q->n * q->m;
  for (int64_t i = depth + 1; i < q->n; i++)
    for (int64_t l = 0; l < q->m; l++) {
      double cost = from[i * q->m + l];
      if (j != QUADRATIC_NONE && l != j && w->owner[l] == QUADRATIC_NONE)
        cost += quadratic_pair(q, depth, j, i, l);
      to[i * q->m + l] = cost;
    }
}

/* Whether nothing below a node of this bound is wanted. */
static int is_hopeless(const search *s, double bound) {
  if (!(bound < INFINITY)) return 1;
  if (!s->has_found) return bound > s->best + SLACK;
  return s->q->quantum > 0 ? bound > s->best - s->q->quantum / 2 : bound >= s->best;
}

static mg_status descend(search *s, int64_t depth, double base, double bound);

/* The child of a node where node `depth` goes to j. */
static mg_status try_child(search *s, int64_t depth, double base, int64_t j) {
  const quadratic *q = s->q;
  quadratic_room *w = s->room;
  double cost = j == QUADRATIC_NONE ? 0 : w->linear[(depth * q->n + depth) * q->m + j], bound = 0;
  mg_status status = MG_OK;
  s->nodes++;
  if (s->nodes >= s->most_nodes || deadline_is_past(s->deadline)) s->is_over = 1;
  w->place[depth] = (int32_t)j;
  if (j != QUADRATIC_NONE) w->owner[j] = (int32_t)depth;
  place_linear(q, w, depth, j);
  if (depth + 1 < q->n) status = bound_node(q, w, depth + 1, &bound);
  if (status == MG_OK && !is_hopeless(s, base + cost + bound))
    status = descend(s, depth + 1, base + cost, bound);
  if (j != QUADRATIC_NONE) w->owner[j] = QUADRATIC_NONE;
  return status;
}

/* A node whose first `depth` nodes are placed at the cost `base`. */
static mg_status descend(search *s, int64_t depth, double base, double bound) {
  const quadratic *q = s->q;
  quadratic_room *w = s->room;
  if (depth == q->n) {
    s->best = base;
    s->has_found = 1;
    memcpy(w->best, w->place, (size_t)q->n * sizeof *w->best);
    return MG_OK;
  }
  const int32_t *columns = w->columns + depth * q->m;
  const double *reduced = w->reduced + depth * q->m;
  int64_t free = list_free(q, w, w->columns + depth * q->m);
  mg_status status = MG_OK;
  for (int64_t f = 0; f < free && status == MG_OK && !s->is_over; f++)
    if (!is_hopeless(s, base + reduced[f])) status = try_child(s, depth, base, columns[f]);
  if (q->is_partial && status == MG_OK && !s->is_over && !is_hopeless(s, base + bound))
    status = try_child(s, depth, base, QUADRATIC_NONE);
  return status;
}

/* Searches with at most `nodes` nodes; *is_done if it came to its end. */
static mg_status search_tree(const quadratic *q, quadratic_room *w, double nodes, double deadline,
                             quadratic_result *result, int *is_done) {
  search s = {.q = q, .room = w, .best = result->value, .most_nodes = nodes, .deadline = deadline};
  double bound;
  memcpy(w->linear, q->unary, (size_t)(q->n * q->m) * sizeof *w->linear);
  for (int64_t j = 0; j < q->m; j++) w->owner[j] = QUADRATIC_NONE;
  mg_status status = bound_node(q, w, 0, &bound);
  if (status == MG_OK && !is_hopeless(&s, bound)) status = descend(&s, 0, 0, bound);
  result->value = s.best;
  *is_done = !s.is_over;
  return status;
}

/* A first assignment: that of the bound, betters itself. */
static mg_status start(const quadratic *q, quadratic_room *w, quadratic_result *result) {
  memcpy(w->linear, q->unary, (size_t)(q->n * q->m) * sizeof *w->linear);
  for (int64_t j = 0; j < q->m; j++) w->owner[j] = QUADRATIC_NONE;
  mg_status status = bound_node(q, w, 0, &result->bound);
  result->value = INFINITY;
  if (status != MG_OK || result->bound == INFINITY) return status;
  for (int64_t i = 0; i < q->n; i++) w->place[i] = QUADRATIC_NONE;
  for (int64_t j = 1; j <= q->m; j++) {
    int64_t cols = q->is_partial && q->m < q->n ? q->n : q->m, i = w->match[j] - 1;
    if (i >= 0 && !(q->is_partial && w->matrix[i * cols + j - 1] >= 0)) w->place[i] = (int32_t)(j - 1);
  }
  return quadratic_descend(q, w, &result->value);
}

mg_status quadratic_solve(const quadratic *q, quadratic_room *room, const quadratic_limits *limits,
                          quadratic_result *result) {
  if (has_products(q)) sort_products(q, room);
  int is_done = 0;
  double first = limits->nodes < FIRST_NODES ? limits->nodes : FIRST_NODES;
  mg_status status = start(q, room, result);
  if (status != MG_OK || result->bound == INFINITY) return result->is_proved = 1, status;
  status = search_tree(q, room, first, limits->deadline, result, &is_done);
  if (status == MG_OK && !is_done && !deadline_is_past(limits->deadline)) {
    int64_t steps = FEWEST_STEPS + (int64_t)(limits->nodes / NODES_A_STEP), most = STEPS_A_PAIR * q->n * q->m;
    if (steps > most) steps = most;
    status = quadratic_tabu(q, room, steps, limits->deadline, &result->value);
    if (status == MG_OK && limits->nodes > FIRST_NODES && !deadline_is_past(limits->deadline))
      status = search_tree(q, room, limits->nodes, limits->deadline, result, &is_done);
  }
  result->is_proved = is_done;
  if (is_done) result->bound = result->value;
  else if (q->quantum > 0) result->bound = ceil(result->bound / q->quantum - 1e-6) * q->quantum;
  else result->bound -= 10 * SLACK * (double)(q->n * q->n);
  return status;
}

/* ---------------------------------------------------------------- room */

/* Cuts the parts out of a block, or (NULL) only counts their bytes. */
static int64_t cut(quadratic_room *w, char *block, int64_t n, int64_t m) {
  int64_t side = (n > m ? n : m) + 1, at = 0;
  struct {
    void *part; /* where its address goes */
    int64_t bytes;
  } parts[] = {{&w->linear, 8 * (n + 1) * n * m}, {&w->reduced, 8 * (n + 1) * m},
               {&w->flows, 8 * (n + 1) * n * n},  {&w->matrix, 8 * side * side},
               {&w->inner, 8 * side * side},      {&w->u, 8 * side},
               {&w->v, 8 * side},                 {&w->least, 8 * side},
               {&w->near, 8 * m * (m + 1)},       {&w->order, 4 * m * m},
               {&w->match, 4 * side},             {&w->way, 4 * side},
               {&w->columns, 4 * (n + 1) * m},    {&w->place, 4 * n},
               {&w->best, 4 * n},                 {&w->owner, 4 * (m + 1)},
               {&w->tabu, 4 * n * (m + 1)},       {&w->own, 8 * n},
               {&w->used, side}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    void *here = block ? block + at : NULL;
    memcpy(parts[i].part, &here, sizeof here);
    at += (parts[i].bytes + 63) / 64 * 64;
  }
  return at;
}

int64_t quadratic_room_bytes(int64_t n, int64_t m) {
  quadratic_room unused;
  return cut(&unused, NULL, n, m);
}

quadratic_room quadratic_room_of(void *block, int64_t n, int64_t m) {
  quadratic_room room;
  cut(&room, block, n, m);
  return room;
}

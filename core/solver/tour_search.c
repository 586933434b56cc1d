/* Branch and bound with 1-trees: Held, Karp 1970, 1971; Volgenant, Jonker 1982; tours by local search.
 *
 * A node is a set of edges that are required and of edges that are left out. Prices of the cities are
 * raised where the least 1-tree has too few edges and lowered where too many, which raises the bound.
 * Then every edge is tried: one whose presence lifts the bound to `cut` is left out, one whose absence
 * does is required, and cities with two edges left or two required settle theirs. If the node is still
 * open, a city with three edges or more in the tree has one of: its first edge left out; the first
 * required, the second left out; both required.
 *
 * A node is closed when its bound reaches `cut`, which is the cost of the best tour less `slack`, of the
 * size of roundings; or, if costs are multiples of a step but for a constant, nearly a step less: no tour
 * lies between. So ties cost no search, and the answer is the cheapest tour but for roundings. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/interrupt.h"
#include "tour_tree.h"

typedef enum edge_state { FREE, REQUIRED, LEFT_OUT } edge_state;

enum {
  ROOT_STEPS = 400,
  NODE_STEPS = 30,
  PATIENCE = 8, /* steps without a better bound after which steps are shortened */
  TICK = 16,
  EASY_NODES = 200, /* after so many the root is bounded anew, with patience */
  LONG_STEPS = 500,
  LONG_PATIENCE = 40,
  MOST_LONG = 200
};

/* A node whose children are being searched. */
typedef struct level {
  double bound;
  int32_t first, second; /* edges; second: -1 if there is none */
  int32_t mark;          /* of the trail */
  int32_t children;      /* to be searched */
} level;

typedef struct search {
  int n;
  tour_tree tree;
  int32_t edges;              /* kept in the list */
  int32_t *from, *to;         /* [edges] */
  char *state;                /* [edges] */
  int32_t *start, *incident;  /* [n + 1], [2 edges]: the edges of a city */
  int32_t *required, *usable; /* [n]: edges of a city; usable: not left out */
  int32_t *trail, trail_count;
  int32_t *queue, queue_count; /* cities to settle */
  char *queued;
  double *detour; /* [n] least weight that replaces the edge to the parent */
  double *top;    /* [n, 2] gains of the best edges of a city, and their cities */
  int32_t *top_city;
  level *levels;
  int32_t depth;
  double *saved; /* [saved_levels, width] prices */
  int32_t saved_levels;
  double upper, slack, step, cut;
  int32_t *tour; /* of cost upper, if has_tour; else upper is more than any costs */
  int has_tour;
  double root_bound, *root_price; /* [width] */
  double end; /* on the clock; 0: none */
  int64_t ticks;
  mg_status status;
  int is_late;
} search;

/* ---------------------------------------------------------------- memory */

typedef struct layout {
  char *at;
  int64_t bytes;
} layout;

static void *part(layout *l, int64_t count, int64_t size) {
  void *block = l->at ? l->at + l->bytes : NULL;
  l->bytes += (count * size + 63) / 64 * 64;
  return block;
}

/* Lays s out; returns the bytes. The parts of local search are those of `incident` to `levels`. */
static int64_t lay_out(search *s, int n, void *scratch, void **tree, void **matrices, void **rest) {
  layout l = {.at = scratch};
  int64_t pairs = (int64_t)n * (n - 1) / 2, ints = sizeof(int32_t), reals = sizeof(double);
  s->n = n;
  s->saved_levels = (int32_t)(2 * n);
  *tree = part(&l, 1, tour_tree_bytes(n));
  *matrices = part(&l, 2 * (int64_t)n * n, reals);
  *rest = part(&l, 1, tour_local_bytes(n));
  s->from = part(&l, pairs, ints), s->to = part(&l, pairs, ints);
  s->state = part(&l, pairs, 1);
  s->start = part(&l, n + 1, ints), s->incident = part(&l, 2 * pairs, ints);
  s->required = part(&l, n, ints), s->usable = part(&l, n, ints);
  s->trail = part(&l, pairs, ints);
  s->queue = part(&l, n, ints), s->queued = part(&l, n, 1);
  s->detour = part(&l, n, reals);
  s->top = part(&l, 2 * n, reals), s->top_city = part(&l, 2 * n, ints);
  s->levels = part(&l, pairs + 1, (int64_t)sizeof(level));
  s->saved = part(&l, s->saved_levels * (int64_t)(n + TOUR_LANES), reals);
  s->root_price = part(&l, n + TOUR_LANES, reals);
  return l.bytes;
}

int64_t tour_search_bytes(int cities) {
  search s;
  void *parts[3];
  return lay_out(&s, cities, NULL, &parts[0], &parts[1], &parts[2]);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Whether to stop: interrupted or late. */
static int is_over(search *s) {
  if (s->status != MG_OK || s->is_late) return 1;
  s->status = interrupt_tick();
  s->is_late = s->end > 0 && now() > s->end;
  return s->status != MG_OK || s->is_late;
}

/* ---------------------------------------------------------------- tours */

static double tour_cost(const search *s, const int32_t *tour) {
  double sum = 0;
  for (int i = 0; i < s->n; i++)
    sum += s->tree.cost[(int64_t)tour[i] * s->n + tour[i + 1 < s->n ? i + 1 : 0]];
  return sum;
}

/* Takes the tour if it is the best so far. */
static void offer(search *s, const int32_t *tour) {
  double cost = tour_cost(s, tour);
  if (!(cost < s->upper)) return;
  memmove(s->tour, tour, (size_t)s->n * sizeof *tour);
  s->has_tour = 1;
  s->upper = cost;
  s->cut = cost - fmax(s->slack, s->step - 1e-3 * s->step);
}

/* The step of which all costs are multiples but for a constant; 0 if it is lost in roundings. */
static double step_of(int n, const double *cost) {
  const double unit = 0x1p-48;
  double base = INFINITY;
  int64_t step = 0;
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++) {
      double c = cost[(int64_t)i * n + j];
      if (c == INFINITY) continue;
      if (base == INFINITY) base = c;
      double difference = c - base, part = difference + base, count = difference / unit;
      if (part != c || c - difference != base || count != floor(count)) return 0;
      int64_t a = (int64_t)fabs(count);
      while (a) {
        int64_t b = step % a;
        step = a;
        a = b;
      }
    }
  double found = (double)step * unit;
  return found > 1e-10 * n ? found : 0;
}

/* From the first city always on to the nearest one. */
static void nearest_neighbour(int n, const double *cost, int32_t *tour) {
  for (int i = 0; i < n; i++) tour[i] = i;
  for (int place = 1; place < n - 1; place++) {
    const double *row = cost + (int64_t)tour[place - 1] * n;
    int best = place;
    for (int i = place + 1; i < n; i++)
      if (row[tour[i]] < row[tour[best]] || (row[tour[i]] == row[tour[best]] && tour[i] < tour[best]))
        best = i;
    int32_t city = tour[best];
    tour[best] = tour[place];
    tour[place] = city;
  }
}

/* ---------------------------------------------------------------- bounds */

/* Raises the bound by at most so many steps along slopes; then prices, tree and *bound are the best
 * ones. 1: the node is closed. */
static int ascend(search *s, int steps, int patience, double *bound) {
  tour_tree *t = &s->tree;
  double factor = 1;
  size_t bytes = (size_t)t->width * sizeof(double);
  int failures = 0;
  *bound = -INFINITY;
  memset(t->slope, 0, bytes);
  for (int k = 0; k < steps; k++) {
    double value = tour_tree_make(t);
    if (value >= s->cut) return 1;
    if (value > *bound) {
      *bound = value;
      failures = 0;
      memcpy(t->best_price, t->price, bytes);
    } else if (++failures == patience) {
      failures = 0;
      factor *= 0.6;
    }
    double square = tour_tree_slope_square(t);
    if (square == 0) {
      int32_t *tour = s->queue;
      tour_tree_tour(t, tour);
      offer(s, tour);
      return 1;
    }
    if (k % TICK == TICK - 1 && is_over(s)) break;
    tour_tree_step(t, factor * (s->upper - value) / square);
  }
  memcpy(t->price, t->best_price, bytes);
  tour_tree_make(t);
  return 0;
}

static double key_of(const tour_tree *t, int32_t i, int32_t j) {
  return t->weight[(int64_t)i * t->width + j] + t->price[i] + t->price[j];
}

static int is_in_tree(const tour_tree *t, int32_t i, int32_t j) {
  if (i == 0 || j == 0) return i + j == t->special[0] || i + j == t->special[1];
  return t->parent[i] == j || t->parent[j] == i;
}

/* By how much the least 1-tree with edge i-j, which is not in it, is heavier. */
static double rise_of(const tour_tree *t, int32_t i, int32_t j, double key) {
  if (i == 0 || j == 0) return key - t->special_key[1];
  double heaviest = -INFINITY;
  while (i != j) {
    int32_t *deeper = t->depth[i] >= t->depth[j] ? &i : &j;
    if (t->key[*deeper] > heaviest) heaviest = t->key[*deeper];
    *deeper = t->parent[*deeper];
  }
  return key - heaviest;
}

/* Edge i-j can replace the tree's edges between its ends. */
static void note_detour(search *s, int32_t i, int32_t j, double key) {
  const tour_tree *t = &s->tree;
  if (i == 0 || j == 0) return;
  while (i != j) {
    int32_t *deeper = t->depth[i] >= t->depth[j] ? &i : &j;
    if (key < s->detour[*deeper]) s->detour[*deeper] = key;
    *deeper = t->parent[*deeper];
  }
}

/* ---------------------------------------------------------------- edges */

static void enqueue(search *s, int32_t city) {
  if (s->queued[city]) return;
  s->queued[city] = 1;
  s->queue[s->queue_count++] = city;
}

static void set_weight(search *s, int32_t e, double weight) {
  int32_t i = s->from[e], j = s->to[e];
  s->tree.weight[(int64_t)i * s->tree.width + j] = weight;
  s->tree.weight[(int64_t)j * s->tree.width + i] = weight;
}

static void settle_edge(search *s, int32_t e, edge_state state) {
  int32_t i = s->from[e], j = s->to[e];
  s->state[e] = (char)state;
  s->trail[s->trail_count++] = e;
  set_weight(s, e, state == REQUIRED ? TOUR_REQUIRED : INFINITY);
  if (state == REQUIRED) s->required[i]++, s->required[j]++;
  else s->usable[i]--, s->usable[j]--;
  enqueue(s, i);
  enqueue(s, j);
}

static void undo(search *s, int32_t mark) {
  while (s->trail_count > mark) {
    int32_t e = s->trail[--s->trail_count], i = s->from[e], j = s->to[e];
    if (s->state[e] == REQUIRED) s->required[i]--, s->required[j]--;
    else s->usable[i]++, s->usable[j]++;
    s->state[e] = FREE;
    set_weight(s, e, s->tree.cost[(int64_t)i * s->n + j]);
  }
}

static int32_t other_end(const search *s, int32_t e, int32_t city) { return s->from[e] + s->to[e] - city; }

/* The edge between two cities, or -1. */
static int32_t edge_between(const search *s, int32_t i, int32_t j) {
  for (int32_t at = s->start[i]; at < s->start[i + 1]; at++)
    if (other_end(s, s->incident[at], i) == j) return s->incident[at];
  return -1;
}

/* Follows required edges from a city away from edge e, to the end of the path or back to `stop`. */
static int32_t follow(const search *s, int32_t city, int32_t e, int32_t stop, int32_t *length) {
  for (;;) {
    int32_t next = -1;
    for (int32_t at = s->start[city]; at < s->start[city + 1] && next < 0; at++)
      if (s->state[s->incident[at]] == REQUIRED && s->incident[at] != e) next = s->incident[at];
    if (next < 0 || city == stop) return city;
    city = other_end(s, next, city);
    e = next;
    ++*length;
  }
}

/* Requires an edge; the one that would close its path early is left out. 0: it closes a cycle that is no
 * tour, or a city has three. */
static int require_edge(search *s, int32_t e) {
  int32_t i = s->from[e], j = s->to[e], length = 1;
  settle_edge(s, e, REQUIRED);
  if (s->required[i] > 2 || s->required[j] > 2) return 0;
  int32_t a = follow(s, i, e, j, &length);
  if (a == j) return length == s->n;
  int32_t b = follow(s, j, e, i, &length);
  if (length >= s->n - 1) return 1;
  int32_t closing = edge_between(s, a, b);
  if (closing >= 0 && s->state[closing] == FREE) settle_edge(s, closing, LEFT_OUT);
  return closing < 0 || s->state[closing] != REQUIRED || closing == e;
}

/* Settles the edges of a city that has no choice. 0: it cannot have two. */
static int settle_city(search *s, int32_t city) {
  if (s->required[city] > 2 || s->usable[city] < 2) return 0;
  int is_full = s->required[city] == 2;
  if (!is_full && s->usable[city] > 2) return 1;
  for (int32_t at = s->start[city]; at < s->start[city + 1]; at++) {
    int32_t e = s->incident[at];
    if (s->state[e] != FREE) continue;
    if (is_full) settle_edge(s, e, LEFT_OUT);
    else if (!require_edge(s, e)) return 0;
  }
  return 1;
}

/* Settles what follows; good: 0 if there is no tour already. 0: there is no tour. */
static int propagate(search *s, int good) {
  while (s->queue_count > 0) {
    int32_t city = s->queue[--s->queue_count];
    s->queued[city] = 0;
    if (good) good = settle_city(s, city);
  }
  return good;
}

/* Leaves out and requires what the bound decides. 0: there is no better tour. */
static int decide_edges(search *s, double bound) {
  const tour_tree *t = &s->tree;
  for (int v = 0; v < s->n; v++) s->detour[v] = INFINITY;
  for (int32_t e = 0; e < s->edges; e++) {
    int32_t i = s->from[e], j = s->to[e];
    if (s->state[e] != FREE || is_in_tree(t, i, j)) continue;
    double key = key_of(t, i, j);
    if (bound + rise_of(t, i, j, key) >= s->cut) settle_edge(s, e, LEFT_OUT);
    else note_detour(s, i, j, key);
  }
  int good = 1;
  for (int at = 1; at < s->n - 1 && good; at++) {
    int32_t v = t->order[at];
    if (bound + s->detour[v] - t->key[v] < s->cut) continue;
    int32_t e = edge_between(s, v, t->parent[v]);
    if (s->state[e] == FREE) good = require_edge(s, e);
  }
  for (int k = 0; k < 2 && good; k++) {
    if (bound + t->special_key[2] - t->special_key[k] < s->cut) continue;
    int32_t e = edge_between(s, 0, t->special[k]);
    if (s->state[e] == FREE) good = require_edge(s, e);
  }
  return propagate(s, good);
}

/* Whether all edges of the tree are still usable. */
static int is_tree_usable(const search *s) {
  const tour_tree *t = &s->tree;
  for (int k = 0; k < 2; k++)
    if (t->weight[t->special[k]] == INFINITY) return 0;
  for (int at = 1; at < s->n - 1; at++) {
    int32_t v = t->order[at];
    if (t->weight[(int64_t)v * t->width + t->parent[v]] == INFINITY) return 0;
  }
  return 1;
}

/* ---------------------------------------------------------------- branching */

static void note_gain(search *s, int32_t v, int32_t other, double gain) {
  double *top = s->top + 2 * v;
  int32_t *city = s->top_city + 2 * v;
  if (gain > top[0]) top[1] = top[0], city[1] = city[0], top[0] = gain, city[0] = other;
  else if (gain > top[1]) top[1] = gain, city[1] = other;
}

static void note_edge(search *s, int32_t i, int32_t j, double gain) {
  double weight = s->tree.weight[(int64_t)i * s->tree.width + j];
  if (weight == TOUR_REQUIRED) return;
  gain = gain < 0 ? 0 : gain < 1e6 ? gain : 1e6;
  note_gain(s, i, j, gain);
  note_gain(s, j, i, gain);
}

/* The city and two of its edges to branch on: those whose absence lifts the bound the most. */
static void choose_branch(search *s, level *l) {
  const tour_tree *t = &s->tree;
  for (int i = 0; i < 2 * s->n; i++) s->top[i] = -1, s->top_city[i] = -1;
  for (int at = 1; at < s->n - 1; at++) {
    int32_t v = t->order[at];
    note_edge(s, v, t->parent[v], s->detour[v] - t->key[v]);
  }
  for (int k = 0; k < 2; k++) note_edge(s, 0, t->special[k], t->special_key[2] - t->special_key[k]);
  int best = -1;
  double most = -INFINITY;
  for (int v = 0; v < s->n; v++) {
    if (t->degree[v] < 3 || s->top[2 * v] < 0) continue;
    double gain = s->top[2 * v] + (s->top[2 * v + 1] > 0 ? s->top[2 * v + 1] : 0);
    if (gain > most) most = gain, best = v;
  }
  l->first = edge_between(s, best, s->top_city[2 * best]);
  l->second = -1;
  if (s->required[best] == 0) l->second = edge_between(s, best, s->top_city[2 * best + 1]);
  l->children = l->second >= 0 ? 3 : 2;
  l->mark = s->trail_count;
}

/* Bounds a node. 1: it is open, and *l says how to branch. */
static int open_node(search *s, int steps, level *l) {
  do {
    if (ascend(s, steps, PATIENCE, &l->bound) || !decide_edges(s, l->bound)) return 0;
    if (is_over(s)) return 0;
  } while (!is_tree_usable(s));
  choose_branch(s, l);
  return 1;
}

static double *saved_prices(search *s, int32_t depth) {
  if (depth >= s->saved_levels) depth = s->saved_levels - 1;
  return s->saved + (int64_t)depth * s->tree.width;
}

static void push_level(search *s, const level *l) {
  memcpy(saved_prices(s, s->depth), s->tree.price, (size_t)s->tree.width * sizeof(double));
  s->levels[s->depth++] = *l;
}

/* Fixes the edges of a child: 0 the first left out, 1 the first required and the second left out, 2 both
 * required. 0: there is no such tour. */
static int enter_child(search *s, const level *l, int child) {
  int good = 1;
  if (child == 0) settle_edge(s, l->first, LEFT_OUT);
  else good = require_edge(s, l->first);
  if (child > 0 && l->second >= 0 && good && s->state[l->second] == FREE) {
    if (child == 1) settle_edge(s, l->second, LEFT_OUT);
    else good = require_edge(s, l->second);
  } else if (child == 2 && l->second >= 0 && s->state[l->second] == LEFT_OUT) {
    good = 0;
  }
  return propagate(s, good);
}

/* Leaves the tree of nodes for the root and raises its bound for as long as each stretch of steps lessens
 * what is missing. Where tours tie without end, as of cities on a line, the bound goes to the best tour
 * itself, geometrically but slowly; then no branching would ever close. */
static void restart(search *s) {
  undo(s, 0);
  s->depth = 0;
  memcpy(s->tree.price, s->root_price, (size_t)s->tree.width * sizeof(double));
  double gap = INFINITY, bound = s->root_bound;
  for (int i = 0; i < MOST_LONG && s->upper - bound < 0.95 * gap && !is_over(s); i++) {
    gap = s->upper - bound;
    if (ascend(s, LONG_STEPS, LONG_PATIENCE, &bound)) return;
    s->root_bound = fmax(s->root_bound, bound);
  }
  level root;
  if (!is_over(s) && open_node(s, NODE_STEPS, &root)) push_level(s, &root);
}

static void search_below(search *s) {
  int64_t nodes = 0;
  while (s->depth > 0 && !is_over(s)) {
    level *top = &s->levels[s->depth - 1], next;
    undo(s, top->mark);
    if (top->children == 0 || top->bound >= s->cut) {
      s->depth--;
      continue;
    }
    int child = --top->children;
    memcpy(s->tree.price, saved_prices(s, s->depth - 1), (size_t)s->tree.width * sizeof(double));
    if (enter_child(s, top, child) && open_node(s, NODE_STEPS, &next)) push_level(s, &next);
    if (++nodes == EASY_NODES) restart(s);
  }
}

/* ---------------------------------------------------------------- the root */

/* Local search on the costs, near cities by `near_cost`. */
static void improve_tour(search *s, double *finite, const double *near_cost, int kicks, void *rest) {
  const double *cost = s->tree.cost;
  int32_t *tour = s->queue;
  int64_t n = s->n;
  double big = 5 * (double)n;
  for (int64_t i = 0; i < n * n; i++) finite[i] = cost[i] < INFINITY ? cost[i] : big;
  if (s->has_tour) memcpy(tour, s->tour, (size_t)n * sizeof *tour);
  else nearest_neighbour(s->n, finite, tour);
  s->status = tour_local_solve(s->n, finite, near_cost, kicks, rest, tour);
  offer(s, tour);
}

/* Lists the edges that the root's bound does not rule out, and the edges of each city. */
static void list_edges(search *s, double bound) {
  const tour_tree *t = &s->tree;
  int32_t count = 0;
  memset(s->usable, 0, (size_t)s->n * sizeof *s->usable);
  for (int32_t i = 0; i < s->n; i++)
    for (int32_t j = i + 1; j < s->n; j++) {
      double key = key_of(t, i, j);
      if (key == INFINITY) continue;
      if (!is_in_tree(t, i, j) && bound + rise_of(t, i, j, key) >= s->cut) {
        t->weight[(int64_t)i * t->width + j] = t->weight[(int64_t)j * t->width + i] = INFINITY;
        continue;
      }
      s->from[count] = i, s->to[count++] = j;
      s->usable[i]++, s->usable[j]++;
    }
  s->edges = count;
  memset(s->state, FREE, (size_t)count);
  s->start[0] = 0;
  for (int i = 0; i < s->n; i++) s->start[i + 1] = s->start[i] + s->usable[i];
  for (int32_t e = count; e-- > 0;) {
    s->incident[s->start[s->from[e]] + --s->usable[s->from[e]]] = e;
    s->incident[s->start[s->to[e]] + --s->usable[s->to[e]]] = e;
  }
  for (int i = 0; i < s->n; i++) s->usable[i] = s->start[i + 1] - s->start[i];
  memset(s->required, 0, (size_t)s->n * sizeof *s->required);
}

static void search_root(search *s, double *matrices, void *rest) {
  const tour_tree *t = &s->tree;
  double *finite = matrices, *reduced = matrices + (int64_t)s->n * s->n, bound;
  improve_tour(s, finite, t->cost, 0, rest);
  if (ascend(s, ROOT_STEPS, PATIENCE, &bound)) return;
  s->root_bound = bound;
  memcpy(s->root_price, t->price, (size_t)t->width * sizeof(double));
  if (is_over(s)) return;
  for (int32_t i = 0; i < s->n; i++)
    for (int32_t j = 0; j < s->n; j++) reduced[(int64_t)i * s->n + j] = key_of(t, i, j);
  improve_tour(s, finite, reduced, 10 * s->n, rest);
  if (is_over(s) || bound >= s->cut) return;
  list_edges(s, bound);
  memset(s->queued, 0, (size_t)s->n);
  for (int32_t v = 0; v < s->n; v++) enqueue(s, v);
  level root;
  if (!propagate(s, 1) || !open_node(s, NODE_STEPS, &root)) return;
  push_level(s, &root);
  search_below(s);
}

/* No tour costs less: the least bound of what is left to search. */
static double bound_of(const search *s) {
  double least = s->upper;
  if (s->depth == 0) return fmin(least, s->root_bound);
  for (int32_t d = 0; d < s->depth; d++) least = fmin(least, s->levels[d].bound);
  return least;
}

mg_status tour_search_solve(int cities, const double *cost, double seconds, void *scratch,
                            int32_t *tour, tour_result *result) {
  search s = {.upper = 2.0 * cities + 1, .cut = 2.0 * cities + 1, .root_bound = -INFINITY};
  void *tree, *matrices, *rest;
  lay_out(&s, cities, scratch, &tree, &matrices, &rest);
  s.end = seconds > 0 ? now() + seconds : 0;
  s.tour = tour;
  s.slack = 2e-15 * cities;
  s.step = step_of(cities, cost);
  tour_tree_start(&s.tree, cities, cost, tree);
  search_root(&s, matrices, rest);
  *result = (tour_result){.found = s.has_tour, .proved = !s.is_late, .bound = bound_of(&s)};
  return s.status;
}

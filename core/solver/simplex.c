/* Network simplex. A pivot costs the length of its cycle and the size of the part of the tree that moves;
 * the entering edge is the worst of a block of 1.5 sqrt(edges). */
#include "simplex.h"

#include <math.h>
#include <string.h>

#include "base/interrupt.h"

enum { LEAST_BLOCK = 16, TICK = 64 };

int simplex_bits(int64_t nodes) { return 57 - (64 - __builtin_clzll((unsigned long long)nodes + 1)); }

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static void *take(char **at, int64_t count, int64_t size) {
  void *place = *at;
  *at += aligned(count * size);
  return place;
}

void simplex_split(simplex *x, int64_t nodes, int64_t edges, void *block) {
  char *at = block;
  int64_t all = edges + nodes;
  *x = (simplex){.nodes = nodes, .edges = edges};
  x->tail = take(&at, all, (int64_t)sizeof *x->tail);
  x->head = take(&at, all, (int64_t)sizeof *x->head);
  x->cost = take(&at, all, (int64_t)sizeof *x->cost);
  x->flow = take(&at, all, (int64_t)sizeof *x->flow);
  x->capacity = take(&at, all, (int64_t)sizeof *x->capacity);
  x->state = take(&at, all, 1);
  x->potential = take(&at, nodes + 1, (int64_t)sizeof *x->potential);
  x->node = take(&at, nodes + 1, (int64_t)sizeof *x->node);
  x->stack = take(&at, nodes + 1, (int64_t)sizeof *x->stack);
  x->candidates = take(&at, edges, (int64_t)sizeof *x->candidates);
}

int64_t simplex_bytes(int64_t nodes, int64_t edges) {
  int64_t all = edges + nodes, int64 = (int64_t)sizeof(int64_t), int32 = (int64_t)sizeof(int32_t);
  return 2 * aligned(all * int32) + 3 * aligned(all * int64) + aligned(all) +
         aligned((nodes + 1) * int64) + aligned((nodes + 1) * (int64_t)sizeof(simplex_node)) +
         aligned((nodes + 1) * int32) + aligned(edges * int32);
}

/* ---------------------------------------------------------------- the tree */

static void detach(simplex *x, int32_t v) {
  simplex_node *n = x->node, *o = &n[v];
  if (o->prior >= 0) n[o->prior].next = o->next;
  else n[o->parent].child = o->next;
  if (o->next >= 0) n[o->next].prior = o->prior;
}

static void attach(simplex *x, int32_t v, int32_t parent, int32_t edge) {
  simplex_node *n = x->node, *o = &n[v];
  o->parent = parent;
  o->edge = edge;
  o->is_up = x->tail[edge] == v;
  o->prior = -1;
  o->next = n[parent].child;
  if (o->next >= 0) n[o->next].prior = v;
  n[parent].child = v;
}

/* Depths of the nodes from v down, whose potentials are moved by `by`. */
static void move_part(simplex *x, int32_t v, int64_t by) {
  simplex_node *n = x->node;
  int64_t count = 0;
  x->stack[count++] = v;
  while (count > 0) {
    int32_t u = x->stack[--count];
    x->potential[u] += by;
    n[u].depth = n[n[u].parent].depth + 1;
    for (int32_t c = n[u].child; c >= 0; c = n[c].next) x->stack[count++] = c;
  }
}

/* Cuts the part below `out` off and hangs it, turned over so that `in` is its top, on `to` by an edge. */
static void hang(simplex *x, int32_t out, int32_t in, int32_t to, int32_t edge) {
  int32_t v = in, parent = to, by = edge;
  for (;;) {
    int32_t old_parent = x->node[v].parent, old_edge = x->node[v].edge;
    detach(x, v);
    attach(x, v, parent, by);
    if (v == out) break;
    parent = v;
    by = old_edge;
    v = old_parent;
  }
  int64_t potential = x->potential[to] + (x->node[in].is_up ? -x->cost[edge] : x->cost[edge]);
  move_part(x, in, potential - x->potential[in]);
}

/* The star of edges between root and nodes that carry the supplies; strongly feasible: an edge without
 * flow goes to the root. far: more than any path costs. */
static void start_tree(simplex *x, const int64_t *supply, int64_t far) {
  int32_t root = (int32_t)x->nodes;
  x->node[root] = (simplex_node){.parent = -1, .edge = -1, .child = -1, .next = -1, .prior = -1};
  x->potential[root] = 0;
  for (int64_t e = 0; e < x->edges; e++) {
    x->flow[e] = 0;
    x->state[e] = 1;
  }
  for (int32_t v = 0; v < root; v++) {
    int64_t e = x->edges + v;
    int is_up = supply[v] >= 0;
    x->tail[e] = is_up ? v : root;
    x->head[e] = is_up ? root : v;
    x->flow[e] = is_up ? supply[v] : -supply[v];
    x->cost[e] = far;
    x->capacity[e] = SIMPLEX_UNLIMITED;
    x->state[e] = 0;
    x->node[v] = (simplex_node){.depth = 1, .child = -1};
    attach(x, v, root, (int32_t)e);
    x->potential[v] = is_up ? -far : far;
  }
}

/* ---------------------------------------------------------------- pivots */

/* A pivot: flow goes around from `first` over the entering edge to `second`, up to `join` and down. */
typedef struct pivot {
  int32_t edge, first, second, join;
  int32_t out, in, to; /* the part below out leaves, in hangs on to; out < 0: none leaves */
  int64_t amount;
} pivot;

static int64_t reduced(const simplex *x, int64_t e) {
  return x->state[e] * (x->cost[e] + x->potential[x->tail[e]] - x->potential[x->head[e]]);
}

/* The worst of places first..last of the list, or of the edges with these numbers if there is none.
 * *least falls. */
static int32_t worst(const simplex *x, const int32_t *list, int64_t first, int64_t last, int64_t *least,
                     int32_t best) {
  int64_t low = *least;
  for (int64_t i = first; i < last; i++) {
    int64_t e = list ? list[i] : i, c = reduced(x, e);
    if (c < low) {
      low = c;
      best = (int32_t)e;
    }
  }
  *least = low;
  return best;
}

/* The worst of the first block from *next on that has one to enter, or -1. */
static int32_t entering(const simplex *x, const int32_t *list, int64_t count, int64_t block,
                        int64_t *next) {
  int64_t least = 0, left = count;
  int32_t best = -1;
  while (left > 0 && best < 0) {
    int64_t size = left < block ? left : block, straight = count - *next;
    straight = size < straight ? size : straight;
    best = worst(x, list, *next, *next + straight, &least, best);
    if (straight < size) best = worst(x, list, 0, size - straight, &least, best);
    *next = (*next + size) % count;
    left -= size;
  }
  return best;
}

/* What the edge above v takes more, upwards or downwards. */
static int64_t room(const simplex *x, int32_t v, int upwards) {
  int32_t e = x->node[v].edge;
  if (x->node[v].is_up != upwards) return x->flow[e];
  return x->capacity[e] >= SIMPLEX_UNLIMITED ? SIMPLEX_UNLIMITED : x->capacity[e] - x->flow[e];
}

/* Of the edges that block first the last one on the way from the join around: the tree stays strongly
 * feasible. */
static pivot find_pivot(const simplex *x, int32_t edge) {
  const simplex_node *n = x->node;
  int forward = x->state[edge] > 0;
  int32_t first = forward ? x->tail[edge] : x->head[edge];
  int32_t second = forward ? x->head[edge] : x->tail[edge];
  int32_t u = first, v = second, down = -1, up = -1;
  int64_t down_room = SIMPLEX_UNLIMITED, up_room = SIMPLEX_UNLIMITED;
  while (u != v) {
    if (n[u].depth >= n[v].depth) {
      int64_t r = room(x, u, 0);
      if (r < down_room) down_room = r, down = u;
      u = n[u].parent;
    } else {
      int64_t r = room(x, v, 1);
      if (r <= up_room) up_room = r, up = v;
      v = n[v].parent;
    }
  }
  pivot p = {edge, first, second, u, -1, second, first, x->capacity[edge]};
  if (down_room < p.amount) {
    p.amount = down_room;
    p.out = down;
    p.in = first;
    p.to = second;
  }
  if (up_room <= p.amount && up >= 0) {
    p.amount = up_room;
    p.out = up;
    p.in = second;
    p.to = first;
  }
  return p;
}

static void push_flow(simplex *x, const pivot *p) {
  const simplex_node *n = x->node;
  if (p->amount == 0) return;
  x->flow[p->edge] += x->state[p->edge] * p->amount;
  for (int32_t u = p->first; u != p->join; u = n[u].parent)
    x->flow[n[u].edge] += n[u].is_up ? -p->amount : p->amount;
  for (int32_t v = p->second; v != p->join; v = n[v].parent)
    x->flow[n[v].edge] += n[v].is_up ? p->amount : -p->amount;
}

static mg_status run_pivots(simplex *x, const int32_t *list, int64_t count, int64_t *unlimited) {
  int64_t block = (int64_t)(1.5 * sqrt((double)count)), next = 0, pivots = 0;
  block = block < LEAST_BLOCK ? LEAST_BLOCK : block;
  for (int32_t edge; (edge = entering(x, list, count, block, &next)) >= 0;) {
    pivot p = find_pivot(x, edge);
    if (p.amount >= SIMPLEX_UNLIMITED) {
      *unlimited = edge;
      return MG_OK;
    }
    push_flow(x, &p);
    if (p.out < 0) {
      x->state[edge] = (signed char)-x->state[edge];
    } else {
      int32_t leaving = x->node[p.out].edge;
      x->state[edge] = 0;
      x->state[leaving] = x->flow[leaving] == 0 ? 1 : -1;
      hang(x, p.out, p.in, p.to, edge);
    }
    mg_status status = ++pivots % TICK == 0 ? interrupt_tick() : MG_OK;
    if (status != MG_OK) return status;
  }
  return MG_OK;
}

/* ---------------------------------------------------------------- phases */

mg_status simplex_solve(simplex *x, const int64_t *supply, int64_t *unlimited) {
  int64_t most = 0;
  for (int64_t e = 0; e < x->edges; e++) {
    int64_t size = x->cost[e] < 0 ? -x->cost[e] : x->cost[e];
    most = size > most ? size : most;
  }
  *unlimited = -1;
  start_tree(x, supply, (most + 1) * (x->nodes + 1));
  return run_pivots(x, NULL, x->edges, unlimited);
}

int simplex_is_feasible(const simplex *x) {
  for (int64_t e = x->edges; e < x->edges + x->nodes; e++)
    if (x->flow[e] != 0) return 0;
  return 1;
}

/* Potentials of the tree for other costs. */
static void price_tree(simplex *x) {
  const simplex_node *n = x->node;
  int64_t count = 0;
  x->stack[count++] = (int32_t)x->nodes;
  x->potential[x->nodes] = 0;
  while (count > 0) {
    int32_t u = x->stack[--count];
    for (int32_t c = n[u].child; c >= 0; c = n[c].next) {
      int64_t cost = x->cost[n[c].edge];
      x->potential[c] = x->potential[u] + (n[c].is_up ? -cost : cost);
      x->stack[count++] = c;
    }
  }
}

/* A flow is cheapest if it differs on edges of reduced cost 0 only: these are solved again for the
 * weights, from the tree that is there. */
mg_status simplex_settle_ties(simplex *x, const int32_t *weights) {
  x->candidate_count = 0;
  for (int64_t e = 0; e < x->edges; e++)
    if (x->state[e] != 0 && reduced(x, e) == 0 && x->capacity[e] > 0)
      x->candidates[x->candidate_count++] = (int32_t)e;
  if (x->candidate_count == 0) return MG_OK;
  /* Tree edges may enter again once they have left: they come at the end of the list. */
  for (int64_t e = 0; e < x->edges; e++)
    if (x->state[e] == 0) x->candidates[x->candidate_count++] = (int32_t)e;
  for (int64_t e = 0; e < x->edges; e++) x->cost[e] = weights[e];
  for (int64_t e = x->edges; e < x->edges + x->nodes; e++)
    x->cost[e] = ((int64_t)1 << 27) * (x->nodes + 1);
  price_tree(x);
  int64_t unlimited;
  return run_pivots(x, x->candidates, x->candidate_count, &unlimited);
}

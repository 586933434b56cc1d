/* Primal-dual search of Edmonds (1965), one alternating tree at a time.
 *
 * A dual number for each vertex and one >= 0 for each blossom (an odd set, counted by the edges
 * that leave it) keep every edge's reduced cost >= 0; matched edges and those of blossoms are
 * tight. A phase grows a tree from a vertex that is alone: `delta` rises, duals of even nodes rise
 * with it, those of odd nodes fall, and what happens next comes out of a heap of events by its
 * delta:
 *   - an edge from an even vertex to a node outside gets tight: the node and its partner join the
 *     tree, or, if it is alone, the tree path is flipped and the phase ends;
 *   - an edge between two even nodes gets tight: its cycle becomes a blossom;
 *   - the dual of an odd blossom falls to 0: it is taken apart.
 * Duals are stored without delta and brought up to date when a node changes its label and at the
 * end of the phase, so that a phase costs what its tree costs. Each vertex knows its outermost node
 * by a set number: when sets merge the largest keeps its vertices, when they part it gets them
 * back.
 *
 * No event beyond the nearest lone vertex enters the heap. All numbers are integers: costs are
 * even, so that duals of one tree have one parity and half a reduced cost between even nodes is an
 * integer. With costs up to C duals start between -C/2 and 3C/2, their sum is at most n C/2 if
 * there is a perfect matching and rises by delta in each phase: deltas sum up to at most n C <=
 * BLOSSOM_RANGE. The limit that starts there keeps forbidden edges and overflow out. Where no event
 * is left below it there is no matching; delta goes up to it, which proves that: the duals' sum
 * exceeds the cost of any. */
#include "perfect_matching_blossom.h"

#include <string.h>

#include "base/interrupt.h"

enum { ALONE = -1, NONE = -1 };

/* ---------------------------------------------------------------- memory */

static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t nodes_of(int64_t n) { return n + n / 2 + 1; }

/* An arc is pushed once from each end in a phase; expansions push children, at most 3n/2 in all. */
static int64_t events_of(int64_t n, int64_t arcs) { return arcs + 4 * n + 4; }

/* The next `bytes` of a block, or NULL while only adding up. */
static void *take(char **at, int64_t *sum, int64_t bytes) {
  void *block = *at;
  if (*at) *at += aligned(bytes);
  *sum += aligned(bytes);
  return block;
}

static int64_t place(blossom *b, int64_t n, int64_t arcs, char *at) {
  int64_t sum = 0, word = (int64_t)sizeof(int32_t);
  b->n = (int32_t)n;
  b->vertices = take(&at, &sum, n * (int64_t)sizeof *b->vertices);
  b->nodes = take(&at, &sum, nodes_of(n) * (int64_t)sizeof *b->nodes);
  b->heap = take(&at, &sum, events_of(n, arcs) * (int64_t)sizeof *b->heap);
  b->following = take(&at, &sum, n * word);
  b->owner = take(&at, &sum, n * word);
  b->spare = take(&at, &sum, nodes_of(n) * word);
  b->reached = take(&at, &sum, (4 * n + 4) * word);
  b->cycle = take(&at, &sum, nodes_of(n) * word);
  return sum;
}

int64_t blossom_bytes(int64_t n, int64_t arcs) {
  blossom b;
  return place(&b, n, arcs, NULL);
}

void blossom_place(blossom *b, int64_t n, int64_t arcs, void *block) { place(b, n, arcs, block); }

/* ---------------------------------------------------------------- events */

static void push(blossom *b, int64_t key, int32_t arc) {
  blossom_event *heap = b->heap;
  int64_t i = b->events++;
  for (int64_t up; i > 0 && key < heap[up = (i - 1) / 4].key; i = up) heap[i] = heap[up];
  heap[i] = (blossom_event){key, arc};
}

static blossom_event pop(blossom *b) {
  blossom_event *heap = b->heap, top = heap[0], last = heap[--b->events];
  int64_t i = 0, n = b->events;
  for (int64_t child; (child = 4 * i + 1) < n;) {
    int64_t least = child, end = child + 4 < n ? child + 4 : n;
    for (int64_t j = child + 1; j < end; j++) least = heap[j].key < heap[least].key ? j : least;
    if (heap[least].key >= last.key) break;
    heap[i] = heap[least];
    i = least;
  }
  heap[i] = last;
  return top;
}

/* ---------------------------------------------------------------- small questions */

static int32_t top_of(const blossom *b, int32_t v) { return b->owner[b->vertices[v].set]; }

static int32_t mirror(const blossom *b, int32_t arc) { return b->arcs[arc].mirror; }

static int32_t tail_of(const blossom *b, int32_t arc) { return b->arcs[mirror(b, arc)].to; }

/* Reduced cost of an arc between different outermost nodes. */
static int64_t slack_of(const blossom *b, int32_t u, const blossom_arc *arc) {
  const blossom_vertex *x = &b->vertices[u], *y = &b->vertices[arc->to];
  return arc->cost - x->base - y->base - (x->sign + y->sign) * b->delta;
}

/* ---------------------------------------------------------------- labels */

/* A node joins the tree: its stored duals lose label * delta. */
static void set_label(blossom *b, int32_t x, int32_t label) {
  blossom_node *node = &b->nodes[x];
  int64_t change = (node->label - label) * b->delta;
  node->label = label;
  node->dual += change;
  for (int32_t v = node->head, last = node->tail;; v = b->following[v]) {
    b->vertices[v].base += change;
    b->vertices[v].sign = label;
    if (v == last) break;
  }
}

/* Events of a vertex that is even now. */
static void scan_even(blossom *b, int32_t u) {
  const blossom_vertex *vertices = b->vertices;
  int64_t delta = b->delta, dual = vertices[u].base + delta;
  int32_t own = top_of(b, u);
  for (int32_t a = b->first[u], end = b->first[u + 1]; a < end; a++) {
    const blossom_arc *arc = &b->arcs[a];
    const blossom_vertex *w = &vertices[arc->to];
    if (w->sign < 0) continue;
    int64_t slack = arc->cost - dual - w->base;
    if (w->sign > 0) {
      int64_t key = delta + (slack - delta) / 2;
      if (key < b->limit && b->owner[w->set] != own) push(b, key, a);
      continue;
    }
    int64_t key = delta + slack;
    if (key >= b->limit) continue;
    blossom_node *x = &b->nodes[b->owner[w->set]];
    if (x->phase == b->phase && key >= x->near) continue;
    x->phase = b->phase;
    x->near = key;
    if (x->match == ALONE) b->limit = key;
    push(b, key, a);
  }
}

static void scan_node(blossom *b, int32_t x) {
  for (int32_t v = b->nodes[x].head, last = b->nodes[x].tail;; v = b->following[v]) {
    scan_even(b, v);
    if (v == last) break;
  }
}

/* The event of a node that has just left the tree: it may touch even vertices. */
static void scan_outside(blossom *b, int32_t x) {
  blossom_node *node = &b->nodes[x];
  int64_t best = b->limit;
  int32_t arc = NONE;
  for (int32_t v = node->head, last = node->tail;; v = b->following[v]) {
    for (int32_t a = b->first[v]; a < b->first[v + 1]; a++) {
      const blossom_arc *from = &b->arcs[a];
      if (b->vertices[from->to].sign <= 0) continue;
      int64_t key = b->delta + slack_of(b, v, from);
      if (key >= best) continue;
      best = key;
      arc = from->mirror;
    }
    if (v == last) break;
  }
  node->phase = b->phase;
  node->near = best;
  if (arc != NONE) push(b, best, arc);
}

static void label_odd(blossom *b, int32_t x, int32_t entry) {
  blossom_node *node = &b->nodes[x];
  node->entry = entry;
  set_label(b, x, -1);
  b->reached[b->reaches++] = x;
  if (x >= b->n && node->dual < b->limit) push(b, node->dual, ~x);
}

static void label_even(blossom *b, int32_t x) {
  set_label(b, x, 1);
  b->reached[b->reaches++] = x;
}

/* ---------------------------------------------------------------- growing and flipping */

static void grow(blossom *b, int32_t arc, int32_t x) {
  label_odd(b, x, arc);
  int32_t partner = top_of(b, b->arcs[b->nodes[x].match].to);
  label_even(b, partner);
  scan_node(b, partner);
}

/* Matches the arc from the tree to a lone node and flips the path to the root. */
static void flip(blossom *b, int32_t arc, int32_t lone) {
  b->nodes[lone].match = mirror(b, arc);
  for (;;) {
    blossom_node *even = &b->nodes[top_of(b, tail_of(b, arc))];
    int32_t old = even->match;
    even->match = arc;
    if (old == ALONE) return;
    blossom_node *odd = &b->nodes[top_of(b, b->arcs[old].to)];
    arc = odd->entry;
    odd->match = mirror(b, arc);
  }
}

/* ---------------------------------------------------------------- blossoms */

/* The even node above an even node of the tree, or NONE above the root. */
static int32_t above(const blossom *b, int32_t x) {
  int32_t match = b->nodes[x].match;
  if (match == ALONE) return NONE;
  return top_of(b, tail_of(b, b->nodes[top_of(b, b->arcs[match].to)].entry));
}

/* The lowest even node above both, in as many steps as the longer way. */
static int32_t meet(blossom *b, int32_t x, int32_t y) {
  int32_t mark = ++b->marks;
  for (;;) {
    if (x != NONE) {
      if (b->nodes[x].mark == mark) return x;
      b->nodes[x].mark = mark;
      x = above(b, x);
    }
    int32_t swap = x;
    x = y;
    y = swap;
  }
}

/* Links the way from x up to the meeting node into the cycle: upwards, or downwards and ending in
 * x. */
static void link_way(blossom *b, int32_t x, int32_t root, int upwards) {
  blossom_node *nodes = b->nodes;
  while (x != root) {
    int32_t match = nodes[x].match, odd = top_of(b, b->arcs[match].to), entry = nodes[odd].entry;
    int32_t even = top_of(b, tail_of(b, entry));
    if (upwards) {
      nodes[x].next = odd;
      nodes[x].link = match;
      nodes[odd].next = even;
      nodes[odd].link = mirror(b, entry);
    } else {
      nodes[odd].next = x;
      nodes[odd].link = mirror(b, match);
      nodes[even].next = odd;
      nodes[even].link = entry;
    }
    x = even;
  }
}

static void relabel_set(blossom *b, const blossom_node *node, int32_t set) {
  for (int32_t v = node->head;; v = b->following[v]) {
    b->vertices[v].set = set;
    if (v == node->tail) return;
  }
}

static int32_t largest_child(const blossom *b, int32_t x) {
  int32_t first = b->nodes[x].child, best = first;
  for (int32_t c = b->nodes[first].next; c != first; c = b->nodes[c].next)
    if (b->nodes[c].size > b->nodes[best].size) best = c;
  return best;
}

/* Puts the children of x, linked to a cycle, into x. */
static void swallow(blossom *b, int32_t x) {
  blossom_node *node = &b->nodes[x];
  int32_t first = node->child, largest = largest_child(b, x), c = first;
  node->set = b->nodes[largest].set;
  node->size = 0;
  node->head = b->nodes[first].head;
  do {
    blossom_node *child = &b->nodes[c];
    child->dual += child->label * b->delta; /* stands still from now on */
    child->parent = x;
    child->label = 0;
    node->size += child->size;
    if (c != largest) relabel_set(b, child, node->set);
    if (c != first) b->following[node->tail] = child->head;
    node->tail = child->tail;
    c = child->next;
  } while (c != first);
  b->owner[node->set] = x;
}

/* The cycle that the tight arc between two even nodes closes becomes an even node. */
static void shrink(blossom *b, int32_t arc, int32_t from, int32_t to) {
  int32_t root = meet(b, from, to), x = b->spare[--b->spares];
  blossom_node *node = &b->nodes[x];
  link_way(b, from, root, 0);
  b->nodes[from].next = to;
  b->nodes[from].link = arc;
  link_way(b, to, root, 1);
  *node = (blossom_node){.match = b->nodes[root].match,
                         .parent = NONE,
                         .child = root,
                         .dual = -b->delta,
                         .phase = b->phase,
                         .label = 1};
  int32_t odd = 0; /* they become even */
  for (int32_t c = b->nodes[root].next; c != root; c = b->nodes[c].next)
    if (b->nodes[c].label < 0) {
      set_label(b, c, 1);
      b->cycle[odd++] = c;
    }
  swallow(b, x);
  b->reached[b->reaches++] = x;
  for (int32_t i = 0; i < odd; i++) scan_node(b, b->cycle[i]);
}

/* The child of x that holds vertex v. */
static int32_t child_with(const blossom *b, int32_t x, int32_t v) {
  while (b->nodes[v].parent != x) v = b->nodes[v].parent;
  return v;
}

/* Writes the cycle of x from the child that x is matched at, and matches the other children in
 * pairs. Returns how many there are. */
static int32_t match_children(blossom *b, int32_t x) {
  blossom_node *nodes = b->nodes;
  int32_t match = nodes[x].match, count = 0, c = child_with(b, x, tail_of(b, match)), first = c;
  nodes[c].match = match;
  do {
    b->cycle[count++] = c;
    c = nodes[c].next;
  } while (c != first);
  for (int32_t i = 1; i < count; i += 2) {
    int32_t link = nodes[b->cycle[i]].link;
    nodes[b->cycle[i]].match = link;
    nodes[b->cycle[i + 1]].match = mirror(b, link);
  }
  return count;
}

/* Makes the children of x outermost nodes with the label of x. */
static void release(blossom *b, int32_t x, int32_t count) {
  int32_t largest = largest_child(b, x);
  for (int32_t i = 0; i < count; i++) {
    blossom_node *child = &b->nodes[b->cycle[i]];
    b->following[child->tail] = NONE;
    child->parent = NONE;
    child->label = b->nodes[x].label;
    child->dual -= child->label * b->delta;
    if (b->cycle[i] != largest) relabel_set(b, child, child->set);
    b->owner[child->set] = b->cycle[i];
  }
  b->nodes[x].label = 0;
  b->spare[b->spares++] = x;
}

/* An odd blossom without dual: of its cycle, the even way from the child where the tree comes in to
 * the child that is matched outwards stays in the tree. */
static void expand(blossom *b, int32_t x) {
  blossom_node *nodes = b->nodes;
  int32_t entry = nodes[x].entry, came = child_with(b, x, b->arcs[entry].to);
  int32_t count = match_children(b, x), at = 0;
  while (b->cycle[at] != came) at++;
  int32_t step = at % 2 == 0 ? -1 : 1, ways = at % 2 == 0 ? at : count - at;
  release(b, x, count);
  for (int32_t i = 0, j = at; i <= ways; i++, j = (j + step) % count) {
    int32_t c = b->cycle[j], following = b->cycle[(j + step + count) % count];
    if (i % 2 == 0) label_odd(b, c, entry);
    else {
      label_even(b, c);
      entry = step > 0 ? nodes[c].link : mirror(b, nodes[following].link);
    }
  }
  int32_t outside = (at + (step > 0 ? count - 1 : 1)) % count; /* those beyond `came` */
  for (int32_t i = ways + 1, j = outside; i < count; i++, j = (j - step + count) % count) {
    set_label(b, b->cycle[j], 0);
    nodes[b->cycle[j]].phase = 0;
  }
  for (int32_t i = 1, j = (at + step + count) % count; i < ways;
       i += 2, j = (j + 2 * step + count) % count)
    scan_node(b, b->cycle[j]);
  for (int32_t i = ways + 1, j = outside; i < count; i++, j = (j - step + count) % count)
    scan_outside(b, b->cycle[j]);
}

/* ---------------------------------------------------------------- phases */

/* What an event brings about; 1 if it matched a lone node. Events that came too late do nothing. */
static int happen(blossom *b, blossom_event event) {
  b->delta = event.key;
  if (event.arc < 0) {
    const blossom_node *x = &b->nodes[~event.arc];
    if (x->label < 0 && x->dual == event.key) expand(b, ~event.arc);
    return 0;
  }
  const blossom_arc *arc = &b->arcs[event.arc];
  int32_t u = tail_of(b, event.arc), sign = b->vertices[arc->to].sign;
  if (sign < 0) return 0;
  int32_t from = top_of(b, u), to = top_of(b, arc->to);
  if (from == to || slack_of(b, u, arc) != 0) return 0;
  if (sign > 0) shrink(b, event.arc, from, to);
  else if (b->nodes[to].match != ALONE) grow(b, event.arc, to);
  else {
    flip(b, event.arc, to);
    return 1;
  }
  return 0;
}

/* Adds delta to the duals of the tree and takes it apart. */
static void settle(blossom *b) {
  for (int32_t i = 0; i < b->reaches; i++)
    if (b->nodes[b->reached[i]].label != 0) set_label(b, b->reached[i], 0);
}

/* Matches a lone vertex; *matched becomes 0 if that is impossible. `room`: what deltas may still
 * sum up to. */
static mg_status match_vertex(blossom *b, int32_t root, int64_t *room, int *matched) {
  mg_status status = MG_OK;
  int64_t steps = 0;
  *matched = 0;
  b->events = b->reaches = 0;
  b->delta = 0;
  b->limit = *room + 1;
  b->phase++;
  label_even(b, top_of(b, root));
  scan_node(b, top_of(b, root));
  while (b->events > 0 && !*matched && status == MG_OK) {
    *matched = happen(b, pop(b));
    if (++steps % 256 == 0) status = interrupt_tick();
  }
  if (!*matched) b->delta = b->limit;
  settle(b);
  *room -= b->delta;
  return status == MG_OK ? interrupt_tick() : status;
}

/* Duals of half the cheapest edge, then raised vertex by vertex until an edge is tight. 0: *lone
 * has no edge. */
static int start(blossom *b, int32_t *lone) {
  for (int32_t v = 0; v < b->n; v++) {
    int64_t least = BLOSSOM_FORBIDDEN;
    for (int32_t a = b->first[v]; a < b->first[v + 1]; a++) {
      int64_t cost = b->arcs[a].cost;
      least = cost < least ? cost : least;
    }
    *lone = v;
    if (least == BLOSSOM_FORBIDDEN) return 0;
    b->vertices[v] = (blossom_vertex){.base = least / 2, .set = v};
    b->nodes[v] =
        (blossom_node){.match = ALONE, .parent = NONE, .head = v, .tail = v, .set = v, .size = 1};
    b->following[v] = NONE;
    b->owner[v] = v;
  }
  for (int32_t v = 0; v < b->n; v++) {
    if (b->nodes[v].match != ALONE) continue;
    int64_t least = BLOSSOM_FORBIDDEN;
    int32_t best = NONE;
    for (int32_t a = b->first[v]; a < b->first[v + 1]; a++) {
      int64_t slack = b->arcs[a].cost - b->vertices[b->arcs[a].to].base;
      if (slack >= least) continue;
      least = slack;
      best = a;
    }
    b->vertices[v].base = least;
    blossom_node *other = &b->nodes[b->arcs[best].to];
    if (other->match != ALONE) continue;
    other->match = mirror(b, best);
    b->nodes[v].match = best;
  }
  return 1;
}

/* Hands the matching of a blossom down to its vertices. */
static void match_inside(blossom *b, int32_t x) {
  int32_t *waiting = b->reached, count = 0;
  waiting[count++] = x;
  while (count > 0) {
    x = waiting[--count];
    if (x < b->n) continue;
    for (int32_t c = b->nodes[x].child, left = match_children(b, x); left > 0; left--) {
      waiting[count++] = c;
      c = b->nodes[c].next;
    }
  }
}

mg_status blossom_solve(blossom *b, int32_t *vertex) {
  mg_status status = MG_OK;
  b->spares = b->phase = b->marks = 0;
  for (int32_t x = (int32_t)nodes_of(b->n); x-- > b->n;) {
    b->nodes[x] = (blossom_node){0};
    b->spare[b->spares++] = x;
  }
  if (!start(b, vertex)) return MG_OK;
  int64_t room = BLOSSOM_RANGE;
  for (int32_t v = 0; v < b->n && status == MG_OK; v++) {
    *vertex = v;
    if (b->nodes[top_of(b, v)].match != ALONE) continue;
    int matched;
    status = match_vertex(b, v, &room, &matched);
    if (!matched) return status;
  }
  for (int32_t v = 0; v < b->n; v++)
    if (b->nodes[top_of(b, v)].head == v) match_inside(b, top_of(b, v));
  *vertex = NONE;
  return status;
}

int64_t blossom_shared(blossom *b, int32_t u, int32_t w) {
  if (top_of(b, u) != top_of(b, w)) return 0;
  int64_t sum = 0;
  int32_t mark = ++b->marks;
  for (int32_t x = u; x != NONE; x = b->nodes[x].parent) b->nodes[x].mark = mark;
  while (b->nodes[w].mark != mark) w = b->nodes[w].parent;
  for (; w != NONE; w = b->nodes[w].parent) sum += b->nodes[w].dual;
  return sum;
}

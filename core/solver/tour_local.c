/* Good tours: chains of exchanges on lists of near cities (Lin, Kernighan 1973), then kicks: two short
 * stretches swap places at random, the neighbourhood is improved again, and what is worse is taken back
 * (Johnson, McGeoch 1997). */
#include <math.h>
#include <string.h>

#include "base/interrupt.h"
#include "tour.h"

enum { NEAR = 8, LONGEST_CHAIN = 16, LONGEST_KICK = 12 };
#define LEAST_GAIN 1e-11 /* of costs of about 1: below, roundings could go in circles */

typedef struct local {
  int n, near;      /* near: length of the lists */
  const double *cost; /* [n, n] finite */
  int32_t *tour, *place; /* [n] each: city at a place, place of a city */
  int32_t *kept;         /* [n] the best tour */
  int32_t *list;         /* [n, NEAR] */
  int32_t *queue;        /* [n] cities to look at, a ring */
  char *queued;          /* [n] */
  int head, waiting;
  uint64_t state; /* of the random numbers */
} local;

int64_t tour_local_bytes(int n) {
  return (int64_t)n * ((4 + NEAR) * (int64_t)sizeof(int32_t) + 1) + 64;
}

static void lay_out(local *s, int n, const double *cost, void *scratch) {
  *s = (local){.n = n, .near = n - 1 < NEAR ? n - 1 : NEAR, .cost = cost, .state = 1};
  s->tour = scratch;
  s->place = s->tour + n;
  s->kept = s->place + n;
  s->queue = s->kept + n;
  s->list = s->queue + n;
  s->queued = (char *)(s->list + (int64_t)n * NEAR);
}

static double cost_of(const local *s, int32_t i, int32_t j) { return s->cost[(int64_t)i * s->n + j]; }

static int32_t next_of(const local *s, int32_t c) {
  int p = s->place[c] + 1;
  return s->tour[p == s->n ? 0 : p];
}

static int32_t before_of(const local *s, int32_t c) {
  int p = s->place[c];
  return s->tour[p == 0 ? s->n - 1 : p - 1];
}

static uint64_t draw(local *s, uint64_t below) { /* splitmix64 */
  uint64_t x = s->state += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return (x ^ x >> 31) % below;
}

/* The near cities of each by `near_cost`, ascending, ties to the smaller city. */
static void fill_lists(local *s, const double *near_cost) {
  for (int i = 0; i < s->n; i++) {
    int32_t *list = s->list + (int64_t)i * NEAR;
    const double *row = near_cost + (int64_t)i * s->n;
    int count = 0;
    for (int32_t j = 0; j < s->n; j++) {
      if (j == i || (count == s->near && row[j] >= row[list[count - 1]])) continue;
      int at = count < s->near ? count++ : count - 1;
      for (; at > 0 && row[list[at - 1]] > row[j]; at--) list[at] = list[at - 1];
      list[at] = j;
    }
  }
}

static void push(local *s, int32_t c) {
  if (s->queued[c]) return;
  s->queued[c] = 1;
  int at = s->head + s->waiting++;
  s->queue[at >= s->n ? at - s->n : at] = c;
}

static int32_t pop(local *s) {
  int32_t c = s->queue[s->head];
  s->head = s->head + 1 == s->n ? 0 : s->head + 1;
  s->waiting--;
  s->queued[c] = 0;
  return c;
}

/* Turns the stretch from city a forward to city b around, or what is outside of it, if shorter. */
static void reverse(local *s, int32_t a, int32_t b) {
  int n = s->n, i = s->place[a], j = s->place[b], inside = j - i + 1;
  if (inside <= 0) inside += n;
  if (2 * inside > n) {
    int k = i;
    i = j + 1 == n ? 0 : j + 1;
    j = k == 0 ? n - 1 : k - 1;
    inside = n - inside;
  }
  for (int step = 0; step < inside / 2; step++) {
    int32_t c = s->tour[i], d = s->tour[j];
    s->tour[i] = d, s->place[d] = i;
    s->tour[j] = c, s->place[c] = j;
    i = i + 1 == n ? 0 : i + 1;
    j = j == 0 ? n - 1 : j - 1;
  }
}

/* ---------------------------------------------------------------- chains */

/* The tour without the edge from `end` to its neighbour `start` on one side is a path. A link joins its
 * start to a near city and cuts the edge before that: another start, reached by turning a stretch. */
typedef struct chain {
  int32_t end, start;
  int forward; /* 1: start comes after end in s->tour */
  int length;
  int32_t starts[LONGEST_CHAIN + 1], joined[LONGEST_CHAIN]; /* starts[i]-joined[i] was added */
} chain;

/* Turns the path from its start to city `last`, which becomes the start. */
static void turn(local *s, chain *c, int32_t last) {
  if (c->forward) reverse(s, c->start, last);
  else reverse(s, last, c->start);
  c->start = last;
  c->forward = next_of(s, c->end) == last;
}

static int was_added(const chain *c, int32_t a, int32_t b) {
  for (int i = 0; i < c->length; i++)
    if ((c->starts[i] == a && c->joined[i] == b) || (c->starts[i] == b && c->joined[i] == a)) return 1;
  return 0;
}

/* Lengthens the chain by the link that gains most; gain: of what was cut over what was added, without the
 * closing edge. 0: no link keeps the gain above 0. */
static int lengthen(local *s, chain *c, double *gain) {
  double best = -INFINITY;
  int32_t joined = -1, cut = -1;
  const int32_t *list = s->list + (int64_t)c->start * NEAR;
  for (int k = 0; k < s->near; k++) {
    int32_t city = list[k];
    double left = *gain - cost_of(s, c->start, city);
    if (left <= LEAST_GAIN) continue;
    int32_t before = c->forward ? before_of(s, city) : next_of(s, city);
    if (before == c->start || was_added(c, before, city)) continue;
    double value = left + cost_of(s, before, city);
    if (value > best) best = value, joined = city, cut = before;
  }
  if (joined < 0) return 0;
  *gain = best;
  c->starts[c->length] = c->start;
  c->joined[c->length++] = joined;
  turn(s, c, cut);
  c->starts[c->length] = cut;
  return 1;
}

/* Builds a chain from the edge at a, on the side given, keeps its best part. Returns what the tour gains. */
static double improve_edge(local *s, int32_t a, int forward) {
  chain c = {.end = a, .start = forward ? next_of(s, a) : before_of(s, a), .forward = forward};
  double gain = cost_of(s, c.end, c.start), best = LEAST_GAIN;
  int kept = 0;
  while (c.length < LONGEST_CHAIN && lengthen(s, &c, &gain)) {
    double closed = gain - cost_of(s, c.start, c.end);
    if (closed > best) best = closed, kept = c.length;
  }
  for (int i = c.length; i > kept; i--) turn(s, &c, c.starts[i - 1]);
  if (!kept) return 0;
  push(s, a);
  for (int i = 0; i <= kept; i++) push(s, c.starts[i]);
  for (int i = 0; i < kept; i++) push(s, c.joined[i]);
  return best;
}

/* Improves around the queued cities until nothing gains. */
static double improve(local *s) {
  double gain = 0;
  while (s->waiting) {
    int32_t a = pop(s);
    gain += improve_edge(s, a, 1);
    gain += improve_edge(s, a, 0);
  }
  return gain;
}

/* ---------------------------------------------------------------- kicks */

/* Two stretches of random length after a random place swap. Returns what the tour loses. */
static double kick(local *s) {
  int n = s->n, most = (n - 2) / 2 < LONGEST_KICK ? (n - 2) / 2 : LONGEST_KICK;
  int first = (int)draw(s, (uint64_t)n), one = 1 + (int)draw(s, (uint64_t)most);
  int two = 1 + (int)draw(s, (uint64_t)most);
  int32_t window[2 * LONGEST_KICK];
  for (int i = 0; i < one + two; i++) window[i] = s->tour[(first + 1 + i) % n];
  int32_t before = s->tour[first], after = s->tour[(first + 1 + one + two) % n];
  double loss = cost_of(s, before, window[one]) + cost_of(s, window[one + two - 1], window[0]) +
                cost_of(s, window[one - 1], after) - cost_of(s, before, window[0]) -
                cost_of(s, window[one - 1], window[one]) - cost_of(s, window[one + two - 1], after);
  for (int i = 0; i < one + two; i++) {
    int32_t c = window[(one + i) % (one + two)];
    int at = (first + 1 + i) % n;
    s->tour[at] = c;
    s->place[c] = at;
  }
  push(s, before), push(s, after);
  push(s, window[0]), push(s, window[one - 1]), push(s, window[one]), push(s, window[one + two - 1]);
  return loss;
}

static void take_back(local *s) {
  memcpy(s->tour, s->kept, (size_t)s->n * sizeof *s->tour);
  for (int i = 0; i < s->n; i++) s->place[s->tour[i]] = i;
}

mg_status tour_local_solve(int n, const double *cost, const double *near_cost, int kicks, void *scratch,
                           int32_t *tour) {
  local s;
  lay_out(&s, n, cost, scratch);
  fill_lists(&s, near_cost);
  for (int i = 0; i < n; i++) s.tour[i] = tour[i], s.place[tour[i]] = i, s.queued[i] = 0;
  for (int i = 0; i < n; i++) push(&s, tour[i]);
  improve(&s);
  memcpy(s.kept, s.tour, (size_t)n * sizeof *tour);
  mg_status status = MG_OK;
  for (int i = 0; i < kicks && status == MG_OK; i++) {
    double loss = kick(&s);
    loss -= improve(&s);
    if (loss > 0) take_back(&s);
    else memcpy(s.kept, s.tour, (size_t)n * sizeof *tour);
    if (i % 32 == 31) status = interrupt_tick();
  }
  memcpy(tour, s.kept, (size_t)n * sizeof *tour);
  return status;
}
